//! A guest that breaks the contract.

/// How the guest broke the contract of `wasm-python/ABI.md`. Only a damaged or hostile guest does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// Another version of the contract.
    #[error("it implements version {found} of the ABI, and this host version {expected}; build the guest again")]
    Version {
        /// What the guest says.
        found: i32,
        /// What the host implements.
        expected: i32,
    },
    /// A result that goes on although there is nothing that it could go on with.
    #[error("it announces more of a result that has one value for each row")]
    Continuation,
    /// A pointer and length that do not lie in linear memory.
    #[error("{what} at {address:#x}, {length} bytes long, does not lie in its memory of {memory} bytes")]
    OutOfBounds {
        /// What was to be read or written there.
        what: &'static str,
        /// Guest address.
        address: u32,
        /// Bytes.
        length: u64,
        /// Size of linear memory in bytes.
        memory: u64,
    },
    /// An address that must be a multiple of something and is not.
    #[error("{what} at {address:#x} is not aligned to {alignment} bytes")]
    Misaligned {
        /// What is there.
        what: &'static str,
        /// Guest address.
        address: u32,
        /// Bytes.
        alignment: u32,
    },
    /// A status that is neither success nor failure.
    #[error("it answered with the status {0}, which is neither done (0) nor failed (1)")]
    Status(u32),
    /// A reply that is not what the request calls for.
    #[error("its reply to `{request}` is not valid: {problem}")]
    Reply {
        /// The request's name.
        request: &'static str,
        /// What is wrong with the reply.
        problem: String,
    },
}

//! What a sequence is made of.

/// A descriptor, by its place among those of the sequence: 0 to 4 are the standard streams, `/env` and `/tmp`, then come those that the
/// sequence opened, in order. The sides may give them different numbers. One that is not there, or was closed, is a number that neither
/// side has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub usize);

/// `/env`.
pub const ENV: Handle = Handle(3);
/// `/tmp`.
pub const TMP: Handle = Handle(4);

/// One thing a sequence does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// One call.
    Call(Call),
    /// All of some buffers are written, with as many calls as that takes, as libc does it: at an offset, or where the descriptor stands.
    WriteAll {
        /// Where to.
        fd: Handle,
        /// The buffers of the first call.
        buffers: Vec<Vec<u8>>,
        /// For `fd_pwrite`.
        at: Option<u64>,
    },
    /// Buffers of these sizes are filled with as many calls as that takes, or until the end of the file.
    ReadAll {
        /// Where from.
        fd: Handle,
        /// Sizes of the buffers of the first call.
        buffers: Vec<u32>,
        /// For `fd_pread`.
        at: Option<u64>,
    },
    /// A directory is listed to its end, with a buffer of at first this many bytes, as libc does it.
    List {
        /// The directory.
        fd: Handle,
        /// Bytes of the buffer.
        room: u32,
    },
    /// Times are set and read again.
    SetTimes {
        /// The file, or the directory that the path starts from.
        fd: Handle,
        /// Flags of the lookup, and the path.
        path: Option<(u32, Vec<u8>)>,
        /// Time of the last access, in nanoseconds since 1970.
        accessed: u64,
        /// Time of the last change.
        modified: u64,
        /// Which are set, and which are set to now.
        flags: u32,
    },
}

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function.
    pub function: &'static str,
    /// Its arguments; some stand for two or three numbers.
    pub arguments: Vec<Argument>,
    /// The argument, by its place among the numbers, that is replaced by this number.
    pub broken: Option<(usize, u32)>,
}

/// An argument.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    /// A descriptor.
    Fd(Handle),
    /// A number.
    Number(u64),
    /// Address and length of these bytes.
    Bytes(Vec<u8>),
    /// Address and number of vectors with this one buffer.
    Data(Vec<u8>),
    /// Address and number of vectors with one buffer of this size, to be filled.
    Room(u32),
    /// Address and length of a buffer to be filled.
    Buffer(u32),
    /// Address of a result of this many bytes.
    Out(u32),
    /// Addresses of subscriptions and of room for their events, and their number.
    Subscriptions(Vec<Subscription>),
}

/// What `poll_oneoff` may wait for. Nothing that a test would have to wait for is among it.
#[derive(Clone, Debug, PartialEq)]
pub enum Subscription {
    /// A time on a clock.
    Clock {
        /// Which clock.
        id: u32,
        /// Nanoseconds.
        timeout: u64,
        /// Flags; 1: the time is an instant.
        flags: u16,
    },
    /// Something to read.
    Read(Handle),
    /// Room to write.
    Write(Handle),
    /// Something else.
    Other(u8),
}

impl Call {
    /// A call with nothing wrong in its addresses.
    pub fn new(function: &'static str, arguments: Vec<Argument>) -> Self {
        Call { function, arguments, broken: None }
    }

    /// The descriptors among its arguments, those of its subscriptions not included.
    pub fn handles(&self) -> impl Iterator<Item = Handle> {
        self.arguments.iter().filter_map(|argument| match argument {
            Argument::Fd(handle) => Some(*handle),
            _ => None,
        })
    }

    /// The numbers among its arguments, in order: flags, offsets, sizes.
    pub fn numbers(&self) -> Vec<u64> {
        let numbers = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Number(number) => Some(*number),
            _ => None,
        });
        numbers.collect()
    }

    /// The paths and texts among its arguments, in order.
    pub fn texts(&self) -> Vec<&[u8]> {
        let texts = self.arguments.iter().filter_map(|argument| match argument {
            Argument::Bytes(bytes) => Some(bytes.as_slice()),
            _ => None,
        });
        texts.collect()
    }
}

impl Step {
    /// The function it calls, or calls first.
    pub fn function(&self) -> &'static str {
        match self {
            Step::Call(call) => call.function,
            Step::WriteAll { at: None, .. } => "fd_write",
            Step::WriteAll { at: Some(_), .. } => "fd_pwrite",
            Step::ReadAll { at: None, .. } => "fd_read",
            Step::ReadAll { at: Some(_), .. } => "fd_pread",
            Step::List { .. } => "fd_readdir",
            Step::SetTimes { path: None, .. } => "fd_filestat_set_times",
            Step::SetTimes { path: Some(_), .. } => "path_filestat_set_times",
        }
    }

    /// The descriptors it names, but for those of subscriptions.
    pub fn handles(&self) -> Vec<Handle> {
        match self {
            Step::Call(call) => call.handles().collect(),
            Step::WriteAll { fd, .. }
            | Step::ReadAll { fd, .. }
            | Step::List { fd, .. }
            | Step::SetTimes { fd, .. } => vec![*fd],
        }
    }

    /// The paths and texts it names.
    pub fn texts(&self) -> Vec<&[u8]> {
        match self {
            Step::Call(call) => call.texts(),
            Step::SetTimes { path: Some((_, path)), .. } => vec![path],
            _ => Vec::new(),
        }
    }

    /// The numbers of a call.
    pub fn numbers(&self) -> Vec<u64> {
        match self {
            Step::Call(call) => call.numbers(),
            _ => Vec::new(),
        }
    }
}

//! What a guest is given.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};
use vivarium_tenancy::{Account, RateAccount, RateLimit};

use crate::clock::Clock;
use crate::output::{Discard, OutputSink};
use crate::random::Random;
use crate::scratch::ScratchLimits;
use crate::stdin::Stdin;

/// Everything a guest sees of the world. The default is an empty world: no environment, no input, output that is
/// dropped, an empty `/tmp`, and the host's clocks and random numbers.
#[non_exhaustive]
pub struct WasiConfig {
    /// What is mounted read-only as `/env`, descriptor 3. Shared, so that making a context costs no system call.
    /// Without one, `/env` is an empty directory.
    pub environment: Option<Arc<Dir>>,
    /// Limits of `/tmp`, descriptor 4.
    pub scratch: ScratchLimits,
    /// What it charges besides, together with other guests.
    pub accounts: WasiAccounts,
    /// Limits on everything else.
    pub limits: WasiLimits,
    /// Standard input.
    pub stdin: Stdin,
    /// Where standard output goes.
    pub stdout: Box<dyn OutputSink>,
    /// Where standard error goes.
    pub stderr: Box<dyn OutputSink>,
    /// Which of the three streams say that they are a terminal.
    pub terminals: Terminals,
    /// The guest's clocks.
    pub clock: Clock,
    /// The guest's random bytes.
    pub random: Random,
    /// Command line arguments, the program's name first.
    pub args: Vec<String>,
    /// Environment variables; the host's own are never passed on.
    pub variables: Vec<(String, String)>,
}

impl Default for WasiConfig {
    fn default() -> Self {
        WasiConfig {
            environment: None,
            scratch: ScratchLimits::default(),
            accounts: WasiAccounts::default(),
            limits: WasiLimits::default(),
            stdin: Stdin::default(),
            stdout: Box::new(Discard),
            stderr: Box::new(Discard),
            terminals: Terminals::default(),
            clock: Clock::default(),
            random: Random::default(),
            args: Vec::new(),
            variables: Vec::new(),
        }
    }
}

vivarium_tenancy::__setters!(WasiConfig {
    with_environment: environment: Option<Arc<Dir>>,
    with_scratch: scratch: ScratchLimits,
    with_accounts: accounts: WasiAccounts,
    with_limits: limits: WasiLimits,
    with_stdin: stdin: Stdin,
    with_stdout: stdout: Box<dyn OutputSink>,
    with_stderr: stderr: Box<dyn OutputSink>,
    with_terminals: terminals: Terminals,
    with_clock: clock: Clock,
    with_random: random: Random,
    with_args: args: Vec<String>,
    with_variables: variables: Vec<(String, String)>,
});

impl fmt::Debug for WasiConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WasiConfig")
            .field("environment", &self.environment)
            .field("scratch", &self.scratch)
            .field("limits", &self.limits)
            .field("clock", &self.clock)
            .field("random", &self.random)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

/// What several guests may use together, for instance those of a tenant: accounts that a guest charges besides its own limits. What it
/// holds is given back as it lets go of it, and all of it when its context is dropped.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct WasiAccounts {
    /// Bytes of `/tmp`, as [`ScratchLimits::bytes`] counts them; past the limit the guest sees `ENOSPC`.
    pub scratch_bytes: Option<Arc<Account>>,
    /// Files of `/tmp`, as [`ScratchLimits::files`] counts them; past the limit the guest sees `ENOSPC`.
    pub scratch_files: Option<Arc<Account>>,
    /// Files and directories of the environment that are open, each a descriptor of the host; past the limit of any of these the guest sees
    /// `EMFILE`.
    pub host_files: Vec<Arc<Account>>,
    /// Bytes of the host's memory for what it remembers of the environment: a number for each file that the guest has seen, and the names of
    /// the directory that is being listed; past the limit the guest sees `ENOMEM`.
    pub host_memory: Option<Arc<Account>>,
    /// The rate of output to sinks that say so ([`OutputSink::counts_towards_shared_rate`]).
    pub output: Option<Arc<RateAccount>>,
    /// Where bytes are counted that were dropped for exceeding a rate.
    pub output_dropped: Arc<AtomicU64>,
}

vivarium_tenancy::__setters!(WasiAccounts {
    with_scratch_bytes: scratch_bytes: Option<Arc<Account>>,
    with_scratch_files: scratch_files: Option<Arc<Account>>,
    with_host_files: host_files: Vec<Arc<Account>>,
    with_host_memory: host_memory: Option<Arc<Account>>,
    with_output: output: Option<Arc<RateAccount>>,
    with_output_dropped: output_dropped: Arc<AtomicU64>,
});

/// Limits on what a guest may hold open, name and ask for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct WasiLimits {
    /// Descriptors open at the same time, the five fixed ones included; past it the guest sees `EMFILE`. Default: 256.
    pub open_files: u32,
    /// Files and directories of the environment open at the same time; past it the guest sees `EMFILE`. Each is a
    /// descriptor of the host, which has a limit on them for all sandboxes together. Importing needs two. Default: 32.
    pub host_files: u32,
    /// Length of a path, and of the text of a symbolic link, in bytes; past it the guest sees `ENAMETOOLONG`.
    /// Default: 4,096, Linux's `PATH_MAX`.
    pub path_bytes: u32,
    /// Random bytes per call; past it the guest sees `EINVAL`. Programs go through `getentropy`, which asks for at most
    /// 256. Default: 64 KiB.
    pub random_bytes: u32,
    /// How fast standard output and error may be written together, or `None` for no limit. What is over is dropped and counted. Default:
    /// 1 MiB per second, and 1 MiB at once.
    pub output: Option<RateLimit>,
}

impl Default for WasiLimits {
    fn default() -> Self {
        WasiLimits {
            open_files: 256,
            host_files: 32,
            path_bytes: 4096,
            random_bytes: 64 << 10,
            output: Some(RateLimit::per_second(1 << 20)),
        }
    }
}

vivarium_tenancy::__setters!(WasiLimits {
    with_open_files: open_files: u32,
    with_host_files: host_files: u32,
    with_path_bytes: path_bytes: u32,
    with_random_bytes: random_bytes: u32,
    with_output: output: Option<RateLimit>,
});

/// Which standard streams are terminals, as `isatty` tells the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Terminals {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

vivarium_tenancy::__setters!(Terminals {
    with_stdin: stdin: bool,
    with_stdout: stdout: bool,
    with_stderr: stderr: bool,
});

/// Why no context could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WasiError {
    /// An argument or variable that C strings cannot carry.
    #[error("{what} {name:?} holds a NUL byte, which neither arguments nor variables can")]
    Nul {
        /// "argument" or "variable".
        what: &'static str,
        /// The argument, or the variable's name.
        name: String,
    },
    /// A variable's name is empty or holds an equals sign.
    #[error("{0:?} cannot be the name of an environment variable: it is empty or holds an equals sign")]
    VariableName(String),
    /// More arguments and variables than fit into linear memory.
    #[error("arguments and variables take {0} bytes, and at most 1 MiB can be passed")]
    TooLong(usize),
    /// The fixed descriptors alone exceed the limit.
    #[error("a limit of {0} open files is too small: standard streams, /env and /tmp take 5")]
    OpenFiles(u32),
}

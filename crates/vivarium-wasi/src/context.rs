//! The state behind the calls of one guest.

use std::fmt;
use std::sync::Arc;

use vivarium_tenancy::Account;

use crate::abi::FileType;
use crate::clock::Clocks;
use crate::config::{Terminals, WasiConfig, WasiError, WasiLimits};
use crate::descriptors::{Descriptor, DescriptorTable, Directory, FileContent, OpenDirectory, Target};
use crate::environment::{self, Environment, InodeNumbers, Listing};
use crate::errno::Result;
use crate::host_memory::HostMemory;
use crate::memory::GuestMemory;
use crate::output::{GuestOutput, OutputSink, OutputStream};
use crate::path::GuestPath;
use crate::random::RandomSource;
use crate::scratch::{self, Scratch, ScratchUsage, SharedAccounts};
use crate::stdin::StdinStream;

/// The most bytes of arguments, and of variables, each with its terminator.
const MAX_STRINGS: usize = 1 << 20;

/// Everything the WASI calls of one guest read and change. It belongs to one instance and is dropped with it; nothing
/// of it outlives the guest, and all of `/tmp` goes with it.
pub struct WasiCtx {
    pub(crate) descriptors: DescriptorTable,
    pub(crate) scratch: Scratch,
    pub(crate) numbers: InodeNumbers,
    /// The directory of the environment that is being listed, and its descriptor. One at a time, so that open
    /// directories cost the host no memory; who alternates between two pays with reading them again.
    pub(crate) listing: Option<(u32, Listing)>,
    pub(crate) stdin: StdinStream,
    pub(crate) output: GuestOutput,
    pub(crate) terminals: Terminals,
    pub(crate) clocks: Clocks,
    pub(crate) random: RandomSource,
    pub(crate) limits: WasiLimits,
    /// What open files of the environment are charged to.
    pub(crate) host_files: Vec<Arc<Account>>,
    pub(crate) arguments: Vec<String>,
    /// `NAME=value`.
    pub(crate) variables: Vec<String>,
}

impl WasiCtx {
    /// Descriptors that every guest has: the standard streams and the two directories.
    pub const FIXED_DESCRIPTORS: u32 = 5;

    /// Makes a context with the five fixed descriptors: standard streams, `/env` (3) and `/tmp` (4).
    ///
    /// Cheap enough for each checkout of an instance: a few allocations and no system call.
    ///
    /// # Errors
    /// [`WasiError`] for arguments and variables that cannot be passed, and a limit on open files below 5.
    pub fn new(config: WasiConfig) -> Result<Self, WasiError> {
        let variables = checked_variables(config.variables)?;
        check_strings("argument", &config.args)?;
        let clocks = Clocks::new(config.clock);
        let too_few = |_| WasiError::OpenFiles(config.limits.open_files);
        let accounts = config.accounts;
        let shared = SharedAccounts { bytes: accounts.scratch_bytes, files: accounts.scratch_files };
        let scratch = Scratch::new(config.scratch, shared, clocks.realtime()).map_err(too_few)?;
        let environment = Directory::Environment(Environment::new(config.environment));
        let mut descriptors = DescriptorTable::new(config.limits.open_files);
        for target in [
            Target::Stdin,
            Target::Output(OutputStream::Stdout),
            Target::Output(OutputStream::Stderr),
            Target::Directory(OpenDirectory { place: environment, mount: Some(environment::MOUNT) }),
            Target::Directory(OpenDirectory { place: Directory::Scratch(scratch.root()), mount: Some(scratch::MOUNT) }),
        ] {
            descriptors.insert(Descriptor::new(target)).map_err(too_few)?;
        }
        Ok(WasiCtx {
            descriptors,
            scratch,
            numbers: InodeNumbers::new(HostMemory::new(accounts.host_memory)),
            listing: None,
            stdin: StdinStream::new(config.stdin),
            output: GuestOutput::new(
                config.stdout,
                config.stderr,
                config.limits.output,
                accounts.output,
                accounts.output_dropped,
            ),
            terminals: config.terminals,
            clocks,
            random: RandomSource::new(config.random),
            limits: config.limits,
            host_files: accounts.host_files,
            arguments: config.args,
            variables,
        })
    }

    /// What `/tmp` holds now and held at most.
    pub fn scratch_usage(&self) -> ScratchUsage {
        self.scratch.usage()
    }

    /// Bytes of standard output and error that were dropped for exceeding the rate.
    pub fn dropped_output(&self) -> u64 {
        self.output.dropped()
    }

    /// Descriptors the guest has open.
    pub fn open_files(&self) -> u32 {
        self.descriptors.open()
    }

    /// Sends standard output and error to other sinks from now on, with the same rate.
    pub fn set_output(&mut self, stdout: Box<dyn OutputSink>, stderr: Box<dyn OutputSink>) {
        self.output.redirect(stdout, stderr);
    }

    /// Reads a path the guest passed.
    pub(crate) fn path(&self, memory: &GuestMemory<'_>, address: u32, length: u32) -> Result<GuestPath> {
        GuestPath::new(memory.bytes(address, length)?, self.limits.path_bytes)
    }

    /// The directory a descriptor stands for.
    pub(crate) fn place(&self, fd: u32) -> Result<Directory> {
        Ok(self.descriptors.directory(fd)?.place.clone())
    }

    /// The directory a path starts from, and the path.
    pub(crate) fn place_and_path(
        &self,
        memory: &GuestMemory<'_>,
        fd: u32,
        address: u32,
        length: u32,
    ) -> Result<(Directory, GuestPath)> {
        Ok((self.place(fd)?, self.path(memory, address, length)?))
    }

    /// Lets go of what a descriptor held.
    pub(crate) fn release(&mut self, descriptor: Descriptor) {
        match descriptor.target {
            Target::File(file) => {
                if let FileContent::Scratch(inode) = file.content {
                    self.scratch.close(inode);
                }
            }
            // Preopens were not opened through the file system, which never frees its root.
            Target::Directory(OpenDirectory { place: Directory::Scratch(inode), mount: None }) => {
                self.scratch.close(inode)
            }
            Target::Directory(_) | Target::Stdin | Target::Output(_) => {}
        }
    }

    /// What kind of file a standard stream is.
    pub(crate) fn stream_kind(&self, target: &Target) -> FileType {
        let terminal = match target {
            Target::Stdin => self.terminals.stdin,
            Target::Output(OutputStream::Stdout) => self.terminals.stdout,
            Target::Output(OutputStream::Stderr) => self.terminals.stderr,
            Target::File(_) | Target::Directory(_) => false,
        };
        if terminal { FileType::CharacterDevice } else { FileType::Unknown }
    }
}

impl fmt::Debug for WasiCtx {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WasiCtx")
            .field("open_files", &self.open_files())
            .field("scratch", &self.scratch_usage())
            .field("dropped_output", &self.dropped_output())
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

fn checked_variables(variables: Vec<(String, String)>) -> Result<Vec<String>, WasiError> {
    let mut joined = Vec::with_capacity(variables.len());
    for (name, value) in variables {
        if name.is_empty() || name.contains('=') {
            return Err(WasiError::VariableName(name));
        }
        joined.push(format!("{name}={value}"));
    }
    check_strings("variable", &joined)?;
    Ok(joined)
}

fn check_strings(what: &'static str, strings: &[String]) -> Result<(), WasiError> {
    if let Some(bad) = strings.iter().find(|string| string.contains('\0')) {
        // The value of a variable may be a secret; its name is not.
        let name = bad.split('=').next().unwrap_or_default().to_owned();
        return Err(WasiError::Nul { what, name });
    }
    let bytes = strings.iter().map(|string| string.len() + 1).sum();
    if bytes > MAX_STRINGS {
        return Err(WasiError::TooLong(bytes));
    }
    Ok(())
}

//! Landlock: which files a thread may open.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::ProcessSandbox;
use crate::error::ProcessSandboxError;

/// The rights this file knows. A kernel with fewer restricts what it can.
const KNOWN: ABI = ABI::V6;

/// A ruleset that threads put on themselves.
#[derive(Debug)]
pub(super) struct Rules(RulesetCreated);

impl Rules {
    /// The rules of a sandbox; `None` when the kernel says that it has no Landlock.
    pub(super) fn new(sandbox: &ProcessSandbox) -> Result<Option<Self>, ProcessSandboxError> {
        if !is_available()? {
            return Ok(None);
        }
        let ruleset = landlock::Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))
            .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(KNOWN)))
            .and_then(|ruleset| ruleset.scope(Scope::from_all(KNOWN)))
            .and_then(landlock::Ruleset::create);
        let mut rules = ruleset.map_err(refused)?;

        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        for path in &sandbox.reading {
            rules = allow(rules, opened(path)?, read)?;
        }
        for open in &sandbox.reading_open {
            rules = allow(rules, open, read)?;
        }
        let make =
            AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
        for folder in &sandbox.writing_in {
            rules = allow(rules, opened(folder)?, make)?;
        }
        for folder in &sandbox.writing_under {
            rules = allow(rules, opened(folder)?, make | AccessFs::MakeDir | AccessFs::RemoveDir)?;
        }
        for file in &sandbox.writing_to {
            rules = allow(rules, opened(file)?, AccessFs::WriteFile.into())?;
        }

        // The crate tells what the kernel has only when a thread is restricted, so it is tried on one that ends.
        let probe = rules.try_clone().map_err(|error| ProcessSandboxError::Refused(error.to_string()))?;
        let probed = std::thread::spawn(move || probe.restrict_self().map(|status| status.ruleset)).join();
        let status =
            probed.map_err(|_| ProcessSandboxError::Refused("a thread panicked".to_owned()))?.map_err(refused)?;
        Ok((status != RulesetStatus::NotEnforced).then_some(Self(rules)))
    }

    /// Puts this thread behind the rules, unless it is already: it inherits them from the thread that started it, and the
    /// kernel stacks no more than sixteen.
    pub(super) fn restrict_thread(&self) -> Result<(), ProcessSandboxError> {
        if is_restricted()? {
            return Ok(());
        }
        let rules = self.0.try_clone().map_err(|error| ProcessSandboxError::Refused(error.to_string()))?;
        rules.restrict_self().map_err(refused)?;
        if is_restricted()? {
            Ok(())
        } else {
            Err(ProcessSandboxError::Refused("the root directory can still be read".to_owned()))
        }
    }
}

/// Whether the kernel has Landlock. It says that it has none (not built in, or off at boot) by two errors. Any other one, such as the
/// refusal of a container's filter, is not that: then there may be Landlock, and code that was to be restricted would not be.
#[allow(unsafe_code, reason = "the crate takes every failure of this call for a kernel without Landlock")]
fn is_available() -> Result<bool, ProcessSandboxError> {
    /// Asks for the version of the interface and makes nothing.
    const VERSION: libc::c_uint = 1;
    let (nothing, size) = (std::ptr::null::<libc::c_void>(), 0_usize);
    // SAFETY: with this flag the call takes a null pointer of size 0, and neither reads nor writes memory of ours.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, size, VERSION) };
    if version >= 0 {
        return Ok(version > 0);
    }
    let error = std::io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EOPNOTSUPP) => Ok(false),
        _ => Err(ProcessSandboxError::Refused(format!("whether this kernel has Landlock cannot be told: {error}"))),
    }
}

/// No process sandbox lets the root directory be listed.
///
/// Only a refusal says that there is one. Any other failure, such as that the process has no descriptor left, says nothing, and
/// then no guest runs on this thread.
fn is_restricted() -> Result<bool, ProcessSandboxError> {
    match File::open("/") {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(true),
        Err(error) => {
            Err(ProcessSandboxError::Refused(format!("whether this thread is restricted cannot be told: {error}")))
        }
    }
}

fn opened(path: &Path) -> Result<PathFd, ProcessSandboxError> {
    PathFd::new(path).map_err(|error| ProcessSandboxError::Path { path: path.to_owned(), reason: error.to_string() })
}

fn allow(
    rules: RulesetCreated,
    parent: impl AsFd,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, ProcessSandboxError> {
    rules.add_rule(PathBeneath::new(parent, access)).map_err(refused)
}

fn refused(error: impl std::error::Error) -> ProcessSandboxError {
    ProcessSandboxError::Refused(error.to_string())
}

//! seccomp: which system calls the process may make.
//!
//! A list of what is allowed ([`allowed`]): what the process does with its own memory, threads, clocks and open descriptors, and the
//! calls that name files, which Landlock restricts. Everything else is refused, including calls that future kernels add:
//!
//! ```text
//!   a call of the list, with arguments that it allows     is made
//!   any other that was known when the list was written    EPERM
//!   newer ones, and `clone3`                              ENOSYS: libraries then do what they did before the call existed
//!   another architecture's, through this kernel           ends the process
//! ```
//!
//! The list is for a process whose work is known, as `wasm-run`'s is. It is kept complete by the tests: whole commands run under it.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    sock_filter,
};

use super::allowed::{ACCEPTING, CALLS, CALLS_HERE, Condition, WITH_ARGUMENTS};
use crate::error::ProcessSandboxError;

/// The newest call that was known when the list was written: `file_setattr` of Linux 6.17. Newer ones are unknown here, and a library that
/// asks for one is told that this kernel does not have it.
const NEWEST: u32 = 469;

/// Restricts the calls of all threads; sockets that listen may be `accepting`. Tells whether the kernel can.
pub(super) fn restrict_process(accepting: bool) -> Result<bool, ProcessSandboxError> {
    let Some(filter) = filter(accepting)? else { return Ok(false) };
    match seccompiler::apply_filter_all_threads(&filter) {
        Ok(()) => Ok(true),
        Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
            if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
        {
            Ok(false)
        }
        Err(error) => Err(ProcessSandboxError::Refused(error.to_string())),
    }
}

/// All of it as one filter, `None` on an architecture that the crate does not know. With two of them, a thread that is started between the
/// one and the other would meet a half of the answers.
fn filter(accepting: bool) -> Result<Option<BpfProgram>, ProcessSandboxError> {
    Ok(allowed(accepting)?.map(|allowed| [unknown(), allowed].concat()))
}

/// The list as a program, `None` on an architecture that the crate does not know.
fn allowed(accepting: bool) -> Result<Option<BpfProgram>, ProcessSandboxError> {
    let Ok(architecture) = std::env::consts::ARCH.try_into() else { return Ok(None) };
    let own = u64::from(std::process::id());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().chain(CALLS_HERE).map(|&call| (call, Vec::new())).collect();
    if accepting {
        rules.insert(ACCEPTING, Vec::new());
    }
    for &(call, argument, condition) in WITH_ARGUMENTS {
        rules.entry(call).or_default().push(rule(argument, condition, own)?);
    }
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)
        .and_then(BpfProgram::try_from)
        .map(Some)
        .map_err(refused_by)
}

/// The kernel takes all of these arguments as 32 bits, whatever is above them.
fn rule(argument: u8, condition: Condition, own: u64) -> Result<SeccompRule, ProcessSandboxError> {
    let (operator, value) = match condition {
        Condition::Is(value) => (SeccompCmpOp::Eq, value.into()),
        Condition::IsOwnProcess => (SeccompCmpOp::Eq, own),
        Condition::Masked { mask, value } => (SeccompCmpOp::MaskedEq(mask.into()), value.into()),
    };
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(refused_by)
}

fn refused_by(error: impl std::fmt::Display) -> ProcessSandboxError {
    ProcessSandboxError::Refused(error.to_string())
}

/// Answers calls that are newer than the list, and `clone3`, whose flags are in memory, where no filter can look: the C library falls back
/// to `clone`. It goes on behind its end with other calls; numbers of x32 are among those: the same calls again, from 0x40000000 on, to which
/// the list says no.
fn unknown() -> BpfProgram {
    /// Loads a word of what the filter is given: the number is the first one.
    const LOAD: u16 = 0x20;
    const JUMP_IF_ABOVE: u16 = 0x25;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    const ERRNO: u32 = 0x0005_0000;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        step(LOAD, 0, 0, 0),
        step(JUMP_IF_AT_LEAST, 3, 0, X32),
        step(JUMP_IF_ABOVE, 1, 0, NEWEST),
        step(JUMP_IF_EQUAL, 0, 1, libc::SYS_clone3 as u32),
        step(RETURN, 0, 0, ERRNO | libc::ENOSYS as u32),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a call that can do nothing, whatever it is: its descriptors are closed and its pointers lead nowhere.
    #[allow(unsafe_code, reason = "the standard library makes none of these calls")]
    fn attempt(number: i64) -> Option<i32> {
        let nothing = usize::MAX;
        // SAFETY: it is refused before it is made; if it were not, its pointers lead nowhere, and the test fails.
        let result = unsafe { libc::syscall(number, nothing, nothing, nothing, nothing, nothing, nothing) };
        (result == -1).then(|| std::io::Error::last_os_error().raw_os_error()).flatten()
    }

    /// `uretprobe` and `uprobe` on x86-64: the kernel puts them into programs that it traces, lets no filter see them, and ends whoever
    /// else makes them.
    const OF_THE_KERNEL: std::ops::RangeInclusive<i64> = 335..=336;

    /// Not a list of what to try: all there are.
    #[test]
    fn every_call_that_is_not_listed_is_refused() {
        let Some(filter) = filter(false).unwrap() else { return };
        let listed = |number: &i64| {
            CALLS.iter().chain(CALLS_HERE).any(|call| call == number)
                || WITH_ARGUMENTS.iter().any(|(call, ..)| call == number)
        };
        let unlisted = (0..=i64::from(NEWEST)).filter(move |number| !listed(number) && *number != libc::SYS_clone3);
        let unlisted = unlisted.filter(|number| !OF_THE_KERNEL.contains(number));
        let tried = std::thread::spawn(move || {
            seccompiler::apply_filter(&filter).unwrap();
            let refused: Vec<_> = unlisted.map(|number| (number, attempt(number))).collect();
            let newer: Vec<_> = (i64::from(NEWEST) + 1..600).chain([libc::SYS_clone3]).map(attempt).collect();
            (refused, newer)
        });
        let (refused, newer) = tried.join().unwrap();
        assert!(refused.len() > 150);
        for (number, error) in refused {
            assert_eq!(error, Some(libc::EPERM), "call {number}");
        }
        assert!(newer.iter().all(|error| *error == Some(libc::ENOSYS)), "{newer:?}");
    }
}

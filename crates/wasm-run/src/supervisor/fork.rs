//! Making the child, and the signals of the process that waits for it.
//!
//! # Unsafe code
//! `fork` is sound here because the process has one thread when it is called: `main` calls it before it starts any, so that no lock can be
//! held by a thread that the child lacks. The other calls get pointers to values that live on this stack.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use rustix::process::{Pid, Signal};

/// Which of the two processes this is.
pub enum Forked {
    Child,
    Parent(Pid),
}

/// Makes a child, which the system ends when this process ends. Call it while the process has a single thread.
///
/// # Errors
/// What the system says.
pub fn fork() -> io::Result<Forked> {
    let parent = rustix::process::getpid();
    // SAFETY: there is no other thread; see the module's documentation.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            if rustix::process::getppid() != Some(parent) {
                // It has ended already, before the system was told.
                std::process::exit(super::TERMINATED.into());
            }
            Ok(Forked::Child)
        }
        child => match Pid::from_raw(child) {
            Some(child) => Ok(Forked::Parent(child)),
            None => Err(io::Error::other("a child without a number")),
        },
    }
}

/// The signals that the waiting process takes one by one, blocked for as long as this value.
pub struct Signals {
    taken: libc::sigset_t,
    before: libc::sigset_t,
}

/// A signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    pub signal: libc::c_int,
    /// The terminal sent it, and so to the child as well.
    pub from_terminal: bool,
}

impl Signals {
    /// Blocks them.
    pub fn block() -> Self {
        let mut taken = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the pointers are to values on this stack; `sigemptyset` and `pthread_sigmask` initialise them, and cannot fail with
        // valid arguments.
        unsafe {
            libc::sigemptyset(taken.as_mut_ptr());
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGCHLD] {
                libc::sigaddset(taken.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, taken.as_ptr(), before.as_mut_ptr());
            Self { taken: taken.assume_init(), before: before.assume_init() }
        }
    }

    /// Leaves them blocked for the rest of the process: one that comes now is late, and the status is known.
    pub fn keep_blocked(self) {
        std::mem::forget(self);
    }

    /// The next one; `None` when none came within `patience`.
    pub fn next(&self, patience: Duration) -> Option<Arrived> {
        let timeout = libc::timespec {
            tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: all three pointers are to values that outlive the call; a zeroed `siginfo_t` is a valid one.
        let (signal, info) = unsafe {
            let signal = libc::sigtimedwait(&raw const self.taken, info.as_mut_ptr(), &raw const timeout);
            (signal, info.assume_init())
        };
        (signal > 0).then_some(Arrived { signal, from_terminal: info.si_code == libc::SI_KERNEL })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: the pointer is to a set that `block` got from the system.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

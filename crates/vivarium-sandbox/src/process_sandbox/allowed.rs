//! The calls that a process makes in the process sandbox.
//!
//! Not among them, on purpose: sockets that are not open yet, programs, processes, signals for others, memory and descriptors of others,
//! machine code that is not there yet, owners, modes, times and attributes of files, mounts, namespaces, queues and memory that have a
//! name or a number, terminals' input, io_uring, BPF, keys, `userfaultfd`, performance counters, and the machine's clock and power.

/// What an argument of a call has to be. The kernel looks at 32 bits of each of these.
#[derive(Debug, Clone, Copy)]
pub(super) enum Condition {
    Is(u32),
    /// The id of this process.
    IsOwnProcess,
    Masked {
        mask: u32,
        value: u32,
    },
}

/// Flags of `clone` that make namespaces, and the one that makes a thread.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP) as u32;
const THREAD: u32 = libc::CLONE_THREAD as u32;

const NOT_EXECUTABLE: Condition = Condition::Masked { mask: libc::PROT_EXEC as u32, value: 0 };

/// `PR_SET_VMA`, by which the C library names its memory.
const SET_VMA: u32 = 0x5356_4d41;

/// Requests to terminals that the C library makes in their newer form on newer systems.
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;
const TCSETSW2: u32 = 0x402c_542c;
const TCSETSF2: u32 = 0x402c_542d;

/// Calls that are allowed when an argument, counted from 0, is so: any of the lines of a call is enough.
pub(super) const WITH_ARGUMENTS: &[(libc::c_long, u8, Condition)] = &[
    // Threads, and no processes.
    (libc::SYS_clone, 0, Condition::Masked { mask: THREAD | NAMESPACES, value: THREAD }),
    // The machine code of guests is there when the sandbox is enforced; code that escaped cannot make more.
    (libc::SYS_mmap, 2, NOT_EXECUTABLE),
    (libc::SYS_mprotect, 2, NOT_EXECUTABLE),
    // Two ends of one channel, as signal handlers have, and no network.
    (libc::SYS_socketpair, 0, Condition::Is(libc::AF_UNIX as u32)),
    // The C library aborts by a signal for a thread of its own.
    (libc::SYS_tgkill, 0, Condition::IsOwnProcess),
    (libc::SYS_prlimit64, 0, Condition::Is(0)),
    (libc::SYS_prlimit64, 0, Condition::IsOwnProcess),
    (libc::SYS_prctl, 0, Condition::Is(libc::PR_SET_NAME as u32)),
    (libc::SYS_prctl, 0, Condition::Is(libc::PR_GET_NAME as u32)),
    (libc::SYS_prctl, 0, Condition::Is(libc::PR_SET_NO_NEW_PRIVS as u32)),
    (libc::SYS_prctl, 0, Condition::Is(SET_VMA)),
    // Not who gets a signal when there is something to read (`F_SETOWN`, `F_SETSIG`): that may be any process of the user's.
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_DUPFD as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_DUPFD_CLOEXEC as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_GETFD as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_SETFD as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_GETFL as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_SETFL as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_GETLK as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_SETLK as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_SETLKW as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_OFD_GETLK as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_OFD_SETLK as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_OFD_SETLKW as u32)),
    (libc::SYS_fcntl, 1, Condition::Is(libc::F_GETPIPE_SZ as u32)),
    // What a terminal is and how wide, how a prompt reads it, and whether a descriptor blocks. Not what is written into its input, nor
    // who gets signals (`FIOSETOWN`).
    (libc::SYS_ioctl, 1, Condition::Is(libc::TCGETS as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::TCSETS as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::TCSETSW as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::TCSETSF as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(TCGETS2)),
    (libc::SYS_ioctl, 1, Condition::Is(TCSETS2)),
    (libc::SYS_ioctl, 1, Condition::Is(TCSETSW2)),
    (libc::SYS_ioctl, 1, Condition::Is(TCSETSF2)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::TIOCGWINSZ as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::FIONBIO as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::FIONREAD as u32)),
    (libc::SYS_ioctl, 1, Condition::Is(libc::FIOCLEX as u32)),
];

/// How a socket that listens takes a connection, where that is asked for.
pub(super) const ACCEPTING: libc::c_long = libc::SYS_accept4;

/// Calls that are allowed whatever their arguments are.
pub(super) const CALLS: &[libc::c_long] = &[
    // Memory of the process.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_membarrier,
    // Threads: their life, locks and time slices.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    // Signals that it gets.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, chance, and what it is told about itself and the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_umask,
    // Descriptors that are open, sockets among them.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_splice,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_flock,
    libc::SYS_getdents64,
    // Files by their paths, which Landlock restricts.
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_truncate,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    // Further restrictions, which only take away: a thread that was started before restricts itself, too.
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_restrict_self,
    libc::SYS_seccomp,
];

/// The same under older names.
#[cfg(target_arch = "x86_64")]
pub(super) const CALLS_HERE: &[libc::c_long] = &[
    libc::SYS_time,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
];
#[cfg(not(target_arch = "x86_64"))]
pub(super) const CALLS_HERE: &[libc::c_long] = &[];

//! The calls that a process makes in the process sandbox.
//!
//! Not among them, on purpose: sockets that are not open yet, programs, processes, signals for others, memory and descriptors of others,
//! machine code that is not there yet, owners, modes, times and attributes of files, mounts, namespaces, queues and memory that have a
//! name or a number, terminals' input, io_uring, BPF, keys, `userfaultfd`, performance counters, and the machine's clock and power. Nor what
//! libraries do by other calls when it is refused, or never do: moving pages from one descriptor to another, reading and writing with flags, advice
//! about files, barriers across processors, further filters.

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

/// Calls that are allowed whatever their arguments are, each with who makes it.
pub(super) const CALLS: &[libc::c_long] = &[
    // Memory of the process.
    libc::SYS_brk,     // the C library's allocator, small pieces
    libc::SYS_munmap,  // the same, large pieces; stacks of threads that ended
    libc::SYS_mremap,  // the same, growing them
    libc::SYS_madvise, // a sandbox's pages, when it is gone: its memory, tables and stack
    // Threads: their life, locks and time slices.
    libc::SYS_exit,              // a thread's end
    libc::SYS_exit_group,        // the process's
    libc::SYS_futex,             // every lock and every thread that waits
    libc::SYS_set_robust_list,   // the C library, in each new thread
    libc::SYS_rseq,              // the same
    libc::SYS_sched_yield,       // locks that spin before they wait
    libc::SYS_sched_getaffinity, // how many processors there are
    // Signals that it gets.
    libc::SYS_rt_sigaction, // the end of a command by the user; traps of WebAssembly, in the first thread
    libc::SYS_rt_sigprocmask, // the C library, around the start of a thread
    libc::SYS_rt_sigreturn, // the end of a signal's handler: each trap of WebAssembly
    libc::SYS_sigaltstack,  // the stack of these handlers, in each thread that runs guests
    libc::SYS_restart_syscall, // the kernel, for a wait that a signal interrupted
    // Time, chance, and what it is told about itself and the machine.
    libc::SYS_clock_gettime,   // where the kernel's page for it cannot tell
    libc::SYS_clock_getres,    // the same
    libc::SYS_clock_nanosleep, // threads that sleep: the epoch's
    libc::SYS_nanosleep,       // the same in older C libraries
    libc::SYS_gettimeofday,    // where the kernel's page for it cannot tell
    libc::SYS_getrandom,       // seeds of guests, of hash tables and of names of files
    libc::SYS_getpid,          // names of files, and signals for itself
    libc::SYS_gettid,          // signals for itself, and names of threads
    libc::SYS_getuid,          // whether a folder is the user's own
    libc::SYS_geteuid,         // the same
    libc::SYS_getgid,          // the same
    libc::SYS_getegid,         // the same
    libc::SYS_uname,           // libraries that look for a newer kernel's calls
    libc::SYS_umask,           // the history of SQL's prompt, which only its user may read
    libc::SYS_sysinfo,         // the C library's sort asks how much memory there is
    // Descriptors that are open, sockets among them.
    libc::SYS_read,          // inputs, and what wakes the executor
    libc::SYS_readv,         // streams of the network, by several buffers
    libc::SYS_pread64,       // Parquet, files of `/env`
    libc::SYS_write,         // outputs, logs, and what wakes the executor
    libc::SYS_writev,        // the same by several buffers
    libc::SYS_pwrite64,      // the record that the waiting process reads
    libc::SYS_lseek,         // readers of files that go back
    libc::SYS_close,         // everything
    libc::SYS_close_range,   // the standard library, for several
    libc::SYS_dup,           // a second owner of a descriptor
    libc::SYS_dup3,          // the same for a given number
    libc::SYS_pipe2,         // a pipe for signals
    libc::SYS_eventfd2,      // what wakes an executor
    libc::SYS_ppoll,         // a prompt, and descriptors that are looked at once
    libc::SYS_pselect6,      // the same
    libc::SYS_epoll_create1, // an executor's set of descriptors
    libc::SYS_epoll_ctl,     // the same
    libc::SYS_epoll_pwait,   // the same
    libc::SYS_epoll_pwait2,  // the same
    libc::SYS_sendto,        // streams of the network: metrics, and Flink's services
    libc::SYS_sendmsg,       // the same
    libc::SYS_recvfrom,      // the same
    libc::SYS_recvmsg,       // the same
    libc::SYS_shutdown,      // the same
    libc::SYS_getsockname,   // the same
    libc::SYS_getpeername,   // the same
    libc::SYS_getsockopt,    // the same: the error of a connection
    libc::SYS_fstat,         // what a descriptor is, and how large
    libc::SYS_fstatfs,       // the same: whether a folder is the kernel's
    libc::SYS_ftruncate,     // an output that begins anew
    libc::SYS_fsync,         // an output that is complete
    libc::SYS_fdatasync,     // the same
    libc::SYS_flock,         // stores that several processes use
    libc::SYS_getdents64,    // listings of `/env` and of folders of inputs
    // Files by their paths, which Landlock restricts.
    libc::SYS_openat,     // inputs and outputs
    libc::SYS_openat2,    // files of `/env`, below its handle
    libc::SYS_newfstatat, // whether a file is there, and what it is
    libc::SYS_statx,      // the same
    libc::SYS_faccessat,  // the same
    libc::SYS_faccessat2, // the same
    libc::SYS_readlinkat, // where a file of an input lies, links resolved
    libc::SYS_getcwd,     // the same
    libc::SYS_mkdirat,    // folders of `COPY ... TO`
    libc::SYS_unlinkat,   // outputs that did not become complete
    libc::SYS_renameat,   // outputs that did
    libc::SYS_renameat2,  // the same, where nothing may be replaced
    libc::SYS_linkat,     // the same, for files that had no name
    // Further restrictions, which only take away.
    libc::SYS_landlock_restrict_self, // a thread that was started before, before it runs a guest
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

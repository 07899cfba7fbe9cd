//! In the process sandbox, calls of the system that reach beyond the process are refused: a table of them, each tried.

mod common;

use std::io::Error;

use common::process::in_a_process;
use vivarium_sandbox::ProcessSandbox;

/// `fcntl`'s, `ioctl`'s and `prctl`'s that the C library's bindings do not name.
const F_SETSIG: usize = 10;
const F_SETOWN_EX: usize = 15;
const FIOASYNC: usize = 0x5452;
const FIOSETOWN: usize = 0x8901;
const SIOCSPGRP: usize = 0x8902;
const TIOCLINUX: usize = 0x541c;

/// Makes a call of the system by its number, with numbers.
#[allow(unsafe_code, reason = "the standard library makes none of these calls")]
fn call(number: libc::c_long, arguments: [usize; 5]) -> Result<libc::c_long, Error> {
    let [one, two, three, four, five] = arguments;
    // SAFETY: a pointer among the arguments is null, to nothing, or to a buffer of the caller's that outlives the call.
    let result = unsafe { libc::syscall(number, one, two, three, four, five, 0) };
    if result == -1 { Err(Error::last_os_error()) } else { Ok(result) }
}

#[test]
fn calls_that_reach_beyond_the_process_are_refused() {
    in_a_process("calls_that_reach_beyond_the_process_are_refused", |folder| {
        // A process of the same user: the one that runs the tests.
        let other = std::os::unix::process::parent_id() as usize;
        let path = std::ffi::CString::new(folder.join("out/file").to_str().unwrap()).unwrap();
        let (path, here) = (path.as_ptr() as usize, libc::AT_FDCWD as usize);
        let mut buffer = [0u64; 32];
        let buffer = buffer.as_mut_ptr() as usize;
        let page = call(libc::SYS_mmap, [0, 4096, 3, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize, usize::MAX]);
        let page = page.unwrap() as usize;
        let (reader, _writer) = std::io::pipe().unwrap();
        let pipe = std::os::fd::AsRawFd::as_raw_fd(&reader) as usize;
        let executable = (libc::PROT_READ | libc::PROT_EXEC) as usize;
        let thread =
            (libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_SIGHAND | libc::CLONE_THREAD) as usize;
        let sandbox = ProcessSandbox::new().allow_reading(folder.join("in")).allow_writing_in(folder.join("out"));
        if !sandbox.enforce().unwrap().calls {
            return;
        }
        let ioctl = |request: usize| (libc::SYS_ioctl, [0, request, buffer, 0, 0]);
        let fcntl = |command: usize, value: usize| (libc::SYS_fcntl, [pipe, command, value, 0, 0]);
        let nothing = [0; 5];
        let refused: &[(&str, (libc::c_long, [usize; 5]))] = &[
            // Terminals, and who gets signals of descriptors.
            ("typing into the terminal", ioctl(libc::TIOCSTI as usize)),
            ("the same, with more in the upper half", ioctl(libc::TIOCSTI as usize | 1 << 32)),
            ("the console's functions", ioctl(TIOCLINUX)),
            ("the console's output", ioctl(libc::TIOCCONS as usize)),
            ("another discipline of the terminal", ioctl(libc::TIOCSETD as usize)),
            ("the terminal of a session", ioctl(libc::TIOCSCTTY as usize)),
            ("the terminal's foreground", ioctl(libc::TIOCSPGRP as usize)),
            ("signals of a descriptor for another process", ioctl(FIOSETOWN)),
            ("the same by the name for sockets", ioctl(SIOCSPGRP)),
            ("signals of a descriptor", ioctl(FIOASYNC)),
            ("signals of a descriptor for another process by fcntl", fcntl(libc::F_SETOWN as usize, other)),
            ("the same with a structure", fcntl(F_SETOWN_EX, buffer)),
            ("which signal that is", fcntl(F_SETSIG, libc::SIGKILL as usize)),
            ("signals of a folder", fcntl(libc::F_NOTIFY as usize, 1)),
            ("a lease of a file", fcntl(libc::F_SETLEASE as usize, 0)),
            // Other processes.
            ("a signal for another process", (libc::SYS_kill, [other, 0, 0, 0, 0])),
            ("a signal for another thread", (libc::SYS_tgkill, [other, other, 0, 0, 0])),
            ("the same by the older call", (libc::SYS_tkill, [other, 0, 0, 0, 0])),
            ("a signal with a value", (libc::SYS_rt_sigqueueinfo, [other, 0, buffer, 0, 0])),
            ("the same for a thread", (libc::SYS_rt_tgsigqueueinfo, [other, other, 0, buffer, 0])),
            ("a handle of a process", (libc::SYS_pidfd_open, [other, 0, 0, 0, 0])),
            ("a descriptor of a process", (libc::SYS_pidfd_getfd, [pipe, 0, 0, 0, 0])),
            ("a signal by a handle", (libc::SYS_pidfd_send_signal, [pipe, 0, 0, 0, 0])),
            ("memory of a process, read", (libc::SYS_process_vm_readv, [other, buffer, 0, buffer, 0])),
            ("memory of a process, written", (libc::SYS_process_vm_writev, [other, buffer, 0, buffer, 0])),
            ("advice about a process's memory", (libc::SYS_process_madvise, [pipe, buffer, 0, 4, 0])),
            ("tracing", (libc::SYS_ptrace, [libc::PTRACE_TRACEME as usize, 0, 0, 0, 0])),
            ("comparing processes", (libc::SYS_kcmp, [other, other, 0, 0, 0])),
            ("limits of another process", (libc::SYS_prlimit64, [other, libc::RLIMIT_NOFILE as usize, 0, buffer, 0])),
            ("another process's priority", (libc::SYS_setpriority, [0, other, 19, 0, 0])),
            ("another process's processors", (libc::SYS_sched_setaffinity, [other, 16, buffer, 0, 0])),
            ("another process's way of scheduling", (libc::SYS_sched_setscheduler, [other, 0, buffer, 0, 0])),
            ("another process's pages", (libc::SYS_move_pages, [other, 0, 0, 0, 0])),
            ("who may trace it", (libc::SYS_prctl, [libc::PR_SET_PTRACER as usize, other, 0, 0, 0])),
            ("whether it can be traced", (libc::SYS_prctl, [libc::PR_SET_DUMPABLE as usize, 1, 0, 0, 0])),
            ("its own map of memory", (libc::SYS_prctl, [libc::PR_SET_MM as usize, 1, page, 0, 0])),
            // Programs, processes, namespaces, machine code.
            ("a program", (libc::SYS_execve, [path, 0, 0, 0, 0])),
            ("a program by a descriptor", (libc::SYS_execveat, [here, path, 0, 0, 0])),
            ("a process", (libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0])),
            (
                "a process that shares memory",
                (libc::SYS_clone, [(libc::CLONE_VM | libc::CLONE_VFORK) as usize, 0, 0, 0, 0]),
            ),
            (
                "a thread in a network of its own",
                (libc::SYS_clone, [thread | libc::CLONE_NEWNET as usize, page, 0, 0, 0]),
            ),
            ("a user namespace", (libc::SYS_unshare, [libc::CLONE_NEWUSER as usize, 0, 0, 0, 0])),
            ("another's namespace", (libc::SYS_setns, [pipe, 0, 0, 0, 0])),
            ("machine code in a page of its own", (libc::SYS_mprotect, [page, 4096, executable, 0, 0])),
            ("the same with more in the upper half", (libc::SYS_mprotect, [page, 4096, executable | 1 << 32, 0, 0])),
            ("a page for machine code", (libc::SYS_mmap, [0, 4096, executable, 34, usize::MAX])),
            ("the same with a key", (libc::SYS_pkey_mprotect, [page, 4096, executable, 0, 0])),
            ("a file in memory, to be run", (libc::SYS_memfd_create, [path, 0, 0, 0, 0])),
            ("memory that is secret", (447, nothing)),
            // Sockets that were not there.
            ("a socket", (libc::SYS_socket, [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0, 0, 0])),
            ("a pair of sockets of the network", (libc::SYS_socketpair, [libc::AF_INET as usize, 1, 0, buffer, 0])),
            ("a connection", (libc::SYS_connect, [pipe, buffer, 16, 0, 0])),
            ("an address", (libc::SYS_bind, [pipe, buffer, 16, 0, 0])),
            ("listening", (libc::SYS_listen, [pipe, 1, 0, 0, 0])),
            ("taking a connection", (libc::SYS_accept4, [pipe, 0, 0, 0, 0])),
            ("an option of a socket", (libc::SYS_setsockopt, [pipe, 1, 1, buffer, 4])),
            // What processes of one user share by number or name.
            ("shared memory by a number", (libc::SYS_shmget, [1, 4096, 0o1666, 0, 0])),
            ("shared memory, mapped", (libc::SYS_shmat, [1, 0, 0, 0, 0])),
            ("a queue of messages by a number", (libc::SYS_msgget, [1, 0o1666, 0, 0, 0])),
            ("a message", (libc::SYS_msgsnd, [1, buffer, 1, 0, 0])),
            ("semaphores by a number", (libc::SYS_semget, [1, 1, 0o1666, 0, 0])),
            ("a semaphore", (libc::SYS_semop, [1, buffer, 1, 0, 0])),
            ("a queue of messages by a name", (libc::SYS_mq_open, [path, libc::O_RDONLY as usize, 0, 0, 0])),
            // What Landlock does not restrict of files.
            ("a mode", (libc::SYS_fchmodat, [here, path, 0o777, 0, 0])),
            ("a mode by the newer call", (452, [here, path, 0o777, 0, 0])),
            ("a mode of what is open", (libc::SYS_fchmod, [pipe, 0o777, 0, 0, 0])),
            ("an owner", (libc::SYS_fchownat, [here, path, 0, 0, 0])),
            ("an attribute", (libc::SYS_setxattr, [path, path, buffer, 0, 0])),
            ("an attribute by the newer call", (463, [here, path, 0, path, 0])),
            ("an attribute's removal", (466, [here, path, 0, path, 0])),
            ("flags of a file", (469, [here, path, buffer, 0, 0])),
            ("times of a file", (libc::SYS_utimensat, [here, path, 0, 0, 0])),
            ("a special file", (libc::SYS_mknodat, [here, path, libc::S_IFIFO as usize, 0, 0])),
            ("a symbolic link", (libc::SYS_symlinkat, [path, here, path, 0, 0])),
            ("a file by its handle", (libc::SYS_open_by_handle_at, [here, buffer, 0, 0, 0])),
            ("watching files", (libc::SYS_inotify_init1, nothing)),
            ("watching mounts", (libc::SYS_fanotify_init, nothing)),
            ("another root", (libc::SYS_chroot, [path, 0, 0, 0, 0])),
            // Mounts.
            ("a mount", (libc::SYS_mount, [0, path, 0, 0, 0])),
            ("a mount's end", (libc::SYS_umount2, [path, 0, 0, 0, 0])),
            ("a tree of mounts", (libc::SYS_open_tree, [here, path, 0, 0, 0])),
            ("a mount, moved", (libc::SYS_move_mount, [here, path, here, path, 0])),
            ("a file system", (libc::SYS_fsopen, [path, 0, 0, 0, 0])),
            // Parts of the kernel that nothing here uses.
            ("a ring of requests", (libc::SYS_io_uring_setup, [1, buffer, 0, 0, 0])),
            ("older asynchronous requests", (libc::SYS_io_setup, [1, buffer, 0, 0, 0])),
            ("a program in the kernel", (libc::SYS_bpf, [0, buffer, 0, 0, 0])),
            ("counters of events", (libc::SYS_perf_event_open, [buffer, 0, usize::MAX, usize::MAX, 0])),
            ("faults of its own", (libc::SYS_userfaultfd, nothing)),
            ("a key", (libc::SYS_add_key, [path, path, 0, 0, 0])),
            ("the keys' control", (libc::SYS_keyctl, nothing)),
            ("a timer that sends signals", (libc::SYS_timer_create, [0, 0, buffer, 0, 0])),
            ("modules of the kernel", (libc::SYS_finit_module, [pipe, path, 0, 0, 0])),
            ("a wait for one of several locks", (libc::SYS_futex_waitv, [buffer, 1, 0, 0, 0])),
            ("a barrier across processors", (libc::SYS_membarrier, nothing)),
            // What libraries do by other calls, where they do it at all.
            ("pages moved from one descriptor to another", (libc::SYS_splice, [pipe, 0, pipe, 0, 1])),
            ("pages of memory moved to a descriptor", (libc::SYS_vmsplice, [pipe, buffer, 1, 0, 0])),
            ("pages doubled", (libc::SYS_tee, [pipe, pipe, 1, 0, 0])),
            ("a file sent to a descriptor", (libc::SYS_sendfile, [pipe, pipe, 0, 1, 0])),
            ("a range of a file copied", (libc::SYS_copy_file_range, [pipe, 0, pipe, 0, 1])),
            ("a read with flags", (libc::SYS_preadv2, [pipe, buffer, 1, 0, 0])),
            ("a write with flags", (libc::SYS_pwritev2, [pipe, buffer, 1, 0, 0])),
            ("advice about a file", (libc::SYS_fadvise64, [pipe, 0, 1, 4, 0])),
            ("a part of a file written to the disk", (libc::SYS_sync_file_range, [pipe, 0, 1, 0, 0])),
            ("memory written to the disk", (libc::SYS_msync, [page, 4096, 4, 0, 0])),
            ("which pages are in memory", (libc::SYS_mincore, [page, 4096, buffer, 0, 0])),
            ("a file cut by its path", (libc::SYS_truncate, [path, 0, 0, 0, 0])),
            ("room for a file", (libc::SYS_fallocate, [pipe, 0, 0, 1, 0])),
            // Restrictions: there is one filter, and threads take the rules that there are.
            ("another filter", (libc::SYS_seccomp, [1, 0, 0, 0, 0])),
            ("another filter by prctl", (libc::SYS_prctl, [libc::PR_SET_SECCOMP as usize, 2, 0, 0, 0])),
            ("other rules for files", (libc::SYS_landlock_create_ruleset, [0, 0, 1, 0, 0])),
            #[cfg(target_arch = "x86_64")]
            ("ports of the machine", (libc::SYS_iopl, nothing)),
            #[cfg(target_arch = "x86_64")]
            ("a socket by its number of x32", (0x4000_0000 | 41, [1, 1, 0, 0, 0])),
            #[cfg(target_arch = "x86_64")]
            ("the process's id by its number of x32", (0x4000_0000 | 39, nothing)),
        ];
        for &(what, (number, arguments)) in refused {
            let error = call(number, arguments).expect_err(what);
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{what}: {error}");
        }
    });
}

/// How many filters this thread has.
fn filters() -> u32 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let count = status.lines().find_map(|line| line.strip_prefix("Seccomp_filters:"));
    count.map_or(0, |count| count.trim().parse().unwrap())
}

#[test]
fn what_the_process_does_with_itself_goes_on() {
    in_a_process("what_the_process_does_with_itself_goes_on", |folder| {
        let own = std::process::id() as usize;
        let mut limits = [0u64; 2];
        let limits = limits.as_mut_ptr() as usize;
        let sandbox = ProcessSandbox::new().allow_reading(folder.join("in")).allow_writing_in(folder.join("out"));
        let sandbox = sandbox.allow_reading("/proc/thread-self");
        let filters = filters();
        sandbox.enforce().unwrap();
        // A thread that is started meanwhile meets all of it or nothing: it is one filter.
        assert!(self::filters() <= filters + 1);
        let thread = call(libc::SYS_gettid, [0; 5]).unwrap() as usize;
        call(libc::SYS_tgkill, [own, thread, 0, 0, 0]).unwrap();
        for process in [0, own] {
            call(libc::SYS_prlimit64, [process, libc::RLIMIT_NOFILE as usize, 0, limits, 0]).unwrap();
        }
        let no_terminal = call(libc::SYS_ioctl, [0, libc::TCGETS as usize, limits, 0, 0]);
        assert_ne!(no_terminal.err().and_then(|error| error.raw_os_error()), Some(libc::EPERM));
        // Libraries look whether the kernel has a call, and go on without it.
        for newer in [libc::SYS_clone3, 470, 600, 10_000] {
            let error = call(newer, [0; 5]).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ENOSYS), "call {newer}: {error}");
        }
        let named = std::thread::Builder::new().name("named".to_owned());
        named.spawn(|| std::thread::sleep(std::time::Duration::from_millis(1))).unwrap().join().unwrap();
        let caught = std::panic::catch_unwind(|| panic!("a panic is still caught"));
        assert!(caught.is_err());
    });
}

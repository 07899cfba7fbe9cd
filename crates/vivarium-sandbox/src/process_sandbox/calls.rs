//! seccomp: which system calls the process may make.
//!
//! A list of what is refused, not of what is allowed: the libraries of this process and the C library below them change what
//! they call with every version, and a call that is missing from a list of the allowed ones breaks users at random. What is
//! refused is what lets code reach beyond the process, and no thread of it calls after its start.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::ProcessSandboxError;

/// Calls that are newer than the C library's list of them; they have one number on all architectures.
const FCHMODAT2: libc::c_long = 452;
const SETXATTRAT: libc::c_long = 463;
const REMOVEXATTRAT: libc::c_long = 466;
const FILE_SETATTR: libc::c_long = 469;

/// Calls that take a process or thread, by the argument that names it: they may be made for the caller only, which is 0.
const ONLY_OWN_THREAD: &[(libc::c_long, u8)] = &[
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
];

/// Calls whose first argument is a process: they may be made for this one only. The C library aborts by one of them.
const ONLY_OWN_PROCESS: &[libc::c_long] = &[libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// Requests of `ioctl` by which a process writes into the input of its terminal, or takes the console or another terminal's
/// discipline over: what it writes there the shell runs. Those that ask a terminal what it is go on.
const REFUSED_REQUESTS: &[libc::c_ulong] =
    &[libc::TIOCSTI, libc::TIOCLINUX, libc::TIOCCONS, libc::TIOCSETD, libc::TIOCSCTTY];

/// Calls that fail with `EPERM`.
const REFUSED: &[libc::c_long] = &[
    // Sockets. What is open, such as the pair by which signals arrive, goes on.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other programs, and other processes' memory, files and fate.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_tkill,
    // Queues and memory that processes of one user share by number or name.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // Owners, modes, attributes and times of files, which Landlock does not restrict.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
    libc::SYS_utimensat,
    // Files by other ways than their paths.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // Whole subsystems of the kernel that have been ways into it, and that nothing here uses.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_personality,
    // Other users.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_capset,
];

/// Calls of the same kinds that only older architectures have.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Refuses the calls to all threads. Tells whether the kernel can.
pub(super) fn restrict_process() -> Result<bool, ProcessSandboxError> {
    let Some(filters) = filters()? else { return Ok(false) };
    for filter in filters {
        match seccompiler::apply_filter_all_threads(&filter) {
            Ok(()) => {}
            Err(seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) =>
            {
                return Ok(false);
            }
            Err(error) => return Err(ProcessSandboxError::Refused(error.to_string())),
        }
    }
    Ok(true)
}

/// The filters, `None` on an architecture that the crate does not know. A filter has one way to refuse, hence several of them.
fn filters() -> Result<Option<Vec<BpfProgram>>, ProcessSandboxError> {
    let Ok(architecture) = std::env::consts::ARCH.try_into() else { return Ok(None) };
    let compile = |rules, errno: libc::c_int| {
        let refuse = SeccompAction::Errno(errno as u32);
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture)
            .and_then(BpfProgram::try_from)
            .map_err(|error| ProcessSandboxError::Refused(error.to_string()))
    };
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().chain(REFUSED_HERE).map(|&call| (call, Vec::new())).collect();
    // Threads may be started, processes may not.
    let no_thread = condition(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64), 0)?;
    rules.insert(libc::SYS_clone, vec![rule(vec![no_thread])?]);
    // The kernel takes these arguments as 32 bits, whatever is above them.
    let is_not = |argument, value| condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
    let own = u64::from(std::process::id());
    for &(call, argument) in ONLY_OWN_THREAD {
        rules.insert(call, vec![rule(vec![is_not(argument, 0)?])?]);
    }
    for &call in ONLY_OWN_PROCESS {
        rules.insert(call, vec![rule(vec![is_not(0, own)?])?]);
    }
    // Asking for limits, and setting one's own, by either name.
    rules.insert(libc::SYS_prlimit64, vec![rule(vec![is_not(0, 0)?, is_not(0, own)?])?]);
    let requests = REFUSED_REQUESTS
        .iter()
        .map(|&request| rule(vec![condition(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request)?]));
    rules.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
    // The flags of `clone3` are in memory, where no filter can look. The C library then falls back to `clone`.
    let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    let mut filters = vec![compile(rules, libc::EPERM)?, compile(clone3, libc::ENOSYS)?];
    #[cfg(target_arch = "x86_64")]
    filters.push(other_numbers());
    Ok(Some(filters))
}

fn condition(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, ProcessSandboxError> {
    SeccompCondition::new(argument, length, operator, value)
        .map_err(|error| ProcessSandboxError::Refused(error.to_string()))
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, ProcessSandboxError> {
    SeccompRule::new(conditions).map_err(|error| ProcessSandboxError::Refused(error.to_string()))
}

/// Refuses all calls of x32: the same calls by other numbers, from 0x40000000 on, under the same name of an architecture. Rules by
/// number do not meet them.
#[cfg(target_arch = "x86_64")]
fn other_numbers() -> BpfProgram {
    use seccompiler::sock_filter;

    /// Loads a word of what the filter is given: the number is the first one.
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    vec![
        sock_filter { code: LOAD, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 1, jf: 0, k: X32 },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ALLOW },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ERRNO | libc::EPERM as u32 },
    ]
}

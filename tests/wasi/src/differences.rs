//! Where the two sides differ, and why ours is right, or at least good enough.
//!
//! A difference is as narrow as what it allows: the calls, what they were called on, and both answers. The fixed run of `tests/oracle.rs`
//! meets each of them, so that none stays that is no longer there.

use crate::errno::*;
use crate::guest::Outcome;
use crate::run::Answer;
use crate::step::{Argument, Step, Subscription};

/// A difference.
#[derive(Clone, Copy)]
pub struct Difference {
    /// The calls, for the table.
    pub calls: &'static str,
    /// When they differ.
    pub when: &'static str,
    /// What ours does.
    pub ours: &'static str,
    /// What theirs does.
    pub theirs: &'static str,
    /// Why ours stays as it is.
    pub why: &'static str,
    /// Whether two answers differ in this way.
    pub covers: fn(&Seen<'_>) -> bool,
    /// Whether both sides are in the same state afterwards.
    pub goes_on: bool,
    /// Whether the answers are alike, and what differs is seen later.
    pub is_silent: bool,
}

/// What a descriptor stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing.
    Missing,
    /// Standard input.
    Stdin,
    /// Standard output or error.
    Output,
    /// A directory.
    Directory {
        /// Whether it is of `/env`, which can only be read.
        environment: bool,
    },
    /// A file.
    File {
        /// As above.
        environment: bool,
        /// Whether it was opened with the right to read.
        read: bool,
        /// Whether it was opened with the right to write.
        write: bool,
        /// Whether what is written goes to its end.
        append: bool,
    },
}

impl What {
    /// What the first five descriptors stand for.
    pub const STANDARD: [What; 5] = [
        What::Stdin,
        What::Output,
        What::Output,
        What::Directory { environment: true },
        What::Directory { environment: false },
    ];

    fn is_stream(self) -> bool {
        matches!(self, What::Stdin | What::Output)
    }

    fn is_directory(self) -> bool {
        matches!(self, What::Directory { .. })
    }

    fn is_file(self) -> bool {
        matches!(self, What::File { .. })
    }

    fn is_of_environment(self) -> bool {
        matches!(self, What::Directory { environment: true } | What::File { environment: true, .. })
    }
}

/// A step to which the sides gave two answers.
pub struct Seen<'a> {
    /// The step.
    pub step: &'a Step,
    /// What the descriptors that it names stand for, in order.
    pub whats: Vec<What>,
    /// Our answer.
    pub ours: &'a Answer,
    /// Their answer.
    pub theirs: &'a Answer,
}

impl Seen<'_> {
    fn calls(&self, functions: &[&str]) -> bool {
        functions.contains(&self.step.function())
    }

    /// Whether the calls are those with a path.
    fn names(&self) -> bool {
        self.step.function().starts_with("path_")
    }

    fn on(&self) -> What {
        self.whats.first().copied().unwrap_or(What::Missing)
    }

    fn statuses(&self, ours: u16, theirs: u16) -> bool {
        self.ours.outcome.is(ours) && self.theirs.outcome.is(theirs)
    }

    /// Flags of a `path_open` or `fd_fdstat_set_flags`.
    fn flags(&self) -> u64 {
        if self.calls(&["path_open", "fd_fdstat_set_flags"]) {
            self.step.numbers().last().copied().unwrap_or(0)
        } else {
            0
        }
    }

    /// Whether a path ends in a slash, or in a dot behind one.
    fn ends_in_slash(&self) -> bool {
        self.step.texts().iter().any(|text| text.ends_with(b"/") || text.ends_with(b"/."))
    }

    fn subscriptions(&self) -> &[Subscription] {
        let Step::Call(call) = self.step else { return &[] };
        match call.arguments.first() {
            Some(Argument::Subscriptions(subscriptions)) => subscriptions,
            _ => &[],
        }
    }
}

/// Flags of a descriptor by which writing waits for a disk.
const SYNC: u64 = 2 | 8 | 16;

/// All of them.
pub const DIFFERENCES: [Difference; 31] = [
    Difference {
        calls: "all with addresses",
        when: "an address or length leaves memory, or an address is not aligned",
        ours: "`EFAULT`; works",
        theirs: "trap; `ENOMEM` for a long path or buffer",
        why: "The specification lets such a call trap. An error is as safe, and a program with a mistake in one place goes on.",
        covers: |seen| {
            matches!(seen.step, Step::Call(call) if call.broken.is_some())
                && matches!(seen.ours.outcome, Outcome::Status(_))
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`path_*`, `fd_readdir`",
        when: "a descriptor is not a directory",
        ours: "`ENOTDIR`, or what is wrong with the path before it",
        theirs: "`EBADF`, but for `path_open` on a file",
        why: "POSIX: the descriptor is one, and it is not a directory's.",
        covers: |seen| {
            (seen.names() || seen.calls(&["fd_readdir"]))
                && seen.whats.iter().any(|what| !what.is_directory())
                && (seen.theirs.outcome.is(BADF) && matches!(seen.ours.outcome, Outcome::Status(1..))
                    || seen.statuses(BADF, ILSEQ)
                    || seen.statuses(NOTDIR, ILSEQ))
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_read`, `fd_pread`, `fd_pwrite`, `fd_seek`, `fd_tell`, `fd_advise`, `fd_allocate`, `fd_filestat_set_size`",
        when: "on a directory",
        ours: "`EISDIR`",
        theirs: "`EBADF`",
        why: "POSIX for reading; wasi-testsuite accepts both.",
        covers: |seen| seen.on().is_directory() && seen.statuses(ISDIR, BADF),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_pread`, `fd_pwrite`, `fd_advise`, `fd_allocate`, `fd_filestat_set_size`",
        when: "on a standard stream",
        ours: "`ESPIPE`",
        theirs: "`EBADF`; `ESPIPE` where reading would do",
        why: "POSIX: a stream has no offsets.",
        covers: |seen| seen.on().is_stream() && seen.statuses(SPIPE, BADF),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_sync`, `fd_datasync`",
        when: "on a standard stream; on a directory",
        ours: "`EINVAL`; works",
        theirs: "`EBADF`",
        why: "POSIX for what cannot be synchronised. Programs synchronise directories after a rename.",
        covers: |seen| {
            seen.calls(&["fd_sync", "fd_datasync"])
                && (seen.on().is_stream() && seen.statuses(INVAL, BADF)
                    || seen.on().is_directory() && seen.statuses(0, BADF))
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_fdstat_set_flags`",
        when: "on a standard stream or a directory",
        ours: "kept, without effect",
        theirs: "`EBADF`",
        why: "Programs make their standard streams non-blocking; nothing here blocks a file's reader or writer anyway.",
        covers: |seen| seen.calls(&["fd_fdstat_set_flags"]) && !seen.on().is_file() && seen.statuses(0, BADF),
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`path_open`, `fd_fdstat_set_flags`",
        when: "with `DSYNC`, `RSYNC` or `SYNC`",
        ours: "kept, without effect",
        theirs: "`ENOTSUP`; `EINVAL`",
        why: "There is no disk behind a file that can be written, so all that was written is where it will be.",
        covers: |seen| seen.flags() & SYNC != 0 && (seen.theirs.outcome.is(NOTSUP) || seen.statuses(0, INVAL)),
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_allocate`",
        when: "on a file",
        ours: "charges and allocates the range; `EINVAL` for an empty one, or a file that is not open for writing",
        theirs: "`ENOTSUP`",
        why: "Within a quota this is how a program makes sure of its space.",
        covers: |seen| seen.calls(&["fd_allocate"]) && seen.on().is_file() && seen.theirs.outcome.is(NOTSUP),
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_fdstat_set_rights`",
        when: "on a standard stream",
        ours: "`ENOTSUP`, as on everything else",
        theirs: "`EBADF`",
        why: "The descriptor is open; rights are not kept.",
        covers: |seen| seen.calls(&["fd_fdstat_set_rights"]) && seen.on().is_stream() && seen.statuses(NOTSUP, BADF),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`clock_time_get`, `clock_res_get`",
        when: "the clocks of processor time",
        ours: "show the monotonic clock",
        theirs: "`EBADF`",
        why: "`time.process_time` and `time.thread_time` of Python are there; how long the guest has run on a processor is the host's business.",
        covers: |seen| seen.calls(&["clock_time_get", "clock_res_get"]) && seen.statuses(0, BADF),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`poll_oneoff`",
        when: "a descriptor is not open, or not for this",
        ours: "an event with the error `EBADF`; none for writing to a file of `/env`",
        theirs: "the call fails with `EBADF`, `EPERM`",
        why: "The specification has an error in each event, and the others are reported.",
        covers: |seen| {
            seen.calls(&["poll_oneoff"])
                && [(0, BADF), (0, PERM), (INVAL, BADF)].iter().any(|&(ours, theirs)| seen.statuses(ours, theirs))
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`poll_oneoff`",
        when: "standard input is at its end",
        ours: "the event says so (`HANGUP`)",
        theirs: "it does not",
        why: "As the event for a file does on both sides.",
        covers: |seen| {
            let reads =
                |subscription: &Subscription| matches!(subscription, Subscription::Read(handle) if handle.0 == 0);
            seen.calls(&["poll_oneoff"]) && seen.statuses(0, 0) && seen.subscriptions().iter().any(reads)
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`poll_oneoff`",
        when: "several are ready, among them a time that has passed, or a file at its end",
        ours: "all of them are reported",
        theirs: "not always those",
        why: "The next call would report them at once.",
        covers: |seen| seen.calls(&["poll_oneoff"]) && seen.statuses(0, 0) && seen.subscriptions().len() > 1,
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "all with flags, clocks, origins or advice",
        when: "a number is none that preview 1 has",
        ours: "`EINVAL`, or what else is wrong with the call",
        theirs: "trap",
        why: "As for addresses.",
        covers: |seen| {
            matches!(&seen.theirs.outcome, Outcome::Trap(error) if error.contains(" at convert "))
                && matches!(seen.ours.outcome, Outcome::Status(_))
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_filestat_set_times`",
        when: "on a standard stream; on a directory",
        ours: "`EINVAL`; works",
        theirs: "`EBADF`",
        why: "POSIX (`futimens`).",
        covers: |seen| {
            seen.calls(&["fd_filestat_set_times"])
                && (seen.on().is_stream() && seen.statuses(INVAL, BADF)
                    || seen.on().is_directory() && seen.statuses(0, BADF))
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_filestat_set_size`, `fd_write`, `fd_pwrite`",
        when: "a size or the end of a write is over 2^63 - 1",
        ours: "`EFBIG`",
        theirs: "`EINVAL`",
        why: "POSIX: it is over the largest size of a file.",
        covers: |seen| seen.calls(&["fd_filestat_set_size", "fd_write", "fd_pwrite"]) && seen.statuses(FBIG, INVAL),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_seek`",
        when: "the offset is over 2^63 - 1",
        ours: "`EOVERFLOW`",
        theirs: "works",
        why: "POSIX (`lseek`); an offset is signed everywhere else.",
        covers: |seen| seen.calls(&["fd_seek"]) && seen.statuses(OVERFLOW, 0),
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_read`",
        when: "no bytes of standard input",
        ours: "works",
        theirs: "`EINTR`",
        why: "POSIX.",
        covers: |seen| seen.calls(&["fd_read"]) && seen.on() == What::Stdin && seen.statuses(0, INTR),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_fdstat_get`",
        when: "a directory was opened with flags",
        ours: "shows them",
        theirs: "does not",
        why: "As it does for a file; they have no effect.",
        covers: |seen| seen.calls(&["fd_fdstat_get"]) && seen.on().is_directory() && seen.statuses(0, 0),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`path_filestat_get`, `path_filestat_set_times`",
        when: "a slash, or a slash and a dot, behind a file, or behind a link that is not followed",
        ours: "`ENOTDIR`, or what the link leads to",
        theirs: "as without the slash",
        why: "Linux: a slash says that a directory is meant.",
        covers: |seen| {
            seen.names() && seen.calls(&["path_filestat_get", "path_filestat_set_times"]) && seen.ends_in_slash()
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`path_filestat_set_times`",
        when: "a link behind `..` is not followed",
        ours: "sets the link's times",
        theirs: "does not",
        why: "POSIX.",
        covers: |seen| {
            let goes_up = |text: &&[u8]| text.split(|byte| *byte == b'/').any(|component| component == b"..");
            seen.calls(&["path_filestat_set_times"]) && seen.statuses(0, 0) && seen.step.texts().iter().any(goes_up)
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`path_remove_directory`",
        when: "a slash behind the directory; `..` at the end",
        ours: "as without it; `ENOTEMPTY`",
        theirs: "`EINVAL`",
        why: "POSIX; Linux.",
        covers: |seen| {
            seen.calls(&["path_remove_directory"])
                && (seen.ends_in_slash() || seen.step.texts()[0].ends_with(b".."))
                && seen.theirs.outcome.is(INVAL)
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`path_unlink_file`, `path_remove_directory`",
        when: "a slash behind a link",
        ours: "`ENOTDIR`",
        theirs: "what there is to say about what the link leads to",
        why: "Linux: the link is what has the name.",
        covers: |seen| {
            seen.calls(&["path_unlink_file", "path_remove_directory"])
                && seen.ends_in_slash()
                && seen.ours.outcome.is(NOTDIR)
                && matches!(seen.theirs.outcome, Outcome::Status(1..))
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`fd_read`, `fd_pread`",
        when: "the end of what is to be read is over 2^63 - 1",
        ours: "nothing is read: the file has ended",
        theirs: "`EINVAL`",
        why: "POSIX.",
        covers: |seen| seen.calls(&["fd_read", "fd_pread"]) && seen.on().is_file() && seen.statuses(0, INVAL),
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`path_link`, `path_rename`, `path_symlink`",
        when: "there is something wrong with both paths, or with the text and the path",
        ours: "says what is wrong with the first",
        theirs: "says what is wrong with the second, or with its directory",
        why: "Linux, but for what it finds in a path before it looks.",
        covers: |seen| {
            let wrong = [NOENT, NOTDIR, PERM, LOOP, NAMETOOLONG, INVAL, EXIST, ILSEQ, BUSY];
            seen.calls(&["path_link", "path_rename", "path_symlink"])
                && wrong.iter().any(|status| seen.ours.outcome.is(*status))
                && wrong.iter().any(|status| seen.theirs.outcome.is(*status))
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`proc_exit`",
        when: "the status is 126 or more",
        ours: "the status",
        theirs: "trap",
        why: "Python's statuses go to 255.",
        covers: |seen| {
            seen.calls(&["proc_exit"])
                && matches!((&seen.ours.outcome, &seen.theirs.outcome), (Outcome::Exit(126..), Outcome::Trap(_)))
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "all that would change something",
        when: "in `/env`",
        ours: "`EROFS`, but first what a read-only file system says first: `ENOENT`, `EEXIST`, `EISDIR`, ...; `EXDEV` between `/env` and `/tmp`",
        theirs: "`EPERM`",
        why: "Linux.",
        covers: |seen| {
            seen.whats.iter().any(|what| what.is_of_environment())
                && seen.theirs.outcome.is(PERM)
                && matches!(seen.ours.outcome, Outcome::Status(1..))
        },
        goes_on: true,
        is_silent: false,
    },
    Difference {
        calls: "`path_link`",
        when: "links at the end of the old path are to be followed",
        ours: "they are",
        theirs: "`EINVAL`",
        why: "POSIX (`AT_SYMLINK_FOLLOW`).",
        covers: |seen| seen.calls(&["path_link"]) && seen.step.numbers()[0] == 1 && seen.theirs.outcome.is(INVAL),
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`path_symlink`",
        when: "the text is an absolute path",
        ours: "any text; `EPERM` when it is followed out of its preopen",
        theirs: "`EPERM`",
        why: "Python programs link to absolute names of their temporary files.",
        covers: |seen| {
            seen.calls(&["path_symlink"]) && seen.step.texts()[0].starts_with(b"/") && seen.theirs.outcome.is(PERM)
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_read`, `fd_pread`, `fd_write`, `fd_pwrite`",
        when: "the file was opened without the right to",
        ours: "`EBADF`",
        theirs: "works where opening needed more of the host than was asked for",
        why: "What was not asked for is not given; libc always asks.",
        covers: |seen| {
            let reads = seen.calls(&["fd_read", "fd_pread"]);
            let writes = seen.calls(&["fd_write", "fd_pwrite"]);
            seen.statuses(BADF, 0)
                && matches!(seen.on(), What::File { read, write, .. } if reads && !read || writes && !write)
        },
        goes_on: false,
        is_silent: false,
    },
    Difference {
        calls: "`fd_pwrite`",
        when: "with `APPEND`",
        ours: "at the offset",
        theirs: "at the end",
        why: "POSIX; theirs is what Linux does. wasi-testsuite accepts both.",
        covers: |seen| seen.calls(&["fd_pwrite"]) && matches!(seen.on(), What::File { append: true, .. }),
        goes_on: false,
        is_silent: true,
    },
];

//! Error numbers of WASI preview 1.

use std::io;

/// Why a call failed, as the guest sees it: the subset of preview 1's `errno` that this implementation returns.
///
/// The numbers are those of `typenames.witx`; success, 0, is `Ok(())` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Errno {
    /// Permission denied.
    Acces = 2,
    /// Bad file descriptor.
    Badf = 8,
    /// Device or resource busy.
    Busy = 10,
    /// File exists.
    Exist = 20,
    /// Bad address: a pointer or length that leaves linear memory.
    Fault = 21,
    /// File too large.
    Fbig = 22,
    /// Illegal byte sequence: a path that is not UTF-8.
    Ilseq = 25,
    /// Invalid argument.
    Inval = 28,
    /// I/O error.
    Io = 29,
    /// Is a directory.
    Isdir = 31,
    /// Too many levels of symbolic links.
    Loop = 32,
    /// Too many open files.
    Mfile = 33,
    /// File name too long.
    Nametoolong = 37,
    /// No such file or directory.
    Noent = 44,
    /// Not enough memory.
    Nomem = 48,
    /// No space left on device.
    Nospc = 51,
    /// Not a directory.
    Notdir = 54,
    /// Directory not empty.
    Notempty = 55,
    /// Not a socket.
    Notsock = 57,
    /// Not supported.
    Notsup = 58,
    /// Value too large.
    Overflow = 61,
    /// Operation not permitted; also what leads out of a preopen.
    Perm = 63,
    /// Broken pipe.
    Pipe = 64,
    /// Read-only file system.
    Rofs = 69,
    /// Invalid seek.
    Spipe = 70,
    /// Cross-device link.
    Xdev = 75,
}

/// What a call on behalf of the guest returns.
pub(crate) type Result<T, E = Errno> = std::result::Result<T, E>;

impl From<io::Error> for Errno {
    /// Translates an error of the host's file system. What has no counterpart here is an I/O error: the guest learns
    /// nothing about the host from it.
    fn from(error: io::Error) -> Self {
        use rustix::io::Errno as Host;
        let Some(host) = Host::from_io_error(&error) else {
            return match error.kind() {
                // What cap-std returns for a path that leads out of its directory.
                io::ErrorKind::PermissionDenied => Errno::Perm,
                io::ErrorKind::NotFound => Errno::Noent,
                io::ErrorKind::InvalidInput => Errno::Inval,
                io::ErrorKind::BrokenPipe => Errno::Pipe,
                _ => Errno::Io,
            };
        };
        match host {
            Host::ACCESS => Errno::Acces,
            Host::BUSY => Errno::Busy,
            Host::EXIST => Errno::Exist,
            Host::FBIG => Errno::Fbig,
            Host::ILSEQ => Errno::Ilseq,
            Host::INVAL => Errno::Inval,
            Host::ISDIR => Errno::Isdir,
            Host::LOOP => Errno::Loop,
            Host::MFILE | Host::NFILE => Errno::Mfile,
            Host::NAMETOOLONG => Errno::Nametoolong,
            Host::NOENT => Errno::Noent,
            Host::NOMEM => Errno::Nomem,
            Host::NOSPC | Host::DQUOT => Errno::Nospc,
            Host::NOTDIR => Errno::Notdir,
            Host::NOTEMPTY => Errno::Notempty,
            Host::OVERFLOW => Errno::Overflow,
            Host::PERM => Errno::Perm,
            Host::PIPE => Errno::Pipe,
            Host::ROFS => Errno::Rofs,
            Host::XDEV => Errno::Xdev,
            _ => Errno::Io,
        }
    }
}

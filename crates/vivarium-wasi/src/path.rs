//! Paths as the guest writes them.

use crate::errno::{Errno, Result};

/// The longest name of one directory entry, in bytes; `NAME_MAX` everywhere that matters.
pub(crate) const MAX_NAME: usize = 255;

/// A relative path that is UTF-8, holds no NUL, and respects the limits on lengths.
///
/// It may hold `.`, `..` and repeated slashes: where it leads, and that it leads nowhere outside, is decided by the
/// file system that resolves it.
#[derive(Clone, Debug)]
pub(crate) struct GuestPath(Box<str>);

impl GuestPath {
    /// Checks a path of at most `limit` bytes.
    ///
    /// # Errors
    /// `ENOENT` for the empty path, `ENAMETOOLONG` for a path over the limit or a name over 255 bytes, `EILSEQ` for
    /// what is not UTF-8, `EINVAL` for a NUL byte, and `EPERM` for an absolute path: those lead out of every preopen.
    pub fn new(bytes: &[u8], limit: u32) -> Result<Self> {
        if bytes.is_empty() {
            return Err(Errno::Noent);
        }
        let text = checked_text(bytes, limit)?;
        if text.starts_with('/') {
            return Err(Errno::Perm);
        }
        if text.split('/').any(|name| name.len() > MAX_NAME) {
            return Err(Errno::Nametoolong);
        }
        Ok(GuestPath(text.into()))
    }

    /// The path as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its components in order: names, `.` and `..`.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        components(&self.0)
    }

    /// Whether a trailing slash says that the path must lead to a directory.
    pub fn requires_directory(&self) -> bool {
        self.0.ends_with('/')
    }

    /// Whether the end of the path, a slash or a dot, can only be that of a directory's: a link before it is followed in any case.
    pub fn ends_as_directory(&self) -> bool {
        self.requires_directory() || self.components().next_back().is_some_and(|last| last == "." || last == "..")
    }
}

/// Checks the text of a symbolic link: any text without NUL, since where it leads is decided when it is followed.
///
/// # Errors
/// As [`GuestPath::new`], but absolute texts are accepted.
pub(crate) fn link_text(bytes: &[u8], limit: u32) -> Result<Box<str>> {
    if bytes.is_empty() {
        return Err(Errno::Noent);
    }
    checked_text(bytes, limit).map(Into::into)
}

/// The components of a path: what is between its slashes and not empty.
pub(crate) fn components(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|component| !component.is_empty())
}

fn checked_text(bytes: &[u8], limit: u32) -> Result<&str> {
    if bytes.len() > limit as usize {
        return Err(Errno::Nametoolong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Errno::Ilseq)?;
    if text.contains('\0') {
        return Err(Errno::Inval);
    }
    Ok(text)
}

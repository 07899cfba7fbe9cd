//! Where a path leads.

use super::inode::{Content, InodeId};
use super::{MOUNT, Scratch};
use crate::errno::{Errno, Result};
use crate::path::{GuestPath, MAX_NAME, components};

/// The most symbolic links one lookup follows, as in Linux.
const MAX_LINKS: u32 = 40;

/// The end of a path: the directory it ends in, the name there, and what has that name.
#[derive(Debug)]
pub(super) struct ResolvedPath {
    pub parent: InodeId,
    pub last: Last,
    /// `None` when nothing has that name; always something for `.` and `..`.
    pub inode: Option<InodeId>,
    /// A trailing slash: what is there, or will be, must be a directory.
    pub requires_directory: bool,
}

/// The last component of a path, after the links that were followed.
#[derive(Debug)]
pub(super) enum Last {
    Name(Box<str>),
    Dot,
    DotDot,
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkAtEnd {
    Followed,
    /// A slash behind it says that a directory is meant, so it is followed all the same.
    FollowedBeforeSlash,
    /// The call is about the name.
    Kept,
}

impl ResolvedPath {
    /// The last component, for calls that give or take a name.
    ///
    /// # Errors
    /// `otherwise` for `.` and `..`, which are no names.
    pub fn name(&self, otherwise: Errno) -> Result<&str> {
        match &self.last {
            Last::Name(name) => Ok(name),
            Last::Dot | Last::DotDot => Err(otherwise),
        }
    }
}

impl Scratch {
    /// Follows `path` from the directory `base`.
    ///
    /// The directories passed are kept in a trail and `..` goes back along it, never above `base`: a descriptor is a
    /// capability for what lies below it, and neither `..` nor a link adds to it. A link to an absolute path leads
    /// nowhere, except that links below `/tmp` are followed from the root when the lookup began there: Python programs
    /// link to absolute names of their temporary files.
    ///
    /// # Errors
    /// `EPERM` for what leads out of `base`, `ENOENT` when something on the way is missing, `ENOTDIR` when it is not a
    /// directory, `ELOOP` after 40 links, `ENAMETOOLONG` for a name of more than 255 bytes in a link.
    pub(super) fn resolve(&self, base: InodeId, path: &GuestPath, follow_last: bool) -> Result<ResolvedPath> {
        self.walk(base, path, if follow_last { LinkAtEnd::Followed } else { LinkAtEnd::FollowedBeforeSlash })
    }

    /// The same for a call that gives, takes or moves the name at the end: a link there is what has the name, also before a slash. Whether
    /// a slash is right there is left to the call.
    ///
    /// # Errors
    /// As [`Scratch::resolve`].
    pub(super) fn resolve_name(&self, base: InodeId, path: &GuestPath) -> Result<ResolvedPath> {
        self.walk(base, path, LinkAtEnd::Kept)
    }

    fn walk(&self, base: InodeId, path: &GuestPath, link_at_end: LinkAtEnd) -> Result<ResolvedPath> {
        let mut trail = vec![base];
        let mut here = base;
        let mut pending: Vec<&str> = path.components().rev().collect();
        let mut requires_directory = path.requires_directory();
        let mut followed = 0;
        let follows = |before_slash| match link_at_end {
            LinkAtEnd::Followed => true,
            LinkAtEnd::FollowedBeforeSlash => before_slash,
            LinkAtEnd::Kept => false,
        };
        let (mut parent, mut last, mut inode) = (base, Last::Dot, Some(base));

        while let Some(component) = pending.pop() {
            let directory = self.inodes.directory(here)?;
            let name = match component {
                "." => {
                    (parent, last, inode) = (here, Last::Dot, Some(here));
                    continue;
                }
                ".." => {
                    trail.pop();
                    here = *trail.last().ok_or(Errno::Perm)?;
                    (parent, last, inode) = (here, Last::DotDot, Some(here));
                    continue;
                }
                name => name,
            };
            // Only a link's text can hold one: those of paths are checked.
            if name.len() > MAX_NAME {
                return Err(Errno::Nametoolong);
            }
            let is_last = pending.is_empty();
            (parent, last, inode) = (here, Last::Name(name.into()), directory.get(name));
            let Some(child) = inode else {
                if is_last {
                    break;
                }
                return Err(Errno::Noent);
            };
            match &self.inodes.get(child)?.content {
                Content::Directory(_) => {
                    trail.push(child);
                    here = child;
                }
                Content::Link(text) if !is_last || follows(requires_directory) => {
                    followed += 1;
                    if followed > MAX_LINKS {
                        return Err(Errno::Loop);
                    }
                    requires_directory |= is_last && text.ends_with('/');
                    if text.starts_with('/') {
                        here = self.root;
                        if base != here {
                            return Err(Errno::Perm);
                        }
                        trail = vec![here];
                    }
                    pending.extend(components(below_mount(text)?).rev());
                    (parent, last, inode) = (here, Last::Dot, Some(here));
                }
                _ if !is_last => return Err(Errno::Notdir),
                _ => {}
            }
        }

        if requires_directory
            && link_at_end != LinkAtEnd::Kept
            && let Some(inode) = inode
        {
            self.inodes.directory(inode)?;
        }
        Ok(ResolvedPath { parent, last, inode, requires_directory })
    }
}

/// The part of a link's text that is relative to where it is followed: all of it, or what comes after `/tmp/`.
fn below_mount(text: &str) -> Result<&str> {
    if !text.starts_with('/') {
        return Ok(text);
    }
    match text.strip_prefix(MOUNT) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Ok(rest),
        _ => Err(Errno::Perm),
    }
}

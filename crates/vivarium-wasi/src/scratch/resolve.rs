//! Where a path leads.

use super::inode::{Content, InodeId};
use super::{MOUNT, Scratch};
use crate::errno::{Errno, Result};
use crate::path::{GuestPath, components};

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
    /// directory, `ELOOP` after 40 links.
    pub(super) fn resolve(&self, base: InodeId, path: &GuestPath, follow_last: bool) -> Result<ResolvedPath> {
        let mut trail = vec![base];
        let mut here = base;
        let mut pending: Vec<&str> = path.components().rev().collect();
        let mut requires_directory = path.requires_directory();
        let mut followed = 0;
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
                Content::Link(text) if !is_last || follow_last || requires_directory => {
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

        if requires_directory && let Some(inode) = inode {
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

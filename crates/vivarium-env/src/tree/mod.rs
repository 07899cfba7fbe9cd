//! Writing a tree that came from the outside.
//!
//! ```text
//!   zip, tar, wheel, directory          names and kinds, hostile
//!            |
//!        EntryPath::parse                one relative path of normal components, or a Refusal
//!            |
//!        TreeWriter                      names seen so far, limits; archives are first judged in a dry run, then
//!            |                           written; one directory handle per step:
//!            |                           openat(O_NOFOLLOW) for each component, O_EXCL for each file
//!        cap_std::fs::Dir                the environment's base directory
//! ```
//!
//! No path is ever joined to a host path and opened: a directory is reached from its parent's handle without
//! following links, so neither a link in the archive nor one that somebody swaps in meanwhile is ever followed.

mod copy;
mod path;
mod remove;
mod scratch;
mod walk;
mod writer;

pub(crate) use copy::{copy_directory, copy_file, hash_directory};
pub(crate) use path::EntryPath;
pub(crate) use remove::remove_tree;
pub(crate) use scratch::{Input, InputFile, open_input, private_copy};
pub(crate) use walk::{Bounds, Kind, Visit, WalkError, walk};
pub(crate) use writer::{TreeWriter, open_directory};

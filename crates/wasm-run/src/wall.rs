//! The second wall around this program while Python runs: what it may still open is named here.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use vivarium_sandbox::SecondWall;

use crate::failure::Failure;
use crate::files::Location;

/// The files of a command, all of which it may open when Python has run already.
#[derive(Debug, Default)]
pub struct Reach<'a> {
    /// The Python environment.
    pub environment: Option<&'a Dir>,
    /// Where its snapshots are kept.
    pub snapshots: Option<PathBuf>,
    /// Tables that are read.
    pub inputs: &'a [&'a Location],
    /// Tables that are written: each under another name in its folder, and then renamed.
    pub outputs: &'a [&'a Location],
    /// Folders in which files and folders are read, made and removed.
    pub folders: Vec<PathBuf>,
}

/// Puts the wall up, for good. Call it when the guest and the environment are open, and before Python runs.
///
/// # Errors
/// When the system has the means and refuses them. Where it lacks them the log says so, and the sandbox is the only wall.
pub fn raise(reach: Reach<'_>) -> Result<(), Failure> {
    let mut wall = SecondWall::new();
    if let Some(environment) = reach.environment {
        wall = wall.allow_reading_open(environment).map_err(Failure::internal)?;
    }
    if let Some(snapshots) = reach.snapshots {
        wall = wall.allow_writing_in(snapshots);
    }
    for input in reach.inputs {
        wall = match input {
            // What is not there cannot be reached; whoever opens it says so.
            Location::File(path) if path.exists() => wall.allow_reading(path),
            Location::File(_) => wall,
            // Some formats are read from their end: standard input is copied to a file without a name.
            Location::Standard => wall.allow_writing_in(std::env::temp_dir()),
        };
    }
    for output in reach.outputs {
        if let Location::File(path) = output {
            wall = allow_writing(wall, path);
        }
    }
    for folder in reach.folders {
        wall = wall.allow_reading(&folder).allow_writing_under(&folder);
    }
    let raised = wall.raise().map_err(Failure::internal)?;
    if !raised.files || !raised.calls {
        tracing::warn!(
            ?raised,
            "this system has no second wall, or a part of it only: WebAssembly is the only other one"
        );
    }
    Ok(())
}

fn allow_writing(wall: SecondWall, path: &Path) -> SecondWall {
    // As `files::output` does: what a link leads to is replaced, and devices and pipes are written as they are.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if target.exists() && !target.is_file() {
        return wall.allow_writing_to(target);
    }
    let folder =
        target.parent().filter(|folder| *folder != Path::new("")).map_or_else(|| PathBuf::from("."), PathBuf::from);
    if folder.exists() { wall.allow_writing_in(folder) } else { wall }
}

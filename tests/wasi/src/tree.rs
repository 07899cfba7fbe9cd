//! What is left in `/tmp` at the end, as a guest sees it.

use crate::normal::{DIRECTORY, DIRECTORY_FLAG, REGULAR_FILE, SYMBOLIC_LINK};
use crate::run::Run;

/// Bytes that are compared of either end of a file.
const PART: u32 = 32 << 10;

/// One name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub path: String,
    pub kind: u8,
    /// The first path that leads to the same file.
    pub same_as: String,
    pub names: u64,
    pub size: u64,
    /// The beginning and the end of a file, the text of a link.
    pub content: Vec<u8>,
}

/// All names below `/tmp`, in order.
pub(crate) async fn tree<T: Send + 'static>(run: &mut Run<T>) -> Vec<Leaf> {
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut inodes: Vec<(u64, String)> = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        let root = run.root();
        let opened = if directory.is_empty() { b".".to_vec() } else { directory.clone().into_bytes() };
        let Some(number) = run.open(root, &opened, DIRECTORY_FLAG).await else { continue };
        let (_, mut entries) = run.list(number, 4096).await;
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        for entry in entries {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
            let Some(stat) = run.stat(number, &entry.name).await else {
                leaves.push(Leaf {
                    path,
                    kind: entry.kind,
                    same_as: String::new(),
                    names: 0,
                    size: 0,
                    content: Vec::new(),
                });
                continue;
            };
            let content = match stat.kind {
                SYMBOLIC_LINK => run.read_link(number, &entry.name).await.unwrap_or_default(),
                REGULAR_FILE => content(run, number, &entry.name, stat.size).await,
                _ => Vec::new(),
            };
            let known = inodes.iter().find(|(inode, _)| *inode == stat.inode).map(|(_, path)| path.clone());
            let same_as = known.unwrap_or_else(|| {
                inodes.push((stat.inode, path.clone()));
                path.clone()
            });
            let is_directory = stat.kind == DIRECTORY;
            if is_directory {
                pending.push(path.clone());
            }
            let [names, size] = if is_directory { [0, 0] } else { [stat.names, stat.size] };
            leaves.push(Leaf { path, kind: stat.kind, same_as, names, size, content });
        }
        run.close(number).await;
    }
    leaves.sort_by(|one, other| one.path.cmp(&other.path));
    leaves
}

async fn content<T: Send + 'static>(run: &mut Run<T>, directory: u32, name: &[u8], size: u64) -> Vec<u8> {
    let Some(file) = run.open(directory, name, 0).await else { return Vec::new() };
    let mut content = run.content(file, 0, PART).await;
    if size > u64::from(PART) {
        content.extend(run.content(file, size - u64::from(PART), PART).await);
    }
    run.close(file).await;
    content
}

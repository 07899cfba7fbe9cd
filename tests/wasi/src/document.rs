//! The table of differences in docs/wasi.md.

use std::fmt::Write;
use std::path::PathBuf;

use crate::differences::DIFFERENCES;

const BEGIN: &str = "<!-- written by tests/wasi -->\n";
const END: &str = "<!-- end -->";

/// Writes the table.
///
/// # Panics
/// When the page cannot be written, or has no place for the table.
pub fn write() {
    let page = std::fs::read_to_string(path()).expect("docs/wasi.md can be read");
    let (before, after) = around(&page).expect("docs/wasi.md has a place for the table");
    std::fs::write(path(), format!("{before}{BEGIN}{}{END}{after}", table())).expect("docs/wasi.md can be written");
}

/// Whether the page has the table.
pub fn is_written() -> bool {
    std::fs::read_to_string(path()).is_ok_and(|page| page.contains(&format!("{BEGIN}{}{END}", table())))
}

fn around(page: &str) -> Option<(&str, &str)> {
    let (before, rest) = page.split_once(BEGIN)?;
    Some((before, rest.split_once(END)?.1))
}

fn table() -> String {
    let mut table = "| call | when | ours | `wasmtime-wasi` | why ours stays |\n|---|---|---|---|---|\n".to_owned();
    for difference in &DIFFERENCES {
        let cells = [difference.calls, difference.when, difference.ours, difference.theirs, difference.why];
        // Writing to a String does not fail.
        let _ = writeln!(table, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    table
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/wasi.md"))
}

//! `wasm-run sql`: one promise a module. The `.slt` files beside this one are documents, and `documents` runs them.

mod declared;
mod documents;
mod errors;
mod explanations;
mod files;
mod functions;
mod guards;
mod hostile;
mod prompt;
mod results;
mod tables;
mod written;

#[path = "../support/mod.rs"]
mod support;

/// A table of three rows, one of them NULL.
const CSV: &str = "x,name\n1,one\n,nothing\n3,three\n";

/// Two functions of one value per row.
const FUNCTIONS: &str = "\
from vivarium import udf

@udf
def twice(x: int) -> int:
    return 2 * x

@udf
def shout(text: str) -> str:
    return text.upper() + '!'
";

/// A folder with `t.csv` and `f.py`.
fn folder() -> support::Folder {
    support::Folder::with(&[("t.csv", CSV), ("f.py", FUNCTIONS)])
}

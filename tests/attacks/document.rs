//! `docs/attacks.md`: the cases as tables.

use std::fmt::Write;
use std::path::PathBuf;

use crate::case::{Act, Case, Group, Step};

const HEAD: &str = "\
# Attacks, and what comes of them

Generated from `tests/attacks`, which carries out each of these and fails when anything else happens:

```console
$ cargo test --package vivarium --test attacks                     # run them; compare this page
$ cargo test --package vivarium --test attacks -- --write-docs     # write this page
```

Every case also checks that it ended in its time, that the host is as before (variables, working directory, open files, files of a canary
directory), that the tenant's totals are back to zero, that the same task answers its next call, and that a sandbox of another tenant
still answers. What is promised, and what is not, is in [threat-model.md](threat-model.md).
";

/// Writes the page.
pub fn write(groups: &[Group]) {
    std::fs::write(path(), page(groups)).expect("docs/attacks.md can be written");
    println!("docs/attacks.md is written");
}

/// Whether the page is that of these cases.
pub fn check(groups: &[Group]) -> Result<(), String> {
    let committed = std::fs::read_to_string(path()).unwrap_or_default();
    if committed == page(groups) {
        return Ok(());
    }
    Err("it is not what the suite generates; run: cargo test --package vivarium --test attacks -- --write-docs"
        .to_owned())
}

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/attacks.md"))
}

fn page(groups: &[Group]) -> String {
    let count: usize = groups.iter().flat_map(|group| group.cases).map(|cases| cases.len()).sum();
    let mut page = format!("{HEAD}\n{count} attacks in {} groups.\n", groups.len());
    for group in groups {
        // Writing to a String does not fail.
        let _ = write!(page, "\n## {}\n\n| attack | what happens | what stops it |\n|---|---|---|\n", group.wants);
        for case in group.cases.iter().copied().flatten() {
            let _ = writeln!(page, "| {} | {} | {} |", cell(case.name), cell(&happens(case)), cell(&stopped_by(case)));
        }
    }
    page
}

fn happens(case: &Case) -> String {
    if !case.happens.is_empty() {
        return case.happens.to_owned();
    }
    match &case.act {
        Act::Python { step: Step::Load, ends, .. } => ends.to_string().replace("the call fails", "loading fails"),
        Act::Python { ends, .. } => ends.to_string(),
        Act::Neighbours { returns, .. } => format!("the other tenant sees `{returns}`"),
        Act::Host(_) => panic!("{}: what happens is not said", case.name),
    }
}

fn stopped_by(case: &Case) -> String {
    if !case.stopped_by.is_empty() {
        return case.stopped_by.to_owned();
    }
    match &case.act {
        Act::Python { ends, .. } => ends.limit().unwrap_or_else(|| panic!("{}: what stops it is not said", case.name)),
        Act::Neighbours { .. } => "every instance starts from the image and serves one task".to_owned(),
        Act::Host(_) => panic!("{}: what stops it is not said", case.name),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

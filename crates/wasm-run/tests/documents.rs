//! The examples in the documents that people begin with do what is printed below them.
//!
//! In a document, ```` ```python file=NAME ```` (or csv, toml, ...) is a file, and ```` ```console ```` holds commands behind `$ ` with what
//! they print, on both outputs. A line `...` stands for any lines, `...` at the end of a line for the rest of it.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::Folder;

/// Documents, and files that one takes from another.
const DOCUMENTS: [(&str, Option<&str>); 4] = [
    ("README.md", Some("docs/for-function-authors.md")),
    ("docs/for-function-authors.md", None),
    ("docs/for-embedders.md", None),
    ("docs/for-operators.md", None),
];

/// Commands that need tables of TPC-H, or build something: `make demo` and the tests of Flink run them.
const ELSEWHERE: [&str; 3] = ["lineitem.parquet", "$ make ", "flink install"];

/// What ends the output of a command in a script.
const END: &str = "--- end of output ---";

struct Example {
    document: &'static str,
    command: String,
    expected: Vec<String>,
}

#[test]
fn examples_print_what_documents_say() {
    let mut commands = 0;
    for (document, others) in DOCUMENTS {
        let folder = Folder::new();
        for source in others.into_iter().chain([document]) {
            for (name, text) in files(&read(source)) {
                folder.write(&name, &text);
            }
        }
        for block in blocks(&read(document), "console") {
            if ELSEWHERE.iter().any(|word| block.contains(word)) {
                continue;
            }
            let examples = examples(document, &block);
            commands += examples.len();
            check(&folder, &examples);
        }
    }
    assert!(commands > 5, "only {commands} commands were found");
}

#[test]
fn what_is_printed_is_compared_line_by_line() {
    let matches = |expected: &[&str], printed: &[&str]| {
        fits(&expected.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>(), printed)
    };
    assert!(matches(&["a", "b"], &["a", "b"]) && !matches(&["a"], &["a", "b"]) && !matches(&["a", "b"], &["a"]));
    assert!(matches(&["...", "c"], &["a", "b", "c"]) && matches(&["...", "c"], &["c"]));
    assert!(matches(&["a", "..."], &["a"]) && !matches(&["...", "c", "..."], &["a", "b"]));
    assert!(matches(&["3 rows in ..."], &["3 rows in 0.1 s"]) && !matches(&["3 rows in ..."], &["4 rows in 1 s"]));
}

/// Rust is not run from here: it is lines of a program that is compiled with the tests.
#[test]
fn rust_in_documents_is_that_of_a_program() {
    let program = read("crates/vivarium/examples/add_tax.rs");
    let mut lines = 0;
    for (document, _) in DOCUMENTS {
        for block in blocks(&read(document), "rust") {
            let mut program = program.lines().map(str::trim);
            for line in block.lines() {
                let code = line.split(" //").next().unwrap_or_default().trim();
                assert!(code.is_empty() || program.any(|line| line == code), "{document}: {code}");
                lines += 1;
            }
        }
    }
    assert!(lines > 5, "only {lines} lines were found");
}

fn read(document: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Code blocks whose info string begins with `language`, without their fences.
fn blocks(text: &str, language: &str) -> Vec<String> {
    fenced(text)
        .into_iter()
        .filter(|(info, _)| info.split(' ').next() == Some(language))
        .map(|(_, code)| code)
        .collect()
}

fn files(text: &str) -> Vec<(String, String)> {
    let named = |(info, code): (String, String)| Some((info.split_once("file=")?.1.to_owned(), code));
    fenced(text).into_iter().filter_map(named).collect()
}

/// Info string and content of every code block.
fn fenced(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let code = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
            blocks.push((info.to_owned(), code));
        }
    }
    blocks
}

fn examples(document: &'static str, block: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) => {
                examples.push(Example { document, command: command.to_owned(), expected: Vec::new() });
            }
            // A command goes on while a quotation or its last line does.
            (None, Some(example))
                if example.command.matches('"').count() % 2 == 1 || example.command.ends_with('\\') =>
            {
                example.command = format!("{}\n{line}", example.command);
            }
            (None, Some(example)) => example.expected.push(line.trim_end().to_owned()),
            (None, None) => panic!("{document}: a console block begins with a command: {line}"),
        }
    }
    examples
}

/// Runs the commands of a block in one shell, so that `$?` is that of the command before.
fn check(folder: &Folder, examples: &[Example]) {
    let script: String = examples
        .iter()
        .map(|example| format!("{}\nstatus=$?; echo '{END}'; (exit $status)\n", example.command))
        .collect();
    let programs = PathBuf::from(env!("CARGO_BIN_EXE_wasm-run")).parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec 2>&1\n{script}")]).env("PATH", path).env_remove("VIVARIUM_LOG");
    let output = command.current_dir(folder.path("")).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let end = format!("{END}\n");
    let mut outputs = printed.split(&end);
    for Example { document, command, expected } in examples {
        let printed: Vec<_> = outputs.next().unwrap_or_default().lines().map(str::trim_end).collect();
        assert!(
            fits(expected, &printed),
            "{document}: {command}\n--- the document ---\n{}\n--- printed ---\n{}",
            expected.join("\n"),
            printed.join("\n"),
        );
    }
}

fn fits(expected: &[String], printed: &[&str]) -> bool {
    match (expected.split_first(), printed.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((line, expected)), _) if line == "..." => {
            (0..=printed.len()).any(|skipped| fits(expected, &printed[skipped..]))
        }
        (Some(_), None) => false,
        (Some((line, expected)), Some((first, printed))) => {
            let same = match line.strip_suffix("...") {
                Some(start) => first.starts_with(start),
                None => line == first,
            };
            same && fits(expected, printed)
        }
    }
}

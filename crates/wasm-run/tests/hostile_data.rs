//! A data file that lies, or is damaged, gives all its rows or a status; never a part of them, a crash, or all the machine's memory.

mod support;

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use support::{Ended, Folder, batch, write_parquet};

const FUNCTION: &str = "from vivarium import udf\n@udf\ndef f(a: int) -> int:\n    return a + 1\n";
const ROWS: usize = 300;

/// A folder with a function, and a valid file of each format.
fn folder() -> Folder {
    let folder = Folder::with(&[("f.py", FUNCTION)]);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter((0..ROWS as i64).map(|n| (n % 7 != 0).then_some(n))));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|n| format!("row {n}"))));
    let all = batch(&[("a", numbers), ("b", texts)]);
    write_parquet(&folder.path("t.parquet"), &all);
    let parts = [all.slice(0, 100), all.slice(100, 100), all.slice(200, 100)];
    let create = |name: &str| std::fs::File::create(folder.path(name)).unwrap();
    let mut file = FileWriter::try_new(create("t.arrow"), &all.schema()).unwrap();
    let mut stream = StreamWriter::try_new(create("s.arrow"), &all.schema()).unwrap();
    for part in &parts {
        file.write(part).unwrap();
        stream.write(part).unwrap();
    }
    file.finish().unwrap();
    stream.finish().unwrap();
    folder
}

/// What the commands come to that read a file.
fn read(folder: &Folder, name: &str) -> [Ended; 2] {
    let table = format!("t={name}");
    [
        folder.run(&["run", "f.py", "-i", name, "--as", "r", "-o", OUTPUTS[0]]),
        folder.run(&["sql", "SELECT * FROM t", "-t", &table, "-o", OUTPUTS[1]]),
    ]
}

/// What the commands write.
const OUTPUTS: [&str; 2] = ["out-run.csv", "out-sql.csv"];

/// Asserts that a file is refused as damaged, and that nothing is left of an output.
#[track_caller]
fn refused(folder: &Folder, name: &str, says: &str) {
    for ended in read(folder, name) {
        assert!(ended.status == 5 && ended.stderr.contains(says), "{name}: {ended}");
        assert!(!ended.stderr.contains("panicked"), "{ended}");
    }
    assert!(
        folder.files().iter().all(|file| !file.contains("out") && !file.contains("partial")),
        "{:?}",
        folder.files()
    );
}

fn changed(folder: &Folder, from: &str, to: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(folder.path(from)).unwrap();
    change(&mut bytes);
    std::fs::write(folder.path(to), bytes).unwrap();
}

fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
}

#[test]
fn whole_files_are_read() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow", "s.arrow"] {
        for (ended, output) in read(&folder, name).into_iter().zip(OUTPUTS) {
            ended.ok();
            assert_eq!(folder.read(output).lines().count(), ROWS + 1, "{name}");
        }
        let bytes = std::fs::read(folder.path(name)).unwrap();
        let format = Path::new(name).extension().unwrap().to_str().unwrap();
        let piped = ["run", "f.py", "-i", "-", "--input-format", format, "-o", "-"];
        assert_eq!(folder.run_with_input(&piped, bytes).ok().stdout.lines().count(), ROWS + 1, "{name}");
    }
}

#[test]
fn a_file_that_was_cut_is_refused() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow", "s.arrow"] {
        let length = std::fs::metadata(folder.path(name)).unwrap().len() as usize;
        for left in [length - 1, length - 9, length / 2, 40, 1] {
            let cut = format!("cut.{}", name.split_once('.').unwrap().1);
            changed(&folder, name, &cut, |bytes| bytes.truncate(left));
            refused(&folder, &cut, "");
            // From a pipe, too.
            let format = name.split_once('.').unwrap().1;
            let bytes = std::fs::read(folder.path(&cut)).unwrap();
            let piped = ["run", "f.py", "-i", "-", "--input-format", format, "-o", "-"];
            assert_eq!(folder.run_with_input(&piped, bytes).status, 5, "{name} cut to {left}");
        }
    }
}

#[test]
fn declared_lengths_are_held_against_the_file() {
    let folder = folder();
    // The footer's length.
    changed(&folder, "t.parquet", "a.parquet", |bytes| {
        let at = bytes.len() - 8;
        put(bytes, at, &0x7fff_ffff_u32.to_le_bytes());
    });
    refused(&folder, "a.parquet", "declares a footer of 2147483647 bytes");
    changed(&folder, "t.arrow", "a.arrow", |bytes| {
        let at = bytes.len() - 10;
        put(bytes, at, &0x7fff_fff0_i32.to_le_bytes());
    });
    refused(&folder, "a.arrow", "declares a footer");
    // The header of a stream's first message.
    changed(&folder, "s.arrow", "b.arrow", |bytes| put(bytes, 4, &0x7fff_fff0_i32.to_le_bytes()));
    refused(&folder, "b.arrow", "declares a header");
}

/// The marks of two messages in a stream: everything from the second one on is a message less.
#[test]
fn a_stream_that_ends_early_or_late_is_refused() {
    let folder = folder();
    // An end mark in place of a batch.
    changed(&folder, "s.arrow", "early.arrow", |bytes| {
        let mark = [0xff; 4];
        let second = (8..bytes.len()).step_by(8).filter(|at| bytes[*at..].starts_with(&mark)).nth(1).unwrap();
        put(bytes, second + 4, &[0; 4]);
    });
    refused(&folder, "early.arrow", "behind its end");
    // No end mark at all.
    changed(&folder, "s.arrow", "late.arrow", |bytes| bytes.truncate(bytes.len() - 8));
    refused(&folder, "late.arrow", "may have been cut");
}

/// Whatever single byte is another one: all rows, or a status. Values may differ: nothing in these formats tells.
#[test]
fn a_changed_byte_loses_no_rows() {
    let folder = folder();
    for name in ["t.parquet", "t.arrow", "s.arrow"] {
        let length = std::fs::metadata(folder.path(name)).unwrap().len() as usize;
        // Some forty places of each, most of them in what declares something: at the end and at the beginning.
        let places = (0..20).map(|n| length - 1 - n * 13).chain((0..20).map(|n| n * 29 + 4));
        for place in places.filter(|place| *place < length) {
            let other = format!("other.{}", name.split_once('.').unwrap().1);
            changed(&folder, name, &other, |bytes| bytes[place] ^= 0x41);
            for (ended, output) in read(&folder, &other).into_iter().zip(OUTPUTS) {
                assert!([0, 5].contains(&ended.status), "byte {place} of {name}: {ended}");
                if ended.status == 0 {
                    assert_eq!(folder.read(output).lines().count(), ROWS + 1, "byte {place} of {name}");
                    std::fs::remove_file(folder.path(output)).unwrap();
                }
                assert!(!folder.path(output).exists(), "byte {place} of {name}: {ended}");
            }
        }
    }
}

#[test]
fn too_many_columns_are_refused() {
    let folder = folder();
    folder.write("wide.csv", &format!("{}\n", vec!["c"; 200_000].join(",")));
    refused(&folder, "wide.csv", "more than 10000 columns");
    let fields: Vec<_> = (0..20_000).map(|n| format!("\"c{n}\":1")).collect();
    folder.write("wide.json", &format!("{{{}}}\n", fields.join(",")));
    refused(&folder, "wide.json", "more than 10000 columns");
}

#[test]
fn text_nested_without_end_is_refused() {
    let folder = folder();
    folder.write("deep.json", &format!("{{\"a\":{}", "[".repeat(100_000)));
    for ended in read(&folder, "deep.json") {
        assert_eq!(ended.status, 5, "{ended}");
    }
}

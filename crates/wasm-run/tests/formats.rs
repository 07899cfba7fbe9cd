//! Tables are read and written in every format, from files and pipes.

mod support;

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::ipc::writer::StreamWriter;
use support::{Folder, batch, read_parquet, write_parquet};

const FUNCTION: &str = "def f(x: int) -> int:\n    return x * 10\n";
const CSV: &str = "x,y,f\n1,a,10\n,b,\n3,,30\n";
const JSON: &str = "{\"x\":1,\"y\":\"a\",\"f\":10}\n{\"y\":\"b\"}\n{\"x\":3,\"f\":30}\n";

fn folder() -> Folder {
    let folder = Folder::with(&[("f.py", FUNCTION)]);
    folder.write("in.csv", "x,y\n1,a\n,b\n3,\n");
    folder.write("in.json", "{\"x\":1,\"y\":\"a\"}\n{\"y\":\"b\"}\n{\"x\":3,\"y\":null}\n");
    let table = batch(&[
        ("x", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
        ("y", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]))),
    ]);
    write_parquet(&folder.path("in.parquet"), &table);
    let mut writer =
        StreamWriter::try_new(std::fs::File::create(folder.path("in.arrow")).unwrap(), &table.schema()).unwrap();
    writer.write(&table).unwrap();
    writer.finish().unwrap();
    folder
}

#[test]
fn every_format_is_read_and_written() {
    let folder = folder();
    for input in ["in.csv", "in.json", "in.parquet", "in.arrow"] {
        for output in ["out.csv", "out.ndjson", "out.parquet", "out.arrow"] {
            folder.run(&["run", "f.py::f", "--input", input, "--output", output]).ok();
        }
        assert_eq!(folder.read("out.csv"), CSV, "{input}");
        assert_eq!(folder.read("out.ndjson"), JSON, "{input}");
        let parquet = read_parquet(&folder.path("out.parquet"));
        let mut arrow = FileReader::try_new(std::fs::File::open(folder.path("out.arrow")).unwrap(), None).unwrap();
        assert_eq!(arrow.next().unwrap().unwrap().columns(), parquet.columns());
        // What is written in the file format is read as well as the stream format.
        folder.run(&["run", "f.py::f", "--input", "out.arrow", "--output", "again.csv", "--as", "again"]).ok();
        assert_eq!(folder.read("again.csv").lines().nth(1), Some("1,a,10,10"));
    }
}

#[test]
fn a_table_of_no_rows_goes_with_any_function() {
    let folder = folder();
    folder.write("none.csv", "x,y\n");
    folder.run(&["run", "f.py::f", "--input", "none.csv", "--output", "out.csv"]).ok();
    assert_eq!(folder.read("out.csv"), "x,y,f\n");
}

#[test]
fn pipes_are_read_and_written() {
    let folder = folder();
    for format in ["csv", "json", "parquet", "arrow"] {
        let bytes = std::fs::read(folder.path(&format!("in.{format}"))).unwrap();
        let arguments = ["run", "f.py::f", "--input", "-", "--output", "-", "--input-format", format];
        assert_eq!(folder.run_with_input(&arguments, bytes).ok().stdout, CSV, "{format}");
    }
    let mut command = folder.command(&["run", "f.py::f", "-i", "in.csv", "-o", "-", "--output-format", "arrow"]);
    let output = command.output().unwrap();
    let batches: Vec<_> = StreamReader::try_new(&output.stdout[..], None).unwrap().map(Result::unwrap).collect();
    assert_eq!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 3);
}

#[test]
fn a_table_that_cannot_be_read_is_named() {
    let folder = folder();
    folder.write("broken.parquet", "PAR1 is not enough");
    folder.write("rows.csv", "x,y\n1,a\n2\n");
    folder.write("types.csv", &format!("x\n{}word\n", "1\n".repeat(10_000)));
    folder.write("empty.csv", "");
    folder.write("list.json", "[{\"x\": 1}]\n");
    folder.write("table.xlsx", "");
    let outcomes: Vec<_> =
        ["missing.csv", "broken.parquet", "rows.csv", "types.csv", "empty.csv", "list.json", "table.xlsx", "."]
            .map(|input| {
                format!("{input}: {}", folder.run(&["run", "f.py::f", "--input", input, "--output", "out.csv"]))
            })
            .into();
    insta::assert_snapshot!(outcomes.join("\n\n"));
    assert!(!folder.files().contains(&"out.csv".to_owned()), "{:?}", folder.files());
}

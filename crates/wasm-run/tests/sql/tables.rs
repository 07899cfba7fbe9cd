//! Tables are files: of every format that `run` reads, by patterns, in folders, and from standard input.

use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::ipc::writer::FileWriter;

use crate::support::{Folder, batch, write_parquet};
use crate::{CSV, folder};

/// A folder in which each format holds the same table.
fn formats() -> Folder {
    let folder = folder();
    folder.write("t.ndjson", "{\"x\":1,\"name\":\"one\"}\n{\"name\":\"nothing\"}\n{\"x\":3,\"name\":\"three\"}\n");
    let table = batch(&[
        ("x", Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))),
        ("name", Arc::new(StringArray::from(vec!["one", "nothing", "three"]))),
    ]);
    write_parquet(&folder.path("t.parquet"), &table);
    let file = std::fs::File::create(folder.path("t.arrow")).unwrap();
    let mut writer = FileWriter::try_new(file, &table.schema()).unwrap();
    writer.write(&table).unwrap();
    writer.finish().unwrap();
    folder
}

#[test]
fn every_format_is_read() {
    let folder = formats();
    for file in ["t.csv", "t.ndjson", "t.parquet", "t.arrow"] {
        let query = "SELECT twice(x) AS y, shout(name) AS z FROM t";
        let ended = folder.run(&["sql", query, "--udf", "f.py", "--table", &format!("t={file}"), "-o", "-"]).ok();
        assert_eq!(ended.stdout, "y,z\n2,ONE!\n,NOTHING!\n6,THREE!\n", "{file}");
    }
}

#[test]
fn a_pattern_and_a_folder_are_all_their_files() {
    let folder = folder();
    std::fs::create_dir(folder.path("logs")).unwrap();
    for year in [2023, 2024] {
        folder.write(&format!("logs/a b {year}.csv"), &format!("x\n{year}\n"));
    }
    folder.write("logs/README", "not a table");
    for table in ["t=logs/*.csv", "t=logs", "t=logs/", "t=logs/a b 202?.csv"] {
        let ended = folder.run(&["sql", "SELECT sum(x) AS s FROM t", "-t", table, "-o", "-"]).ok();
        assert_eq!(ended.stdout, "s\n4047\n", "{table}");
    }
}

#[test]
fn folders_of_partitions_are_columns() {
    let folder = folder();
    for year in [2023, 2024] {
        std::fs::create_dir_all(folder.path(&format!("sales/year={year}"))).unwrap();
        folder.write(&format!("sales/year={year}/part.csv"), "x\n1\n2\n");
    }
    let query = "SELECT year, sum(x) AS s FROM sales GROUP BY year ORDER BY year";
    assert_eq!(folder.run(&["sql", query, "-t", "sales=sales", "-o", "-"]).ok().stdout, "year,s\n2023,3\n2024,3\n");
}

#[test]
fn a_table_comes_from_standard_input() {
    let folder = formats();
    let query = ["sql", "SELECT count(*) AS n, sum(x) AS s FROM t", "-t", "t=-", "-o", "-"];
    assert_eq!(folder.run_with_input(&query, CSV).ok().stdout, "n,s\n3,4\n");
    let parquet = std::fs::read(folder.path("t.parquet")).unwrap();
    let with_format = [&query[..], &["--input-format", "parquet"]].concat();
    assert_eq!(folder.run_with_input(&with_format, parquet).ok().stdout, "n,s\n3,4\n");
}

#[test]
fn values_may_hold_line_breaks() {
    let folder = folder();
    // More than one task would begin to read in the middle of it.
    let rows: String = (0..200_000).map(|row| format!("{row},\"two\nlines, of {row}\"\n")).collect();
    folder.write("long.csv", &format!("x,text\n{rows}"));
    let query = "SELECT count(*) AS n, sum(x) AS s, max(length(text)) AS l FROM t";
    let ended = folder.run(&["sql", query, "-t", "t=long.csv", "-o", "-", "--partitions", "4"]).ok();
    assert_eq!(ended.stdout, "n,s,l\n200000,19999900000,20\n");
}

#[test]
fn a_table_that_cannot_be_read_is_named() {
    let folder = folder();
    for (name, text) in [
        ("broken.parquet", "PAR1 is not enough"),
        ("rows.csv", "x,y\n1,a\n2\n"),
        ("empty.csv", ""),
        ("list.json", "[{\"x\": 1}]\n"),
        ("table.xlsx", ""),
    ] {
        folder.write(name, text);
    }
    std::fs::create_dir(folder.path("none")).unwrap();
    std::fs::create_dir(folder.path("both")).unwrap();
    folder.write("both/a.csv", "x\n1\n");
    folder.write("both/a.parquet", "");
    let files = [
        "missing.csv",
        "missing/*.csv",
        "broken.parquet",
        "rows.csv",
        "empty.csv",
        "list.json",
        "table.xlsx",
        "none",
        "both",
        "*.csv",
    ];
    let outcomes = files.map(|file| {
        let ended = folder.run(&["sql", "SELECT * FROM t", "--table", &format!("t={file}"), "-o", "-"]);
        let here = folder.path("").canonicalize().unwrap();
        format!("{file}: {ended}").replace(here.to_str().unwrap().trim_start_matches('/'), "FOLDER")
    });
    insta::assert_snapshot!(outcomes.join("\n\n"));
}

#[test]
fn a_name_is_one_table() {
    let folder = folder();
    let ended = folder.run(&["sql", "SELECT 1", "-t", "t=t.csv", "-t", "T=t.csv"]);
    assert_eq!(
        (ended.status, ended.stderr.as_str()),
        (2, "wasm-run: there are two tables \"t\"; give one another name\n")
    );
    let ended = folder.run(&["sql", "SELECT 1", "-t", "t"]);
    assert!(ended.status == 2 && ended.stderr.contains("write NAME=FILE"), "{ended}");
    // Capital letters are kept in quotes, as in SQL.
    folder.run(&["sql", "SELECT * FROM \"T\"", "-t", "\"T\"=t.csv"]).ok();
}

#[test]
fn a_pipe_is_read_once() {
    let folder = folder();
    // A shell gives the name of a pipe, which ends in no extension.
    let script = format!(
        "exec {} sql 'SELECT twice(a) AS y, b FROM t, u' -u f.py -t t=<(printf 'a\\n1\\n2\\n') -t u=<(printf 'b\\nx\\n') \
         --input-format csv -o - -q",
        env!("CARGO_BIN_EXE_wasm-run")
    );
    let ended = std::process::Command::new("bash").args(["-c", &script]).current_dir(folder.path("")).output().unwrap();
    let shown = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert_eq!(shown, ("y,b\n2,x\n4,x\n".to_owned(), String::new()));
    // A named one has.
    let path = folder.path("named.csv");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let writer = std::thread::spawn(move || std::fs::write(path, "a\n5\n").unwrap());
    let ended = folder.run(&["sql", "SELECT a FROM t", "-t", "t=named.csv", "-o", "-"]).ok();
    assert_eq!(ended.stdout, "a\n5\n");
    writer.join().unwrap();
}

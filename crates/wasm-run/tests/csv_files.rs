//! CSV files are read as they are written: codes, dates, offsets, empty strings; what no type holds is text or an error with its line.

mod support;

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use support::Folder;

/// The types of a file's columns.
fn types(folder: &Folder, file: &str, options: &[&str]) -> Vec<String> {
    let shown = folder.run(&[&["schema", file, "--json"], options].concat()).ok().stdout;
    let report: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let columns = report["columns"].as_array().unwrap();
    columns.iter().map(|column| column["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn types_hold_what_is_there() {
    let folder = Folder::new();
    for (text, expected) in [
        ("zip\n01220\n94107\n", "string"),
        ("a\n1\n2.5\n", "double"),
        ("a\n1\nx\n", "string"),
        ("a\n18446744073709551615\n", "uint64"),
        ("a\n9007199254740993\n0.5\n", "string"),
        ("a\n2024-01-31\n", "date32[day]"),
        ("a\n2024-01-31\n2024-02-31\n", "string"),
        ("a\n2024-01-31T10:00:00+02:00\n2024-07-31T10:00:00-05:00\n", "timestamp[s, tz=UTC]"),
        ("a\n2024-01-31 10:00:00.5\n2024-01-31 10:00:00\n", "timestamp[ms]"),
        ("\u{feff}a\n1\n", "int64"),
    ] {
        folder.write("t.csv", text);
        assert_eq!(types(&folder, "t.csv", &[]), [expected], "{text}");
    }
    folder.write("t.csv", "zip,v\n1220,1\n");
    assert_eq!(types(&folder, "t.csv", &["--types", "zip=utf8,v=decimal(10,2)"]), ["string", "decimal128(10, 2)"]);
}

#[test]
fn what_does_not_fit_later_is_an_error_with_its_line() {
    let folder = Folder::new();
    folder.write("t.csv", &format!("a\n{}2.9\n", "1\n".repeat(20)));
    let ended = folder.run(&["sql", "SELECT sum(a) AS s FROM t", "-t", "t=t.csv", "--infer-rows", "5"]);
    assert_eq!(ended.status, 5, "{ended}");
    assert!(ended.stderr.contains("line 22: column \"a\": \"2.9\" is no int64"), "{ended}");
    assert!(ended.stderr.contains("--infer-rows"), "{ended}");
    let ended = folder.run(&["sql", "SELECT sum(a) AS s FROM t", "-t", "t=t.csv", "-o", "-"]).ok();
    assert_eq!(ended.stdout, "s\n22.9\n");
    let bad = ["sql", "SELECT a FROM t", "-t", "t=t.csv", "--types", "a=int64"];
    assert_eq!(folder.run(&bad).status, 5);
    let unknown = folder.run(&["schema", "t.csv", "--types", "b=int64"]);
    assert!(unknown.status == 5 && unknown.stderr.contains("\"b\""), "{unknown}");
}

#[test]
fn an_empty_string_is_no_null() {
    let folder = Folder::new();
    folder.write("t.csv", "a,b\n\"\",1\n,2\n\"x,\"\"y\"\"\",3\n");
    let query = ["sql", "SELECT a, b, a IS NULL AS n FROM t", "-t", "t=t.csv", "-o", "out.csv"];
    folder.run(&query).ok();
    assert_eq!(folder.read("out.csv"), "a,b,n\n\"\",1,false\n,2,true\n\"x,\"\"y\"\"\",3,false\n");
    let again = ["sql", "SELECT * FROM t", "-t", "t=out.csv", "-o", "again.csv"];
    folder.run(&again).ok();
    assert_eq!(folder.read("out.csv"), folder.read("again.csv"));
}

#[test]
fn spellings_are_options() {
    let folder = Folder::new();
    folder.write("semi.csv", "zip;v\n'01;220';NA\n");
    let query = "SELECT * FROM t";
    let options = ["--delimiter", ";", "--quote", "'", "--null-values", "NA,-"];
    let ended = folder.run(&[&["sql", query, "-t", "t=semi.csv", "-o", "-"], &options[..]].concat()).ok();
    assert_eq!(ended.stdout, "zip,v\n01;220,\n");
    folder.write("none.csv", "1,a\n2,b\n");
    let ended = folder.run(&["sql", query, "-t", "t=none.csv", "--no-header", "-o", "-"]).ok();
    assert_eq!(ended.stdout, "column_1,column_2\n1,a\n2,b\n");
}

#[test]
fn compressed_files_are_read() {
    let folder = Folder::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(b"a\n1\n2\n").unwrap();
    std::fs::write(folder.path("t.csv.gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(folder.path("t.json.zst"), zstd::encode_all(&b"{\"a\":1}\n{\"a\":2}\n"[..], 1).unwrap()).unwrap();
    std::fs::write(folder.path("t.csv"), b"BZh91AY&SY").unwrap();
    for file in ["t.csv.gz", "t.json.zst"] {
        let ended = folder.run(&["sql", "SELECT sum(a) AS s FROM t", "-t", &format!("t={file}"), "-o", "-"]).ok();
        assert_eq!(ended.stdout, "s\n3\n", "{file}");
    }
    let ended = folder.run(&["schema", "t.csv"]);
    assert!(ended.status == 5 && ended.stderr.contains("bzip2"), "{ended}");
}

#[test]
fn other_encodings_are_refused_with_the_line() {
    let folder = Folder::new();
    std::fs::write(folder.path("latin.csv"), b"a\nok\n\xe9t\xe9\n").unwrap();
    std::fs::write(folder.path("wide.csv"), b"\xff\xfea\0\n\0").unwrap();
    let ended = folder.run(&["schema", "latin.csv"]);
    assert!(ended.status == 5 && ended.stderr.contains("line 3: field 1 is no UTF-8"), "{ended}");
    let ended = folder.run(&["schema", "wide.csv"]);
    assert!(ended.status == 5 && ended.stderr.contains("UTF-16"), "{ended}");
}

#[test]
fn what_tells_a_type_is_shown() {
    let folder = Folder::with(&[("t.csv", "zip,a,b\n01220,1,\n94107,x,\n")]);
    let shown = folder.run(&["schema", "t.csv"]).ok().stdout;
    insta::assert_snapshot!(shown);
}

#[test]
fn lines_without_anything_are_rows_of_one_column() {
    let folder = Folder::new();
    for (text, options, expected) in [
        ("\n\n1\n", &["--no-header"][..], "n,m\n3,1\n"),
        ("\n\n", &["--no-header", "--types", "column_1=int64"], "n,m\n2,0\n"),
        ("\n\ncolumn_1\n\n1\n", &[], "n,m\n2,1\n"),
    ] {
        folder.write("t.csv", text);
        let query = ["sql", "SELECT count(*) AS n, count(column_1) AS m FROM t", "-t", "t=t.csv", "-o", "-"];
        let ended = folder.run(&[&query, options].concat()).ok();
        assert_eq!(ended.stdout, expected, "{text:?}");
    }
}

#[test]
fn numbers_and_times_beyond_their_types_are_text() {
    let folder = Folder::new();
    for (text, expected) in [
        ("a\n1\n1e400\n", "string"),
        ("a\n3000-01-01T00:00:00\n2024-01-01T00:00:00.123456789\n", "string"),
        ("a\n3000-01-01T00:00:00\n2024-01-01T00:00:00.123456\n", "timestamp[us]"),
    ] {
        folder.write("t.csv", text);
        assert_eq!(types(&folder, "t.csv", &[]), [expected], "{text}");
    }
    folder.write("t.csv", "a\n1e400\n");
    let told = folder.run(&["sql", "SELECT a FROM t", "-t", "t=t.csv", "--types", "a=double"]);
    assert!(told.status == 5 && told.stderr.contains("\"1e400\" is no double"), "{told}");
}

#[test]
fn names_in_quotes_have_types() {
    let folder = Folder::with(&[("t.csv", "\"a,b\",c\n007,008\n")]);
    assert_eq!(types(&folder, "t.csv", &["--types", "\"a,b\"=utf8,c=int64"]), ["string", "int64"]);
}

//! What statements write, by `COPY ... TO` and `INSERT INTO`, is what `--output` writes, or refused before anything is written.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date64Array, Decimal128Array, DictionaryArray, DurationSecondArray, Float64Array,
    Int64Array, IntervalMonthDayNanoArray, ListArray, StringArray, StringViewArray, Time32SecondArray,
    TimestampNanosecondArray, TimestampSecondArray,
};
use arrow::datatypes::{Int8Type, Int32Type, IntervalMonthDayNano};
use arrow::ipc::writer::FileWriter;
use arrow_schema::{DataType, TimeUnit};

use crate::support::{Folder, batch, read_parquet};

/// A folder with the table `t`, and another one that statements may write in.
fn folder_with(columns: &[(&str, ArrayRef)]) -> Folder {
    let folder = Folder::new();
    let table = batch(columns);
    let mut writer = FileWriter::try_new(File::create(folder.path("t.arrow")).unwrap(), &table.schema()).unwrap();
    writer.write(&table).unwrap();
    writer.finish().unwrap();
    std::fs::create_dir(folder.path("out")).unwrap();
    folder
}

const TABLE: [&str; 4] = ["--table", "t=t.arrow", "--allow", "out"];

fn run(folder: &Folder, statements: &str) -> crate::support::Ended {
    folder.run(&[&["sql", statements, "--quiet"], &TABLE[..]].concat())
}

/// The first column of the only row of a query.
fn csv(folder: &Folder, query: &str) -> String {
    folder.run(&[&["sql", query, "-o", "-"], &TABLE[..]].concat()).ok().stdout
}

/// Columns whose values DataFusion's writers change, or write otherwise.
fn scalars() -> Vec<(&'static str, ArrayRef)> {
    let dictionary: DictionaryArray<Int8Type> = vec![Some("x"), None, Some("")].into_iter().collect();
    vec![
        ("k", Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ("text", Arc::new(StringArray::from(vec![Some(""), None, Some("a,\"b\"\n")]))),
        ("view", Arc::new(StringViewArray::from(vec![Some(""), None, Some("NULL")]))),
        ("bytes", Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x00\xff"), None, Some(b"")]))),
        ("coded", Arc::new(dictionary)),
        (
            "cents",
            Arc::new(Decimal128Array::from(vec![Some(150), None, Some(-1)]).with_precision_and_scale(20, 2).unwrap()),
        ),
        ("day", Arc::new(Date64Array::from(vec![Some(1_704_153_600_000), None, Some(-86_400_000)]))),
        ("clock", Arc::new(Time32SecondArray::from(vec![Some(3723), None, Some(0)]))),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![Some(1), None, Some(-1)]))),
        (
            "moment",
            Arc::new(
                TimestampSecondArray::from(vec![Some(-5_000_000_000), None, Some(0)]).with_timezone("Europe/Berlin"),
            ),
        ),
    ]
}

#[test]
fn what_copy_writes_is_what_output_writes() {
    let folder = folder_with(&scalars());
    for format in ["csv", "json", "parquet", "arrow"] {
        let (copied, expected) = (format!("out/copied.{format}"), format!("expected.{format}"));
        run(&folder, &format!("COPY t TO '{copied}' STORED AS {format}")).ok();
        folder.run(&["sql", "SELECT * FROM t", "-t", "t=t.arrow", "-o", &expected, "-q"]).ok();
        match format {
            "parquet" => assert_eq!(read_parquet(&folder.path(&copied)), read_parquet(&folder.path(&expected))),
            _ => assert!(
                std::fs::read(folder.path(&copied)).unwrap() == std::fs::read(folder.path(&expected)).unwrap(),
                "{format}"
            ),
        }
    }
    let text = folder.read("out/copied.csv");
    assert!(
        text.starts_with(
            "k,text,view,bytes,coded,cents,day,clock,at,moment\n1,\"\",\"\",00ff,x,1.50,2024-01-02,01:02:03,"
        ),
        "{text}"
    );
    let types: Vec<_> = read_parquet(&folder.path("out/copied.parquet"))
        .schema()
        .fields()
        .iter()
        .map(|field| field.data_type().clone())
        .collect();
    assert_eq!(types[6..8], [DataType::Date32, DataType::Time32(TimeUnit::Millisecond)]);
}

#[test]
fn what_a_format_cannot_hold_is_refused_before_anything_is_written() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
    let months =
        IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, 2, 3), IntervalMonthDayNano::new(0, 0, 0)]);
    let folder = folder_with(&[
        ("x", Arc::new(Float64Array::from(vec![f64::NAN, 1.0]))),
        ("l", Arc::new(list)),
        ("m", Arc::new(months)),
        ("d", Arc::new(DurationSecondArray::from(vec![1, 2]))),
        ("s", Arc::new(StringArray::from(vec![Some("a"), None]))),
    ]);
    for (statement, said) in [
        ("COPY (SELECT x FROM t) TO 'out/o.json'", "column \"x\" has a value that is NaN"),
        ("COPY (SELECT l FROM t) TO 'out/o.csv'", "column \"l\" is of type list"),
        ("COPY (SELECT m FROM t) TO 'out/o.parquet'", "column \"m\" has values of type"),
        (
            "COPY (SELECT x, s FROM t) TO 'out/parts/' STORED AS CSV PARTITIONED BY (s)",
            "the column \"s\" is NULL in a row",
        ),
        ("COPY (SELECT d FROM t) TO 'out/o.parquet' OPTIONS (skip_arrow_metadata true)", "is a plain number"),
        (
            "COPY (SELECT s FROM t) TO 'out/o.csv' OPTIONS (quote_style 'Always')",
            "not written with the option quote_style",
        ),
        ("COPY (SELECT s FROM t) TO 'out/o.csv' OPTIONS (compression 'xz')", "not written with the option compression"),
        ("COPY (SELECT x FROM t) TO 'out/o.csv' OPTIONS (null_value '1.0')", "stands for NULL"),
        ("COPY (SELECT a.x, b.x FROM t AS a, t AS b) TO 'out/o.json'", "two columns named \"x\""),
    ] {
        let ended = run(&folder, statement);
        assert!(matches!(ended.status, 2 | 5) && ended.stderr.contains(said), "{statement}\n{ended}");
        assert_eq!(std::fs::read_dir(folder.path("out")).unwrap().count(), 0, "{statement}");
    }
}

#[test]
fn a_file_that_is_replaced_stays_until_the_new_one_is_complete() {
    let folder = folder_with(&[("x", Arc::new(Int64Array::from(vec![1])))]);
    folder.write("out/o.csv", "old\n");
    let failing = "COPY (SELECT x / (x - 1) AS y FROM t) TO 'out/o.csv'";
    assert_ne!(run(&folder, failing).status, 0);
    assert_eq!(folder.read("out/o.csv"), "old\n");
    run(&folder, "COPY (SELECT x FROM t) TO 'out/o.csv'").ok();
    assert_eq!(folder.read("out/o.csv"), "x\n1\n");
    // Where there is something else, nothing is written.
    assert!(std::process::Command::new("mkfifo").arg(folder.path("out/pipe.csv")).status().unwrap().success());
    let ended = run(&folder, "COPY (SELECT x FROM t) TO 'out/pipe.csv'");
    assert!(ended.status == 5 && ended.stderr.contains("is no regular file"), "{ended}");
}

#[test]
fn rows_that_are_added_to_a_table_come_back() {
    let folder = folder_with(&[("x", Arc::new(Int64Array::from(vec![1])))]);
    let insert = "INSERT INTO u VALUES (1, '', '2024-02-29'), (2, NULL, NULL), (3, 'NA', '1969-12-31')";
    for (number, stored) in [
        "CSV",
        "CSV OPTIONS ('format.delimiter' 'tab', 'format.has_header' 'false')",
        "CSV OPTIONS ('format.null_value' 'NA', 'format.quote' '''')",
        "CSV OPTIONS ('format.compression' 'gzip')",
        "JSON OPTIONS ('format.compression' 'zstd')",
        "JSON",
        "PARQUET",
        "ARROW",
    ]
    .into_iter()
    .enumerate()
    {
        let (format, options) = stored.split_once(' ').unwrap_or((stored, ""));
        std::fs::create_dir(folder.path(&format!("out/{number}"))).unwrap();
        let create = format!(
            "CREATE EXTERNAL TABLE u (k BIGINT, s VARCHAR, d DATE) STORED AS {format} LOCATION 'out/{number}/' {options}"
        );
        let found = csv(&folder, &format!("{create}; {insert}; SELECT * FROM u ORDER BY k"));
        assert_eq!(found, "k,s,d\n1,\"\",2024-02-29\n2,,\n3,NA,1969-12-31\n", "{stored}");
    }
    let over = "CREATE EXTERNAL TABLE u (k BIGINT) STORED AS CSV LOCATION 'out/0/'; INSERT OVERWRITE u VALUES (1)";
    let ended = run(&folder, over);
    assert!(ended.status == 2 && ended.stderr.contains("not replaced"), "{ended}");
}

#[test]
fn the_options_of_a_copy_are_those_of_what_reads_it() {
    let folder =
        folder_with(&[("s", Arc::new(StringArray::from(vec![Some(""), None, Some("-"), Some("a;b"), Some("it's")])))]);
    let options =
        "OPTIONS ('format.delimiter' ';', 'format.quote' '''', 'format.null_value' '-', 'format.has_header' 'false')";
    run(&folder, &format!("COPY t TO 'out/o.csv' {options}")).ok();
    assert_eq!(folder.read("out/o.csv"), "''\n-\n'-'\n'a;b'\n'it''s'\n");
    let create = format!("CREATE EXTERNAL TABLE u STORED AS CSV LOCATION 'out/o.csv' {options}");
    assert_eq!(csv(&folder, &format!("{create}; SELECT column_1 AS s FROM u")), "s\n\"\"\n\n-\na;b\nit's\n");
    for method in ["gzip", "zstd"] {
        run(&folder, &format!("COPY t TO 'out/{method}.json' OPTIONS (compression '{method}', compression_level 1)"))
            .ok();
        let create = format!("CREATE EXTERNAL TABLE u STORED AS JSON LOCATION 'out/{method}.json'");
        assert_eq!(csv(&folder, &format!("{create}; SELECT s FROM u")), "s\n\"\"\n\n-\na;b\nit's\n");
    }
}

#[test]
fn the_values_of_folders_come_back() {
    let texts = ["", "a b", "ä/ö", "100%", "a=b", "..", "NULL", "1e5", "+", "%2F", "~"];
    let folder = folder_with(&[
        ("k", Arc::new(Int64Array::from_iter_values(0..texts.len() as i64))),
        ("s", Arc::new(StringArray::from(texts.to_vec()))),
    ]);
    for format in ["csv", "json", "parquet", "arrow"] {
        let copy = format!("COPY t TO 'out/{format}/' STORED AS {format} PARTITIONED BY (s)");
        let create = format!(
            "CREATE EXTERNAL TABLE u (k BIGINT, s VARCHAR) STORED AS {format} PARTITIONED BY (s) LOCATION 'out/{format}/'"
        );
        let other = "SELECT count(*) AS n FROM t JOIN u ON t.k = u.k AND t.s = u.s";
        assert_eq!(csv(&folder, &format!("{copy}; {create}; {other}")), format!("n\n{}\n", texts.len()), "{format}");
    }
}

#[test]
fn types_of_text_are_those_that_a_statement_says() {
    let folder = folder_with(&[("x", Arc::new(Int64Array::from(vec![1])))]);
    folder.write("out/t.csv", "zip,n,b\n007,1,ff\n008,2,00\n");
    let create = "CREATE EXTERNAL TABLE u STORED AS CSV LOCATION 'out/t.csv' OPTIONS ('format.types' 'n=uint8,b=binary', infer_rows 1)";
    let found =
        csv(&folder, &format!("{create}; SELECT zip, arrow_typeof(n) AS n, arrow_typeof(b) AS b FROM u LIMIT 1"));
    assert_eq!(found, "zip,n,b\n007,UInt8,Binary\n");
    for (wrong, said) in [
        ("OPTIONS ('format.types' 'n=uint8x')", "the option types"),
        ("OPTIONS ('format.types' 'm=uint8')", "names a column \"m\""),
        ("OPTIONS ('format.infer_rows' '0')", "the option infer_rows"),
    ] {
        let ended = run(&folder, &format!("CREATE EXTERNAL TABLE u STORED AS CSV LOCATION 'out/t.csv' {wrong}"));
        assert!(matches!(ended.status, 2 | 5) && ended.stderr.contains(said), "{wrong}\n{ended}");
    }
}

#[test]
fn columns_that_a_statement_declares_change_no_value() {
    let folder = folder_with(&[
        ("x", Arc::new(Float64Array::from(vec![1.5]))),
        ("n", Arc::new(Int64Array::from(vec![300]))),
        ("at", Arc::new(TimestampNanosecondArray::from(vec![1]))),
    ]);
    run(&folder, "COPY t TO 'out/t.parquet'; COPY t TO 'out/t.arrow'").ok();
    let read = |columns: &str, format: &str, query: &str| {
        let create = format!("CREATE EXTERNAL TABLE u ({columns}) STORED AS {format} LOCATION 'out/t.{format}'");
        run(&folder, &format!("{create}; {query}"))
    };
    for (columns, said) in [
        ("x BIGINT", "column \"x\" is of type double"),
        ("x REAL", "column \"x\" is of type double"),
        ("at TIMESTAMP(3)", "column \"at\" is of type timestamp[ns]"),
        ("n VARCHAR", "column \"n\" is of type int64"),
        ("missing BIGINT", "there is no column \"missing\""),
        ("n SMALLINT, \"X\" DOUBLE", "there is no column \"X\""),
    ] {
        let ended = read(columns, "parquet", "SELECT * FROM u");
        assert!(ended.status == 5 && ended.stderr.contains(said), "{columns}\n{ended}");
    }
    read("n SMALLINT, x DOUBLE", "parquet", "SELECT n, x FROM u").ok();
    // A value that the type does not have is refused when it comes.
    assert_ne!(read("n TINYINT", "parquet", "SELECT n FROM u").status, 0);
    // The columns of Arrow's files are read by their places.
    read("x DOUBLE, n BIGINT, at TIMESTAMP", "arrow", "SELECT * FROM u").ok();
    for columns in ["n BIGINT, x DOUBLE, at TIMESTAMP", "x DOUBLE, n BIGINT", "x DOUBLE, m BIGINT, at TIMESTAMP"] {
        let ended = read(columns, "arrow", "SELECT * FROM u");
        assert!(ended.status == 5 && ended.stderr.contains("its columns are (\"x\" double, "), "{columns}\n{ended}");
    }
}

#[test]
fn files_of_arrow_whose_columns_are_in_another_order_are_no_table() {
    let folder = folder_with(&[("a", Arc::new(Int64Array::from(vec![1]))), ("b", Arc::new(Int64Array::from(vec![2])))]);
    std::fs::create_dir(folder.path("out/f")).unwrap();
    run(&folder, "COPY (SELECT a, b FROM t) TO 'out/f/1.arrow'; COPY (SELECT b, a FROM t) TO 'out/f/2.arrow'").ok();
    let table = ["--table", "u=out/f/*.arrow", "--allow", "out"];
    let create = "CREATE EXTERNAL TABLE u STORED AS ARROW LOCATION 'out/f/'; SELECT a FROM u";
    for ended in [run(&folder, create), folder.run(&[&["sql", "SELECT a FROM u"], &table[..]].concat())] {
        assert!(ended.status == 5 && ended.stderr.contains("2.arrow: its columns are (\"b\" int64"), "{ended}");
    }
}

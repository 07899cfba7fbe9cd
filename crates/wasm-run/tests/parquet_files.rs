//! Parquet files hold what every other reader reads, and times of old writers are read as they were.

mod support;

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date64Array, Float64Array, Int32Array, Int64Array, RecordBatch, Time32SecondArray, TimestampSecondArray,
    UnionArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, TimeUnit, UnionFields};
use parquet::arrow::ArrowWriter;
use parquet::data_type::{Int96, Int96Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use support::{Folder, batch, read_parquet};

const FUNCTION: &str = "def f(k: int) -> int:\n    return k\n";

fn folder_with(table: &RecordBatch) -> Folder {
    let folder = Folder::with(&[("f.py", FUNCTION)]);
    let mut writer = FileWriter::try_new(File::create(folder.path("in.arrow")).unwrap(), &table.schema()).unwrap();
    writer.write(table).unwrap();
    writer.finish().unwrap();
    folder
}

#[test]
fn seconds_and_days_are_written_as_times_that_parquet_has() {
    let table = batch(&[
        ("k", Arc::new(Int64Array::from(vec![1]))),
        ("s", Arc::new(TimestampSecondArray::from(vec![1_706_695_200]).with_timezone("UTC"))),
        ("h", Arc::new(Time32SecondArray::from(vec![3723]))),
        ("d", Arc::new(Date64Array::from(vec![1_704_153_600_000]))),
    ]);
    let folder = folder_with(&table);
    folder.run(&["run", "f.py", "-i", "in.arrow", "-o", "o.parquet"]).ok();
    let written = read_parquet(&folder.path("o.parquet"));
    let types: Vec<_> = written.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(
        types[1..4],
        [
            DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            DataType::Time32(TimeUnit::Millisecond),
            DataType::Date32
        ]
    );
    folder.run(&["run", "f.py", "-i", "o.parquet", "-o", "o.csv", "--as", "g"]).ok();
    assert_eq!(folder.read("o.csv"), "k,s,h,d,f,g\n1,2024-01-31T10:00:00Z,01:02:03,2024-01-02,1,1\n");
    let part = batch(&[("k", Arc::new(Int64Array::from(vec![1]))), ("d", Arc::new(Date64Array::from(vec![1])))]);
    let ended = folder_with(&part).run(&["run", "f.py", "-i", "in.arrow", "-o", "o.parquet"]);
    assert!(ended.status == 5 && ended.stderr.contains("column \"d\" of type date64"), "{ended}");
}

#[test]
fn a_union_is_refused_before_anything_is_written() {
    let fields = UnionFields::try_new([0], [Field::new("a", DataType::Int32, true)]).unwrap();
    let values: ArrayRef = Arc::new(Int32Array::from(vec![1]));
    let union = UnionArray::try_new(fields, ScalarBuffer::from(vec![0_i8]), None, vec![values]).unwrap();
    let folder = folder_with(&batch(&[("k", Arc::new(Int64Array::from(vec![1]))), ("u", Arc::new(union))]));
    let ended = folder.run(&["run", "f.py", "-i", "in.arrow", "-o", "o.parquet"]);
    assert_eq!(ended.status, 5, "{ended}");
    assert!(ended.stderr.contains("column \"u\"") && ended.stderr.contains("has no such type"), "{ended}");
    assert!(!folder.files().contains(&"o.parquet".to_owned()));
    folder.run(&["run", "f.py", "-i", "in.arrow", "-o", "o.arrow"]).ok();
}

/// A file of INT96 times: days since 1970 and nanoseconds within them.
fn write_old_times(folder: &Folder, times: &[(i64, u64)]) {
    write_old_times_to(folder, "old.parquet", times);
}

fn write_old_times_to(folder: &Folder, name: &str, times: &[(i64, u64)]) {
    let schema = Arc::new(parse_message_type("message m { required int96 t; required int64 k; }").unwrap());
    let mut writer =
        SerializedFileWriter::new(File::create(folder.path(name)).unwrap(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let time = |(days, nanoseconds): &(i64, u64)| {
        let mut value = Int96::new();
        let [low, high] = [*nanoseconds as u32, (nanoseconds >> 32) as u32];
        value.set_data(low, high, u32::try_from(days + 2_440_588).unwrap());
        value
    };
    let times: Vec<_> = times.iter().map(time).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int96Type>().write_batch(&times, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let keys: Vec<_> = (0..times.len() as i64).collect();
    column.typed::<parquet::data_type::Int64Type>().write_batch(&keys, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn old_times_are_read_as_they_were() {
    let folder = Folder::with(&[("f.py", FUNCTION)]);
    // 1000-01-01 and 9999-12-31.
    write_old_times(&folder, &[(-354_285, 0), (2_932_896, 86_399_000_000_000)]);
    folder.run(&["run", "f.py", "-i", "old.parquet", "-o", "o.csv"]).ok();
    assert_eq!(folder.read("o.csv"), "t,k,f\n1000-01-01T00:00:00,0,0\n9999-12-31T23:59:59,1,1\n");
    let query = "SELECT t FROM x WHERE t > TIMESTAMP '2100-01-01'";
    let ended = folder.run(&["sql", query, "-t", "x=old.parquet", "-o", "-"]).ok();
    assert_eq!(ended.stdout, "t\n9999-12-31T23:59:59\n");
    // Nanoseconds stay where they fit.
    write_old_times(&folder, &[(0, 1)]);
    folder.run(&["run", "f.py", "-i", "old.parquet", "-o", "o.csv"]).ok();
    assert_eq!(folder.read("o.csv"), "t,k,f\n1970-01-01T00:00:00.000000001,0,0\n");
    write_old_times(&folder, &[(0, 1), (2_932_896, 0)]);
    for command in [
        &["run", "f.py", "-i", "old.parquet"][..],
        &["sql", "SELECT t FROM x", "-t", "x=old.parquet"],
        &["schema", "old.parquet"],
    ] {
        let ended = folder.run(command);
        assert!(ended.status == 5 && ended.stderr.contains("column \"t\" has INT96 times"), "{ended}");
    }
}

#[test]
fn a_nan_is_there_although_statistics_leave_it_out() {
    let folder = Folder::new();
    let rows = batch(&[
        ("k", Arc::new(Int64Array::from(vec![1, 2]))),
        ("x", Arc::new(Float64Array::from(vec![f64::NAN, 1.0]))),
    ]);
    let mut writer =
        ArrowWriter::try_new(File::create(folder.path("n.parquet")).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let create = "CREATE EXTERNAL TABLE n STORED AS PARQUET LOCATION 'n.parquet'; ";
    for (query, expected) in [
        ("SELECT * FROM n", "1,NaN 2,1.0"),
        ("SELECT k FROM n WHERE x > 5", "1"),
        ("SELECT k FROM n WHERE x <> 1", "1"),
        ("SELECT max(x) AS m, min(x) AS l FROM n", "NaN,1.0"),
        ("SELECT k FROM n ORDER BY x DESC LIMIT 1", "1"),
        ("SELECT sum(x) AS s FROM n", "NaN"),
    ] {
        for command in [
            &["sql", query, "-t", "n=n.parquet", "-o", "-"][..],
            &["sql", &format!("{create}{query}"), "--allow", ".", "-o", "-"],
        ] {
            let ended = folder.run(command).ok();
            assert_eq!(ended.stdout.lines().skip(1).collect::<Vec<_>>().join(" "), expected, "{command:?}");
        }
    }
}

#[test]
fn old_times_of_a_statements_table_are_read_as_they_were() {
    let folder = Folder::new();
    let sql = |statements: &str| folder.run(&["sql", statements, "--allow", ".", "-o", "-"]);
    let create = |columns: &str, files: &str| {
        format!("CREATE EXTERNAL TABLE x {columns} STORED AS PARQUET LOCATION '{files}'; SELECT t FROM x ORDER BY t")
    };
    write_old_times(&folder, &[(-354_285, 0), (2_932_896, 86_399_000_000_000)]);
    let far = "t\n1000-01-01T00:00:00\n9999-12-31T23:59:59\n";
    assert_eq!(sql(&create("", "old.parquet")).ok().stdout, far);
    assert_eq!(sql(&create("(t TIMESTAMP(6))", "old.parquet")).ok().stdout, far);
    // Nanoseconds do not reach that far.
    assert_ne!(sql(&create("(t TIMESTAMP(9))", "old.parquet")).status, 0);
    write_old_times(&folder, &[(0, 1)]);
    assert_eq!(sql(&create("", "old.parquet")).ok().stdout, "t\n1970-01-01T00:00:00.000000001\n");
    write_old_times(&folder, &[(0, 1), (2_932_896, 0)]);
    let ended = sql(&create("", "old.parquet"));
    assert!(ended.status == 5 && ended.stderr.contains("column \"t\" has INT96 times"), "{ended}");
}

#[test]
fn old_times_of_several_files_are_all_exact_or_refused() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("f")).unwrap();
    write_old_times_to(&folder, "f/a.parquet", &[(2_932_896, 0)]);
    write_old_times_to(&folder, "f/b.parquet", &[(0, 1000)]);
    let query = "SELECT t FROM x ORDER BY t";
    let create = format!("CREATE EXTERNAL TABLE x STORED AS PARQUET LOCATION 'f/'; {query}");
    let commands: [&[&str]; 2] =
        [&["sql", query, "--table", "x=f/*.parquet", "-o", "-"], &["sql", &create, "--allow", ".", "-o", "-"]];
    for command in commands {
        let ended = folder.run(command).ok();
        assert_eq!(ended.stdout, "t\n1970-01-01T00:00:00.000001\n9999-12-31T00:00:00\n", "{command:?}");
    }
    write_old_times_to(&folder, "f/b.parquet", &[(0, 1)]);
    for command in commands {
        let ended = folder.run(command);
        assert!(ended.status == 5 && ended.stderr.contains("which is read in one unit"), "{command:?}: {ended}");
    }
}

//! JSON files: nothing is cut, left out or given another type silently; errors say line and column.

mod support;

use support::Folder;

/// Rows that are alike, and a last one.
fn ending_with(last: &str) -> String {
    format!("{}{last}\n", "{\"a\": 1, \"b\": {\"p\": [1]}}\n".repeat(12_000))
}

fn sql(folder: &Folder, query: &str, options: &[&str]) -> support::Ended {
    folder.run(&[&["sql", query, "-t", "t=t.json", "-o", "-"], options].concat())
}

#[test]
fn a_fraction_among_whole_numbers_stays() {
    let folder = Folder::new();
    folder.write("t.json", &ending_with("{\"a\": 2.9, \"b\": {\"p\": [2.9]}}"));
    assert_eq!(sql(&folder, "SELECT sum(a) AS s, max(b['p'][1]) AS m FROM t", &[]).ok().stdout, "s,m\n12002.9,2.9\n");
    let ended = sql(&folder, "SELECT sum(a) AS s FROM t", &["--infer-rows", "10"]);
    assert_eq!(ended.status, 5, "{ended}");
    assert!(ended.stderr.contains("line 12001, column 7: column \"a\": \"2.9\" is no int64"), "{ended}");
}

#[test]
fn a_key_that_comes_late_is_a_column_or_an_error() {
    let folder = Folder::new();
    folder.write("t.json", &ending_with("{\"a\": 2, \"late\": \"x\"}"));
    assert_eq!(sql(&folder, "SELECT max(late) AS l FROM t", &[]).ok().stdout, "l\nx\n");
    let ended = sql(&folder, "SELECT a FROM t", &["--infer-rows", "10"]);
    assert!(ended.status == 5 && ended.stderr.contains("line 12001, column 17: \"late\" is a key"), "{ended}");
    folder.write("f.py", "def f(late: str) -> str:\n    return late\n");
    let told = ["--infer-rows", "10", "--types", "late=utf8"];
    folder.run(&[&["run", "f.py", "-i", "t.json", "-o", "o.json"], &told[..]].concat()).ok();
    assert!(folder.read("o.json").ends_with("{\"a\":2,\"late\":\"x\",\"f\":\"x\"}\n"));
}

#[test]
fn numbers_are_exact() {
    let folder = Folder::new();
    for (text, expected) in [
        ("{\"a\": 18446744073709551615}\n", "18446744073709551615"),
        ("{\"a\": 9007199254740993}\n{\"a\": 0.5}\n", "9007199254740993"),
        ("{\"a\": 123456789012345678901234567890}\n", "123456789012345678901234567890"),
        ("{\"a\": -0}\n", "-0.0"),
    ] {
        folder.write("t.json", text);
        let shown = sql(&folder, "SELECT a FROM t", &[]).ok().stdout;
        assert_eq!(shown.lines().nth(1), Some(expected), "{text}");
    }
}

#[test]
fn mistakes_have_their_place() {
    let folder = Folder::new();
    let fifty = "{\"a\": 1}\n".repeat(50);
    let outcomes = [
        ("syntax", format!("{fifty}{{\"a\": }}\n")),
        ("zeros", format!("{fifty}{{\"a\": 007}}\n")),
        ("late", format!("{}{{\"a\": x}}\n", "{\"a\": 1}\n".repeat(15_000))),
        ("array", "[{\"a\": 1}, {\"a\": 2}]".to_owned()),
        ("pretty", "[\n {\"a\": 1},\n {\"a\": 2}\n]\n".to_owned()),
        ("object", format!("{fifty}{{\"a\": {{\"b\": 1}}}}\n")),
        ("twice", "{\"a\": 1, \"a\": 2}\n".to_owned()),
    ]
    .map(|(name, text)| {
        folder.write("t.json", &text);
        format!("{name}: {}", sql(&folder, "SELECT a FROM t", &[]))
            .replace(folder.path("").to_str().unwrap(), "FOLDER/")
    });
    insta::assert_snapshot!(outcomes.join("\n"));
    folder.write("t.json", &format!("\u{feff}{fifty}{{\"a\": \"x\"}}\n"));
    folder.write("f.py", "def f(a: int) -> int:\n    return a\n");
    let ended = folder.run(&["run", "f.py", "-i", "t.json"]);
    assert!(ended.status == 5 && ended.stderr.contains("line 51 has text"), "{ended}");
}

#[test]
fn files_of_a_pattern_have_types_together() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("d")).unwrap();
    folder.write("d/1.json", "{\"a\": 1}\n");
    folder.write("d/2.json", "{\"a\": 2.5, \"b\": true}\n");
    for table in ["t=d/*.json", "t=d"] {
        let ended = folder.run(&["sql", "SELECT sum(a) AS s, count(b) AS n FROM t", "-t", table, "-o", "-"]).ok();
        assert_eq!(ended.stdout, "s,n\n3.5,1\n");
    }
    folder.write("d/2.json", "{\"a\": 2.5}\n{\"a\": }\n");
    let ended = folder.run(&["sql", "SELECT sum(a) AS s FROM t", "-t", "t=d"]);
    assert!(ended.stderr.contains("d/2.json: line 2, column 7"), "{ended}");
}

#[test]
fn parts_of_a_large_file_are_all_of_it() {
    let folder = Folder::new();
    // More than DataFusion gives to one task.
    let rows: String = (0..400_000).map(|row| format!("{{\"a\": {row}, \"text\": \"row number {row}\"}}\n")).collect();
    folder.write("t.json", &rows);
    let query = "SELECT count(*) AS n, sum(a) AS s, count(DISTINCT text) AS d FROM t";
    assert_eq!(sql(&folder, query, &["--partitions", "4"]).ok().stdout, "n,s,d\n400000,79999800000,400000\n");
    folder.write("t.json", &format!("{rows}{{\"a\": \"x\"}}\n"));
    let ended = sql(&folder, query, &["--partitions", "4"]);
    assert!(ended.stderr.contains("line 400001, column 7"), "{ended}");
}

#[test]
fn a_byte_order_mark_moves_no_line_to_another_part() {
    let folder = Folder::new();
    let query = "SET datafusion.optimizer.repartition_file_min_size = 0; SELECT count(*) AS n FROM t";
    // Parts begin in different places of a line.
    for rows in 20..32 {
        folder.write("t.json", &format!("\u{feff}{}", "{\"a\": 1}\n".repeat(rows)));
        let ended = sql(&folder, query, &["--partitions", "4"]).ok();
        assert_eq!(ended.stdout, format!("n\n{rows}\n"), "{rows}");
    }
}

#[test]
fn what_json_has_no_number_for_is_refused() {
    let folder = Folder::with(&[("t.csv", "a\n1.5\nNaN\n")]);
    let ended = folder.run(&["sql", "SELECT a FROM t", "-t", "t=t.csv", "-o", "o.json"]);
    assert!(ended.status == 5 && ended.stderr.contains("column \"a\" has a value that is NaN"), "{ended}");
    assert!(!folder.files().contains(&"o.json".to_owned()));
    // What lies behind a NULL is no value.
    let query = "SELECT CASE WHEN x = 1 THEN named_struct('a', 1.5) END AS s FROM (VALUES (1), (2)) AS v(x)";
    folder.run(&["sql", query, "-o", "o.json"]).ok();
    assert_eq!(folder.read("o.json"), "{\"s\":{\"a\":1.5}}\n{}\n");
}

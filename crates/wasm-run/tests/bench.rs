//! `wasm-run bench`: a function in the sandbox and natively, and the report.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn wasm_run(folder: &Path, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_wasm-run");
    Command::new(program).arg("bench").args(arguments).current_dir(folder).output().unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// A folder with functions and a table of 2,000 rows.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let functions = "from vivarium import udaf, udf, udtf\nfrom collections.abc import Iterator\n\n\
        @udf\ndef price(amount: float, rate: float) -> float:\n    return amount * (1 - rate)\n\n\
        @udf(vectorized=True)\ndef doubled(amount: float) -> float:\n    return amount * 2\n\n\
        @udtf\ndef parts(amount: float) -> Iterator[float]:\n    yield amount / 2\n    yield amount / 2\n\n\
        @udaf\nclass Total:\n    def create_accumulator(self):\n        return [0.0]\n\n\
        \x20   def accumulate(self, acc, x: float):\n        acc[0] += x\n\n    def get_value(self, acc) -> float:\n        return acc[0]\n";
    std::fs::write(folder.path().join("functions.py"), functions).unwrap();
    let rows: String = (0..2000).map(|row| format!("{row}.5,g{}\n", row % 7)).collect();
    std::fs::write(folder.path().join("in.csv"), format!("amount,key\n{rows}")).unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}

#[test]
fn functions_of_every_kind_are_measured_on_both_sides() {
    let (_folder, path) = folder();
    let cases: [(&str, &[&str]); 4] = [
        ("price", &["--args", "amount,=0.25"]),
        ("doubled", &[]),
        ("parts", &[]),
        ("Total", &["--args", "amount", "--group-by", "key"]),
    ];
    for (function, more) in cases {
        let name = format!("functions.py::{function}");
        let common = [&name, "--input", "in.csv", "--time", "500ms", "--rounds", "3", "--json"];
        let output = wasm_run(&path, &[&common[..], more].concat());
        assert!(output.status.success(), "{function}: {}", text(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["rows"], 2000, "{found}");
        assert_eq!(found["native_not_run"], Value::Null, "{function}");
        for side in ["sandbox_nanoseconds", "native_nanoseconds"] {
            assert_eq!(found[side].as_array().unwrap().len(), 3, "{function}: {found}");
        }
        let ratio = &found["ratio"];
        assert!(ratio["low"].as_f64().unwrap() <= ratio["high"].as_f64().unwrap(), "{found}");
    }
}

#[test]
fn a_native_side_that_cannot_run_is_told_and_is_no_failure() {
    let (_folder, path) = folder();
    let options =
        ["functions.py::doubled", "--input", "in.csv", "--time", "200ms", "--rounds", "3", "--python", "/bin/false"];
    let output = wasm_run(&path, &options);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("sandbox: ") && printed.contains("native:  not run: /bin/false"), "{printed}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let (_folder, path) = folder();
    std::fs::write(path.join("raises.py"), "def f(amount: float) -> float:\n    raise ValueError('no')\n").unwrap();
    std::fs::write(path.join("empty.csv"), "amount,key\n").unwrap();
    let cases: [(&[&str], i32, &str); 4] = [
        (&[], 2, "--report DIRECTORY"),
        (&["functions.py", "--input", "in.csv"], 2, "price"),
        (
            &["functions.py::doubled", "--input", "in.csv", "--group-by", "key"],
            2,
            "--group-by is for aggregate functions",
        ),
        (&["functions.py::doubled", "--input", "empty.csv", "--args", "amount"], 5, "no rows"),
    ];
    for (arguments, status, message) in cases {
        let output = wasm_run(&path, arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(message), "{arguments:?}: {}", text(&output.stderr));
    }
    let output = wasm_run(&path, &["raises.py::f", "--input", "in.csv", "--time", "100ms"]);
    assert!(!output.status.success() && text(&output.stderr).contains("ValueError: no"), "{}", text(&output.stderr));
}

#[test]
fn a_report_is_written_and_gone_on_with() {
    let (_folder, path) = folder();
    let options = ["--report", "out", "--quick", "--time", "1s", "--work", "add one", "--contender", "DataFusion"];
    let output = wasm_run(&path, &options);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report = std::fs::read_to_string(path.join("out/benchmarks.md")).unwrap();
    for part in
        ["# What the sandbox costs", "## Aims", "| add one |", "DataFusion", "fit a GiB", "checkout of a warm instance"]
    {
        assert!(report.contains(part), "{part}: {report}");
    }
    assert!(std::fs::read_to_string(path.join("out/benchmarks/rows.svg")).unwrap().contains("add one"));
    let results = std::fs::read(path.join("out/benchmarks/results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(results["comparisons"][0]["work"], "add one");

    let again = wasm_run(&path, &[&options[..], &["--resume"]].concat());
    assert!(again.status.success(), "{}", text(&again.stderr));
    let kept: Value =
        serde_json::from_slice(&std::fs::read(path.join("out/benchmarks/results.json")).unwrap()).unwrap();
    for part in ["comparisons", "measures"] {
        assert_eq!(rounded(&kept[part]), rounded(&results[part]));
    }
}

/// The value with numbers of nine digits: reading and writing them moves the last one.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) => format!("{:.8e}", number.as_f64().unwrap()).into(),
        Value::Array(values) => values.iter().map(rounded).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        other => other.clone(),
    }
}

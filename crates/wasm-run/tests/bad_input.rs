//! Whatever is wrong, the message says what, where and what to do, and the exit status is the documented one.

mod support;

use support::Folder;

/// The outcome of `run FUNCTION` with this source over a table of 20 rows: `x` counts from 0, `s` is text, `h` has halves.
fn outcome(source: &str, function: &str, options: &[&str]) -> String {
    let rows: String = (0..20).map(|row| format!("{row},s{row},{row}.5\n")).collect();
    let folder = Folder::with(&[("f.py", source), ("t.csv", &format!("x,s,h\n{rows}"))]);
    let base = ["run", function, "--input", "t.csv", "--output", "out.csv"];
    let ended = folder.run(&[&base[..], options].concat());
    if ended.status == 0 {
        return format!("{ended}\n--- out.csv ---\n{}", folder.read("out.csv"));
    }
    assert_eq!(folder.files(), ["f.py", "t.csv"], "something was left behind");
    ended.to_string()
}

macro_rules! outcomes {
    ($($name:ident($source:expr, $function:expr $(, $option:expr)*) = $status:literal;)*) => {$(
        #[test]
        fn $name() {
            let outcome = outcome($source, $function, &[$($option),*]);
            insta::assert_snapshot!(outcome);
            assert!(outcome.starts_with(concat!("exit status ", $status, "\n")));
        }
    )*};
}

const TWO: &str = "from vivarium import udf\n@udf\ndef one(x: int) -> int:\n    return x\n@udf\ndef two(x: int) -> int:\n    return x\n";
const RAISES: &str = "def check(x):\n    if x == 17:\n        raise ValueError(f'bad value {x}')\n    return x\n\n\
    def f(x: int) -> int:\n    return check(x)\n";

outcomes! {
    a_missing_function_file("", "other.py::f") = 2;
    a_function_that_is_not_there(TWO, "f.py::three") = 2;
    several_functions_and_no_name(TWO, "f.py") = 2;
    no_function_at_all("x = 1\n", "f.py") = 2;
    a_missing_column("def f(y: int) -> int:\n    return y\n", "f.py::f") = 5;
    a_missing_chosen_column(TWO, "f.py::one", "--args", "z") = 5;
    too_many_columns(TWO, "f.py::one", "--args", "x,h") = 2;
    a_result_name_that_is_taken(TWO, "f.py::one", "--as", "s") = 2;
    a_type_mismatch("def f(s: int) -> int:\n    return s\n", "f.py::f") = 5;
    an_annotation_that_cannot_be_mapped("from vivarium import udf\n@udf\ndef f(x: complex) -> int:\n    return 1\n", "f.py") = 1;
    a_missing_annotation("def f(x):\n    return 1\n", "f.py::f") = 1;
    a_syntax_error("def f(x: int) -> int:\n    return x +\n", "f.py::f") = 1;
    an_error_while_importing("import no_such_module\n", "f.py::f") = 1;
    a_package_of_another_image("import pandas.core\n", "f.py::f") = 1;
    an_exception_in_row_17(RAISES, "f.py::f") = 1;
    an_exception_with_a_cause("def f(x: int) -> int:\n    try:\n        return 1 // (x - 3)\n    except ZeroDivisionError as e:\n        \
        raise KeyError(x) from e\n", "f.py::f") = 1;
    a_result_of_the_wrong_type("def f(x: int) -> int:\n    return str(x)\n", "f.py::f") = 1;
    a_result_out_of_range("from vivarium import udf\n@udf(result_type='int8')\ndef f(x: int):\n    return x * 10\n", "f.py") = 1;
    a_bool_argument_is_no_int("def f(x: bool) -> int:\n    return x\n", "f.py::f") = 5;
    the_function_exits("import sys\ndef f(x: int) -> int:\n    sys.exit(3)\n", "f.py::f") = 1;
    the_module_exits("raise SystemExit('no')\n", "f.py::f") = 1;
    an_endless_loop("def f(x: int) -> int:\n    while True:\n        pass\n", "f.py::f", "--timeout", "300ms", "--instances", "2") = 3;
    an_endless_loop_in_c("def f(x: int) -> int:\n    return sum(iter(int, 1))\n", "f.py::f", "--timeout", "300ms") = 3;
    an_endless_sleep("import time\ndef f(x: int) -> int:\n    time.sleep(1e6)\n    return x\n", "f.py::f", "--timeout", "300ms") = 3;
    an_unknown_option(TWO, "f.py::one", "--colour") = 2;
    a_size_that_is_none(TWO, "f.py::one", "--memory", "lots") = 2;
    an_empty_result_name(TWO, "f.py::one", "--as", "") = 2;
}

// How much a bomb asks for, and how deep it gets, is the interpreter's business; what ends it is ours.
#[test]
fn bombs_end_at_their_limits() {
    let memory = "def f(x: int) -> int:\n    return len(b'x' * (1 << 30))\n";
    let ended = outcome(memory, "f.py::f", &["--memory", "128MiB"]);
    assert!(ended.starts_with("exit status 3\n") && ended.contains("limit `memory` of 128 MiB was reached"), "{ended}");
    assert!(ended.contains("(in rows 0 to 19 of the input) (--memory)"), "{ended}");
    let ended = outcome("def f(x: int) -> int:\n    return f(x)\n", "f.py::f", &[]);
    assert!(ended.starts_with("exit status 1\n") && ended.contains("f failed in row 0 of the input"), "{ended}");
    assert!(ended.contains("RecursionError: maximum recursion depth exceeded"), "{ended}");
}

#[test]
fn an_output_that_cannot_be_written() {
    let folder = Folder::with(&[("f.py", TWO), ("t.csv", "x\n1\n")]);
    std::fs::create_dir(folder.path("folder.csv")).unwrap();
    for output in ["no/such/folder/out.csv", "folder.csv", "out.docx", "f.py/out.csv"] {
        let ended = folder.run(&["run", "f.py::one", "-i", "t.csv", "-o", output]);
        assert_eq!(ended.status, if output == "out.docx" { 2 } else { 5 }, "{ended}");
        assert!(ended.stderr.contains(output), "{ended}");
    }
}

#[test]
fn errors_for_machines_are_json() {
    let folder = Folder::with(&[("f.py", RAISES), ("t.csv", "x\n1\n17\n")]);
    let ended = folder.run(&["run", "f.py::f", "-i", "t.csv", "-o", "out.csv", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    let error = &error["error"];
    assert_eq!((ended.status, error["class"].as_str(), error["status"].as_i64()), (1, Some("python"), Some(1)));
    let python = &error["python"];
    assert_eq!((python["row"].as_i64(), python["function"].as_str()), (Some(1), Some("f")));
    assert_eq!(python["error"]["type"], "ValueError");
    assert_eq!(python["error"]["traceback"][1]["line"], 3);
}

//! Functions come from files and from statements, in the environment and with the limits that the options give them.

use crate::folder;

#[test]
fn all_functions_of_all_files_can_be_called() {
    let folder = folder();
    folder.write("g.py", "def half(x: float) -> float:\n    return x / 2\n");
    let query = "SELECT twice(x) AS a, shout(name) AS b, half(x) AS c FROM t WHERE x = 3";
    let ended = folder.run(&["sql", query, "-u", "f.py", "--udf", "g.py::half", "-t", "t=t.csv", "-o", "-"]).ok();
    assert_eq!(ended.stdout, "a,b,c\n6,THREE!,1.5\n");
}

#[test]
fn a_file_that_cannot_be_used_says_why() {
    let folder = folder();
    folder.write("syntax.py", "def f(:\n");
    folder.write("import.py", "import nothing_of_that_name\n");
    folder.write("problems.py", "from vivarium import udf\n\n@udf\ndef f(x):\n    return x\n");
    let outcomes = ["syntax.py", "import.py", "problems.py", "missing.py"]
        .map(|file| format!("{file}: {}", folder.run(&["sql", "SELECT 1", "--udf", file])));
    insta::assert_snapshot!(outcomes.join("\n\n"));
}

#[test]
fn functions_have_the_jobs_environment() {
    let folder = folder();
    folder.write("helper.py", "FACTOR = 7\n");
    folder.write(
        "g.py",
        "import os\nimport helper\n\ndef g(x: int) -> str:\n    return f\"{x * helper.FACTOR} {os.environ['UNIT']}\"\n",
    );
    let query = "SELECT g(x) AS y FROM t WHERE x = 3";
    let options = ["-t", "t=t.csv", "-u", "g.py::g", "--env", "UNIT=m", "-o", "-"];
    let ended = folder.run(&[&["sql", query, "-pyfs", "helper.py"], &options[..]].concat()).ok();
    assert_eq!(ended.stdout, "y\n21 m\n");
    // The same as a setting, which only the beginning of a script can make, and only for files that the command line lets statements reach.
    let set = "SET python.files = 'helper.py';";
    let ended = folder.run(&[&["sql", &format!("{set} {query}"), "--allow", "."], &options[..]].concat()).ok();
    assert_eq!(ended.stdout, "y\n21 m\n");
    let late = folder.run(&["sql", &format!("SELECT 1; {set}")]);
    assert!(late.status == 2 && late.stderr.contains("python.files can be set only before"), "{late}");
}

#[test]
fn what_a_function_prints_is_on_standard_error() {
    let folder = folder();
    folder.write("g.py", "def g(x: int) -> int:\n    print('got', x)\n    return x\n");
    let arguments = ["sql", "SELECT g(x) AS y FROM t WHERE x = 3", "-t", "t=t.csv", "-u", "g.py::g", "-o", "-"];
    let ended = folder.run(&arguments).ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("y\n3\n", "[g] got 3\n"));
    // One that a statement defines has SQL's name.
    let create = "CREATE FUNCTION h(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef f(x):\n    print('got', x)\n    return x\n$$;";
    let query = format!("{create} SELECT h(x) AS y FROM t WHERE x = 3");
    let ended = folder.run(&["sql", &query, "-t", "t=t.csv", "-o", "-"]).ok();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("y\n3\n", "[h] got 3\n"));
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let folder = folder();
    let start = |output: &str| {
        let query = "SELECT twice(x) AS y FROM t";
        folder.command(&["sql", query, "-u", "f.py", "-t", "t=t.csv", "-o", output, "-q"]).spawn().unwrap()
    };
    for mut child in [start("a.csv"), start("b.csv")] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(folder.read("a.csv"), folder.read("b.csv"));
}

#[test]
fn partitions_do_not_change_the_answer() {
    let folder = folder();
    folder.write("rows.csv", &format!("x\n{}", (0..50_000).map(|row| format!("{row}\n")).collect::<String>()));
    let query = "SELECT twice(x) % 3 AS g, count(*) AS n, sum(twice(x)) AS s FROM r GROUP BY g ORDER BY g";
    for partitions in ["1", "2", "7"] {
        let arguments = ["sql", query, "-u", "f.py", "-t", "r=rows.csv", "-o", "-", "--partitions", partitions];
        let ended = folder.run(&arguments).ok();
        assert_eq!(ended.stdout, "g,n,s\n0,16667,833316666\n1,16666,833283334\n2,16667,833350000\n", "{partitions}");
    }
}

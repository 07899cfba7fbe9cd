//! Documents of SQL (sqllogictest's `.slt`) say what the command answers, and it does.
//!
//! Each record runs in a process of its own, after the statements before it that changed the session, so that an error ends
//! nothing but its record. The tables are TPC-H's, of scale 0.01, and `numbers`; the functions are those of examples/sql/tpch.py.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sqllogictest::{DB, DBOutput, DefaultColumnType, Runner};

use crate::support::Folder;

/// 60,000 rows of lineitem: joins meet their partners, and a query takes no second.
const SCALE: f64 = 0.01;

/// `wasm-run sql`, as a database.
struct CommandLine {
    folder: &'static Folder,
    functions: String,
    /// The statements so far that gave no rows.
    session: String,
}

/// What the command said when it failed.
#[derive(Debug)]
struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Said {}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder with all tables, made once for all documents.
fn data() -> &'static Folder {
    static DATA: OnceLock<Folder> = OnceLock::new();
    DATA.get_or_init(|| {
        let folder = Folder::new();
        for table in vivarium_examples::TABLES {
            vivarium_examples::write_table(table, SCALE, &folder.path("")).unwrap();
        }
        folder.write("numbers.csv", "n,word\n1,one\n2,two\n,none\n4,four\n");
        folder
    })
}

impl CommandLine {
    fn new() -> Self {
        let functions = repository().join("examples/sql/tpch.py").to_str().unwrap().to_owned();
        Self { folder: data(), functions, session: String::new() }
    }
}

impl DB for CommandLine {
    type Error = Said;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Said> {
        let statements = format!("{}{sql};", self.session);
        let mut arguments = vec!["sql".to_owned(), statements.clone(), "--udf".to_owned(), self.functions.clone()];
        let tables = vivarium_examples::TABLES.map(|table| format!("{table}={table}.parquet"));
        for table in tables.iter().map(String::as_str).chain(["numbers=numbers.csv"]) {
            arguments.extend(["--table".to_owned(), table.to_owned()]);
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ended = self.folder.run(&arguments);
        if ended.status != 0 {
            return Err(Said(ended.stderr));
        }
        match rows(&ended.stdout) {
            Some(rows) => {
                let columns = rows.first().map_or(0, Vec::len);
                Ok(DBOutput::Rows { types: vec![DefaultColumnType::Any; columns], rows })
            }
            None => {
                self.session = statements;
                Ok(DBOutput::StatementComplete(0))
            }
        }
    }
}

/// The cells of a table as it is printed, below the rule and above the count.
fn rows(printed: &str) -> Option<Vec<Vec<String>>> {
    let mut lines = printed.lines();
    lines.next()?;
    lines.next().filter(|rule| rule.starts_with('-'))?;
    let rows: Vec<_> = lines.filter(|line| !line.starts_with('(')).collect();
    Some(rows.iter().map(|row| row.split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect())
}

#[track_caller]
fn run(document: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql").join(document);
    let mut runner = Runner::new(|| async { Ok(CommandLine::new()) });
    // To write what is answered into the document, to be read and committed: VIVARIUM_UPDATE_SLT=1.
    if std::env::var_os("VIVARIUM_UPDATE_SLT").is_some() {
        let updated = futures::executor::block_on(runner.update_test_file(
            path,
            " ",
            sqllogictest::default_validator,
            sqllogictest::default_normalizer,
            sqllogictest::default_column_validator,
        ));
        updated.unwrap();
        return;
    }
    if let Err(error) = runner.run_file(path) {
        panic!("{}", error.display(false));
    }
}

#[test]
fn a_python_function_in_a_tpch_query_gives_what_its_expression_gives() {
    run("tpch.slt");
}

#[test]
fn functions_in_statements() {
    run("functions.slt");
}

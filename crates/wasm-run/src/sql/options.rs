//! The options of `wasm-run sql`.

use std::path::PathBuf;

use clap::Args;
use vivarium_sandbox::parse_size;

use super::tables::NamedTable;
use crate::cli::FunctionName;
use crate::files::{Format, Location};
use crate::options::{
    ColumnOptions, EnvironmentOptions, HostOptions, MetricsOptions, OutputOptions, SandboxOptions, TextOptions,
};

/// Query files with SQL that may call Python functions.
///
/// Statements come from the command line, from files (--file), from standard input, or from a prompt when there are none and
/// standard input is a terminal. They run in order, and the first that fails ends the command. SQL is Apache DataFusion's;
/// Python functions come from files (--udf) and from CREATE FUNCTION ... LANGUAGE PYTHON, and run in sandboxes as those of
/// `wasm-run run` do.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run sql \"SELECT l_shipmode, sum(final_price) FROM (SELECT *, final_price(l_quantity, l_extendedprice, l_discount, l_tax, \
l_shipmode, l_returnflag) AS final_price FROM lineitem) GROUP BY l_shipmode\" \\
      --udf examples/pricing.py --table lineitem=lineitem.parquet
  wasm-run sql --file report.sql --udf text.py --udf dates.py --table 'log=logs/2024-*.csv' --output report.parquet
  wasm-run sql \"SELECT count(*) FROM t\" --table t=- < rows.csv
  wasm-run sql \"CREATE FUNCTION twice(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS \\$\\$ def twice(x): return 2 * x \\$\\$; SELECT twice(21)\"
  wasm-run sql \"COPY (SELECT * FROM t) TO 'out/t.parquet'\" --table t=t.csv --allow out
  wasm-run sql --table lineitem=lineitem.parquet --udf examples/pricing.py          # a prompt; \\? shows its commands

Tables are files in the formats of `run`, by extension: .parquet, .csv (with a header line), .json or .ndjson (one object a \
line), .arrow (IPC); several files by a pattern, or a folder of them. SQL reaches only files that were named: those of --table, \
and what is in a folder of --allow, where statements may write too.

Errors in SQL are shown with line and column. Row numbers in messages about Python functions count the rows as they reach \
the function.")]
pub struct Sql {
    /// SQL statements, separated by `;`.
    #[arg(value_name = "STATEMENTS")]
    pub statements: Vec<String>,

    /// A file of SQL statements, run before those of the command line; `-` is standard input; may be given several times.
    #[arg(short, long = "file", value_name = "FILE")]
    pub files: Vec<Location>,

    /// A Python file, all functions of which can be called by their names, or one function of it, which then needs no `@udf`; may
    /// be given several times.
    #[arg(short = 'u', long = "udf", value_name = "FILE.py[::FUNCTION]")]
    pub functions: Vec<FunctionName>,

    /// A table: a file, a pattern such as 'logs/*.csv', or a folder; `-` is standard input; may be given several times.
    #[arg(short, long = "table", value_name = "NAME=FILE")]
    pub tables: Vec<NamedTable>,

    /// Format of tables whose format is not known from their names [default: csv for standard input].
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<Format>,

    /// Where the rows of the query are written; `-` is standard output. Without it they are printed for reading.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<Location>,

    /// Format of the output [default: by extension; csv for standard output].
    #[arg(long, value_name = "FORMAT")]
    pub output_format: Option<Format>,

    /// A folder in which statements may read and write files by name; may be given several times.
    #[arg(long = "allow", value_name = "FOLDER")]
    pub allowed: Vec<PathBuf>,

    /// Show the plans of queries, and do not run them. Other statements are run.
    #[arg(long)]
    pub explain: bool,

    /// Run queries, and show the rows and times of each step in place of their results.
    #[arg(long)]
    pub analyze: bool,

    /// How many parts of a query work at the same time [default: one for each core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub partitions: Option<u16>,

    /// Memory of a query, with its sandboxes at their full size (--memory); sorts, joins and groups that need more use temporary
    /// files where they can [default: half of --host-memory, and sandboxes are not counted].
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub query_memory: Option<u64>,

    /// A setting that `open(context)` of a function finds in `context.job_parameters`; may be given several times.
    #[arg(long = "job-parameter", value_name = "NAME=VALUE", value_parser = crate::options::parse_variable)]
    pub job_parameters: Vec<(String, String)>,

    #[command(flatten)]
    pub text: TextOptions,

    #[command(flatten)]
    pub host: HostOptions,

    #[command(flatten)]
    pub sandbox: SandboxOptions,

    #[command(flatten)]
    pub columns: ColumnOptions,

    #[command(flatten)]
    pub environment: EnvironmentOptions,

    #[command(flatten)]
    pub metrics: MetricsOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

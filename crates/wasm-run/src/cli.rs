//! The command line: commands and their options.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand};
use vivarium_guest::ImageName;

use crate::commands::GivenArguments;
use crate::env_command::Env;
use crate::files::{Format, Location};
use crate::flink::Flink;
use crate::guest_test::GuestTest;
use crate::options::{
    ColumnOptions, EnvironmentOptions, HostOptions, MetricsOptions, OutputOptions, SandboxOptions, TextOptions,
};
use crate::sql::Sql;

/// Run Python functions over tables inside WebAssembly.
///
/// Every function runs in a sandbox: CPython and NumPy compiled to WebAssembly, without network, host files or host
/// environment variables, with limits on time and memory.
#[derive(Debug, Parser)]
#[command(
    name = "wasm-run",
    version,
    after_help = "\
Exit status: 0 done, 1 the Python code failed, 2 usage, 3 a limit was reached, 4 problem with the Python environment or the \
guest, 5 problem with the input data or the output file, 70 internal error, 130 interrupted. `exec` ends with the script's own status.

Rows are counted from 0 in the whole input. Set VIVARIUM_LOG (for example to debug) for a log on stderr."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Run),
    Sql(Sql),
    Exec(Exec),
    Check(Check),
    Schema(Schema),
    Bench(Bench),
    #[command(subcommand)]
    Env(Env),
    #[command(subcommand)]
    Guest(Guest),
    #[command(subcommand)]
    Flink(Flink),
}

/// Apply a function to a table.
///
/// Parameters take the columns of their names. A function of one value per row adds a column with the function's name; a
/// table function's rows each come with their input row; an aggregate function gives one row for each group, in the order of
/// the groups' first rows. The order of rows is kept, whatever the number of instances.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run run pricing.py --input lineitem.parquet --output priced.parquet
  wasm-run run text.py::clean --input comments.csv --args comment --as cleaned
  wasm-run run text.py::words --input comments.csv --args comment,=3 --as word,position
  wasm-run run totals.py::total --input lineitem.parquet --group-by l_returnflag,l_linestatus
  cat rows.json | wasm-run run f.py --input - --input-format json --output - --output-format csv
  wasm-run run score.py --input x.parquet -pyfs util.py,lib.zip -pyarch model.zip#model -pyreq requirements.txt

Packages that FILE.py lists in a `# /// script` header are installed too.

File formats by extension: .parquet, .csv (with a header line), .json or .ndjson (one object a line), .arrow (IPC); text may be \
compressed (.csv.gz, .json.zst). `wasm-run schema FILE` shows a file's columns and their types.
An output file appears under its name only when it is complete. When the reader of standard output goes away, wasm-run ends \
quietly with status 0.")]
pub struct Run {
    /// Python file and function; the function may be left out when the file declares only one (or, without declarations, annotates only one).
    #[arg(value_name = "FILE.py[::FUNCTION]")]
    pub function: FunctionName,

    /// The table to read; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub input: Location,

    /// The table to write; `-` is standard output. Without it the table is printed for reading.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<Location>,

    /// Format of the input [default: by extension; csv for standard input].
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<Format>,

    /// Format of the output [default: by extension; csv for standard output].
    #[arg(long, value_name = "FORMAT")]
    pub output_format: Option<Format>,

    /// Only the first N rows of the input.
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Columns for the parameters, in order, and constants as `=VALUE`, `='TEXT'` or `=NULL` [default: the columns of the
    /// parameters' names].
    #[arg(long, value_name = "COLUMN,...")]
    pub args: Option<GivenArguments>,

    /// Name of the result column, or of all columns of a table function [default: the function's name, or its columns'].
    #[arg(long = "as", value_name = "NAME,...", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    pub result_names: Vec<String>,

    /// Columns that make the groups of an aggregate function [default: all rows are one group].
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',')]
    pub group_by: Vec<String>,

    /// A setting that `open(context)` of a function finds in `context.job_parameters`; may be given several times.
    #[arg(long = "job-parameter", value_name = "NAME=VALUE", value_parser = crate::options::parse_variable)]
    pub job_parameters: Vec<(String, String)>,

    /// Write the rows for which the function raised to this table: row, function, type, message, traceback, arguments.
    #[arg(long, value_name = "FILE")]
    pub errors: Option<Location>,

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

/// Run a Python script in a sandbox, as `python` would.
///
/// The script has the command's standard input, output and error, and the command ends with the script's exit status. The
/// script sees only those files of the host that the options below ship. `/tmp`, the working directory unless there are
/// archives, begins empty and is removed at the end. Packages that the script lists in a `# /// script` header are installed.
#[derive(Debug, Args)]
#[command(
    override_usage = "wasm-run exec [OPTIONS] SCRIPT.py [ARGS]...\n       wasm-run exec [OPTIONS] -c CODE [ARGS]...\n       \
                      wasm-run exec [OPTIONS] -m MODULE [ARGS]...",
    after_help = "\
Examples:
  wasm-run exec report.py --year 2024
  wasm-run exec -c 'import numpy; print(numpy.arange(5) ** 2)'
  echo '{\"a\": 1}' | wasm-run exec -m json.tool
  wasm-run exec -pyarch venv.zip#venv -pyexec venv/bin/python -m mypackage

What follows SCRIPT.py, CODE or MODULE belongs to the script. A `-` in place of SCRIPT.py reads it from standard input."
)]
pub struct Exec {
    /// Python code to run.
    #[arg(short = 'c', value_name = "CODE", conflicts_with = "module")]
    pub code: Option<String>,

    /// Module to run as a script.
    #[arg(short = 'm', value_name = "MODULE")]
    pub module: Option<String>,

    /// The script (not with -c or -m) and its arguments.
    #[arg(value_name = "SCRIPT.py [ARGS]", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,

    #[command(flatten)]
    pub sandbox: SandboxOptions,

    #[command(flatten)]
    pub environment: EnvironmentOptions,

    #[command(flatten)]
    pub metrics: MetricsOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Show the functions and packages of a Python file and every problem with their declarations, without data.
///
/// Ends with status 1 when there are problems.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run check pricing.py
  wasm-run check pricing.py --explain
  wasm-run check pricing.py --json")]
pub struct Check {
    /// The Python file.
    #[arg(value_name = "FILE.py")]
    pub file: PathBuf,

    /// Also show for each function whether it runs as columns, which lines leave rows to the interpreter and why, and what to write
    /// instead.
    #[arg(long)]
    pub explain: bool,

    #[command(flatten)]
    pub sandbox: SandboxOptions,

    #[command(flatten)]
    pub environment: EnvironmentOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Show the columns of a data file, their types, and where the types come from.
///
/// Runs no Python, and needs no guest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run schema lineitem.parquet
  wasm-run schema comments.csv --infer-rows all
  wasm-run schema codes.csv --types zip=utf8 --delimiter ';'")]
pub struct Schema {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub input: Location,

    /// Format of the file [default: by extension; csv for standard input].
    #[arg(long, value_name = "FORMAT")]
    pub input_format: Option<Format>,

    #[command(flatten)]
    pub text: TextOptions,

    #[command(flatten)]
    pub host: HostOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Measure what the sandbox costs: a function of yours against native Python, or the whole benchmark.
///
/// With a file, its function runs over the rows of a table in the sandbox and natively, in turns. The result is a ratio with a confidence
/// interval; if the ratio varies too much from round to round, the run says so and gives no single ratio. The native side runs your code
/// WITHOUT a sandbox. Without a file, the benchmark of docs/benchmarks.md is run: contenders are downloaded and compiled into the cache directory
/// the first time.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run bench pricing.py --input lineitem.parquet
  wasm-run bench text.py::clean --input comments.csv --args comment --rows 1024 --time 60s
  wasm-run bench score.py --input x.parquet --python venv/bin/python
  wasm-run bench --report docs --time 30m
  wasm-run bench --report /tmp/here --quick --work 'add one,upper' --contender arrow-udf

The report is DIRECTORY/benchmarks.md with plots and results.json in DIRECTORY/benchmarks; --resume continues an interrupted run.")]
pub struct Bench {
    /// Python file and function; the function may be left out when the file declares only one (or, without declarations, annotates only one).
    #[arg(value_name = "FILE.py[::FUNCTION]", requires = "input")]
    pub function: Option<FunctionName>,

    /// The table with the function's arguments.
    #[arg(short, long, value_name = "FILE", requires = "function")]
    pub input: Option<Location>,

    /// Format of the input [default: by extension; csv for standard input].
    #[arg(long, value_name = "FORMAT", requires = "function")]
    pub input_format: Option<Format>,

    /// Columns for the parameters, in order, and constants as `=VALUE`, `='TEXT'` or `=NULL` [default: the columns of the
    /// parameters' names].
    #[arg(long, value_name = "COLUMN,...", requires = "function")]
    pub args: Option<GivenArguments>,

    /// The column that makes the groups of an aggregate function [default: all rows are one group].
    #[arg(long, value_name = "COLUMN", requires = "function")]
    pub group_by: Option<String>,

    /// Only the first N rows of the input.
    #[arg(long, value_name = "N", default_value_t = 65_536, requires = "function")]
    pub limit: u64,

    /// Rows of a batch.
    #[arg(long, value_name = "N", default_value_t = 8192, requires = "function", value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,

    /// Rounds, in each of which both sides take their turn.
    #[arg(long, value_name = "N", default_value_t = 15, requires = "function", value_parser = clap::value_parser!(u16).range(3..))]
    pub rounds: u16,

    /// Run the native side as a loop in this Python, which needs numpy and pyarrow. Without it, the native side is the sandbox's own C
    /// code on the native CPython of the guest's version.
    #[arg(long, value_name = "PROGRAM", requires = "function")]
    pub python: Option<PathBuf>,

    /// Run the whole benchmark and write its report into this directory.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "function")]
    pub report: Option<PathBuf>,

    /// About how long to measure, not counting the installation of contenders [default: 10s for a function, 10m for the report].
    #[arg(long, value_name = "TIME", value_parser = vivarium_sandbox::parse_duration)]
    pub time: Option<std::time::Duration>,

    /// Fewer cases and rounds; takes a minute or two, unless --time says otherwise.
    #[arg(long, conflicts_with = "function")]
    pub quick: bool,

    /// Only work whose name contains one of these.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', conflicts_with = "function")]
    pub work: Vec<String>,

    /// Only contenders whose names contain one of these.
    #[arg(long = "contender", value_name = "NAME,...", value_delimiter = ',', conflicts_with = "function")]
    pub contenders: Vec<String>,

    /// Keep the results in the report's directory, and measure only what is missing.
    #[arg(long, conflicts_with = "function")]
    pub resume: bool,

    #[command(flatten)]
    pub text: TextOptions,

    #[command(flatten)]
    pub sandbox: SandboxOptions,

    #[command(flatten)]
    pub columns: ColumnOptions,

    #[command(flatten)]
    pub environment: EnvironmentOptions,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// Build the guest (CPython and NumPy as WebAssembly), describe it and test it.
///
/// Commands that run Python build it when it is missing; `info` and `list` never do.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  wasm-run guest build
  wasm-run guest list
  wasm-run guest build --image data
  wasm-run guest info --image data --json
  wasm-run guest info --licenses
  wasm-run guest export --image data --output data.tar
  wasm-run guest import data.tar --sha256 HASH

There are several images: the default one is small and quick to start, others bring more packages.")]
pub enum Guest {
    /// Build an image now, from pinned sources, unless it exists already.
    Build(GuestImage),
    /// Show the versions, hashes, bundled packages and sizes of an image that has been built.
    Info(GuestInfo),
    /// Print the folder that holds an image.
    Path(GuestImage),
    /// Show the images that can be built, and which of them are.
    List(OutputOptions),
    Export(GuestExport),
    Import(GuestImport),
    Test(GuestTest),
}

/// One of the images.
#[derive(Debug, Args)]
pub struct GuestImage {
    /// Which image; `wasm-run guest list` shows them.
    #[arg(long, value_name = "NAME", default_value_t)]
    pub image: ImageName,

    #[command(flatten)]
    pub messages: OutputOptions,
}

/// What to tell about an image.
#[derive(Debug, Args)]
pub struct GuestInfo {
    #[command(flatten)]
    pub wanted: GuestImage,

    /// Show the licences of what the image contains instead; builds nothing.
    #[arg(long)]
    pub licenses: bool,
}

/// Write an image as one file, so that other machines need not build it.
///
/// The file is a tar archive of the compressed module and its manifest, and the same for the same image; its sha256 is told. Machine code
/// is not in it. The same version of `wasm-run` reads it on another machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run guest export
  wasm-run guest export --image data --output /mnt/shared/data.tar
  wasm-run guest export --output - | ssh worker wasm-run guest import -")]
pub struct GuestExport {
    #[command(flatten)]
    pub wanted: GuestImage,

    /// The file; `-` is standard output [default: the image's name and the hash of its recipe, in this folder]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<Location>,
}

/// Take an image from a file that `wasm-run guest export` wrote, and compile it for this machine.
///
/// What is in an image is what functions run on: take one from those whom you trust with that, and with --sha256 when the file came
/// over a network. An image of another version of `wasm-run` is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasm-run guest import data.tar
  wasm-run guest import data.tar --sha256 HASH")]
pub struct GuestImport {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub archive: Location,

    /// What `wasm-run guest export` told; a file with another hash is refused.
    #[arg(long, value_name = "HASH", value_parser = parse_sha256)]
    pub sha256: Option<String>,

    #[command(flatten)]
    pub messages: OutputOptions,
}

fn parse_sha256(text: &str) -> Result<String, String> {
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_owned()),
        false => Err("64 hexadecimal digits are expected".to_owned()),
    }
}

/// `FILE.py` or `FILE.py::FUNCTION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionName {
    pub file: PathBuf,
    pub function: Option<String>,
}

impl std::str::FromStr for FunctionName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (file, function) = match text.split_once("::") {
            Some((file, function)) => (file, Some(function)),
            None => (text, None),
        };
        if file.is_empty() || function.is_some_and(str::is_empty) {
            return Err("a Python file is expected, or FILE.py::FUNCTION".to_owned());
        }
        Ok(Self { file: file.into(), function: function.map(str::to_owned) })
    }
}

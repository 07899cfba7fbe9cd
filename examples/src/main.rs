//! Writes the tables that the examples run on: TPC-H's, as Parquet files.
//!
//! `cargo run --release -p vivarium-examples -- --scale 0.05 --output target/example-data`

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use vivarium_examples::{TABLES, write_table};

/// Write TPC-H's tables as Parquet files.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scale factor: 1 gives 6,000,000 rows of lineitem and 200,000 of part.
    #[arg(long, default_value_t = 0.05)]
    scale: f64,

    /// The tables to write.
    #[arg(long, value_name = "TABLE,...", value_delimiter = ',', default_value = "lineitem,part", value_parser = TABLES)]
    tables: Vec<String>,

    /// Folder for TABLE.parquet; made when it is missing.
    #[arg(long, value_name = "FOLDER", default_value = "target/example-data")]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { scale, tables, output } = Arguments::parse();
    std::fs::create_dir_all(&output).with_context(|| format!("cannot make the folder {}", output.display()))?;
    for table in tables {
        let rows = write_table(&table, scale, &output)?;
        println!("{rows} rows -> {}", output.join(format!("{table}.parquet")).display());
    }
    Ok(())
}

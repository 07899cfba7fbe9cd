//! Writes the tables that the examples run on: TPC-H's `lineitem` and `part`, as Parquet files.
//!
//! `cargo run --release -p vivarium-examples -- --scale 0.05 --output target/example-data`

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use arrow::record_batch::RecordBatchReader;
use clap::Parser;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{LineItemGenerator, PartGenerator};
use tpchgen_arrow::{LineItemArrow, PartArrow};

/// Write TPC-H's tables lineitem and part as Parquet files.
#[derive(Debug, Parser)]
struct Arguments {
    /// Scale factor: 1 gives 6,000,000 rows of lineitem and 200,000 of part.
    #[arg(long, default_value_t = 0.05)]
    scale: f64,

    /// Folder for lineitem.parquet and part.parquet; made when it is missing.
    #[arg(long, value_name = "FOLDER", default_value = "target/example-data")]
    output: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let Arguments { scale, output } = Arguments::parse();
    if !(scale > 0.0 && scale <= 1000.0) {
        bail!("a scale factor is more than 0 and at most 1000, not {scale}");
    }
    std::fs::create_dir_all(&output).with_context(|| format!("cannot make the folder {}", output.display()))?;
    write(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1)), &output.join("lineitem.parquet"))?;
    write(PartArrow::new(PartGenerator::new(scale, 1, 1)), &output.join("part.parquet"))
}

/// Writes a table under another name first, so that a file under its own name is complete.
fn write(table: impl RecordBatchReader, path: &Path) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    let file = File::create(&partial).with_context(|| format!("cannot write {}", partial.display()))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(file, table.schema(), Some(properties))?;
    let mut rows = 0;
    for batch in table {
        let batch = batch?;
        rows += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.close()?;
    std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{rows} rows -> {}", path.display());
    Ok(())
}

//! TPC-H's tables as Parquet files, of any size: the same rows each time.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail};
use arrow::record_batch::RecordBatchReader;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};
use tpchgen_arrow::{
    CustomerArrow, LineItemArrow, NationArrow, OrderArrow, PartArrow, PartSuppArrow, RegionArrow, SupplierArrow,
};

/// Names of all eight tables.
pub const TABLES: [&str; 8] = ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

/// Writes a table to `TABLE.parquet` in a folder, and tells how many rows it has. At scale 1, lineitem has 6,000,000 rows.
///
/// # Errors
/// When there is no such table, the scale is not between 0 and 1000, or the file cannot be written.
pub fn write_table(table: &str, scale: f64, folder: &Path) -> anyhow::Result<usize> {
    if !(scale > 0.0 && scale <= 1000.0) {
        bail!("a scale factor is more than 0 and at most 1000, not {scale}");
    }
    let rows: Box<dyn RecordBatchReader> = match table {
        "customer" => Box::new(CustomerArrow::new(CustomerGenerator::new(scale, 1, 1))),
        "lineitem" => Box::new(LineItemArrow::new(LineItemGenerator::new(scale, 1, 1))),
        "nation" => Box::new(NationArrow::new(NationGenerator::new(scale, 1, 1))),
        "orders" => Box::new(OrderArrow::new(OrderGenerator::new(scale, 1, 1))),
        "part" => Box::new(PartArrow::new(PartGenerator::new(scale, 1, 1))),
        "partsupp" => Box::new(PartSuppArrow::new(PartSuppGenerator::new(scale, 1, 1))),
        "region" => Box::new(RegionArrow::new(RegionGenerator::new(scale, 1, 1))),
        "supplier" => Box::new(SupplierArrow::new(SupplierGenerator::new(scale, 1, 1))),
        _ => bail!("TPC-H has no table {table}; it has {}", TABLES.join(", ")),
    };
    write(rows, &folder.join(format!("{table}.parquet")))
}

/// Writes a table under another name first, so that a file under its own name is complete.
fn write(table: Box<dyn RecordBatchReader>, path: &Path) -> anyhow::Result<usize> {
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
    Ok(rows)
}

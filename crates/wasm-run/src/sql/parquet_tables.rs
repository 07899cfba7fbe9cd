//! DataFusion's reader of Parquet, without what it concludes from statistics of floats.
//!
//! The least and the largest value that a file tells of a column, a row group or a page are those of its numbers: NaN is left out, as the format
//! says. DataFusion takes them for those of all values. A column of 1.0 and NaN was read as one of 1.0 alone, the largest value of a column was not
//! NaN, and rows with NaN were missing from `x > 5`, for which NaN is larger than all numbers.

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::file_format::{FileFormat, FileMeta};
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::object_store::{ObjectMeta, ObjectStore};
use datafusion::physical_plan::ExecutionPlan;
use parquet::basic::{LogicalType, Type};
use parquet::file::metadata::ParquetMetaData;

/// What a table's files are, as far as their reader has to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kinds {
    /// Whether INT96 times have to be read as microseconds.
    pub microseconds: bool,
    /// Whether there are floats.
    pub floats: bool,
}

/// The reader of a table's files.
pub fn reader(mut options: TableParquetOptions, kinds: Kinds) -> ParquetFormat {
    if kinds.floats {
        // Row groups and pages are chosen by their statistics.
        options.global.pruning = false;
        options.global.enable_page_index = false;
    }
    let unit = kinds.microseconds.then(|| "us".to_owned());
    ParquetFormat::default().with_options(options).with_coerce_int96(unit)
}

/// Whether a file has floats.
pub fn has_floats(metadata: &ParquetMetaData) -> bool {
    metadata.file_metadata().schema_descr().columns().iter().any(|column| {
        matches!(column.physical_type(), Type::FLOAT | Type::DOUBLE)
            || matches!(column.logical_type_ref(), Some(LogicalType::Float16))
    })
}

/// The statistics of a file without those that say nothing about all values.
pub fn of_all_values(mut statistics: Statistics, schema: &SchemaRef) -> Statistics {
    for (field, column) in schema.fields().iter().zip(&mut statistics.column_statistics) {
        let data_type = match field.data_type() {
            DataType::Dictionary(_, values) => values,
            other => other,
        };
        if data_type.is_floating() {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
            column.sum_value = Precision::Absent;
        }
    }
    statistics
}

/// Files of Parquet of a table of the command line.
#[derive(Debug)]
pub struct ParquetTable(pub ParquetFormat);

#[async_trait]
impl FileFormat for ParquetTable {
    fn get_ext(&self) -> String {
        self.0.get_ext()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        self.0.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.0.compression_type()
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        self.0.infer_schema(state, store, objects).await
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        let statistics = self.0.infer_stats(state, store, Arc::clone(&table_schema), object).await?;
        Ok(of_all_values(statistics, &table_schema))
    }

    async fn infer_stats_and_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<FileMeta> {
        let FileMeta { statistics, ordering, .. } =
            self.0.infer_stats_and_ordering(state, store, Arc::clone(&table_schema), object).await?;
        Ok(FileMeta::new(of_all_values(statistics, &table_schema)).with_ordering(ordering))
    }

    async fn create_physical_plan(&self, state: &dyn Session, conf: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.create_physical_plan(state, conf).await
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        self.0.file_source(table_schema)
    }
}

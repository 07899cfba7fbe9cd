//! What a statement says of its files, by `OPTIONS (...)`.

use std::any::Any;
use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use datafusion::common::config::{CsvOptions, JsonOptions, TableParquetOptions};
use datafusion::common::parsers::{CompressionTypeVariant, CsvQuoteStyle};
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::csv::CsvFormat;
use datafusion::datasource::file_format::json::JsonFormat;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::error::{DataFusionError, Result};
use vivarium_textfiles::{Compression, TextFormat, csv};

use crate::options::{ColumnTypes, Quote, parse_quote, parse_rows};

/// What a statement says.
#[derive(Debug)]
pub struct Said {
    /// How files of text are read.
    pub text: TextFormat,
    /// Whether it says types of text's columns.
    pub has_types: bool,
    /// An option that changes what is read, and is not known here.
    pub unread: Option<&'static str>,
    /// An option that changes what is written, and is not known here.
    pub unwritten: Option<&'static str>,
    /// How a COPY writes.
    pub style: WritingStyle,
}

/// How files are written, but for what depends on their columns.
#[derive(Debug, Clone, Default)]
pub struct WritingStyle {
    pub csv: csv::Style,
    pub compression: Compression,
    pub parquet: Option<TableParquetOptions>,
}

impl Said {
    /// How files are written that are read so.
    pub fn as_read(&self) -> WritingStyle {
        let TextFormat { delimiter, quote, header, nulls, .. } = &self.text;
        let csv = csv::Style {
            delimiter: *delimiter,
            quote: *quote,
            header: *header,
            null: String::new(),
            read_as_null: nulls.clone(),
        };
        WritingStyle { csv, ..self.style.clone() }
    }
}

/// Reads the options of a statement; `text` holds where it says nothing, and `own` makes DataFusion's format of the options that it knows.
///
/// # Errors
/// When there is no such option, or it cannot have the value.
pub fn read(
    text: &TextFormat,
    options: &HashMap<String, String>,
    own: impl FnOnce(&HashMap<String, String>) -> Result<Arc<dyn FileFormat>>,
) -> Result<(Said, Arc<dyn FileFormat>)> {
    let mut options = options.clone();
    let mut said =
        Said { text: text.clone(), has_types: false, unread: None, unwritten: None, style: WritingStyle::default() };
    let quote = said.take_ours(&mut options)?;
    let own = own(&options)?;
    let names = |option: &str| options.keys().any(|key| key.rsplit('.').next() == Some(option));
    let any: &dyn Any = &*own;
    if let Some(csv) = any.downcast_ref::<CsvFormat>() {
        said.read_csv(csv.options(), names)?;
        if let Some(Quote(quote)) = quote {
            said.text.quote = quote;
            said.style.csv.quote = quote;
        }
    } else if let Some(json) = any.downcast_ref::<JsonFormat>() {
        said.read_json(json.options())?;
    } else if let Some(parquet) = any.downcast_ref::<ParquetFormat>() {
        // Which unit times need is told by the file.
        said.unread = names("coerce_int96").then_some("coerce_int96");
        said.style.parquet = Some(parquet.options().clone());
    }
    Ok((said, own))
}

impl Said {
    /// Takes options that DataFusion does not have, or has otherwise; gives what quotes fields, where it is no sign that DataFusion knows.
    fn take_ours(&mut self, options: &mut HashMap<String, String>) -> Result<Option<Quote>> {
        let refused = |option: &str, problem: String| DataFusionError::Plan(format!("the option {option}: {problem}"));
        if let Some(types) = options.remove("format.types") {
            let types = ColumnTypes::from_str(&types).map_err(|problem| refused("types", problem))?;
            self.text.may_miss &= !self.text.types.is_empty();
            self.text.types.extend(types.of_one_table());
            self.has_types = true;
        }
        if let Some(rows) = options.remove("format.infer_rows") {
            self.text.infer_rows = parse_rows(&rows).map_err(|problem| refused("infer_rows", problem))?;
        }
        if let Some(delimiter) = options.get_mut("format.delimiter").filter(|delimiter| *delimiter == "tab") {
            "\t".clone_into(delimiter);
        }
        match options.get("format.quote").map(|quote| parse_quote(quote)) {
            Some(Ok(quote @ Quote(None))) => {
                options.remove("format.quote");
                Ok(Some(quote))
            }
            _ => Ok(None),
        }
    }

    fn read_csv(&mut self, options: &CsvOptions, names: impl Fn(&str) -> bool) -> Result<()> {
        let Self { text, style, .. } = self;
        if let Some(header) = options.has_header {
            text.header = header;
            style.csv.header = header;
        }
        if names("delimiter") {
            text.delimiter = options.delimiter;
            style.csv.delimiter = options.delimiter;
        }
        if names("quote") {
            text.quote = Some(options.quote);
            style.csv.quote = Some(options.quote);
        }
        text.nulls.extend(options.null_value.clone());
        style.csv.null.clone_from(options.null_value.as_ref().unwrap_or(&String::new()));
        let both = [
            ("escape", options.escape.is_some()),
            ("terminator", options.terminator.is_some()),
            ("double_quote", options.double_quote == Some(false)),
            ("ignore_leading_whitespace", options.ignore_leading_whitespace == Some(true)),
            ("ignore_trailing_whitespace", options.ignore_trailing_whitespace == Some(true)),
        ];
        let reading = [
            ("comment", options.comment.is_some()),
            ("null_regex", options.null_regex.is_some()),
            ("truncated_rows", options.truncated_rows == Some(true)),
        ];
        let writing = [
            ("quote_style", options.quote_style != CsvQuoteStyle::Necessary),
            ("date_format", options.date_format.is_some()),
            ("datetime_format", options.datetime_format.is_some()),
            ("timestamp_format", options.timestamp_format.is_some()),
            ("timestamp_tz_format", options.timestamp_tz_format.is_some()),
            ("time_format", options.time_format.is_some()),
        ];
        self.unread = first_set(both.iter().chain(&reading));
        self.unwritten = first_set(both.iter().chain(&writing));
        self.set_compression(options.compression, options.compression_level)
    }

    fn read_json(&mut self, options: &JsonOptions) -> Result<()> {
        let list = [("newline_delimited", !options.newline_delimited)];
        self.unread = first_set(&list);
        self.unwritten = first_set(&list);
        self.set_compression(options.compression, options.compression_level)
    }

    fn set_compression(&mut self, method: CompressionTypeVariant, level: Option<u32>) -> Result<()> {
        self.style.compression = match method {
            CompressionTypeVariant::UNCOMPRESSED => Compression::None,
            CompressionTypeVariant::GZIP => Compression::Gzip(level),
            CompressionTypeVariant::ZSTD => Compression::Zstd(level),
            CompressionTypeVariant::BZIP2 | CompressionTypeVariant::XZ => {
                self.unread = self.unread.or(Some("compression"));
                self.unwritten = self.unwritten.or(Some("compression"));
                Compression::None
            }
        };
        Ok(())
    }
}

fn first_set<'a>(options: impl IntoIterator<Item = &'a (&'static str, bool)>) -> Option<&'static str> {
    options.into_iter().find(|(_, is_set)| *is_set).map(|(option, _)| *option)
}

//! File formats.

use clap::ValueEnum;
use vivarium_textfiles::is_compressed_name;

use super::Location;

/// A format of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line; an empty field is NULL, and "" the empty string.
    Csv,
    /// One JSON object a line; columns come in alphabetical order.
    Json,
    /// Arrow IPC: the file format, or the stream format in a pipe.
    Arrow,
}

/// A file name without a known extension.
#[derive(Debug, thiserror::Error)]
#[error(
    "the format of {location} is not known from its name; use the extension .parquet, .csv, .json, .ndjson or .arrow, or give \
     {option}"
)]
pub struct UnknownFormat {
    location: String,
    option: &'static str,
}

impl Format {
    /// The format of an input: as [`of`](Self::of), and text may be compressed (`.csv.gz`, `.json.zst`).
    ///
    /// # Errors
    /// When the name says none.
    pub fn of_input(location: &Location, given: Option<Self>, option: &'static str) -> Result<Self, UnknownFormat> {
        if let Location::File(path) = location
            && path.file_name().is_some_and(|name| is_compressed_name(&name.to_string_lossy()))
            && let Ok(format @ (Self::Csv | Self::Json)) =
                Self::of(&Location::File(path.with_extension("")), given, option)
        {
            return Ok(format);
        }
        Self::of(location, given, option)
    }

    /// Whether files of the format are text, so that types have to be found.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Json)
    }

    /// The format given by `option`, or else that of the location's extension, or else CSV for `-`.
    pub fn of(location: &Location, given: Option<Self>, option: &'static str) -> Result<Self, UnknownFormat> {
        let by_name = || match location {
            Location::Standard => Some(Self::Csv),
            Location::File(path) => match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
                "parquet" => Some(Self::Parquet),
                "csv" => Some(Self::Csv),
                "json" | "ndjson" | "jsonl" => Some(Self::Json),
                "arrow" => Some(Self::Arrow),
                _ => None,
            },
        };
        given.or_else(by_name).ok_or_else(|| UnknownFormat { location: location.to_string(), option })
    }
}

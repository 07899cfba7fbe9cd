//! Whether rows run as columns.

use clap::{Args, ValueEnum};
use vivarium::ColumnMode;

use crate::failure::Failure;

/// The variable that says it where no option does.
const VARIABLE: &str = "VIVARIUM_COLUMNS";

/// How functions that are called once a row run.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Sandbox")]
pub struct ColumnOptions {
    /// Whether functions of a row run as columns, which is faster and gives the same results; `check --explain` shows which
    /// functions do [default: VIVARIUM_COLUMNS, else auto].
    #[arg(long, value_name = "MODE")]
    pub columns: Option<ColumnsOption>,
}

/// Whether rows run as columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColumnsOption {
    /// Where it is worth it.
    Auto,
    /// Never.
    Off,
    /// From the first row on: for measurements.
    Force,
    /// From the first row on, and every row is compared with the interpreter's result: for tests.
    Shadow,
}

impl ColumnOptions {
    /// What the option says, or else the variable.
    ///
    /// # Errors
    /// When the variable says nothing that there is.
    pub fn mode(self) -> Result<ColumnMode, Failure> {
        let said = match (self.columns, std::env::var(VARIABLE)) {
            (Some(option), _) => option,
            (None, Err(_)) => ColumnsOption::Auto,
            (None, Ok(value)) if value.is_empty() => ColumnsOption::Auto,
            (None, Ok(value)) => ColumnsOption::from_str(&value, true)
                .map_err(|_| Failure::usage(format!("{VARIABLE} is auto, off, force or shadow, and not {value:?}")))?,
        };
        Ok(match said {
            ColumnsOption::Auto => ColumnMode::Auto,
            ColumnsOption::Off => ColumnMode::Off,
            ColumnsOption::Force => ColumnMode::Force,
            ColumnsOption::Shadow => ColumnMode::Shadow,
        })
    }
}

//! Whether a task's rows may run as columns.

use std::fmt;

use serde::Serialize;

/// Whether functions that are called once a row may run as columns (`docs/columns.md`). What they give is the same either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnMode {
    /// When it is worth it, unless the function's declaration says `columns=False`.
    #[default]
    Auto,
    /// Never.
    Off,
    /// From the first row on, however many rows are the interpreter's: for tests and measurements.
    Force,
    /// As [`Force`](Self::Force), and the interpreter computes every row too: a difference to the last bit ends the task with a
    /// `SystemError`. For tests.
    Shadow,
}

impl fmt::Display for ColumnMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Off => "off",
            Self::Force => "force",
            Self::Shadow => "shadow",
        })
    }
}

//! What a sandbox may use.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use vivarium::OnError;
use vivarium_sandbox::{Limits, parse_duration, parse_size};

/// Limits, number and variables of the sandboxes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Sandbox")]
pub struct SandboxOptions {
    /// Memory of each instance, at most 4GiB.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_size)]
    pub memory: u64,

    /// Time for each batch of rows (or for the whole script), and for loading the file; `none` for no limit
    /// [default: 30s, none for exec; 20s for loading].
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<TimeLimit>,

    /// Space for files in each instance's /tmp.
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = parse_size)]
    pub scratch: u64,

    /// A limit of the sandbox by its name, such as output_bytes=8MiB or open_files=64; may be given several times. The names are
    /// memory, batch_time, startup_time, queue_time, cpu_time, table_elements, batch_bytes, output_bytes, output_rows, output_items,
    /// request_bytes, reply_bytes, name_bytes, log_bytes_per_second, scratch_bytes, scratch_files, open_files, path_bytes,
    /// random_bytes, idle_time, instance_calls and instance_bytes.
    #[arg(long = "sandbox-limit", value_name = "NAME=VALUE", value_parser = parse_limit)]
    pub other_limits: Vec<(String, String)>,

    /// How many instances work at the same time [default: one for each core]. `exec` and `check` use one.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub instances: Option<u16>,

    /// What to do with rows for which a function raises [default: as the function declares, else fail].
    #[arg(long, value_name = "POLICY")]
    pub on_error: Option<OnErrorOption>,

    /// An environment variable for the Python code; may be given several times. It sees no others.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub variables: Vec<(String, String)>,
}

impl SandboxOptions {
    /// The limits asked for; `default_timeout` applies when no `--timeout` is given.
    pub fn limits(&self, default_timeout: TimeLimit) -> Limits {
        let TimeLimit(time) = self.timeout.unwrap_or(default_timeout);
        let mut limits =
            Limits::default().with_memory(self.memory).with_scratch_bytes(self.scratch).with_batch_time(time);
        // Importing is a part of what may take that long: a large package compiles its sources, and an endless import ends. Batches may
        // have less time than a guest needs to start.
        if let Some(TimeLimit(time)) = self.timeout {
            limits.startup_time = time.max(LEAST_STARTUP);
        }
        // A small instance gets small batches: the default for a default instance, in proportion.
        limits.batch_bytes = limits.batch_bytes.min(self.memory / 16);
        for (name, value) in &self.other_limits {
            // Parsed once already.
            limits = with_limit(&limits, name, value).unwrap_or(limits);
        }
        limits
    }
}

/// What a guest has to start and to load a file, however short its calls may be.
const LEAST_STARTUP: Duration = Duration::from_secs(1);

/// A time limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

impl TimeLimit {
    /// As good as none: a hundred years. (Deadlines are instants, so the longest `Duration` would overflow them.)
    pub const NONE: Self = Self(Duration::from_secs(100 * 365 * 24 * 60 * 60));

    /// That of a batch of rows.
    pub const BATCH: Self = Self(Duration::from_secs(30));
}

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::NONE),
            text => match parse_duration(text).map_err(|error| error.to_string())? {
                Duration::ZERO => Err("a time limit of zero lets nothing run; use `none` for no limit".to_owned()),
                time => Ok(Self(time.min(Self::NONE.0))),
            },
        }
    }
}

/// What to do with rows for which a function raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnErrorOption {
    /// End with the error.
    Fail,
    /// The row's result is NULL.
    Null,
    /// Leave the row out.
    Skip,
}

impl From<OnErrorOption> for OnError {
    fn from(option: OnErrorOption) -> Self {
        match option {
            OnErrorOption::Fail => Self::Fail,
            OnErrorOption::Null => Self::Null,
            OnErrorOption::Skip => Self::Skip,
        }
    }
}

/// A limit by its name in [`Limits`], as it is written in a configuration file.
fn parse_limit(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE, for example output_bytes=8MiB")?;
    with_limit(&Limits::default(), name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `limits` with one of them replaced.
fn with_limit(limits: &Limits, name: &str, value: &str) -> Result<Limits, String> {
    let mut fields = serde_json::to_value(limits).map_err(|error| error.to_string())?;
    // Counts are numbers, sizes and times are text with a unit, and an optional limit can be none.
    let value = match (value, value.parse::<u64>()) {
        ("none", _) => serde_json::Value::Null,
        (_, Ok(number)) => number.into(),
        (text, Err(_)) => text.into(),
    };
    fields[name] = value;
    serde_json::from_value(fields).map_err(|error| error.to_string())
}

/// `NAME=VALUE`.
pub fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the variable has no name; write NAME=VALUE".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err("write NAME=VALUE; the variable is not taken from this process".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn help_names_every_limit() {
        let cli = crate::cli::Cli::command();
        let help = cli.find_subcommand("run").unwrap().clone().render_long_help().to_string();
        let is_of_name = |character: char| character.is_ascii_lowercase() || character == '_';
        let words: Vec<_> = help.split(|character| !is_of_name(character)).collect();
        for name in serde_json::to_value(Limits::default()).unwrap().as_object().unwrap().keys() {
            assert!(words.contains(&name.as_str()), "{name}");
        }
    }
}

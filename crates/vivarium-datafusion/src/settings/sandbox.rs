//! `SET vivarium.*`.

use std::any::Any;
use std::collections::BTreeMap;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use serde_json::Value;
use vivarium::{Limits, OnError};
use vivarium_sandbox::{SandboxConfig, format_duration, format_size, parse_duration};

use crate::error::Error;

/// What the sandboxes of a session's queries may use.
///
/// | key | |
/// |---|---|
/// | `vivarium.memory`, `.batch_time`, ... | a limit by its name in [`Limits`]: `'256MiB'`, `'30s'`, `1000000`; `'none'` where there may be none |
/// | `vivarium.instances` | how many instances of each function work at the same time; `''`: one for each core |
/// | `vivarium.image` | the guest image of functions that are created from now on, by its name; `''`: the session's first |
/// | `vivarium.on_error` | `fail`, `null`; `''`: what the function declares |
/// | `vivarium.env` | variables of `os.environ`: `'NAME=value,NAME=value'` |
/// | `vivarium.job_parameters` | what `open(context)` sees, in the same form |
/// | `vivarium.env.NAME`, `.job_parameter.NAME` | one of them, for programs: SQL folds the names of settings |
///
/// A tenant's own limits hold whatever is set.
#[derive(Debug, Clone, Default)]
pub struct SandboxSettings {
    limits: Limits,
    /// Otherwise batches are a part of the memory.
    batch_bytes_set: bool,
    pub(crate) instances: Option<usize>,
    pub(crate) on_error: Option<OnError>,
    /// The image of functions that are created from now on; the first of the session's otherwise.
    pub(crate) image: Option<String>,
    /// The session's images.
    images: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) job_parameters: BTreeMap<String, String>,
}

impl SandboxSettings {
    /// The settings that a session starts with.
    pub(crate) fn new(config: &SandboxConfig, instances: Option<usize>, images: Vec<String>) -> Self {
        let batch_bytes_set = config.limits.batch_bytes != Limits::default().batch_bytes;
        let limits = config.limits.clone();
        Self { limits, batch_bytes_set, instances, images, variables: config.variables.clone(), ..Self::default() }
    }

    /// Those of a session; the defaults where nothing was installed.
    pub(crate) fn of(config: &ConfigOptions) -> Self {
        config.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// What a sandbox may use.
    pub fn limits(&self) -> Limits {
        let mut limits = self.limits.clone();
        if !self.batch_bytes_set {
            // A small instance gets small batches: the default for a default instance, in proportion.
            limits.batch_bytes = limits.batch_bytes.min(limits.memory / 16);
        }
        limits
    }

    /// `config` with what is set.
    pub(crate) fn apply(&self, config: &SandboxConfig) -> SandboxConfig {
        let mut variables = config.variables.clone();
        variables.extend(self.variables.clone());
        // One that was made by code which asked for a variable is not for sandboxes that have it.
        let snapshot = config.snapshot.clone().filter(|snapshot| snapshot.suits(variables.keys()));
        SandboxConfig { limits: self.limits(), variables, snapshot, ..config.clone() }
    }

    fn change(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key.split_once('.') {
            Some(("env", name)) => {
                self.variables.insert(name.to_owned(), value.to_owned());
                return Ok(());
            }
            Some(("job_parameter", name)) => {
                self.job_parameters.insert(name.to_owned(), value.to_owned());
                return Ok(());
            }
            _ => {}
        }
        match key {
            // Lists, because SQL folds the names of settings, and names of variables are not to be folded.
            "env" => self.variables = named_values(value)?,
            "job_parameters" => self.job_parameters = named_values(value)?,
            "instances" => {
                let count = |text: &str| text.parse().ok().filter(|count| (1..=1024).contains(count));
                self.instances = match value {
                    "" => None,
                    text => Some(count(text).ok_or("it is a number from 1 to 1024, or '' for one for each core")?),
                };
            }
            "image" => {
                self.image = match value {
                    "" => None,
                    name if self.images.iter().any(|image| image == name) => Some(name.to_owned()),
                    name => return Err(missing_image(name, self.images.iter().map(String::as_str))),
                };
            }
            "on_error" => {
                self.on_error = match value {
                    "" => None,
                    "fail" => Some(OnError::Fail),
                    "null" => Some(OnError::Null),
                    _ => return Err("it is 'fail', 'null', or '' for what the function declares".to_owned()),
                };
            }
            name => {
                self.limits = with_limit(&self.limits, name, value)?;
                self.batch_bytes_set |= name == "batch_bytes";
            }
        }
        Ok(())
    }
}

/// Says that a session has no image of this name.
pub(crate) fn missing_image<'a>(name: &str, images: impl Iterator<Item = &'a str>) -> String {
    let images: Vec<_> = images.collect();
    format!(
        "this session has no image `{name}`, but {}; which images it has is said when it is started (wasm-run: --image)",
        images.join(", ")
    )
}

/// `NAME=value,NAME=value`.
fn named_values(text: &str) -> Result<BTreeMap<String, String>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let named = entries.map(|entry| match entry.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{entry:?} is not NAME=value; write 'NAME=value,NAME=value'")),
    });
    named.collect()
}

fn list(values: &BTreeMap<String, String>) -> Option<String> {
    let entries: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    (!entries.is_empty()).then(|| entries.join(","))
}

/// The limits that are sizes, of which a configuration file has the bytes.
const SIZES: [&str; 8] = [
    "memory",
    "batch_bytes",
    "output_bytes",
    "request_bytes",
    "reply_bytes",
    "log_bytes_per_second",
    "scratch_bytes",
    "random_bytes",
];

/// `limits` with one of them replaced.
fn with_limit(limits: &Limits, name: &str, value: &str) -> Result<Limits, String> {
    let mut fields = serde_json::to_value(limits).map_err(|error| error.to_string())?;
    let required = fields.get(name).is_some() && value == "none";
    // Counts are numbers, sizes and times are text with a unit, and an optional limit can be none.
    fields[name] = match (value, value.parse::<u64>()) {
        ("none", _) => Value::Null,
        (_, Ok(number)) => number.into(),
        (text, Err(_)) => text.into(),
    };
    let changed: Limits = serde_json::from_value(fields).map_err(|error| match required {
        true => "there has to be one; cpu_time and log_bytes_per_second alone may be 'none'".to_owned(),
        false => error.to_string(),
    })?;
    // What cannot work is said now, and not by the first query.
    let batch_bytes = changed.batch_bytes.min(changed.memory);
    let consistent = if name == "batch_bytes" { changed.clone() } else { Limits { batch_bytes, ..changed.clone() } };
    consistent.validate().map_err(|error| error.to_string())?;
    Ok(changed)
}

impl ConfigExtension for SandboxSettings {
    const PREFIX: &'static str = "vivarium";
}

impl ExtensionOptions for SandboxSettings {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let changed = self.change(key, value.trim());
        changed.map_err(|problem| Error::Setting { key: format!("{}.{key}", Self::PREFIX), problem }.into())
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let entry = |key: &str, value: Option<String>, description| ConfigEntry {
            key: format!("{}.{key}", Self::PREFIX),
            value,
            description,
        };
        let limits = serde_json::to_value(self.limits()).unwrap_or_default();
        let limits = limits.as_object().into_iter().flatten().map(|(name, value)| {
            let text = match (value, value.as_u64()) {
                (Value::Null, _) => "none".to_owned(),
                (_, Some(bytes)) if SIZES.contains(&name.as_str()) => format_size(bytes),
                (Value::String(text), _) => parse_duration(text).map(format_duration).unwrap_or_else(|_| text.clone()),
                (other, _) => other.to_string(),
            };
            entry(name, Some(text), "A limit of each sandbox that runs a Python function")
        });
        let mut entries: Vec<_> = limits.collect();
        let instances = self.instances.map(|count| count.to_string());
        entries.push(entry("instances", instances, "Instances of each Python function at work at the same time"));
        let on_error = self.on_error.map(|policy| policy.to_string());
        entries.push(entry("on_error", on_error, "What happens to rows for which a Python function raises"));
        entries.push(entry("env", list(&self.variables), "Variables that Python functions see"));
        let image = self.image.as_ref().or(self.images.first()).cloned();
        entries.push(entry("image", image, "The guest image of Python functions that are created from now on"));
        let parameters = list(&self.job_parameters);
        entries.push(entry("job_parameters", parameters, "What open(context) of a Python function sees"));
        entries
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_limit_can_be_set_and_is_listed() {
        let mut settings = SandboxSettings::default();
        for (key, value) in [("memory", "64MiB"), ("batch_time", "2s"), ("cpu_time", "1h"), ("open_files", "16")] {
            settings.set(key, value).unwrap();
        }
        let limits = settings.limits();
        assert_eq!((limits.memory, limits.batch_bytes, limits.open_files), (64 << 20, 4 << 20, 16));
        assert_eq!((limits.batch_time, limits.cpu_time), (Duration::from_secs(2), Some(Duration::from_secs(3600))));
        settings.set("cpu_time", "none").unwrap();
        assert_eq!(settings.limits().cpu_time, None);
        let listed: BTreeMap<_, _> =
            settings.entries().into_iter().filter_map(|entry| Some((entry.key, entry.value?))).collect();
        assert_eq!(listed["vivarium.cpu_time"], "none");
        let mut again = SandboxSettings::default();
        for (key, value) in &listed {
            again.set(key.strip_prefix("vivarium.").unwrap(), value).unwrap();
        }
        assert_eq!(again.limits(), settings.limits());
    }

    #[test]
    fn what_cannot_work_is_refused_when_it_is_set() {
        let mut settings = SandboxSettings::default();
        for (key, value, said) in [
            ("memroy", "1GiB", "unknown field `memroy`"),
            ("memory", "lots", "lots"),
            ("memory", "8GiB", "4 GiB"),
            ("batch_time", "0s", "zero"),
            ("batch_time", "none", "there has to be one"),
            ("memroy", "none", "unknown field `memroy`"),
            ("instances", "0", "from 1 to 1024"),
            ("on_error", "skip", "'fail', 'null'"),
            ("env", "REGION", "is not NAME=value"),
        ] {
            let error = settings.set(key, value).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains(&format!("vivarium.{key}")), "{error}");
        }
        assert_eq!(settings.limits(), Limits::default());
    }
}

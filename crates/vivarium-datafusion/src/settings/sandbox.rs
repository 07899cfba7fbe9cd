//! `SET vivarium.*`.

use std::any::Any;
use std::collections::BTreeMap;

use datafusion::common::config::{ConfigEntry, ConfigExtension, ExtensionOptions};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use serde_json::Value;
use vivarium::{ColumnMode, Limits, OnError};
use vivarium_sandbox::{SandboxConfig, format_duration, format_size, parse_duration};

use crate::error::Error;

/// What the sandboxes of a session's queries may use.
///
/// | key | |
/// |---|---|
/// | `vivarium.memory`, `.batch_time`, ... | a limit by its name in [`Limits`]: `'256MiB'`, `'30s'`, `1000000`; `'none'` where there may be none |
/// | `vivarium.instances` | how many instances of each function work at the same time; `''`: one for each core |
/// | `vivarium.image` | the guest image of functions that are created from now on, by its name; `''`: the session's first |
/// | `vivarium.columns` | `off`: functions of a row do not run as columns; `on`: they do where it is worth it |
/// | `vivarium.on_error` | `fail`, `null`; `''`: what the function declares |
/// | `vivarium.env` | variables of `os.environ`: `'NAME=value,NAME=value'` |
/// | `vivarium.job_parameters` | what `open(context)` sees, in the same form |
/// | `vivarium.env.NAME`, `.job_parameter.NAME` | one of them, for programs: SQL folds the names of settings |
///
/// Statements lower limits and never raise them: nothing goes beyond what the session's owner gave
/// ([`PythonFunctionsBuilder::sandbox`](crate::PythonFunctionsBuilder::sandbox), or `ceiling` where that is more). A tenant's own
/// limits hold whatever is set.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    limits: Limits,
    ceiling: Ceiling,
    /// Otherwise batches are a part of the memory.
    batch_bytes_set: bool,
    pub(crate) instances: Option<usize>,
    /// A statement has switched columns off.
    columns_off: bool,
    pub(crate) on_error: Option<OnError>,
    /// The image of functions that are created from now on; the first of the session's otherwise.
    pub(crate) image: Option<String>,
    /// The session's images.
    images: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) job_parameters: BTreeMap<String, String>,
}

/// The most that statements may set.
#[derive(Debug, Clone)]
pub(crate) struct Ceiling {
    pub limits: Limits,
    /// Instances of each function at work at the same time.
    pub instances: usize,
    /// Whether rows may run as columns; statements can only switch it off.
    pub columns: ColumnMode,
}

impl Ceiling {
    /// The owner's word, or else what a session starts with: nobody who did not ask for more gets it.
    pub fn of(limits: Limits, most_instances: Option<usize>, instances: Option<usize>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self { limits, instances: most_instances.or(instances).unwrap_or_else(cores), columns: ColumnMode::Auto }
    }
}

impl Default for SandboxSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            ceiling: Ceiling::of(Limits::default(), None, None),
            batch_bytes_set: false,
            instances: None,
            columns_off: false,
            on_error: None,
            image: None,
            images: Vec::new(),
            variables: BTreeMap::new(),
            job_parameters: BTreeMap::new(),
        }
    }
}

impl SandboxSettings {
    /// The settings that a session starts with. A ceiling that is lower than they are lowers them.
    pub(crate) fn new(config: &SandboxConfig, instances: Option<usize>, ceiling: Ceiling, images: Vec<String>) -> Self {
        let batch_bytes_set = config.limits.batch_bytes != Limits::default().batch_bytes;
        let limits = config.limits.within(&ceiling.limits);
        let instances = instances.map(|count| count.min(ceiling.instances));
        let variables = config.variables.clone();
        Self { limits, ceiling, batch_bytes_set, instances, images, variables, ..Self::default() }
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

    /// Whether rows may run as columns.
    pub(crate) fn columns(&self) -> ColumnMode {
        if self.columns_off { ColumnMode::Off } else { self.ceiling.columns }
    }

    /// `config` with what is set.
    pub(crate) fn apply(&self, config: &SandboxConfig) -> SandboxConfig {
        let mut variables = config.variables.clone();
        variables.extend(self.variables.clone());
        // One that was made by code which asked for a variable is not for sandboxes that have it.
        let snapshot = config.snapshot.clone().filter(|snapshot| snapshot.suits(variables.keys()));
        config.clone().with_limits(self.limits()).with_variables(variables).with_snapshot(snapshot)
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
                let most = self.ceiling.instances;
                let count = |text: &str| text.parse::<usize>().ok().filter(|count| (1..=1024).contains(count));
                self.instances = match value {
                    "" => None,
                    text => Some(count(text).ok_or("it is a number from 1 to 1024, or '' for one for each core")?),
                };
                if self.instances.is_some_and(|count| count > most) {
                    return Err(beyond(&most.to_string(), value, "most_instances", "--instances"));
                }
            }
            "columns" => {
                self.columns_off = match value {
                    "off" => true,
                    "on" | "" if self.ceiling.columns == ColumnMode::Off => {
                        let problem = "the session's owner has switched it off, and statements cannot switch it on \
                                       (PythonFunctionsBuilder::columns; wasm-run: --columns)";
                        return Err(problem.to_owned());
                    }
                    "on" | "" => false,
                    _ => return Err("it is 'on' or 'off'".to_owned()),
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
                let changed = with_limit(&self.limits, name, value)?;
                // A batch that is larger than the memory is no larger than what fits: `within` sees to that.
                if changed.beyond(&self.ceiling.limits).contains(&name) {
                    let most = shown(&self.ceiling.limits, name);
                    return Err(beyond(&most, value, "ceiling", &format!("--sandbox-limit {name}=")));
                }
                self.limits = changed;
                self.batch_bytes_set |= name == "batch_bytes";
            }
        }
        Ok(())
    }
}

/// Says what the session's owner allows, and where they say so.
fn beyond(most: &str, asked: &str, method: &str, option: &str) -> String {
    format!(
        "the session's owner allows at most {most}, and {asked} is more; statements can only lower it. More is given where the session is \
         made (PythonFunctionsBuilder::{method}; wasm-run: {option})"
    )
}

/// A limit as text.
fn shown(limits: &Limits, name: &str) -> String {
    let limits = serde_json::to_value(limits).unwrap_or_default();
    text_of(name, &limits[name])
}

fn text_of(name: &str, value: &Value) -> String {
    match (value, value.as_u64()) {
        (Value::Null, _) => "none".to_owned(),
        (_, Some(bytes)) if SIZES.contains(&name) => format_size(bytes),
        (Value::String(text), _) => parse_duration(text).map(format_duration).unwrap_or_else(|_| text.clone()),
        (other, _) => other.to_string(),
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
const SIZES: [&str; 9] = [
    "memory",
    "batch_bytes",
    "output_bytes",
    "request_bytes",
    "reply_bytes",
    "log_bytes_per_second",
    "scratch_bytes",
    "random_bytes",
    "instance_bytes",
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
        true => "there has to be one; cpu_time, log_bytes_per_second, idle_time, instance_calls and instance_bytes alone may be 'none'".to_owned(),
        false => error.to_string(),
    })?;
    // What cannot work is said now, and not by the first query.
    let batch_bytes = changed.batch_bytes.min(changed.memory);
    let consistent =
        if name == "batch_bytes" { changed.clone() } else { changed.clone().with_batch_bytes(batch_bytes) };
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
            entry(name, Some(text_of(name, value)), "A limit of each sandbox that runs a Python function")
        });
        let mut entries: Vec<_> = limits.collect();
        let instances = self.instances.map(|count| count.to_string());
        entries.push(entry("instances", instances, "Instances of each Python function at work at the same time"));
        let columns = if self.columns() == ColumnMode::Off { "off" } else { "on" };
        entries.push(entry(
            "columns",
            Some(columns.to_owned()),
            "Whether Python functions of a row may run as columns",
        ));
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

    use proptest::prelude::*;

    use super::*;

    /// Settings of a session whose owner gave these limits.
    fn given(limits: &Limits) -> SandboxSettings {
        let config = SandboxConfig::default().with_limits(limits.clone());
        SandboxSettings::new(&config, None, Ceiling::of(limits.clone(), Some(4), None), Vec::new())
    }

    #[test]
    fn every_limit_can_be_set_and_is_listed() {
        let mut settings = SandboxSettings::default();
        for (key, value) in [("memory", "64MiB"), ("batch_time", "2s"), ("cpu_time", "1h"), ("open_files", "16")] {
            settings.set(key, value).unwrap();
        }
        let limits = settings.limits();
        assert_eq!((limits.memory, limits.batch_bytes, limits.open_files), (64 << 20, 4 << 20, 16));
        assert_eq!((limits.batch_time, limits.cpu_time), (Duration::from_secs(2), Some(Duration::from_secs(3600))));
        // The default has none, so that it can be lifted again.
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

    #[test]
    fn what_the_owner_gave_is_the_most() {
        let hour = Duration::from_secs(3600);
        let owned =
            Limits::default().with_memory(300 << 20).with_batch_time(Duration::from_secs(1)).with_cpu_time(Some(hour));
        let mut settings = given(&owned);
        for (key, value, most) in [
            ("memory", "4GiB", "300 MiB"),
            ("memory", "314572801", "300 MiB"),
            ("batch_time", "1h", "1 s"),
            ("cpu_time", "none", "3600 s"),
            ("cpu_time", "2h", "3600 s"),
            ("log_bytes_per_second", "none", "1 MiB"),
            ("output_items", "16777217", "16777216"),
            ("instances", "1024", "4"),
            ("instances", "5", "4"),
        ] {
            let error = settings.set(key, value).unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains(&format!("vivarium.{key}: the session's owner allows at most {most}, and {value}")),
                "{said}"
            );
            assert_eq!(crate::find_error(&error).unwrap().class(), vivarium::ErrorClass::Usage);
        }
        assert_eq!(settings.limits.beyond(&owned), [""; 0]);
        for (key, value) in
            [("memory", "300MiB"), ("cpu_time", "1h"), ("cpu_time", "1s"), ("instances", "4"), ("instances", "")]
        {
            settings.set(key, value).unwrap();
        }
        // What was lowered can be raised again, up to what was given.
        settings.set("batch_time", "1ms").unwrap();
        settings.set("batch_time", "1s").unwrap();
    }

    #[test]
    fn statements_switch_columns_off_and_never_force_them() {
        for owner in [ColumnMode::Auto, ColumnMode::Off, ColumnMode::Force, ColumnMode::Shadow] {
            let ceiling = Ceiling { columns: owner, ..Ceiling::of(Limits::default(), None, None) };
            let mut settings = SandboxSettings::new(&SandboxConfig::default(), None, ceiling, Vec::new());
            assert_eq!(settings.columns(), owner);
            for value in ["force", "shadow", "auto"] {
                assert!(settings.set("columns", value).unwrap_err().to_string().contains("'on' or 'off'"));
            }
            settings.set("columns", "off").unwrap();
            assert_eq!(settings.columns(), ColumnMode::Off);
            assert_eq!(settings.set("columns", "on").is_ok(), owner != ColumnMode::Off);
            assert_eq!(settings.columns(), owner);
        }
    }

    #[test]
    fn an_owner_can_allow_more_than_a_session_starts_with() {
        let ceiling = Limits::default().with_memory(1 << 30).with_cpu_time(Some(Duration::from_secs(9)));
        let ceiling = Ceiling::of(ceiling, None, Some(2));
        let mut settings = SandboxSettings::new(&SandboxConfig::default(), Some(2), ceiling, Vec::new());
        assert_eq!((settings.limits().memory, settings.limits().cpu_time), (256 << 20, Some(Duration::from_secs(9))));
        settings.set("memory", "1GiB").unwrap();
        settings.set("memory", "1025MiB").unwrap_err();
        settings.set("instances", "3").unwrap_err();
    }

    /// The names of all limits, and whether one is a time, or may be absent.
    fn limits_by_name() -> Vec<(String, bool, bool)> {
        let fields = serde_json::to_value(Limits::default()).unwrap();
        let fields = fields.as_object().unwrap().iter();
        fields
            .map(|(name, value)| {
                const OPTIONAL: [&str; 5] =
                    ["cpu_time", "idle_time", "instance_bytes", "instance_calls", "log_bytes_per_second"];
                let is_time = value.is_string() || ["cpu_time", "idle_time"].contains(&name.as_str());
                (name.clone(), is_time, OPTIONAL.contains(&name.as_str()))
            })
            .collect()
    }

    /// One limit at a value; `None` where there is none.
    fn with(name: &str, time: bool, value: Option<u64>) -> Limits {
        let mut fields = serde_json::to_value(Limits::default()).unwrap();
        fields[name] = match value {
            None => Value::Null,
            Some(value) if time => format!("{value}ms").into(),
            Some(value) => value.into(),
        };
        serde_json::from_value(fields).unwrap()
    }

    proptest! {
        /// Whatever the limit: it is set when it is no more than what was given, and none is more than any.
        #[test]
        fn no_statement_goes_beyond_what_was_given(
            field in prop::sample::select(limits_by_name()),
            most in prop::option::weighted(0.9, 100_000..200_000_u64),
            asked in prop::option::weighted(0.9, 50_000..250_000_u64),
        ) {
            let (name, time, optional) = field;
            prop_assume!(optional || (most.is_some() && asked.is_some()));
            let owned = with(&name, time, most);
            let mut settings = given(&owned);
            let text = match asked {
                None => "none".to_owned(),
                Some(asked) if time => format!("{asked}ms"),
                Some(asked) => asked.to_string(),
            };
            let allowed = match (asked, most) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(asked), Some(most)) => asked <= most,
            };
            let set = settings.set(&name, &text);
            prop_assert_eq!(set.is_ok(), allowed, "{} = {}: {:?}", name, text, set);
            prop_assert_eq!(settings.limits().beyond(&owned), [""; 0]);
            prop_assert_eq!(with(&name, time, asked).beyond(&owned).is_empty(), allowed);
        }
    }
}

//! Metrics that a Python function keeps, as the guest reports them.
//!
//! The report is the guest's word: names, numbers and how many there are, are bounded while it is parsed.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vivarium_text as text;

/// The most metrics that one report may have; a function has no more.
pub const MAX_FUNCTION_METRICS: usize = 1_000;

/// The longest name of a metric in bytes; the rest of it is cut.
const MAX_NAME: usize = 256;

/// What a metric is now.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionMetric {
    /// A number that went up and down.
    Counter(i64),
    /// A number at the time of the report; none when there was none.
    Gauge(Option<f64>),
    /// How many events there were.
    Meter(i64),
    /// What values there were.
    Distribution {
        /// How many.
        count: i64,
        /// Their sum.
        sum: i64,
        /// The smallest; 0 of none.
        min: i64,
        /// The largest; 0 of none.
        max: i64,
    },
}

/// The metrics of a report by name. Names have no control characters.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FunctionMetrics(pub BTreeMap<String, FunctionMetric>);

impl FunctionMetrics {
    /// The field `metrics` of a control reply; empty when there is none, or when it is not the agreed form.
    pub fn of_reply(reply: &Value) -> Self {
        Self::deserialize(&reply["metrics"]).unwrap_or_default()
    }

    /// Bytes of the host's memory that they take.
    pub(crate) fn bytes(&self) -> u64 {
        let entry = size_of::<(String, FunctionMetric)>();
        self.0.keys().map(|name| (2 * entry + name.capacity()) as u64).sum()
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for FunctionMetrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Metrics;

        impl<'de> Visitor<'de> for Metrics {
            type Value = FunctionMetrics;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("metrics by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut metrics = BTreeMap::new();
                while metrics.len() < MAX_FUNCTION_METRICS {
                    match map.next_entry::<String, FunctionMetric>()? {
                        Some((name, metric)) => metrics.insert(text::line(&name, MAX_NAME), metric),
                        None => return Ok(FunctionMetrics(metrics)),
                    };
                }
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(FunctionMetrics(metrics))
            }
        }

        deserializer.deserialize_map(Metrics)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_bounded_and_harmless() {
        let mut metrics = serde_json::Map::new();
        for index in 0..2 * MAX_FUNCTION_METRICS {
            metrics.insert(format!("{index}"), json!({"counter": 1}));
        }
        assert_eq!(FunctionMetrics::of_reply(&json!({"metrics": metrics})).0.len(), MAX_FUNCTION_METRICS);
        let named = FunctionMetrics::of_reply(&json!({"metrics": {"a\u{1b}[0m": {"gauge": null}, "b": {"meter": -1}}}));
        assert_eq!(named.0.keys().collect::<Vec<_>>(), ["a\\x1b[0m", "b"]);
        for wrong in [
            json!({}),
            json!({"metrics": 5}),
            json!({"metrics": {"a": {"counter": 1.5}}}),
            json!({"metrics": {"a": 1}}),
        ] {
            assert!(FunctionMetrics::of_reply(&wrong).is_empty(), "{wrong}");
        }
    }
}

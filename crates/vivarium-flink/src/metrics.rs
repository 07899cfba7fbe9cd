//! Metrics of Python functions, as Flink takes them.

use std::collections::BTreeMap;

use prost::encoding::encode_varint;
use serde_json::Value;

use crate::error::Error;
use crate::protocol::messages::MonitoringInfo;

/// The most metrics of one bundle; a job that makes more has lost its way.
const MOST: usize = 1000;

/// The monitoring infos of what the guest says about its metrics: what was added to counters and distributions since the last
/// bundle, and the latest values of gauges.
///
/// # Errors
/// [`Error::Frames`] when it is not that.
pub fn monitoring_infos(metrics: &Value, step: &str) -> Result<Vec<MonitoringInfo>, Error> {
    let Some(metrics) = metrics.as_array() else { return Ok(Vec::new()) };
    metrics
        .iter()
        .take(MOST)
        .map(|metric| monitoring_info(metric, step).ok_or(Error::Frames("a metric that is none")))
        .collect()
}

fn monitoring_info(metric: &Value, step: &str) -> Option<MonitoringInfo> {
    let text = |name: &str| metric[name].as_str();
    let values: Vec<i64> = metric["values"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?;
    let (name, count) = match text("kind")? {
        "counter" => ("sum_int64", 1),
        "gauge" => ("latest_int64", 2),
        "distribution" => ("distribution_int64", 4),
        _ => return None,
    };
    if values.len() != count {
        return None;
    }
    let mut payload = Vec::new();
    for value in values {
        encode_varint(value.cast_unsigned(), &mut payload);
    }
    let labels = [("NAMESPACE", text("namespace")?), ("NAME", text("name")?), ("PTRANSFORM", step)];
    let labels: BTreeMap<_, _> = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Some(MonitoringInfo {
        urn: format!("beam:metric:user:{name}:v1"),
        r#type: format!("beam:metrics:{name}:v1"),
        payload,
        labels,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_counter_is_a_sum() {
        let metrics = json!([{"kind": "counter", "namespace": "[]", "name": "seen", "values": [300]}]);
        let infos = monitoring_infos(&metrics, "step").unwrap();
        assert_eq!(
            (infos[0].urn.as_str(), infos[0].payload.as_slice()),
            ("beam:metric:user:sum_int64:v1", &[0xac, 2][..])
        );
        assert_eq!(infos[0].labels["NAME"], "seen");
    }

    #[test]
    fn metrics_that_are_none_are_refused() {
        for wrong in [
            json!([1]),
            json!([{"kind": "counter", "namespace": "", "name": "", "values": [1, 2]}]),
            json!([{"kind": "x", "values": []}]),
        ] {
            assert!(monitoring_infos(&wrong, "").is_err(), "{wrong}");
        }
        assert!(monitoring_infos(&Value::Null, "").unwrap().is_empty());
    }
}

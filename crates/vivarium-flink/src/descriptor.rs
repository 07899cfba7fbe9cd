//! What a bundle consists of: Beam's descriptor, taken apart for the guest.
//!
//! ```text
//!   source ──> function ──> function ──┬──> sink
//!                                      └──> sink of a side output
//! ```
//!
//! The guest gets functions in the order of the data, and knows nothing of collections, environments and addresses. Payloads are
//! what a job made of them: they pass through here as bytes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::{Value, json};

use crate::error::Error;
use crate::protocol::messages::{FunctionSpec, PTransform, ParDoPayload, ProcessBundleDescriptor, RemoteGrpcPort};

const SOURCE: &str = "beam:runner:source:v1";
const SINK: &str = "beam:runner:sink:v1";
const LENGTH_PREFIX: &str = "beam:coder:length_prefix:v1";
const PARAM_WINDOWED_VALUE: &str = "beam:coder:param_windowed_value:v1";
const PAR_DO: &str = "beam:transform:pardo:v1";

/// The one timer family of PyFlink's.
pub const TIMER_FAMILY: &str = "timer";

/// Coders within coders; PyFlink has three.
const DEEPEST_CODER: u32 = 16;

/// A bundle, as the worker has to run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// Where elements come from and go to, `host:port`.
    pub data_url: String,
    /// Where state is asked for; none for a bundle without state.
    pub state_url: Option<String>,
    /// The transform that elements come from.
    pub source: String,
    /// The transforms that elements go to.
    pub sinks: BTreeSet<String>,
    /// The transforms that have timers.
    pub timers: BTreeSet<String>,
    /// The transforms that run functions.
    pub functions: Vec<String>,
    /// Whether each element begins with its length.
    pub prefixed: bool,
    /// What the guest is told: `_vivarium_flink.description`, without what comes from elsewhere.
    pub description: Value,
}

impl Bundle {
    /// Takes a descriptor apart.
    ///
    /// # Errors
    /// [`Error::Descriptor`] when it is not what Flink makes.
    pub fn new(descriptor: &ProcessBundleDescriptor) -> Result<Self, Error> {
        Reader { descriptor, consumers: consumers(descriptor) }.bundle()
    }
}

/// Transforms by the collection they read.
fn consumers(descriptor: &ProcessBundleDescriptor) -> BTreeMap<&str, Vec<&str>> {
    let mut consumers = BTreeMap::<&str, Vec<&str>>::new();
    for (id, transform) in &descriptor.transforms {
        for collection in transform.inputs.values() {
            consumers.entry(collection).or_default().push(id);
        }
    }
    consumers
}

struct Reader<'a> {
    descriptor: &'a ProcessBundleDescriptor,
    consumers: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Reader<'a> {
    fn bundle(&self) -> Result<Bundle, Error> {
        let of_kind = |urn: &'static str| {
            let transforms = self.descriptor.transforms.iter();
            transforms.filter(move |(_, transform)| spec(transform).urn == urn)
        };
        let (source, port, entry) = {
            let mut sources = of_kind(SOURCE);
            let (Some((id, transform)), None) = (sources.next(), sources.next()) else {
                return Err(self.wrong("it has not exactly one source"));
            };
            (id.clone(), self.port(transform)?, transform)
        };
        let mut sinks = serde_json::Map::new();
        for (id, transform) in of_kind(SINK) {
            sinks.insert(id.clone(), self.coder(&self.port(transform)?.coder_id, 0)?);
        }
        let order = self.order(entry)?;
        let mut timers = BTreeSet::new();
        let transforms = order.iter().map(|id| self.transform(id, &mut timers)).collect::<Result<Vec<_>, Error>>()?;
        let url = |service: &Option<crate::protocol::messages::ApiServiceDescriptor>| {
            service.as_ref().map(|service| service.url.clone()).filter(|url| !url.is_empty())
        };
        let coder = self.coder(&port.coder_id, 0)?;
        Ok(Bundle {
            prefixed: coder["urn"] == PARAM_WINDOWED_VALUE && coder["components"][0]["urn"] == LENGTH_PREFIX,
            data_url: url(&port.api_service_descriptor).ok_or_else(|| self.wrong("its source has no address"))?,
            state_url: url(&self.descriptor.state_api_service_descriptor),
            description: json!({
                "source": {"coder": coder, "to": self.after(entry)},
                "transforms": transforms,
                "sinks": sinks,
            }),
            source,
            sinks: of_kind(SINK).map(|(id, _)| id.clone()).collect(),
            timers,
            functions: order.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The transforms that run functions, each before those that follow it.
    fn order(&self, source: &'a PTransform) -> Result<Vec<&'a str>, Error> {
        let mut order = Vec::<&str>::new();
        let mut waiting: Vec<&str> = self.after(source);
        // Every transform has one input, so each is reached once.
        while let Some(id) = waiting.pop() {
            let transform = self.descriptor.transforms.get(id).ok_or_else(|| self.wrong("a transform is missing"))?;
            if spec(transform).urn == SINK {
                continue;
            }
            if order.contains(&id) {
                return Err(self.wrong("its transforms do not form a tree"));
            }
            order.push(id);
            waiting.extend(self.after(transform));
        }
        Ok(order)
    }

    /// The transforms that read what this one writes.
    fn after(&self, transform: &'a PTransform) -> Vec<&'a str> {
        let collections = transform.outputs.values();
        collections.filter_map(|collection| self.consumers.get(collection.as_str())).flatten().copied().collect()
    }

    fn transform(&self, id: &str, timers: &mut BTreeSet<String>) -> Result<Value, Error> {
        let transform = &self.descriptor.transforms[id];
        let FunctionSpec { urn, payload } = spec(transform);
        let outputs: BTreeMap<_, _> = transform
            .outputs
            .iter()
            .map(|(tag, collection)| (tag, self.consumers.get(collection.as_str()).cloned().unwrap_or_default()))
            .collect();
        let (mut function, mut timer) = (Value::Null, Value::Null);
        if urn == PAR_DO {
            let par_do = ParDoPayload::decode(payload.as_slice()).map_err(|error| self.wrong(&error.to_string()))?;
            let do_fn = par_do.do_fn.ok_or_else(|| self.wrong("a transform has no function"))?;
            function = json!({"urn": do_fn.urn, "payload": STANDARD.encode(&do_fn.payload)});
            if let Some(family) = par_do.timer_family_specs.get(TIMER_FAMILY) {
                timer = self.coder(&family.timer_family_coder_id, 0)?;
                timers.insert(id.to_owned());
            }
        }
        let payload = if function.is_null() { STANDARD.encode(&payload) } else { String::new() };
        Ok(json!({"id": id, "urn": urn, "payload": payload, "function": function, "outputs": outputs, "timer": timer}))
    }

    fn coder(&self, id: &str, depth: u32) -> Result<Value, Error> {
        let coder = self.descriptor.coders.get(id).filter(|_| depth < DEEPEST_CODER);
        let coder = coder.ok_or_else(|| self.wrong(&format!("its coder {id} is missing, or within itself")))?;
        let FunctionSpec { urn, payload } = coder.spec.clone().unwrap_or_default();
        let components = coder.component_coder_ids.iter().map(|id| self.coder(id, depth + 1));
        let components = components.collect::<Result<Vec<_>, Error>>()?;
        Ok(json!({"urn": urn, "payload": STANDARD.encode(&payload), "components": components}))
    }

    fn port(&self, transform: &PTransform) -> Result<RemoteGrpcPort, Error> {
        RemoteGrpcPort::decode(spec(transform).payload.as_slice()).map_err(|error| self.wrong(&error.to_string()))
    }

    fn wrong(&self, problem: &str) -> Error {
        Error::Descriptor { id: self.descriptor.id.clone(), problem: problem.to_owned() }
    }
}

fn spec(transform: &PTransform) -> FunctionSpec {
    transform.spec.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::{ApiServiceDescriptor, Coder, PCollection, TimerFamilySpec};

    fn named<T>(items: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, T> {
        items.into_iter().map(|(name, item)| (name.to_owned(), item)).collect()
    }

    fn transform(urn: &str, payload: Vec<u8>, input: Option<&str>, output: Option<&'static str>) -> PTransform {
        PTransform {
            spec: Some(FunctionSpec { urn: urn.to_owned(), payload }),
            inputs: named(input.map(|input| ("input", input.to_owned()))),
            outputs: named(output.map(|output| ("", output.to_owned()))),
        }
    }

    /// source -> first -> second -> sink, where the second one has timers.
    fn descriptor() -> ProcessBundleDescriptor {
        let port = RemoteGrpcPort {
            api_service_descriptor: Some(ApiServiceDescriptor { url: "localhost:1".to_owned() }),
            coder_id: "rows".to_owned(),
        };
        let function = |families| {
            let do_fn = Some(FunctionSpec { urn: "f".to_owned(), payload: b"pickle".to_vec() });
            ParDoPayload { do_fn, timer_family_specs: families }.encode_to_vec()
        };
        let timers = named([(TIMER_FAMILY, TimerFamilySpec { timer_family_coder_id: "timers".to_owned() })]);
        let coder = |urn: &str, components: &[&str]| Coder {
            spec: Some(FunctionSpec { urn: urn.to_owned(), payload: Vec::new() }),
            component_coder_ids: components.iter().map(|&id| id.to_owned()).collect(),
        };
        ProcessBundleDescriptor {
            id: "1".to_owned(),
            transforms: named([
                ("a-sink", transform(SINK, port.encode_to_vec(), Some("c"), None)),
                ("a-source", transform(SOURCE, port.encode_to_vec(), None, Some("a"))),
                ("first", transform(PAR_DO, function(BTreeMap::new()), Some("a"), Some("b"))),
                ("second", transform(PAR_DO, function(timers), Some("b"), Some("c"))),
            ]),
            pcollections: named([("a", PCollection::default())]),
            coders: named([("rows", coder("r", &["row"])), ("row", coder("x", &[])), ("timers", coder("t", &[]))]),
            ..ProcessBundleDescriptor::default()
        }
    }

    #[test]
    fn functions_come_in_the_order_of_the_data() {
        let bundle = Bundle::new(&descriptor()).unwrap();
        assert_eq!((bundle.source.as_str(), bundle.data_url.as_str()), ("a-source", "localhost:1"));
        assert_eq!(bundle.functions, ["first", "second"]);
        assert_eq!(bundle.timers, BTreeSet::from(["second".to_owned()]));
        let second = &bundle.description["transforms"][1];
        assert_eq!(second["function"], json!({"urn": "f", "payload": STANDARD.encode("pickle")}));
        assert_eq!(second["outputs"], json!({"": ["a-sink"]}));
        assert_eq!(second["timer"]["urn"], "t");
        assert_eq!(bundle.description["source"]["coder"]["components"][0]["urn"], "x");
    }

    #[test]
    fn elements_that_begin_with_their_length_are_known() {
        let mut descriptor = descriptor();
        assert!(!Bundle::new(&descriptor).unwrap().prefixed);
        for (id, urn) in [("rows", PARAM_WINDOWED_VALUE), ("row", LENGTH_PREFIX)] {
            descriptor.coders.get_mut(id).unwrap().spec.as_mut().unwrap().urn = urn.to_owned();
        }
        assert!(Bundle::new(&descriptor).unwrap().prefixed);
    }

    #[test]
    fn what_flink_does_not_make_is_refused() {
        type Change = fn(&mut ProcessBundleDescriptor);
        let changes: [(&str, Change); 6] = [
            ("no source", |descriptor| drop(descriptor.transforms.remove("a-source"))),
            ("no coder", |descriptor| drop(descriptor.coders.remove("row"))),
            ("a coder within itself", |descriptor| {
                descriptor.coders.get_mut("row").unwrap().component_coder_ids.push("rows".to_owned());
            }),
            ("a circle", |descriptor| {
                descriptor.transforms.get_mut("second").unwrap().outputs.insert("x".to_owned(), "a".to_owned());
            }),
            ("no message", |descriptor| {
                descriptor.transforms.get_mut("first").unwrap().spec.as_mut().unwrap().payload = vec![0xff];
            }),
            ("no address", |descriptor| {
                descriptor.transforms.get_mut("a-source").unwrap().spec.as_mut().unwrap().payload = Vec::new();
            }),
        ];
        for (name, change) in changes {
            let mut descriptor = descriptor();
            change(&mut descriptor);
            assert!(matches!(Bundle::new(&descriptor), Err(Error::Descriptor { .. })), "{name}");
        }
    }
}

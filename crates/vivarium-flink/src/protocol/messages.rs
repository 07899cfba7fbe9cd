//! The messages of Beam's Fn API that Flink and a worker exchange (Beam 2.54, as bundled by Flink 2.3).
//!
//! Only fields that the worker reads or writes are declared; others are skipped when a message is read. The alternatives of a
//! `oneof` are optional fields here, which is the same on the wire.

#![allow(
    missing_docs,
    reason = "fields are named and documented in beam_fn_api.proto, beam_runner_api.proto and their like"
)]

use std::collections::BTreeMap;

use prost::Message;

/// `org.apache.beam.model.pipeline.v1.ApiServiceDescriptor`
#[derive(Clone, PartialEq, Message)]
pub struct ApiServiceDescriptor {
    #[prost(string, tag = "1")]
    pub url: String,
}

/// `ProvisionInfo`
#[derive(Clone, PartialEq, Message)]
pub struct ProvisionInfo {
    #[prost(message, optional, tag = "3")]
    pub pipeline_options: Option<Struct>,
    #[prost(message, optional, tag = "8")]
    pub logging_endpoint: Option<ApiServiceDescriptor>,
    #[prost(message, optional, tag = "10")]
    pub control_endpoint: Option<ApiServiceDescriptor>,
}

/// `GetProvisionInfoRequest`
#[derive(Clone, PartialEq, Message)]
pub struct GetProvisionInfoRequest {}

/// `GetProvisionInfoResponse`
#[derive(Clone, PartialEq, Message)]
pub struct GetProvisionInfoResponse {
    #[prost(message, optional, tag = "1")]
    pub info: Option<ProvisionInfo>,
}

/// `google.protobuf.Struct`
#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

/// `google.protobuf.Value`
#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(double, optional, tag = "2")]
    pub number: Option<f64>,
    #[prost(string, optional, tag = "3")]
    pub string: Option<String>,
    #[prost(bool, optional, tag = "4")]
    pub boolean: Option<bool>,
    #[prost(message, optional, tag = "5")]
    pub object: Option<Struct>,
    #[prost(message, optional, tag = "6")]
    pub list: Option<ListValue>,
}

/// `google.protobuf.ListValue`
#[derive(Clone, PartialEq, Message)]
pub struct ListValue {
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<Value>,
}

/// `InstructionRequest`
#[derive(Clone, PartialEq, Message)]
pub struct InstructionRequest {
    #[prost(string, tag = "1")]
    pub instruction_id: String,
    #[prost(message, optional, tag = "1000")]
    pub register: Option<RegisterRequest>,
    #[prost(message, optional, tag = "1001")]
    pub process_bundle: Option<ProcessBundleRequest>,
    #[prost(message, optional, tag = "1002")]
    pub process_bundle_progress: Option<Empty>,
    #[prost(message, optional, tag = "1004")]
    pub finalize_bundle: Option<Empty>,
    #[prost(message, optional, tag = "1005")]
    pub monitoring_infos: Option<Empty>,
    #[prost(message, optional, tag = "1006")]
    pub harness_monitoring_infos: Option<Empty>,
}

/// `InstructionResponse`
#[derive(Clone, PartialEq, Message)]
pub struct InstructionResponse {
    #[prost(string, tag = "1")]
    pub instruction_id: String,
    #[prost(string, tag = "2")]
    pub error: String,
    #[prost(message, optional, tag = "1000")]
    pub register: Option<Empty>,
    #[prost(message, optional, tag = "1001")]
    pub process_bundle: Option<ProcessBundleResponse>,
    #[prost(message, optional, tag = "1002")]
    pub process_bundle_progress: Option<Empty>,
    #[prost(message, optional, tag = "1004")]
    pub finalize_bundle: Option<Empty>,
    #[prost(message, optional, tag = "1005")]
    pub monitoring_infos: Option<Empty>,
    #[prost(message, optional, tag = "1006")]
    pub harness_monitoring_infos: Option<Empty>,
}

/// Any message of which nothing is read, or all of whose fields have their defaults.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Empty {}

/// `RegisterRequest`
#[derive(Clone, PartialEq, Message)]
pub struct RegisterRequest {
    #[prost(message, repeated, tag = "1")]
    pub process_bundle_descriptor: Vec<ProcessBundleDescriptor>,
}

/// `ProcessBundleRequest`
#[derive(Clone, PartialEq, Message)]
pub struct ProcessBundleRequest {
    #[prost(string, tag = "1")]
    pub process_bundle_descriptor_id: String,
    #[prost(message, repeated, tag = "2")]
    pub cache_tokens: Vec<CacheToken>,
}

/// `ProcessBundleRequest.CacheToken`
#[derive(Clone, PartialEq, Message)]
pub struct CacheToken {
    #[prost(message, optional, tag = "1")]
    pub user_state: Option<Empty>,
    #[prost(bytes = "vec", tag = "10")]
    pub token: Vec<u8>,
}

/// `ProcessBundleResponse`
#[derive(Clone, PartialEq, Message)]
pub struct ProcessBundleResponse {
    #[prost(message, repeated, tag = "3")]
    pub monitoring_infos: Vec<MonitoringInfo>,
}

/// `MonitoringInfo`
#[derive(Clone, PartialEq, Message)]
pub struct MonitoringInfo {
    #[prost(string, tag = "1")]
    pub urn: String,
    #[prost(string, tag = "2")]
    pub r#type: String,
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
    #[prost(btree_map = "string, string", tag = "4")]
    pub labels: BTreeMap<String, String>,
}

/// `GetProcessBundleDescriptorRequest`
#[derive(Clone, PartialEq, Message)]
pub struct GetProcessBundleDescriptorRequest {
    #[prost(string, tag = "1")]
    pub process_bundle_descriptor_id: String,
}

/// `ProcessBundleDescriptor`
#[derive(Clone, PartialEq, Message)]
pub struct ProcessBundleDescriptor {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(btree_map = "string, message", tag = "2")]
    pub transforms: BTreeMap<String, PTransform>,
    #[prost(btree_map = "string, message", tag = "3")]
    pub pcollections: BTreeMap<String, PCollection>,
    #[prost(btree_map = "string, message", tag = "5")]
    pub coders: BTreeMap<String, Coder>,
    #[prost(message, optional, tag = "7")]
    pub state_api_service_descriptor: Option<ApiServiceDescriptor>,
    #[prost(message, optional, tag = "8")]
    pub timer_api_service_descriptor: Option<ApiServiceDescriptor>,
}

/// `PTransform`
#[derive(Clone, PartialEq, Message)]
pub struct PTransform {
    #[prost(message, optional, tag = "1")]
    pub spec: Option<FunctionSpec>,
    #[prost(btree_map = "string, string", tag = "3")]
    pub inputs: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "4")]
    pub outputs: BTreeMap<String, String>,
}

/// `FunctionSpec`
#[derive(Clone, PartialEq, Message)]
pub struct FunctionSpec {
    #[prost(string, tag = "1")]
    pub urn: String,
    #[prost(bytes = "vec", tag = "3")]
    pub payload: Vec<u8>,
}

/// `PCollection`
#[derive(Clone, PartialEq, Message)]
pub struct PCollection {
    #[prost(string, tag = "2")]
    pub coder_id: String,
}

/// `Coder`
#[derive(Clone, PartialEq, Message)]
pub struct Coder {
    #[prost(message, optional, tag = "1")]
    pub spec: Option<FunctionSpec>,
    #[prost(string, repeated, tag = "2")]
    pub component_coder_ids: Vec<String>,
}

/// `ParDoPayload`
#[derive(Clone, PartialEq, Message)]
pub struct ParDoPayload {
    #[prost(message, optional, tag = "1")]
    pub do_fn: Option<FunctionSpec>,
    #[prost(btree_map = "string, message", tag = "9")]
    pub timer_family_specs: BTreeMap<String, TimerFamilySpec>,
}

/// `TimerFamilySpec`
#[derive(Clone, PartialEq, Message)]
pub struct TimerFamilySpec {
    #[prost(string, tag = "2")]
    pub timer_family_coder_id: String,
}

/// `RemoteGrpcPort`: where the elements of a source come from, or those for a sink go.
#[derive(Clone, PartialEq, Message)]
pub struct RemoteGrpcPort {
    #[prost(message, optional, tag = "1")]
    pub api_service_descriptor: Option<ApiServiceDescriptor>,
    #[prost(string, tag = "2")]
    pub coder_id: String,
}

/// `Elements`
#[derive(Clone, PartialEq, Message)]
pub struct Elements {
    #[prost(message, repeated, tag = "1")]
    pub data: Vec<Data>,
    #[prost(message, repeated, tag = "2")]
    pub timers: Vec<Timers>,
}

/// `Elements.Data`
#[derive(Clone, PartialEq, Message)]
pub struct Data {
    #[prost(string, tag = "1")]
    pub instruction_id: String,
    #[prost(string, tag = "2")]
    pub transform_id: String,
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
    #[prost(bool, tag = "4")]
    pub is_last: bool,
}

/// `Elements.Timers`
#[derive(Clone, PartialEq, Message)]
pub struct Timers {
    #[prost(string, tag = "1")]
    pub instruction_id: String,
    #[prost(string, tag = "2")]
    pub transform_id: String,
    #[prost(string, tag = "3")]
    pub timer_family_id: String,
    #[prost(bytes = "vec", tag = "4")]
    pub timers: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub is_last: bool,
}

/// `StateRequest`
#[derive(Clone, PartialEq, Message)]
pub struct StateRequest {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub instruction_id: String,
    #[prost(message, optional, tag = "3")]
    pub state_key: Option<StateKey>,
    #[prost(message, optional, tag = "1000")]
    pub get: Option<StateGetRequest>,
    #[prost(message, optional, tag = "1001")]
    pub append: Option<StateAppendRequest>,
    #[prost(message, optional, tag = "1002")]
    pub clear: Option<Empty>,
}

/// `StateKey`, of the kinds that PyFlink uses.
#[derive(Clone, PartialEq, Message)]
pub struct StateKey {
    #[prost(message, optional, tag = "2")]
    pub multimap_side_input: Option<KeyedState>,
    #[prost(message, optional, tag = "3")]
    pub bag_user_state: Option<KeyedState>,
    #[prost(message, optional, tag = "5")]
    pub multimap_keys_side_input: Option<KeyedState>,
}

/// `StateKey.MultimapSideInput`, `StateKey.BagUserState` and `StateKey.MultimapKeysSideInput`, whose fields have the same numbers.
#[derive(Clone, PartialEq, Message)]
pub struct KeyedState {
    #[prost(string, tag = "1")]
    pub transform_id: String,
    #[prost(string, tag = "2")]
    pub state_id: String,
    #[prost(bytes = "vec", tag = "3")]
    pub window: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub key: Vec<u8>,
}

/// `StateGetRequest`
#[derive(Clone, PartialEq, Message)]
pub struct StateGetRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub continuation_token: Vec<u8>,
}

/// `StateAppendRequest`
#[derive(Clone, PartialEq, Message)]
pub struct StateAppendRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

/// `StateResponse`
#[derive(Clone, PartialEq, Message)]
pub struct StateResponse {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub error: String,
    #[prost(message, optional, tag = "1000")]
    pub get: Option<StateGetResponse>,
}

/// `StateGetResponse`
#[derive(Clone, PartialEq, Message)]
pub struct StateGetResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub continuation_token: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}

/// `LogEntry.List`
#[derive(Clone, PartialEq, Message)]
pub struct LogEntries {
    #[prost(message, repeated, tag = "1")]
    pub log_entries: Vec<LogEntry>,
}

/// `LogEntry`
#[derive(Clone, PartialEq, Message)]
pub struct LogEntry {
    #[prost(int32, tag = "1")]
    pub severity: i32,
    #[prost(message, optional, tag = "2")]
    pub timestamp: Option<Timestamp>,
    #[prost(string, tag = "3")]
    pub message: String,
    #[prost(string, tag = "5")]
    pub instruction_id: String,
    #[prost(string, tag = "7")]
    pub log_location: String,
}

/// `google.protobuf.Timestamp`
#[derive(Clone, PartialEq, Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

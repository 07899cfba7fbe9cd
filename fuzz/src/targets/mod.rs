//! The fuzz targets.

mod archive;
mod calls;
#[path = "../../../crates/vivarium-sandbox/tests/any_bytes/check.rs"]
mod check;
mod flink;
#[allow(dead_code, reason = "each program uses its part")]
#[path = "../../../tests/wasi/src/functions.rs"]
mod functions;
mod memory;
mod replies;
mod snapshot;
mod tables;
mod text;

pub use archive::{image, tar, zip};
pub use calls::wasi;
pub use flink::{descriptor, frames, state};
pub use memory::decode;
pub use replies::reply;
pub use snapshot::snapshot;
pub use tables::{csv, json};
pub use text::{requirements, types};

/// A function that must survive any input.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Reads an input; panics when something is wrong with what became of it.
    pub run: fn(&[u8]),
    /// Honest inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 14] = [
    Target { name: "decode", run: decode, seeds: memory::seeds },
    Target { name: "reply", run: reply, seeds: replies::seeds },
    Target { name: "snapshot", run: snapshot, seeds: snapshot::seeds },
    Target { name: "wasi", run: wasi, seeds: calls::seeds },
    Target { name: "frames", run: frames, seeds: flink::frames_seeds },
    Target { name: "state", run: state, seeds: flink::state_seeds },
    Target { name: "descriptor", run: descriptor, seeds: flink::descriptor_seeds },
    Target { name: "zip", run: zip, seeds: archive::zip_seeds },
    Target { name: "tar", run: tar, seeds: archive::tar_seeds },
    Target { name: "image", run: image, seeds: archive::image_seeds },
    Target { name: "requirements", run: requirements, seeds: text::requirements_seeds },
    Target { name: "types", run: types, seeds: text::types_seeds },
    Target { name: "csv", run: csv, seeds: tables::csv_seeds },
    Target { name: "json", run: json, seeds: tables::json_seeds },
];

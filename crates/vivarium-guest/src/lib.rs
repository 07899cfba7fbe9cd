//! Builds, snapshots and finds the guest image: CPython, NumPy and the C shim in one WebAssembly module.
//!
//! ```text
//!  recipe (wasm-python/, embedded)            cache directory
//!        |                                    recipes/NAME-KEY/     the recipe, written out
//!        v                                    work/                 sources, toolchain, objects, logs
//!  python3 build.py  --->  guest.wasm, home/  work/out-NAME-KEY/    what build.py made
//!        |
//!        v
//!  vivarium_sandbox::snapshot                 images/NAME-KEY/      guest.wasm.gz (initialised), manifest.json
//! ```
//!
//! There are several images ([`images`]); [`ImageStore::of`] chooses one. `KEY` is the hash of an image's recipe, without what only
//! other images need. So two versions of this crate keep their images side by side, and a changed recipe never gets a stale
//! image. Steps of `build.py` are keyed by their own inputs: changing the shim does not compile CPython again.
//!
//! An image can be written as one file and read on another machine ([`ImageStore::export`], [`ImageStore::import`]): `archive`.
//! A program that was installed together with images (`make dist`) copies them into its cache instead of building them: `installed`.
//!
//! Invariants: nothing is downloaded or compiled except by [`ImageStore::ensure`]; an image appears under its final name
//! complete or not at all; two processes never build at once (the second one waits and says so).
#![forbid(unsafe_code)]

mod archive;
mod build;
mod description;
mod error;
mod image;
mod installed;
mod licenses;
mod progress;
mod recipe;
mod script;
mod store;
mod test_trees;

pub use archive::ImageArchive;
pub use description::{ImageDescription, ImageName, images};
pub use error::Error;
pub use image::{ImageInfo, ImageLocation, Manifest};
pub use licenses::Component;
pub use progress::{Event, StepState};
pub use recipe::{conformance_file, write_sources};
pub use store::ImageStore;
pub use test_trees::TestTrees;

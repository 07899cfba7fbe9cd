//! Snapshots: a guest that has already started.
//!
//! Starting CPython and importing numpy takes a quarter of a second; copying the memory in which that has already
//! happened takes microseconds. So `vv_init` is run once, here, and the module is rewritten (by wasmtime's wizer) so that
//! its initial memory is the memory `vv_init` left behind:
//!
//! ```text
//!   guest.wasm ──instrument──> exports its globals ──vv_init──> memory, globals ──rewrite──> guest.wasm, started
//! ```
//!
//! The same input gives the same bytes on every run, so that a snapshot can be checked by its hash: the clock stands
//! still, random numbers come from a fixed seed, and there is neither an environment nor an input. Nothing secret can be in
//! a snapshot, and what must differ between instances (the two random generators) is seeded again when an instance starts.

use std::path::Path;
use std::sync::Arc;

use cap_std::fs::Dir;
use wasmtime::{Config, Engine, Instance, Linker, Module, OptLevel, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

use crate::error::{Error, SnapshotError};
use crate::host_call;
use crate::wasi::{self, Capture, Clock, Random, WasiConfig, WasiCtx, WasiError};

/// The export that initialises the interpreter. The snapshot no longer has it.
const INIT_FUNCTION: &str = "vv_init";

/// The instant at which the clock stands while a snapshot is made, in nanoseconds since 1970: 2025-01-01T00:00:00Z.
const SNAPSHOT_TIME: u64 = 1_735_689_600_000_000_000;

/// What the guest sees as random numbers while a snapshot is made. Any constant would do.
const SNAPSHOT_SEED: u64 = 0x7669_7661_7269_756d;

/// How much of what the guest writes is kept for an error message.
const MAX_OUTPUT: usize = 16 << 20;

/// Imports of numpy and of the standard library nest deeply; this is what [`crate::RuntimeConfig`] gives a sandbox too.
const SNAPSHOT_WASM_STACK: usize = 16 << 20;

/// Runs `vv_init` once and returns `guest_wasm` as a module that starts where it ended.
///
/// The directory `home` is mounted as `/env` meanwhile and only then: it holds the standard library and the packages,
/// which the guest reads into its memory. The result is a WebAssembly module that still has to be compiled
/// ([`Image::compile`](crate::Image::compile)); it is byte-identical for identical inputs.
///
/// The guest is trusted here: it is our own build, and runs without limits. Compiling it takes some seconds of all cores,
/// in which the thread is blocked.
///
/// # Errors
/// [`Error::Snapshot`] when the module cannot be snapshotted, compiled or instantiated, or when `vv_init` fails.
pub async fn snapshot(guest_wasm: &[u8], home: &Path) -> Result<Vec<u8>, Error> {
    Ok(take(guest_wasm, home).await?)
}

async fn take(guest_wasm: &[u8], home: &Path) -> Result<Vec<u8>, SnapshotError> {
    let home = Dir::open_ambient_dir(home, cap_std::ambient_authority())
        .map_err(|source| SnapshotError::Home { path: home.to_owned(), source })?;
    let mut wizer = Wizer::new();
    wizer.init_func(INIT_FUNCTION);
    let (context, instrumented) = wizer.instrument(guest_wasm).map_err(SnapshotError::Module)?;

    let engine = engine().map_err(SnapshotError::Instantiate)?;
    let module = Module::new(&engine, instrumented).map_err(SnapshotError::Instantiate)?;
    let output = Capture::new(MAX_OUTPUT);
    let wasi = wasi_context(home, &output).map_err(|error| SnapshotError::Instantiate(wasmtime::Error::new(error)))?;
    let mut store = Store::new(&engine, wasi);
    let instance = instantiate(&mut store, &module).await.map_err(SnapshotError::Instantiate)?;

    // A reactor's `_initialize` runs constructors; wizer drops it from the snapshot together with `vv_init`.
    let initialize = instance.get_func(&mut store, "_initialize").map(|_| "_initialize");
    for export in initialize.into_iter().chain([INIT_FUNCTION]) {
        let function = instance.get_typed_func::<(), ()>(&mut store, export).map_err(SnapshotError::Module)?;
        let called = function.call_async(&mut store, ()).await;
        called.map_err(|error| SnapshotError::Init { error, output: tail(&output.take()) })?;
    }
    wizer.snapshot(&context, &mut Initialised { store, instance }).await.map_err(SnapshotError::Module)
}

/// An engine whose code runs once: compile quickly, and do not ask for deadlines.
fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::None)
        .max_wasm_stack(SNAPSHOT_WASM_STACK)
        .async_stack_size(SNAPSHOT_WASM_STACK + (4 << 20));
    Engine::new(&config)
}

async fn instantiate(store: &mut Store<WasiCtx>, module: &Module) -> wasmtime::Result<Instance> {
    let mut linker = Linker::new(store.engine());
    wasi::add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    host_call::refuse_all(&mut linker)?;
    linker.instantiate_async(store, module).await
}

/// The end of what the guest wrote.
fn tail(output: &[u8]) -> String {
    const MAX: usize = 64 << 10;
    String::from_utf8_lossy(&output[output.len().saturating_sub(MAX)..]).into_owned()
}

/// The instance that wizer reads the snapshot from.
struct Initialised {
    store: Store<WasiCtx>,
    instance: Instance,
}

/// Names are of exports that wizer itself added to the module, with types it chose.
impl InstanceState for Initialised {
    async fn global_get(&mut self, name: &str, _type: ValType) -> SnapshotVal {
        let global = self.instance.get_global(&mut self.store, name).expect("wizer exported this global");
        match global.get(&mut self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            Val::F32(bits) => SnapshotVal::F32(bits),
            Val::F64(bits) => SnapshotVal::F64(bits),
            Val::V128(value) => SnapshotVal::V128(value.as_u128()),
            _ => unreachable!("wizer refuses modules with mutable globals of reference types"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.instance.get_memory(&mut self.store, name).expect("wizer exported this memory");
        contents(memory.data(&self.store));
    }
}

fn wasi_context(home: Dir, output: &Capture) -> Result<WasiCtx, WasiError> {
    let config = WasiConfig::default()
        .with_environment(Some(Arc::new(home)))
        .with_clock(Clock::Fixed(SNAPSHOT_TIME))
        .with_random(Random::Seeded(SNAPSHOT_SEED))
        .with_stdout(Box::new(output.clone()))
        .with_stderr(Box::new(output.clone()));
    WasiCtx::new(config)
}

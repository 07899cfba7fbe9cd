//! The engine: one per process, with every setting chosen deliberately.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vivarium_tenancy::quantity::{serde_duration, serde_size};
use vivarium_tenancy::{Account, Census, Pools, Slots, Tenant};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails,
    WasmFeatures,
};

use crate::epoch::{TICK, Ticker};
use crate::error::Error;
use crate::scheduler::Scheduler;

/// What belongs to the process and not to one sandbox: address space and stacks are reserved once, for all.
///
/// Reserving costs address space, not memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RuntimeConfig {
    /// Sandboxes alive at one time. Default 512: 2 TiB of the 128 TiB of address space a Linux process has.
    pub sandboxes: u32,
    /// The most linear memory any sandbox can have, in bytes. Default 4 GiB, all that 32 bits address; what a sandbox may
    /// really use is [`Limits::memory`](crate::Limits::memory).
    #[serde(with = "serde_size")]
    pub sandbox_memory: u64,
    /// Stack of the WebAssembly code, in bytes. Default 16 MiB: from there on, Python's own recursion limit is reached
    /// before the stack's end, and deep recursion is a `RecursionError` that code can handle. With 1 MiB, `json` and `repr`
    /// of deeply nested values ended the instance.
    #[serde(with = "serde_size")]
    pub wasm_stack: u64,
    /// The most table elements any sandbox can have. Default 50,000; CPython with numpy has 20,000.
    pub table_elements: u32,
    /// Files and directories of environments that all sandboxes have open together. Default: half of what the process may have open
    /// at all (`ulimit -n`), so that sandboxes leave descriptors to everything else.
    pub host_files: u32,
    /// How many sandboxes run at the same moment; those that could run too wait for a time slice
    /// ([`TenantLimits::cpu_weight`](crate::TenantLimits::cpu_weight)). Default: the cores this process may use.
    pub cores: usize,
    /// Time between two ticks of the epoch: how long a sandbox runs at a stretch before its deadline is checked and others get a
    /// time slice. Default 1 ms. All deadlines are late by up to this.
    #[serde(with = "serde_duration")]
    pub tick: Duration,
    /// Compile images for every processor of this architecture instead of this machine's: code that may move between machines, and
    /// of which instructions can be counted. Default: no; this machine's vector instructions make some work faster.
    pub portable: bool,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            sandboxes: 512,
            sandbox_memory: 4 << 30,
            wasm_stack: 16 << 20,
            table_elements: 50_000,
            host_files: open_files() / 2,
            cores,
            tick: TICK,
            portable: false,
        }
    }
}

crate::__setters!(RuntimeConfig {
    with_sandboxes: sandboxes: u32,
    with_sandbox_memory: sandbox_memory: u64,
    with_wasm_stack: wasm_stack: u64,
    with_table_elements: table_elements: u32,
    with_host_files: host_files: u32,
    with_cores: cores: usize,
    with_tick: tick: Duration,
    with_portable: portable: bool,
});

/// The WebAssembly engine of this process. Cloning it is cheap and gives the same engine.
///
/// Create one and share it: each reserves address space for all its sandboxes.
#[derive(Clone, Debug)]
pub struct Runtime {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: RuntimeConfig,
    engine: Engine,
    scheduler: Arc<Scheduler>,
    ticker: Ticker,
    slots: Arc<Slots>,
    pools: Pools,
    host_files: Arc<Account>,
    census: Census,
}

impl Runtime {
    /// Reserves the address space and prepares the compiler.
    ///
    /// # Errors
    /// [`Error::Start`] when the address space cannot be reserved, for instance under `ulimit -v`; fewer or smaller
    /// sandboxes need less of it.
    pub fn new(config: RuntimeConfig) -> Result<Self, Error> {
        let engine = engine_config(&config).and_then(|config| Engine::new(&config)).map_err(Error::Start)?;
        let scheduler = Arc::new(Scheduler::new(config.cores, config.tick));
        let ticked = Arc::clone(&scheduler);
        let ticker = Ticker::new(&engine, config.tick, move || ticked.tick());
        let ticker = ticker.map_err(|error| Error::Start(error.into()))?;
        let (slots, pools) = (Slots::new(config.sandboxes), Pools::default());
        let host_files = Arc::new(Account::new(config.host_files.into()));
        let census = Census::default();
        let shared = Shared { config, engine, scheduler, ticker, slots, pools, host_files, census };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &RuntimeConfig {
        &self.shared.config
    }

    /// The tenants that have, or had, sandboxes or pools here and that somebody still has. What each uses, may use and may do it says
    /// itself ([`Tenant::usage`], [`Tenant::set_limits`], [`Tenant::suspend`], ...).
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.shared.census.tenants().0
    }

    /// The size of a sandbox's stack in bytes.
    pub(crate) fn stack(&self) -> u64 {
        self.shared.config.wasm_stack.saturating_add(HOST_STACK as u64)
    }

    pub(crate) fn census(&self) -> &Census {
        &self.shared.census
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.shared.scheduler
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.shared.ticker
    }

    pub(crate) fn slots(&self) -> &Arc<Slots> {
        &self.shared.slots
    }

    pub(crate) fn host_files(&self) -> &Arc<Account> {
        &self.shared.host_files
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.shared.pools
    }
}

/// Descriptors that this process may have.
fn open_files() -> u32 {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX))
}

/// Host functions and the frames of the call itself run on the same stack as the guest, above its own share.
const HOST_STACK: usize = 2 << 20;

/// What the guest's module uses: the features that clang has on for wasm32, vectors, and the constants of position-independent
/// code. Reference types are there for the form that indirect calls have since.
const GUEST_FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD)
    .union(WasmFeatures::EXTENDED_CONST);

// Knobs of wasmtime that need no setting here. The fuel of host calls bounds what component-model values copy, and there is no
// component model in this build; our own WASI bounds each call (`wasi`). Random bytes have `Limits::random_bytes`. The numbers
// of instances, memories and tables of a store, and their sizes, are in `limiter`.

fn engine_config(runtime: &RuntimeConfig) -> Result<Config, wasmtime::Error> {
    let mut config = Config::new();
    if runtime.portable {
        // A target that is named has none of its extensions inferred.
        config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    }

    // Stacks. A fiber has room for the guest's share and for the host functions it calls. Stacks go from one sandbox to the
    // next; zeroing them between costs little (each sandbox keeps its own while it lives) and makes a leak through an
    // uninitialised slot impossible even if the compiler had one.
    let wasm_stack = usize::try_from(runtime.wasm_stack).unwrap_or(usize::MAX / 2);
    config.max_wasm_stack(wasm_stack).async_stack_size(wasm_stack.saturating_add(HOST_STACK)).async_stack_zeroing(true);

    // Deadlines. Epochs are a load and a compare at each loop and function; fuel counts every instruction and costs twice
    // as much. See `epoch`.
    config.epoch_interruption(true).consume_fuel(false);

    // Memory. The whole 32-bit address space and a guard behind it are reserved for each sandbox, so that no access needs a
    // bounds check (checks cost 1.5 times in the row loop) and none can leave. Memory therefore never moves.
    config
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .guard_before_linear_memory(true)
        .memory_may_move(false);
    // The snapshot's memory is mapped copy-on-write. An interpreter's image has holes, for which wasmtime would rather copy
    // segments; up to this size it must not.
    config.memory_init_cow(true).memory_guaranteed_dense_image_size(256 << 20);

    // Code. Compiled once per machine and used for ever after: spend time on it. Cranelift's mitigations against Spectre
    // (`enable_heap_access_spectre_mitigation`, `enable_table_access_spectre_mitigation`: a bounds check that is mispredicted
    // selects a harmless address) are on by default and stay on: tenants share the process. NaN bit patterns may differ between processors: Python does not show them, and
    // canonicalising costs every floating point operation.
    config.cranelift_opt_level(OptLevel::Speed).cranelift_nan_canonicalization(false).parallel_compilation(true);
    // No `compiler_inlining`: compiling the image with pandas takes over 14 GB with it, and the row loop only 5 % fewer instructions.
    // Function names in the report of a trap, but no more than a person reads; registers and unwinding tables for
    // native debuggers only make the code larger.
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20)).native_unwind_info(false).debug_info(false);

    // Traps are signals, and nothing of a dead instance is kept: no core dump, no source positions read from debug information
    // by an environment variable's leave.
    config.signals_based_traps(true).wasm_backtrace_details(WasmBacktraceDetails::Disable);

    // WebAssembly. What clang emits for wasm32 and nothing else, not even what is on by default: less code of the engine can be
    // reached. No threads and no shared memory above all: while the host reads a result, nothing changes it.
    config.wasm_features(WasmFeatures::all(), false).wasm_features(GUEST_FEATURES, true);

    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool_config(runtime)));
    Ok(config)
}

fn pool_config(runtime: &RuntimeConfig) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // A sandbox is one instance with one memory, one table and one stack, whatever the module asks for.
    pool.total_core_instances(runtime.sandboxes)
        .total_memories(runtime.sandboxes)
        .total_tables(runtime.sandboxes)
        .total_stacks(runtime.sandboxes)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .max_memory_size(usize::try_from(runtime.sandbox_memory).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(runtime.table_elements).unwrap_or(usize::MAX))
        // The metadata of an instance: 16 bytes for each of CPython's 20,000 functions and some.
        .max_core_instance_size(4 << 20);
    // A destroyed sandbox leaves nothing to the next one in its slot: `madvise` drops all of its pages. The kernel (6.7 and later)
    // could tell which ones were written, so that those are overwritten and kept, and a start does not take a page fault (2 µs) for
    // each of the 500 pages that an interpreter touches at once. But up to version 50 wasmtime asks for pages that are present, and
    // passes over written ones that are swapped out, or that the kernel is moving just then: the next sandbox would read them.
    pool.pagemap_scan(Enabled::No).linear_memory_keep_resident(0).table_keep_resident(0);
    pool.async_stack_keep_resident(16 << 10);
    // Slots that already map an image are the fast ones; keep as many as a busy task uses.
    pool.max_unused_warm_slots(64).decommit_batch_size(1);
    // Protection keys would make the neighbour's memory, under another key, the guard of this one. With memories of 4 GiB
    // wasmtime uses two keys and saves the 32 MiB of each guard. It adds no boundary: every address that compiled code can form
    // lies in the memory or in its guard, and a guard that nothing maps is stronger than one that a register opens.
    pool.memory_protection_keys(Enabled::No);
    pool
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_in_a_configuration_file() {
        let config: RuntimeConfig =
            serde_json::from_str(r#"{"sandboxes": 8, "sandbox_memory": "1GiB", "tick": "2ms"}"#).unwrap();
        let expected = RuntimeConfig::default().with_sandboxes(8).with_sandbox_memory(1 << 30);
        assert_eq!(config, expected.with_tick(Duration::from_millis(2)));
        assert_eq!(serde_json::from_str::<RuntimeConfig>(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        assert!(serde_json::from_str::<RuntimeConfig>(r#"{"sandboxen": 8}"#).is_err());
    }

    /// Written pages that are not present are not found by the scan, and go to whoever gets the slot next.
    #[test]
    fn no_page_of_a_sandbox_is_kept_for_the_next() {
        let pool = pool_config(&RuntimeConfig::default());
        assert!(matches!(pool.get_pagemap_scan(), Enabled::No));
    }

    /// When this fails, look whether the scan finds pages that are not present (wasmtime's pull request 14357, `SWAPPED` among the
    /// categories of `reset_with_pagemap`), turn it on if it does, and bring `docs/wasmtime.md` up to date.
    #[test]
    fn the_pinned_wasmtime_is_the_one_whose_scan_was_read() {
        let version = wasmtime::ModuleVersionStrategy::WasmtimeVersion.as_str().to_owned();
        assert_eq!(version, "48");
    }
}

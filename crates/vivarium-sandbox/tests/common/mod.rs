//! Guests written by hand, which keep to the contract or break it in one place.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod process;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array};
use vivarium_sandbox::{Image, Limits, Runtime, RuntimeConfig, SandboxConfig, TaskAccount};

/// Where the guests below keep things: their `struct vv_result`, a reply, a buffer for requests and an arena.
pub const RESULT: u32 = 64;
pub const REPLY: u32 = 256;
pub const REQUEST: u32 = 65536;
pub const ARENA: u32 = 131072;

/// A body of `vv_invoke` that returns the first column of the batch as the result.
pub const ECHO: &str = "
    (i32.store (i32.const 76) (i32.load (i32.load offset=44 (local.get $arena))))
    (i32.const 64)";

/// A body that runs for ever.
pub const LOOP: &str = "(loop $again (br $again)) (unreachable)";

/// A body that sleeps for an hour in the host.
pub const SLEEP: &str = "
    (i64.store (i32.const 1048) (i64.const 3600000000000))
    (i32.store (i32.const 1040) (i32.const 1))
    (drop (call $poll (i32.const 1024) (i32.const 1200) (i32.const 1) (i32.const 1300)))
    (i32.const 64)";

/// A guest that answers every control request with `{}` and whose functions return their first column, but for what a
/// test changes. Bodies are WAT.
pub struct Guest {
    pub imports: String,
    pub declarations: String,
    pub abi_version: i32,
    pub alloc: String,
    /// What a control request after `start` does.
    pub control: String,
    /// What `start` does before it succeeds.
    pub start: String,
    pub batch: String,
    pub invoke: String,
    pub reply: String,
    /// Pages of 64 KiB.
    pub memory: u32,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            imports: String::new(),
            declarations: String::new(),
            abi_version: 2,
            alloc: format!("(i32.const {REQUEST})"),
            control: format!("(i32.const {RESULT})"),
            start: String::new(),
            batch: format!("(i32.const {ARENA})"),
            invoke: ECHO.into(),
            reply: "{}".into(),
            memory: 8,
        }
    }
}

impl Guest {
    pub fn wat(&self) -> String {
        let Self { imports, declarations, abi_version, alloc, control, start, batch, invoke, reply, memory } = self;
        // The reply's address and length in the result, as little-endian bytes of a string.
        let word = |value: u32| value.to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat();
        let reply_bytes: String = reply.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        let result = format!("{}{}{}{}{}{}", word(0), word(REPLY), word(reply.len() as u32), word(0), word(0), word(0));
        format!(
            r#"(module
              (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
              (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
              (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
              (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
              {imports}
              (memory (export "memory") {memory})
              (data (i32.const {RESULT}) "{result}")
              (data (i32.const {REPLY}) "{reply_bytes}")
              (global $started (mut i32) (i32.const 0))
              {declarations}
              (func (export "vv_abi_version") (result i32) (i32.const {abi_version}))
              (func (export "vv_alloc") (param $size i32) (result i32) {alloc})
              (func (export "vv_free") (param i32))
              (func (export "vv_control") (param $request i32) (param $length i32) (result i32)
                (if (i32.eqz (global.get $started)) (then
                  (global.set $started (i32.const 1))
                  {start}
                  (return (i32.const {RESULT}))))
                {control})
              (func (export "vv_batch") (param $size i32) (result i32) {batch})
              (func (export "vv_invoke") (param $handle i32) (param $op i32) (param $arena i32) (result i32) {invoke}))"#
        )
    }

    pub fn wasm(&self) -> Vec<u8> {
        wat::parse_str(self.wat()).expect("a guest of this test is not valid WAT")
    }

    pub fn image(&self) -> Image {
        self.image_in(&runtime())
    }

    pub fn image_in(&self, runtime: &Runtime) -> Image {
        Image::from_wasm_bytes(runtime, &self.wasm()).expect("a guest of this test is not usable")
    }
}

/// A small runtime.
pub fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig::default().with_sandboxes(8)).unwrap()
}

/// Limits that a test reaches quickly.
pub fn limits() -> Limits {
    Limits::default()
        .with_memory(4 << 20)
        .with_batch_time(Duration::from_millis(50))
        .with_startup_time(Duration::from_millis(500))
        .with_batch_bytes(1 << 20)
        .with_reply_bytes(64 << 10)
}

pub fn config() -> SandboxConfig {
    config_with(limits())
}

pub fn config_with(limits: Limits) -> SandboxConfig {
    SandboxConfig::default().with_task(TaskAccount::local()).with_limits(limits)
}

pub fn column() -> ArrayRef {
    Arc::new(Int64Array::from(vec![Some(1), None, Some(3)]))
}

//! Runs a program of WASI preview 1, a WebAssembly module with the export `_start`, in a world of its own.
//!
//! ```sh
//! cargo run --package vivarium-wasi --example run_module -- MODULE.wasm ARGUMENTS...
//! cargo run --package vivarium-wasi --example run_module         # a small one that is in this file
//! ```
//!
//! It reads what is piped in, writes to the standard streams, sees the current directory as `/env`, read-only, and has 1 MiB in `/tmp`.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use vivarium_wasi::{Exit, OutputSink, ScratchLimits, Stdin, WasiConfig, WasiCtx, add_to_linker};
use wasmtime::{Engine, Linker, Module, Result, Store};

/// Writes a line to descriptor 1.
const SMALL: &str = r#"
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "Hello from behind glass.\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 25))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
"#;

/// One of this process's streams.
struct Stream<W>(W);

impl<W: Write + Send> OutputSink for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (bytes, input) = match arguments.first() {
        Some(path) => {
            let mut input = Vec::new();
            io::stdin().read_to_end(&mut input)?;
            (std::fs::read(path)?, input)
        }
        None => (wat::parse_str(SMALL)?, Vec::new()),
    };
    let config = WasiConfig::default()
        .with_args(arguments)
        .with_variables(vec![("TMPDIR".to_owned(), "/tmp".to_owned())])
        .with_environment(Some(Arc::new(Dir::open_ambient_dir(".", ambient_authority())?)))
        .with_scratch(ScratchLimits::default().with_bytes(1 << 20))
        .with_stdin(Stdin::Bytes(input.into()))
        .with_stdout(Box::new(Stream(io::stdout())))
        .with_stderr(Box::new(Stream(io::stderr())));

    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |context: &mut WasiCtx| context)?;
    let mut store = Store::new(&engine, WasiCtx::new(config)?);
    let instance = linker.instantiate_async(&mut store, &Module::new(&engine, bytes)?).await?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    match start.call_async(&mut store, ()).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => match error.downcast_ref::<Exit>() {
            Some(Exit(status)) => Ok(ExitCode::from(status.to_le_bytes()[0])),
            None => Err(error),
        },
    }
}

//! Runs a command of preview 1 on our WASI, or on `wasmtime-wasi`, for `testsuite.py`.
//!
//! Such a command sees one directory, `/`, that it may write. Ours has no directory of the host that can be written, so the tree is
//! copied into `/tmp` first, by calls of the same kind as the command's; then `/tmp` becomes descriptor 3, and says that it is `/`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use vivarium_wasi::{Exit, OutputSink, WasiConfig, WasiCtx};
use wasi_oracle::functions::forwarding_module;
use wasmtime::{AsContextMut, Caller, Engine, Extern, Instance, Linker, Module, Result, Store, Val, bail};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

/// Descriptors of ours: `/env`, and `/tmp`.
const ENV: u32 = 3;
const TMP: u32 = 4;

/// Where the forwarding module's memory has a path, vectors, bytes and results.
const PATH: u32 = 1024;
const VECTORS: u32 = 8192;
const DATA: u32 = 16384;
const OUT: u32 = 8;

struct Arguments {
    theirs: bool,
    directory: Option<PathBuf>,
    variables: Vec<(String, String)>,
    module: PathBuf,
    /// The module's name first.
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: wasi-run [--theirs] [--dir DIRECTORY] [--env NAME=VALUE]... MODULE [ARGUMENT]...");
        return ExitCode::from(2);
    };
    let executor = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("an executor");
    let ended = executor.block_on(async {
        match arguments.theirs {
            true => theirs(arguments).await,
            false => ours(arguments).await,
        }
    });
    match ended {
        Ok(status) => ExitCode::from(status as u8),
        Err(error) => {
            eprintln!("{error:?}");
            ExitCode::from(134)
        }
    }
}

async fn theirs(arguments: Arguments) -> Result<i32> {
    let engine = Engine::default();
    let mut builder = WasiCtxBuilder::new();
    builder.args(&arguments.arguments).envs(&arguments.variables).inherit_stdout().inherit_stderr();
    builder.allow_blocking_current_thread(true);
    if let Some(directory) = &arguments.directory {
        builder.preopened_dir(directory, "/", FsPerms::ReadWrite)?;
    }
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_async(&mut linker, |context: &mut WasiP1Ctx| context)?;
    let mut store = Store::new(&engine, builder.build_p1());
    let exit = |error: &wasmtime::Error| error.downcast_ref::<I32Exit>().map(|exit| exit.0);
    start(&linker, &mut store, &arguments.module, exit).await
}

async fn ours(arguments: Arguments) -> Result<i32> {
    let engine = Engine::default();
    let config = WasiConfig::default()
        .with_stdout(Box::new(Stream(io::stdout())))
        .with_stderr(Box::new(Stream(io::stderr())))
        .with_args(arguments.arguments)
        .with_variables(arguments.variables);
    let state = WasiCtx::new(config)?;
    let mut linker = Linker::new(&engine);
    vivarium_wasi::add_to_linker(&mut linker, |context: &mut WasiCtx| context)?;
    let mut store = Store::new(&engine, state);
    let helper = Helper(linker.instantiate_async(&mut store, &forwarding_module(&engine)?).await?);
    match &arguments.directory {
        Some(directory) => {
            helper.copy(&mut store, directory, "").await?;
            helper.expect(&mut store, "fd_renumber", &[TMP, ENV].map(u64::from)).await?;
        }
        None => {
            for fd in [ENV, TMP] {
                helper.expect(&mut store, "fd_close", &[fd.into()]).await?;
            }
        }
    }
    say_root(&mut linker, helper)?;
    let exit = |error: &wasmtime::Error| error.downcast_ref::<Exit>().map(|exit| exit.0);
    start(&linker, &mut store, &arguments.module, exit).await
}

/// Calls `_start`, and returns the status the command ended with.
async fn start<T: Send + 'static>(
    linker: &Linker<T>,
    store: &mut Store<T>,
    module: &Path,
    exit: fn(&wasmtime::Error) -> Option<i32>,
) -> Result<i32> {
    let module = Module::from_binary(linker.engine(), &std::fs::read(module)?)?;
    let instance = linker.instantiate_async(&mut *store, &module).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    match start.call_async(&mut *store, ()).await {
        Ok(()) => Ok(0),
        Err(error) => exit(&error).ok_or(error),
    }
}

/// Lets a preopen be called `/`, whatever its name.
fn say_root(linker: &mut Linker<WasiCtx>, helper: Helper) -> Result<()> {
    linker.allow_shadowing(true);
    let module = "wasi_snapshot_preview1";
    linker.func_wrap_async(
        module,
        "fd_prestat_get",
        move |mut caller: Caller<'_, WasiCtx>, (fd, out): (u32, u32)| {
            Box::new(async move {
                let status = helper.call(&mut caller, "fd_prestat_get", &[u64::from(fd), u64::from(OUT)]).await?;
                if status == 0 {
                    // The kind, a directory, and the length of its name.
                    put(&mut caller, out, &[0, 0, 0, 0, 1, 0, 0, 0])?;
                }
                Result::Ok(status)
            })
        },
    )?;
    linker.func_wrap_async(
        module,
        "fd_prestat_dir_name",
        move |mut caller: Caller<'_, WasiCtx>, (fd, buffer, length): (u32, u32, u32)| {
            Box::new(async move {
                // Of the right length, so that what is wrong with the descriptor is what is said.
                let room = if length == 0 { 0 } else { 255 };
                let arguments = [u64::from(fd), u64::from(DATA), room];
                let status = helper.call(&mut caller, "fd_prestat_dir_name", &arguments).await?;
                if status == 0 {
                    put(&mut caller, buffer, b"/")?;
                }
                Result::Ok(status)
            })
        },
    )?;
    Ok(())
}

fn put(caller: &mut Caller<'_, WasiCtx>, address: u32, bytes: &[u8]) -> Result<()> {
    let Some(memory) = caller.get_export("memory").and_then(Extern::into_memory) else {
        bail!("the command has no memory")
    };
    Ok(memory.write(caller, address as usize, bytes)?)
}

/// The forwarding module beside the command, on the same descriptors.
#[derive(Clone, Copy)]
struct Helper(Instance);

impl Helper {
    async fn call(
        self,
        mut store: impl AsContextMut<Data = WasiCtx>,
        function: &str,
        arguments: &[u64],
    ) -> Result<u32> {
        let called = self.0.get_func(&mut store, function).expect("the module exports every function");
        let wide = wasi_oracle::functions::parameters(function).chars().map(|kind| kind == 'l');
        let values: Vec<_> = arguments
            .iter()
            .zip(wide)
            .map(|(&number, wide)| if wide { Val::I64(number.cast_signed()) } else { Val::I32(number as i32) })
            .collect();
        let mut results = [Val::I32(0)];
        called.call_async(&mut store, &values, &mut results).await?;
        Ok(results[0].unwrap_i32() as u32)
    }

    async fn expect(self, store: impl AsContextMut<Data = WasiCtx>, function: &str, arguments: &[u64]) -> Result<()> {
        match self.call(store, function, arguments).await? {
            0 => Ok(()),
            status => bail!("{function}: {}", wasi_oracle::errno::name(status as u16)),
        }
    }

    fn write(self, store: &mut Store<WasiCtx>, address: u32, bytes: &[u8]) -> Result<()> {
        let memory = self.0.get_memory(&mut *store, "memory").expect("the module exports its memory");
        Ok(memory.write(store, address as usize, bytes)?)
    }

    /// Copies a directory's content below a path of `/tmp`.
    async fn copy(self, store: &mut Store<WasiCtx>, directory: &Path, below: &str) -> Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { bail!("{} is not UTF-8", entry.path().display()) };
            let path = format!("{below}{name}");
            self.write(store, PATH, path.as_bytes())?;
            let place = [TMP, PATH, path.len() as u32].map(u64::from);
            if entry.file_type()?.is_dir() {
                self.expect(&mut *store, "path_create_directory", &place).await?;
                Box::pin(self.copy(store, &entry.path(), &format!("{path}/"))).await?;
                continue;
            }
            let [fd, address, length] = place;
            let (create, write) = (1, 1 << 6);
            self.expect(&mut *store, "path_open", &[fd, 0, address, length, create, write, 0, 0, OUT.into()]).await?;
            let memory = self.0.get_memory(&mut *store, "memory").expect("the module exports its memory");
            let fd = memory.data(&store)[OUT as usize..].first_chunk().map_or(0, |number| u32::from_le_bytes(*number));
            // The files of the suite are small.
            let content = std::fs::read(entry.path())?;
            self.write(store, DATA, &content)?;
            self.write(store, VECTORS, &[DATA.to_le_bytes(), (content.len() as u32).to_le_bytes()].concat())?;
            self.expect(&mut *store, "fd_write", &[fd, VECTORS, 1, OUT].map(u64::from)).await?;
            self.expect(&mut *store, "fd_close", &[fd.into()]).await?;
        }
        Ok(())
    }
}

struct Stream<W>(W);

impl<W: Write + Send> OutputSink for Stream<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).and_then(|()| self.0.flush())
    }
}

fn arguments() -> Option<Arguments> {
    let mut given = std::env::args().skip(1);
    let (mut theirs, mut directory, mut variables) = (false, None, Vec::new());
    loop {
        let argument = given.next()?;
        match argument.as_str() {
            "--theirs" => theirs = true,
            "--dir" => directory = Some(PathBuf::from(given.next()?)),
            "--env" => {
                let variable = given.next()?;
                let (name, value) = variable.split_once('=')?;
                variables.push((name.to_owned(), value.to_owned()));
            }
            _ => {
                let arguments = std::iter::once(argument.clone()).chain(given).collect();
                return Some(Arguments { theirs, directory, variables, module: argument.into(), arguments });
            }
        }
    }
}

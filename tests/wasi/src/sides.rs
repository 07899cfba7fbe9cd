//! The two sides: the same world, made with our WASI and with `wasmtime-wasi`.
//!
//! Descriptor 3 is `/env`, a directory of the host that may be read, the same one for both; 4 is `/tmp`, which may be written: ours in
//! memory, theirs a directory of the host of its own. Limits of ours that the other side does not have are set out of reach.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tempfile::TempDir;
use vivarium_wasi::{Capture, Exit, ScratchLimits, Stdin, WasiConfig, WasiCtx, WasiLimits};
use wasmtime::{Engine, Linker, Module};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtxBuilder};

use crate::functions::forwarding_module;
use crate::guest::Guest;

const ARGUMENTS: [&str; 3] = ["program", "", "--option=\u{e9}"];
const VARIABLES: [(&str, &str); 3] = [("HOME", "/tmp"), ("EMPTY", ""), ("TWO", "a=b\n")];
const INPUT: &[u8] = b"what comes from standard input\nand a second line\n";

/// Most bytes of standard output or error that a sequence may write.
const OUTPUT: usize = 1 << 20;

/// When everything in `/env` was made: in 1985, long before anything a sequence makes.
pub const ENV_TIME: Duration = Duration::from_secs(500_000_000);

/// What all sequences share: compiled code, and `/env`.
pub struct World {
    module: Module,
    ours: Linker<WasiCtx>,
    theirs: Linker<WasiP1Ctx>,
    environment: TempDir,
}

/// What one side of a sequence wrote to standard output and error.
pub trait Written {
    /// The bytes of standard output, then of standard error.
    fn written(&self) -> [Vec<u8>; 2];
}

impl World {
    /// Compiles the module and makes `/env`.
    ///
    /// # Errors
    /// When code cannot be compiled.
    ///
    /// # Panics
    /// When there is no temporary directory.
    pub fn new() -> wasmtime::Result<Self> {
        let engine = Engine::default();
        let module = forwarding_module(&engine)?;
        let (mut ours, mut theirs) = (Linker::new(&engine), Linker::new(&engine));
        vivarium_wasi::add_to_linker(&mut ours, |context: &mut WasiCtx| context)?;
        p1::add_to_linker_async(&mut theirs, |context: &mut WasiP1Ctx| context)?;
        let environment = temporary();
        environment_tree(environment.path()).expect("the tree of /env can be made");
        Ok(World { module, ours, theirs, environment })
    }

    /// An instance with our WASI.
    ///
    /// # Errors
    /// When there is no room for it.
    pub async fn ours(&self) -> wasmtime::Result<(Guest<WasiCtx>, impl Written + use<>)> {
        let outputs = [Capture::new(OUTPUT), Capture::new(OUTPUT)];
        let [stdout, stderr] = outputs.clone();
        let environment = Dir::open_ambient_dir(self.environment.path(), ambient_authority())?;
        let scratch =
            ScratchLimits::default().with_bytes(1 << 30).with_files(1 << 20).with_file_bytes(i64::MAX.cast_unsigned());
        let limits = WasiLimits::default().with_open_files(1 << 10).with_host_files(1 << 10).with_output(None);
        let config = WasiConfig::default()
            .with_environment(Some(Arc::new(environment)))
            .with_scratch(scratch)
            .with_limits(limits)
            .with_stdin(Stdin::Bytes(INPUT.into()))
            .with_stdout(Box::new(stdout))
            .with_stderr(Box::new(stderr))
            .with_args(ARGUMENTS.map(str::to_owned).to_vec())
            .with_variables(VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let state = WasiCtx::new(config)?;
        let exit = |error: &wasmtime::Error| error.downcast_ref::<Exit>().map(|exit| exit.0);
        Ok((Guest::new(&self.module, &self.ours, state, exit).await?, outputs))
    }

    /// An instance with `wasmtime-wasi`, whose `/tmp` is this directory.
    ///
    /// # Errors
    /// When the directories cannot be opened.
    pub async fn theirs(&self, tmp: &Path) -> wasmtime::Result<(Guest<WasiP1Ctx>, impl Written + use<>)> {
        let outputs = [MemoryOutputPipe::new(OUTPUT), MemoryOutputPipe::new(OUTPUT)];
        let [stdout, stderr] = outputs.clone();
        let mut builder = WasiCtxBuilder::new();
        builder.allow_blocking_current_thread(true);
        builder.args(&ARGUMENTS).envs(&VARIABLES).stdin(MemoryInputPipe::new(INPUT)).stdout(stdout).stderr(stderr);
        builder.preopened_dir(self.environment.path(), "/env", FsPerms::ReadOnly)?;
        builder.preopened_dir(tmp, "/tmp", FsPerms::ReadWrite)?;
        let exit = |error: &wasmtime::Error| error.downcast_ref::<I32Exit>().map(|exit| exit.0);
        Ok((Guest::new(&self.module, &self.theirs, builder.build_p1(), exit).await?, outputs))
    }
}

/// A directory for one sequence: in memory where that is possible, since a disk takes its time over each file and gives the number of
/// one that is gone to the next.
///
/// # Panics
/// When none can be made.
pub fn temporary() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary directory")
}

/// Files, directories, and links to everything that links can lead to.
fn environment_tree(root: &Path) -> io::Result<()> {
    let time = SystemTime::UNIX_EPOCH + ENV_TIME;
    let times = FileTimes::new().set_accessed(time).set_modified(time);
    fs::create_dir_all(root.join("b/b"))?;
    for (path, content) in [("a", "a file of the environment\n"), ("b/a", "one below\n"), ("b/b/c", "")] {
        fs::write(root.join(path), content)?;
        File::options().write(true).open(root.join(path))?.set_times(times)?;
    }
    for (path, text) in
        [("c", "a"), ("d", "b"), ("b/d", "../a"), ("e", "/a"), ("f", "../../a"), ("g", "nothing"), ("h", "h")]
    {
        symlink(text, root.join(path))?;
    }
    for path in ["b/b", "b", "."] {
        File::open(root.join(path))?.set_times(times)?;
    }
    Ok(())
}

impl Written for [Capture; 2] {
    fn written(&self) -> [Vec<u8>; 2] {
        self.each_ref().map(Capture::take)
    }
}

impl Written for [MemoryOutputPipe; 2] {
    fn written(&self) -> [Vec<u8>; 2] {
        self.each_ref().map(|pipe| pipe.contents().to_vec())
    }
}

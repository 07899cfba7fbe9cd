//! Calls of WASI with any numbers, from an instance with a linear memory, on a small tree.

use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures::executor::block_on;
use vivarium_wasi::{
    Account, Clock, Exit, Random, ScratchLimits, Stdin, WasiAccounts, WasiConfig, WasiCtx, WasiLimits, add_to_linker,
};
use wasmtime::{Config, Engine, Linker, Module, Store};

use super::functions::{FUNCTIONS, MEMORY, imports, parameters};

/// Where memory has a list of calls: their function and nine arguments, of 64 bits each.
const CALLS: u32 = 0x8000;
const CALL_BYTES: u32 = 80;

/// Most calls of an input.
const MOST: usize = 64;

/// What a byte stands for as an argument: numbers at which readers of lengths, counts and addresses go wrong, and addresses and lengths of
/// what is in memory (`furnish`). Small bytes stand for themselves.
const ARGUMENTS: [u64; 32] = [
    0x1000,
    0x1001,
    0x1008,
    0x1010,
    0x1020,
    0x1080,
    0x1100,
    0x1200, // paths and texts
    0x2000,
    0x2008,
    0x2010,
    0x2018,
    0x2030,
    0x2060, // vectors and subscriptions
    0x3000,
    0x3004,
    0x3100,
    0x4000, // room
    0x7f,
    0xff,
    0x100,
    0x1000 * 4 + 1,
    0xffff,
    0x1_0000, // lengths
    i32::MAX as u64,
    u32::MAX as u64,
    u32::MAX as u64 - 7,
    1 << 31, // what leaves memory
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
    u64::MAX - 1,
];

struct World {
    module: Module,
    linker: Linker<WasiCtx>,
    environment: Arc<Dir>,
    /// What `environment` is a handle of.
    _folder: tempfile::TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let engine = Engine::new(Config::new().async_stack_size(1 << 20).max_wasm_stack(1 << 18)).expect("an engine");
    let module = Module::new(&engine, wat::parse_str(interpreter()).expect("the text is a module"))
        .expect("the module is compiled");
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker, |context: &mut WasiCtx| context).expect("names are defined once");
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(folder.path().join("b")).expect("a directory");
    std::fs::write(folder.path().join("b/a"), "one below").expect("a file");
    std::fs::write(folder.path().join("a"), "a file of the environment").expect("a file");
    for (path, text) in [("c", "a"), ("d", "b"), ("e", "/etc"), ("f", "../.."), ("g", "g")] {
        std::os::unix::fs::symlink(text, folder.path().join(path)).expect("a link");
    }
    let environment = Dir::open_ambient_dir(folder.path(), ambient_authority()).expect("the directory");
    World { module, linker, environment: Arc::new(environment), _folder: folder }
});

/// A module that carries out the list of calls at [`CALLS`]: `run` takes their number.
fn interpreter() -> String {
    // Writing to a String does not fail.
    let mut text = format!("(module\n{}", imports());
    text += "(memory (export \"memory\") 1)\n(func (export \"run\") (param $count i32) (local $call i32)\n";
    let _ = writeln!(text, "(local.set $call (i32.const {CALLS}))\n(loop $next (if (local.get $count) (then");
    for (index, (name, parameters)) in FUNCTIONS.into_iter().enumerate() {
        let mut call = format!("(call ${name}");
        for (place, kind) in (1..).zip(parameters.chars()) {
            let load = if kind == 'l' { "i64.load" } else { "i32.load" };
            let _ = write!(call, " ({load} offset={} (local.get $call))", place * 8);
        }
        call.push(')');
        let call = if name == "proc_exit" { call } else { format!("(drop {call})") };
        let _ = writeln!(text, "(if (i32.eq (i32.load (local.get $call)) (i32.const {index})) (then {call}))");
    }
    let _ = writeln!(text, "(local.set $call (i32.add (local.get $call) (i32.const {CALL_BYTES})))");
    text += "(local.set $count (i32.sub (local.get $count) (i32.const 1)))\n(br $next)))))\n)";
    text
}

/// Carries out calls. Nothing panics or traps, limits hold, and what was charged is given back.
pub fn wasi(bytes: &[u8]) {
    let [scratch_bytes, scratch_files, host_files, host_memory] =
        [1 << 20, 100, 4, 1 << 10].map(|limit| Arc::new(Account::new(limit)));
    let accounts = WasiAccounts::default()
        .with_scratch_bytes(Some(Arc::clone(&scratch_bytes)))
        .with_scratch_files(Some(Arc::clone(&scratch_files)))
        .with_host_files(vec![Arc::clone(&host_files)])
        .with_host_memory(Some(Arc::clone(&host_memory)));
    let config = WasiConfig::default()
        .with_environment(Some(Arc::clone(&WORLD.environment)))
        .with_scratch(ScratchLimits::default().with_bytes(64 << 10).with_files(20))
        .with_accounts(accounts)
        .with_limits(WasiLimits::default().with_open_files(12).with_host_files(3))
        .with_stdin(Stdin::Bytes(b"what comes from standard input"[..].into()))
        .with_clock(Clock::Fixed(1_700_000_000_000_000_000))
        .with_random(Random::Seeded(1))
        .with_args(vec!["program".to_owned(), "x".to_owned()])
        .with_variables(vec![("HOME".to_owned(), "/tmp".to_owned())]);
    let mut store = Store::new(WORLD.module.engine(), WasiCtx::new(config).expect("the configuration is valid"));
    let outcome = block_on(async {
        let instance =
            WORLD.linker.instantiate_async(&mut store, &WORLD.module).await.expect("all imports are defined");
        let memory = instance.get_memory(&mut store, "memory").expect("the module has a memory");
        let count = furnish(memory.data_mut(&mut store), bytes);
        let run = instance.get_typed_func::<u32, ()>(&mut store, "run").expect("the module exports it");
        run.call_async(&mut store, count).await
    });
    if let Err(error) = outcome {
        assert!(error.is::<Exit>(), "a call ended the guest: {error:?}");
    }
    let context = store.data();
    let usage = context.scratch_usage();
    assert!(usage.peak_bytes <= 64 << 10 && usage.peak_files <= 20, "{usage:?}");
    assert!(context.open_files() <= 12 && host_files.used() <= 3, "{context:?}, {} of the host", host_files.used());
    drop(store);
    let left = [scratch_bytes, scratch_files, host_files, host_memory].map(|account| account.used());
    assert_eq!(left, [0; 4], "what was charged is given back");
}

/// Writes paths, texts, vectors and subscriptions, and the calls of the input; returns how many those are.
fn furnish(memory: &mut [u8], mut input: &[u8]) -> u32 {
    assert_eq!(memory.len(), MEMORY as usize);
    let mut put = |address: usize, bytes: &[u8]| memory[address..address + bytes.len()].copy_from_slice(bytes);
    put(0x1000, b"a/b/c/d\0./../a/");
    put(0x1010, b"b/a/../../a\xff\xffc/d");
    put(0x1080, b"/tmp/a\0/env/a\0/etc");
    put(0x1100, b"\xc3\xa9\xc3");
    put(0x1200, &[b'n'; 256]);
    // Vectors: three of some bytes each, one that overlaps them, one outside.
    for (index, [address, length]) in
        [[0x3000_u32, 5], [0x3100, 300], [0x4000, 4096], [0x2000, 40], [u32::MAX, 2]].into_iter().enumerate()
    {
        put(0x2000 + 8 * index, &address.to_le_bytes());
        put(0x2004 + 8 * index, &length.to_le_bytes());
    }
    // Subscriptions: a clock, standard input, a file.
    put(0x2030 + 8, &[0]);
    put(0x2030 + 24, &1000_u64.to_le_bytes());
    put(0x2060 + 8, &[1]);
    put(0x2090 + 8, &[2]);
    put(0x2090 + 16, &[5]);
    let mut count = 0;
    while let Some((&function, rest)) = input.split_first()
        && count < MOST
    {
        input = rest;
        let at = CALLS as usize + count * CALL_BYTES as usize;
        let Some((name, _)) = FUNCTIONS.get(usize::from(function)) else {
            // A byte of memory is changed: two bytes say which, below the calls.
            if let Some((&[low, high, byte], rest)) = input.split_first_chunk() {
                memory[usize::from(u16::from_le_bytes([low, high])) % CALLS as usize] = byte;
                input = rest;
            }
            continue;
        };
        memory[at..at + 8].copy_from_slice(&u64::from(function).to_le_bytes());
        for place in 1..=parameters(name).len() {
            let (&byte, rest) = input.split_first().unwrap_or((&0, &[]));
            input = rest;
            let table = usize::from(byte).checked_sub(0x80).and_then(|index| ARGUMENTS.get(index));
            let number = table.copied().unwrap_or(u64::from(byte));
            memory[at + 8 * place..at + 8 * place + 8].copy_from_slice(&number.to_le_bytes());
        }
        count += 1;
    }
    count as u32
}

pub fn seeds() -> Vec<Vec<u8>> {
    let call = |name: &str, arguments: &[u8]| {
        let index = FUNCTIONS.iter().position(|(function, _)| *function == name).expect("a function of preview 1");
        assert_eq!(arguments.len(), parameters(name).len(), "{name}");
        [&[index as u8], arguments].concat()
    };
    // 0x80 + n: the n-th of ARGUMENTS. 0x80: paths; 0x88: vectors; 0x8e: room.
    let open = |kind: u8, flags: u8| call("path_open", &[4, 1, 0x80, 1, kind, 0x42, 0, flags, 0x8e]);
    let opened = || open(1, 0);
    vec![
        [
            opened(),
            call("fd_write", &[5, 0x88, 2, 0x8e]),
            call("fd_seek", &[5, 0, 0, 0x8e]),
            call("fd_read", &[5, 0x88, 3, 0x8e]),
        ]
        .concat(),
        [
            call("path_create_directory", &[4, 0x82, 1]),
            call("path_open", &[4, 0, 0x82, 1, 2, 2, 0, 0, 0x8e]),
            call("fd_readdir", &[5, 0x91, 0x93, 0, 0x8e]),
        ]
        .concat(),
        [
            opened(),
            call("path_rename", &[4, 0x80, 1, 4, 0x81, 2]),
            call("path_link", &[4, 0, 0x80, 1, 4, 0x83, 1]),
            call("path_unlink_file", &[4, 0x80, 1]),
        ]
        .concat(),
        [
            call("path_symlink", &[0x80, 3, 4, 0x83, 1]),
            call("path_readlink", &[4, 0x83, 1, 0x91, 0x92, 0x8e]),
            call("path_filestat_get", &[4, 1, 0x83, 1, 0x91]),
        ]
        .concat(),
        [
            call("path_open", &[3, 1, 0x80, 1, 0, 2, 0, 0, 0x8e]),
            call("fd_pread", &[5, 0x88, 1, 3, 0x8e]),
            call("fd_readdir", &[3, 0x91, 30, 0, 0x8e]),
        ]
        .concat(),
        [
            opened(),
            call("fd_allocate", &[5, 0, 0x97]),
            call("fd_filestat_set_size", &[5, 0x98]),
            call("fd_filestat_set_times", &[5, 9, 9, 5]),
            call("fd_renumber", &[5, 4]),
        ]
        .concat(),
        [
            call("poll_oneoff", &[0x8c, 0x91, 3, 0x8e]),
            call("random_get", &[0x91, 16]),
            call("clock_time_get", &[0, 0, 0x8e]),
            call("args_get", &[0x8e, 0x91]),
            call("proc_exit", &[3]),
        ]
        .concat(),
    ]
}

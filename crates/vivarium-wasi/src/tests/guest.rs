//! A WebAssembly module whose exports are its imports, so that a test makes WASI calls as a guest does: through a
//! linker, from an instance, with a linear memory.

use std::sync::LazyLock;

use wasmtime::{Engine, Instance, Linker, Module, Store, Val, ValType};

use super::functions::FUNCTIONS;
use crate::{Exit, WasiConfig, WasiCtx, add_to_linker};

/// Bytes of the guest's memory: two pages.
pub const MEMORY: u32 = 2 << 16;

static MODULE: LazyLock<Module> = LazyLock::new(|| {
    let mut text = String::from("(module\n");
    for (name, parameters) in FUNCTIONS {
        let types: Vec<_> = parameters.chars().map(|kind| if kind == 'l' { "i64" } else { "i32" }).collect();
        let parameters = format!("(param {})", types.join(" "));
        let result = if name == "proc_exit" { "" } else { "(result i32)" };
        text += &format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func $_{name} {parameters} {result}))\n");
    }
    text += "(memory (export \"memory\") 2)\n";
    for (name, parameters) in FUNCTIONS {
        let types: Vec<_> = parameters.chars().map(|kind| if kind == 'l' { "i64" } else { "i32" }).collect();
        let gets: String = (0..types.len()).map(|index| format!("(local.get {index})")).collect();
        let result = if name == "proc_exit" { "" } else { "(result i32)" };
        text += &format!("(func (export \"{name}\") (param {}) {result} (call $_{name} {gets}))\n", types.join(" "));
    }
    text += ")";
    Module::new(&Engine::default(), text_to_binary(&text)).expect("the module is valid")
});

pub fn text_to_binary(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text is valid")
}

/// An instance of the module and helpers to use its memory.
pub struct Guest {
    pub store: Store<WasiCtx>,
    pub instance: Instance,
}

/// Argument of a call; both widths are given as one number.
pub type Argument = i64;

impl Guest {
    pub async fn new(config: WasiConfig) -> Self {
        let context = WasiCtx::new(config).expect("the configuration is valid");
        let mut linker = Linker::new(MODULE.engine());
        add_to_linker(&mut linker, |context: &mut WasiCtx| context).expect("names are defined once");
        let mut store = Store::new(MODULE.engine(), context);
        let instance = linker.instantiate_async(&mut store, &MODULE).await.expect("all imports are defined");
        Guest { store, instance }
    }

    /// Calls a function and returns its status, or the error the call ended with.
    pub async fn try_call(&mut self, name: &str, arguments: &[Argument]) -> wasmtime::Result<u32> {
        let function = self.instance.get_func(&mut self.store, name).expect("the module exports every function");
        let kind = function.ty(&self.store);
        let values: Vec<_> = kind
            .params()
            .zip(arguments)
            .map(|(kind, &argument)| match kind {
                ValType::I64 => Val::I64(argument),
                _ => Val::I32(argument as i32),
            })
            .collect();
        let mut results = vec![Val::I32(0); kind.results().len()];
        function.call_async(&mut self.store, &values, &mut results).await?;
        Ok(results.first().map_or(0, |status| status.unwrap_i32() as u32))
    }

    /// Calls a function that is to return and returns its status.
    pub async fn call(&mut self, name: &str, arguments: &[Argument]) -> u32 {
        self.try_call(name, arguments).await.expect("the call returns")
    }

    /// The status `proc_exit` was called with.
    pub async fn exit(&mut self, code: Argument) -> Option<Exit> {
        let error = self.try_call("proc_exit", &[code]).await.expect_err("the call does not return");
        error.downcast_ref().copied()
    }

    pub fn write(&mut self, address: u32, bytes: &[u8]) {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("the module has a memory");
        memory.write(&mut self.store, address as usize, bytes).expect("the test stays in memory");
    }

    pub fn read(&mut self, address: u32, length: u32) -> Vec<u8> {
        let memory = self.instance.get_memory(&mut self.store, "memory").expect("the module has a memory");
        let mut bytes = vec![0; length as usize];
        memory.read(&self.store, address as usize, &mut bytes).expect("the test stays in memory");
        bytes
    }

    pub fn read_u32(&mut self, address: u32) -> u32 {
        u32::from_le_bytes(self.read(address, 4).try_into().expect("four bytes"))
    }

    pub fn read_u64(&mut self, address: u32) -> u64 {
        u64::from_le_bytes(self.read(address, 8).try_into().expect("eight bytes"))
    }

    /// Calls a function that takes a descriptor and a path, with further arguments behind them.
    pub async fn call_path(&mut self, name: &str, fd: u32, path: &str, rest: &[Argument]) -> u32 {
        self.write(PATH, path.as_bytes());
        let mut arguments = vec![Argument::from(fd), Argument::from(PATH), path.len() as Argument];
        arguments.extend(rest);
        self.call(name, &arguments).await
    }

    /// Opens a path, following links, and returns the status and the descriptor.
    pub async fn open(&mut self, fd: u32, path: &str, flags: u32, rights: u64) -> (u32, u32) {
        self.open_with(fd, 1, path, flags, rights, 0).await
    }

    pub async fn open_with(
        &mut self,
        fd: u32,
        lookup: u32,
        path: &str,
        flags: u32,
        rights: u64,
        fdflags: u32,
    ) -> (u32, u32) {
        self.write(PATH, path.as_bytes());
        let status = self
            .call(
                "path_open",
                &[
                    fd.into(),
                    lookup.into(),
                    PATH.into(),
                    path.len() as Argument,
                    flags.into(),
                    rights as Argument,
                    -1,
                    fdflags.into(),
                    OUT.into(),
                ],
            )
            .await;
        (status, self.read_u32(OUT))
    }

    /// Status and file type of a path.
    pub async fn stat(&mut self, fd: u32, lookup: u32, path: &str) -> (u32, u8, u64) {
        self.write(PATH, path.as_bytes());
        let arguments = [fd.into(), lookup.into(), PATH.into(), path.len() as Argument, OUT.into()];
        let status = self.call("path_filestat_get", &arguments).await;
        (status, self.read(OUT + 16, 1)[0], self.read_u64(OUT + 32))
    }

    /// Writes `data` to a descriptor and returns the status and the number of bytes written.
    pub async fn write_fd(&mut self, fd: u32, data: &[u8]) -> (u32, u32) {
        self.write(DATA, data);
        self.write_vectors(&[(DATA, data.len() as u32)]);
        let status = self.call("fd_write", &[fd.into(), VECTORS.into(), 1, OUT.into()]).await;
        (status, self.read_u32(OUT))
    }

    /// Reads up to `length` bytes from a descriptor.
    pub async fn read_fd(&mut self, fd: u32, length: u32) -> (u32, Vec<u8>) {
        self.write_vectors(&[(DATA, length)]);
        let status = self.call("fd_read", &[fd.into(), VECTORS.into(), 1, OUT.into()]).await;
        let read = if status == 0 { self.read_u32(OUT) } else { 0 };
        (status, self.read(DATA, read))
    }

    pub fn write_vectors(&mut self, vectors: &[(u32, u32)]) {
        let bytes: Vec<_> = vectors
            .iter()
            .flat_map(|(address, length)| [address.to_le_bytes(), length.to_le_bytes()].concat())
            .collect();
        self.write(VECTORS, &bytes);
    }

    /// The names in a directory, read with a buffer of the given size as wasi-libc does.
    pub async fn list(&mut self, fd: u32, buffer: u32) -> Vec<String> {
        let (mut names, mut cookie) = (Vec::new(), 0);
        loop {
            let arguments = [fd.into(), DATA.into(), buffer.into(), cookie as Argument, OUT.into()];
            assert_eq!(self.call("fd_readdir", &arguments).await, 0);
            let used = self.read_u32(OUT);
            let bytes = self.read(DATA, used);
            let mut rest = &bytes[..];
            while rest.len() >= 24 {
                let length = u32::from_le_bytes(rest[16..20].try_into().expect("four bytes")) as usize;
                let Some(name) = rest.get(24..24 + length) else { break };
                names.push(String::from_utf8(name.to_vec()).expect("names are UTF-8"));
                cookie = u64::from_le_bytes(rest[..8].try_into().expect("eight bytes"));
                rest = &rest[24 + length..];
            }
            if used < buffer {
                return names;
            }
        }
    }
}

/// Where the helpers put results, paths, vectors and data.
pub const OUT: u32 = 1024;
pub const PATH: u32 = 2048;
pub const VECTORS: u32 = 16 << 10;
pub const DATA: u32 = 32 << 10;

/// Descriptors of the preopens.
pub const ENV: u32 = 3;
pub const TMP: u32 = 4;

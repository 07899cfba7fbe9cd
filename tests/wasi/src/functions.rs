//! Preview 1's functions, and a module that passes every call on to them.

use std::fmt::Write;

use wasmtime::{Engine, Module};

/// Every function and its parameters, `i` for 32 and `l` for 64 bits. All but `proc_exit` return a status.
pub const FUNCTIONS: [(&str, &str); 46] = [
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_exit", "i"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// Bytes of the module's memory: one page.
pub const MEMORY: u32 = 1 << 16;

/// The parameters of a function.
///
/// # Panics
/// When there is no such function.
pub fn parameters(function: &str) -> &'static str {
    let found = FUNCTIONS.iter().find(|(name, _)| *name == function);
    found.unwrap_or_else(|| panic!("{function} is not of preview 1")).1
}

/// A module that imports every function and exports it again, with a memory of one page.
///
/// # Errors
/// When the engine cannot compile it.
pub fn forwarding_module(engine: &Engine) -> wasmtime::Result<Module> {
    let mut text = format!("(module\n{}(memory (export \"memory\") 1)\n", imports());
    for (name, parameters) in FUNCTIONS {
        let arguments: String = (0..parameters.len()).map(|index| format!("(local.get {index})")).collect();
        // Writing to a String does not fail.
        let _ = writeln!(text, "(func (export \"{name}\") {} (call ${name} {arguments}))", signature(name, parameters));
    }
    text += ")";
    Module::new(engine, wat::parse_str(text).expect("the text is a module"))
}

/// The imports of a module, in WebAssembly's text format: every function, under its name.
pub fn imports() -> String {
    let mut text = String::new();
    for (name, parameters) in FUNCTIONS {
        let signature = signature(name, parameters);
        let _ = writeln!(text, "(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {signature}))");
    }
    text
}

fn signature(name: &str, parameters: &str) -> String {
    let types: Vec<_> = parameters.chars().map(|kind| if kind == 'l' { "i64" } else { "i32" }).collect();
    let result = if name == "proc_exit" { "" } else { "(result i32)" };
    format!("(param {}) {result}", types.join(" "))
}

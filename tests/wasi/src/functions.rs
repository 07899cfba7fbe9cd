//! Preview 1's functions, and a module that passes every call on to them.

use std::fmt::Write;

use wasmtime::{Engine, Module};

#[path = "../../../crates/vivarium-wasi/src/tests/functions.rs"]
mod all;

pub use all::FUNCTIONS;

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

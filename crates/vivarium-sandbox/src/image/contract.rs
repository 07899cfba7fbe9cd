//! What a module must import and export to be a guest: `wasm-python/ABI.md`, as far as types can say it.

use wasmtime::{ExternType, FuncType, Module, ValType};

use super::ImageError;
use crate::host_call;

/// The version of the ABI this host implements.
pub(crate) const ABI_VERSION: i32 = 2;

/// The modules a guest may import from.
const MODULES: [&str; 2] = ["wasi_snapshot_preview1", host_call::MODULE];

/// Exported functions: name, number of parameters, number of results. All are 32-bit integers.
const FUNCTIONS: [(&str, usize, usize); 6] = [
    ("vv_abi_version", 0, 1),
    ("vv_alloc", 1, 1),
    ("vv_free", 1, 0),
    ("vv_control", 2, 1),
    ("vv_batch", 1, 1),
    ("vv_invoke", 3, 1),
];

pub(super) fn check(module: &Module) -> Result<(), ImageError> {
    for import in module.imports() {
        if !MODULES.contains(&import.module()) || !matches!(import.ty(), ExternType::Func(_)) {
            return Err(ImageError::Import { module: import.module().into(), name: import.name().into() });
        }
    }
    if module.get_export("vv_init").is_some() {
        return Err(ImageError::NotInitialised);
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) if !memory.is_64() && !memory.is_shared() => {}
        _ => return Err(ImageError::Export("memory")),
    }
    for (name, parameters, results) in FUNCTIONS {
        match module.get_export(name) {
            Some(ExternType::Func(function)) if has_type(&function, parameters, results) => {}
            _ => return Err(ImageError::Export(name)),
        }
    }
    Ok(())
}

fn has_type(function: &FuncType, parameters: usize, results: usize) -> bool {
    let is_i32 = |value: ValType| matches!(value, ValType::I32);
    function.params().len() == parameters
        && function.results().len() == results
        && function.params().all(is_i32)
        && function.results().all(is_i32)
}

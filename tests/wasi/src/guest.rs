//! An instance of the forwarding module on one side.

use std::collections::HashMap;

use wasmtime::{Func, Linker, Memory, Module, Store, Val, ValType};

use crate::functions::FUNCTIONS;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It returned this number of `errno`.
    Status(u16),
    /// It ended the guest with this status.
    Exit(i32),
    /// It ended the guest with an error of the host's.
    Trap(String),
}

impl Outcome {
    /// Whether it returned this number of `errno`.
    pub fn is(&self, status: u16) -> bool {
        *self == Outcome::Status(status)
    }

    /// Whether it succeeded.
    pub fn succeeded(&self) -> bool {
        self.is(0)
    }
}

/// An instance, with the state of its side's WASI in its store.
pub struct Guest<T: 'static> {
    store: Store<T>,
    memory: Memory,
    functions: HashMap<&'static str, Func>,
    exit: fn(&wasmtime::Error) -> Option<i32>,
}

impl<T: Send + 'static> Guest<T> {
    /// Makes an instance; `exit` finds the status of a guest that ended itself.
    ///
    /// # Errors
    /// When the linker lacks a function.
    pub async fn new(
        module: &Module,
        linker: &Linker<T>,
        state: T,
        exit: fn(&wasmtime::Error) -> Option<i32>,
    ) -> wasmtime::Result<Self> {
        let mut store = Store::new(module.engine(), state);
        let instance = linker.instantiate_async(&mut store, module).await?;
        let memory = instance.get_memory(&mut store, "memory").expect("the module exports its memory");
        let mut functions = HashMap::new();
        for (name, _) in FUNCTIONS {
            let function = instance.get_func(&mut store, name).expect("the module exports every function");
            functions.insert(name, function);
        }
        Ok(Guest { store, memory, functions, exit })
    }

    /// Calls a function. Numbers of 32 bits are cut from the arguments.
    pub async fn call(&mut self, function: &str, arguments: &[u64]) -> Outcome {
        let function = self.functions[function];
        let kind = function.ty(&self.store);
        let values: Vec<_> = kind
            .params()
            .zip(arguments)
            .map(|(kind, &argument)| match kind {
                ValType::I64 => Val::I64(argument.cast_signed()),
                _ => Val::I32(argument as i32),
            })
            .collect();
        let mut results = vec![Val::I32(0); kind.results().len()];
        match function.call_async(&mut self.store, &values, &mut results).await {
            Ok(()) => Outcome::Status(results.first().map_or(0, |status| status.unwrap_i32() as u16)),
            Err(error) => match (self.exit)(&error) {
                Some(status) => Outcome::Exit(status),
                None => Outcome::Trap(format!("{error:#}")),
            },
        }
    }

    /// The linear memory.
    pub fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    /// The state of its side's WASI.
    pub fn state(&mut self) -> &mut T {
        self.store.data_mut()
    }
}

//! The contenders: the sandbox, and what a user might choose instead.

mod built_in;
mod pipe;
mod sandbox;

pub use built_in::BuiltIn;
pub use pipe::Pipe;
pub use sandbox::Sandboxed;

use tokio::process::Command;

use crate::child::ChildContender;
use crate::contender::{Contender, NotRun};
use crate::workshop::Workshop;

/// The sandbox's name in results.
pub const SANDBOX: &str = "sandbox";
/// The sandbox again, without columns: CPython's interpreter does every row.
pub const ROW_BY_ROW: &str = "sandbox, row by row";
/// The sandbox's shim on native CPython, which runs functions as columns too.
pub const SAME_SHIM: &str = "native, same shim";
/// CPython in a Rust process.
pub const PYO3: &str = "pyo3";
/// The crate.
pub const ARROW_UDF: &str = "arrow-udf";
/// A worker process.
pub const PIPE: &str = "worker process";
/// NumPy.
pub const NUMPY: &str = "numpy";
/// Built-in SQL.
pub const DATAFUSION: &str = "DataFusion";
/// Flink with a worker process.
pub const FLINK_PROCESS: &str = "PyFlink process";
/// Flink with the interpreter in the JVM.
pub const FLINK_THREAD: &str = "PyFlink thread";

/// A contender, or why it cannot be had.
pub type Enlisted = Result<Box<dyn Contender>, (&'static str, NotRun)>;

/// The contenders that take turns with the sandbox, batch by batch, of those that are wanted. Others are not installed.
pub async fn enlist(workshop: &Workshop, wanted: impl Fn(&str) -> bool) -> Vec<Enlisted> {
    let mut enlisted = Vec::new();
    for name in [SAME_SHIM, PYO3, ARROW_UDF, PIPE, NUMPY, DATAFUSION] {
        if wanted(name) {
            enlisted.push(contender(workshop, name).await.map_err(|why| (name, why)));
        }
    }
    enlisted
}

async fn contender(workshop: &Workshop, name: &'static str) -> Result<Box<dyn Contender>, NotRun> {
    Ok(match name {
        SAME_SHIM => {
            let mut command = workshop.script(&workshop.python().await?, "same_shim.py");
            command.arg(workshop.sources());
            Box::new(ChildContender::new(name, command))
        }
        PYO3 => in_process(workshop, name, "pyo3").await?,
        ARROW_UDF => in_process(workshop, name, "arrow-udf").await?,
        PIPE => Box::new(Pipe::new(workshop, workshop.python().await?)),
        NUMPY => {
            let command = workshop.with_stand_in(workshop.script(&workshop.python().await?, "numpy_alone.py"));
            Box::new(ChildContender::new(name, command))
        }
        _ => Box::new(BuiltIn::default()),
    })
}

async fn in_process(workshop: &Workshop, name: &'static str, argument: &str) -> Result<Box<dyn Contender>, NotRun> {
    let mut command = workshop.with_stand_in(Command::new(workshop.in_process().await?));
    command.arg(argument).env("PYTHONHOME", workshop.native_home());
    Ok(Box::new(ChildContender::new(name, command)))
}

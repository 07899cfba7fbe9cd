//! Where Flink runs Python.

/// `python.execution-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionMode {
    /// Flink runs a Python process.
    Process,
    /// Flink embeds the interpreter.
    Thread,
}

impl ExecutionMode {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        match value {
            "process" => Some(Self::Process),
            "thread" => Some(Self::Thread),
            _ => None,
        }
    }
}

//! How an attack ended, in a form that can be compared.

use std::fmt;

use vivarium::Error;
use vivarium_sandbox::{GuestErrorKind, LimitKind};

/// What must come of an attack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// The call fails with this limit.
    Limit(LimitKind),
    /// The call fails with this Python exception.
    Raises(&'static str),
    /// The call fails with a report of this kind that is no exception of the code's own.
    Refused(GuestErrorKind),
    /// The attack returns, and this is the `repr` of what it returns.
    Returns(&'static str),
    /// The guest ends itself with this status; the host goes on.
    Exits(i32),
    /// The guest crashes; the host goes on.
    Crashes,
}

impl Ends {
    /// How a step of a function's life ended.
    pub fn matches(self, result: &Result<String, Error>) -> bool {
        match (self, result) {
            (Self::Returns(expected), Ok(returned)) => returned == expected,
            (Self::Limit(expected), Err(Error::Limit { error, .. })) => error.limit == expected,
            (Self::Raises(expected), Err(Error::Python(error))) => error.error.exception.as_deref() == Some(expected),
            (Self::Refused(expected), Err(Error::Python(error))) => error.error.kind == expected,
            (Self::Exits(expected), Err(Error::Sandbox { error: vivarium_sandbox::Error::Exit(status), .. })) => {
                *status == expected
            }
            (Self::Crashes, Err(Error::Sandbox { error, .. })) => {
                matches!(error, vivarium_sandbox::Error::Trap { .. })
            }
            _ => false,
        }
    }

    /// Whether the instance is gone afterwards.
    pub fn is_fatal(self) -> bool {
        use LimitKind as L;
        matches!(
            self,
            Self::Limit(L::BatchTime | L::StartupTime | L::CpuTime | L::Stack) | Self::Exits(_) | Self::Crashes
        )
    }

    /// What stops the attack, where the outcome says it.
    pub fn limit(self) -> Option<String> {
        match self {
            Self::Limit(LimitKind::Stack) => Some("`RuntimeConfig::wasm_stack`".to_owned()),
            Self::Limit(
                limit @ (LimitKind::TenantMemory | LimitKind::TenantHostMemory | LimitKind::TenantInstances),
            ) => Some(format!("`TenantLimits::{}`", limit.name())),
            Self::Limit(limit) => Some(format!("`Limits::{}`", limit.name())),
            _ => None,
        }
    }
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit(limit) => write!(f, "the call fails: limit `{}`", limit.name()),
            Self::Raises(exception) => write!(f, "raises `{exception}`"),
            Self::Refused(kind) => write!(f, "the call fails: {kind:?} error"),
            Self::Returns(value) => write!(f, "returns `{value}`"),
            Self::Exits(status) => write!(f, "the instance ends with status {status} and is replaced"),
            Self::Crashes => write!(f, "the instance crashes and is replaced"),
        }
    }
}

/// An outcome for a message about an unexpected one.
pub fn describe(result: &Result<String, Error>) -> String {
    match result {
        Ok(value) => format!("returned {}", shorten(value)),
        Err(Error::Python(error)) => {
            format!("raised {:?} ({:?}): {}", error.error.exception, error.error.kind, shorten(&error.error.message))
        }
        Err(error) => format!("failed: {}", shorten(&error.to_string())),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(500).collect()
}

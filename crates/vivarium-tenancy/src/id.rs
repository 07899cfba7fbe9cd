//! Names of tenants, jobs and tasks.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest identifier, in bytes.
const MAX_ID_BYTES: usize = 128;

/// A name that cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}: a {kind} is 1 to 128 letters, digits and the characters `.`, `_`, `-`, `:`, all ASCII")]
pub struct IdError {
    kind: &'static str,
    problem: String,
}

fn check_id(kind: &'static str, text: &str) -> Result<(), IdError> {
    let error = |problem| Err(IdError { kind, problem });
    if text.is_empty() {
        return error(format!("an empty {kind}"));
    }
    if text.len() > MAX_ID_BYTES {
        return error(format!("a {kind} of {} bytes", text.len()));
    }
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || ".-_:".contains(*c))) {
        Some(character) => error(format!("a {kind} with the character {character:?}")),
        None => Ok(()),
    }
}

macro_rules! id {
    ($name:ident, $kind:literal, $doc:literal) => {
        #[doc = $doc]
        ///
        /// 1 to 128 ASCII letters, digits and `.`, `_`, `-`, `:`, so that it can stand in a log line or a file name.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and keeps the identifier.
            ///
            /// # Errors
            /// [`IdError`] when it is empty, too long or has other characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                check_id($kind, text)?;
                Ok(Self(text.into()))
            }

            /// The identifier as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id!(TenantId, "tenant id", "Names a tenant: one customer of the platform, whose data no other may see.");
id!(JobId, "job id", "Names a job: one submitted program. Flink's JobIDs (32 hex digits) are valid.");
id!(TaskId, "task id", "Names a task: one parallel subtask of one operator of a job.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers() {
        for text in ["a", "local", "00000000000000000000000000000000", "a.b_c-d:e", &"x".repeat(128)] {
            assert_eq!(TenantId::new(text).unwrap().as_str(), text);
        }
        for text in ["", " ", "a b", "a/b", "..\n", "é", "\u{1b}[31m", &"x".repeat(129)] {
            assert!(JobId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(
            TaskId::new("a/b").unwrap_err().to_string(),
            "a task id with the character '/': a task id is 1 to 128 letters, digits and the characters `.`, `_`, `-`, `:`, all ASCII"
        );
    }
}

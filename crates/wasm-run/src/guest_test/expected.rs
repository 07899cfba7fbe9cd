//! The failures that are expected, each with its reason: `wasm-python/tests/conformance/*.json`.

use serde::Deserialize;

use super::pattern;

/// Tests that fail for one reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Why they fail and why that is right, or what would have to be done.
    pub reason: String,
    /// Ids of tests; `*` stands for any characters.
    pub tests: Vec<String>,
    /// They depend on chance or on the machine, so that passing is as good as failing.
    #[serde(default)]
    pub sometimes: bool,
    /// They are not run at all, because they never end or take too long. Ids without `*`.
    #[serde(default)]
    pub omit: bool,
}

impl Expected {
    /// The first of its patterns that stands for this test.
    pub fn matching(&self, test: &str) -> Option<&str> {
        self.tests.iter().map(String::as_str).find(|pattern| pattern::matches(pattern, test))
    }
}

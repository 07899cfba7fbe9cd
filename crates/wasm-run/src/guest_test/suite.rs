//! The suites of tests, and which of their modules are run.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use vivarium_guest::TestTrees;

use super::expected::Expected;
use crate::failure::Failure;

/// Whose tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// CPython's regression tests: the package `test`.
    Cpython,
    /// NumPy's tests: the `tests` folders of its packages.
    Numpy,
    /// pandas' tests: the package `pandas.tests`.
    Pandas,
}

/// How many of the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Subset {
    /// Those that run before every change lands.
    Ci,
    /// All that make sense in a sandbox.
    Full,
}

/// What a suite's file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    /// Modules of the subset `ci`, those that take longest first.
    ci: Vec<String>,
    /// Modules that `full` has besides.
    full: Vec<String>,
    expected: Vec<Expected>,
}

static CPYTHON: LazyLock<Lists> = LazyLock::new(|| parse("cpython.json"));
static NUMPY: LazyLock<Lists> = LazyLock::new(|| parse("numpy.json"));
static PANDAS: LazyLock<Lists> = LazyLock::new(|| parse("pandas.json"));

/// The lists are part of the program, and its tests read them.
fn parse(name: &str) -> Lists {
    let text = vivarium_guest::conformance_file(name).expect("the lists of tests are part of this program");
    serde_json::from_str(text).expect("the lists of tests are well-formed")
}

impl Suite {
    /// Its name on the command line and for the runner.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpython => "cpython",
            Self::Numpy => "numpy",
            Self::Pandas => "pandas",
        }
    }

    /// The folder of its tests; `None` when it is about a package that the image does not have.
    pub fn tree(self, trees: &TestTrees) -> Option<PathBuf> {
        trees.suite(self.name())
    }

    /// The failures that are expected.
    pub fn expected(self) -> &'static [Expected] {
        &self.lists().expected
    }

    /// Its modules in a subset, those that take longest first.
    fn modules(self, subset: Subset) -> Vec<String> {
        let lists = self.lists();
        match subset {
            Subset::Ci => lists.ci.clone(),
            Subset::Full => lists.full.iter().chain(&lists.ci).cloned().collect(),
        }
    }

    fn lists(self) -> &'static Lists {
        match self {
            Self::Cpython => &CPYTHON,
            Self::Numpy => &NUMPY,
            Self::Pandas => &PANDAS,
        }
    }

    /// Whether a module is among the tests in `tree`.
    fn exists(self, name: &str, tree: &Path) -> bool {
        if name.is_empty() || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return false;
        }
        let path = match self {
            Self::Cpython => tree.join("test").join(name.replace('.', "/")),
            Self::Numpy | Self::Pandas => tree.join(name),
        };
        path.is_dir() || path.is_file() || path.with_extension("py").is_file()
    }
}

/// The modules to run, by suite: those named, or those of the subset.
///
/// # Errors
/// For a name that is no module of a suite asked for.
pub fn choose(
    suite: Option<Suite>,
    subset: Subset,
    names: &[String],
    trees: &TestTrees,
) -> Result<BTreeMap<Suite, Vec<String>>, Failure> {
    let mut suites = suite.map_or(Suite::value_variants().to_vec(), |suite| vec![suite]);
    suites.retain(|suite| suite.tree(trees).is_some());
    if let (Some(suite), true) = (suite, suites.is_empty()) {
        return Err(Failure::usage(format!(
            "this image does not have {}, whose tests these are; see --image",
            suite.name()
        )));
    }
    if names.is_empty() {
        return Ok(suites.into_iter().map(|suite| (suite, suite.modules(subset))).collect());
    }
    let mut chosen: BTreeMap<Suite, Vec<String>> = BTreeMap::new();
    for name in names {
        let found = suites.iter().find(|suite| suite.tree(trees).is_some_and(|tree| suite.exists(name, &tree)));
        let Some(&suite) = found else {
            return Err(Failure::usage(format!(
                "there is no module of tests `{name}`; names look like `test_json` or `numpy/ma/tests/test_core.py`"
            )));
        };
        chosen.entry(suite).or_default().push(name.clone());
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_module_is_listed_twice() {
        for &suite in Suite::value_variants() {
            let modules = suite.modules(Subset::Full);
            assert_eq!(modules.iter().collect::<BTreeSet<_>>().len(), modules.len(), "{suite:?}");
        }
    }

    #[test]
    fn every_expected_failure_has_a_reason_and_is_in_a_module_that_is_run() {
        for &suite in Suite::value_variants() {
            let modules = suite.modules(Subset::Full);
            for entry in suite.expected() {
                assert!(entry.reason.split_whitespace().count() >= 4, "{entry:?}");
                for test in &entry.tests {
                    assert!(
                        modules.iter().any(|module| test.starts_with(module.as_str()) || test.starts_with('*')),
                        "{test}"
                    );
                    assert!(!entry.omit || !test.contains('*'), "{test} is omitted, so it has to be named exactly");
                }
            }
        }
    }

    #[test]
    fn a_name_that_is_no_module_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("cpython/test/test_json")).unwrap();
        std::fs::write(folder.path().join("cpython/test/test_re.py"), "").unwrap();
        let trees = TestTrees::below(folder.path());
        let choose = |name: &str| choose(None, Subset::Ci, &[name.to_owned()], &trees);
        for good in ["test_json", "test_re"] {
            assert_eq!(choose(good).unwrap()[&Suite::Cpython], [good]);
        }
        for bad in ["test_jsno", "numpy/tests/test_nothing.py", "", "../test", "/etc/passwd", "test/../test/test_re"] {
            assert!(choose(bad).unwrap_err().to_string().contains(bad));
        }
    }
}

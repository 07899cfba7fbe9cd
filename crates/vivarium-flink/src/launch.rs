//! What a TaskManager asks of a Python interpreter before it starts a worker.
//!
//! 1. With requirements: where packages go (`-c CODE PREFIX`, with `sysconfig`), then `-m pip install ...`.
//! 2. `-c "import pyflink;...;print(.../bin)"`: the folder of `pyflink-udf-runner.sh`.
//!
//! No Python runs for an answer. Anything else is refused: the launcher is no interpreter.

use std::path::{Path, PathBuf};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Where the runner is.
    Runner,
    /// Where pip puts packages below this prefix.
    SitePackages(String),
    /// To install this file of requirements below this prefix, from this folder if there is one.
    Install {
        /// The file of requirements.
        requirements: PathBuf,
        /// Where they go.
        prefix: PathBuf,
        /// The folder of packages that the job ships.
        find_links: Option<PathBuf>,
    },
    /// The version of the interpreter.
    Version,
}

/// Not a question of Flink's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this launcher answers what Flink asks of a Python interpreter, and runs no Python by itself ({0}); \
     use `wasm-run exec` to run a script in a sandbox"
)]
pub struct NotFlink(String);

impl Question {
    /// Reads the arguments of an interpreter.
    ///
    /// # Errors
    /// [`NotFlink`] for any others.
    pub fn parse(arguments: &[String]) -> Result<Self, NotFlink> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["--version" | "-V" | "-VV"] => Ok(Self::Version),
            ["-c", code, prefix] if code.contains("sysconfig.get_path") => Ok(Self::SitePackages((*prefix).to_owned())),
            ["-c", code] if code.contains("pyflink.__file__") && code.contains("print") => Ok(Self::Runner),
            ["-m", "pip", "install", rest @ ..] => Self::parse_pip(rest).ok_or_else(|| refused(&words)),
            _ => Err(refused(&words)),
        }
    }

    fn parse_pip(mut rest: &[&str]) -> Option<Self> {
        let (mut requirements, mut prefix, mut find_links) = (None, None, None);
        while let Some((&word, after)) = rest.split_first() {
            let value = after.first().copied();
            rest = match word {
                "--ignore-installed" | "--no-index" => after,
                "-r" => {
                    requirements = value.map(PathBuf::from);
                    after.get(1..)?
                }
                "--prefix" => {
                    prefix = value.map(PathBuf::from);
                    after.get(1..)?
                }
                "--find-links" => {
                    find_links = value.map(PathBuf::from);
                    after.get(1..)?
                }
                _ => return None,
            };
        }
        Some(Self::Install { requirements: requirements?, prefix: prefix?, find_links })
    }
}

fn refused(words: &[&str]) -> NotFlink {
    let mut text = words.join(" ");
    text.truncate(text.floor_char_boundary(200));
    NotFlink(text)
}

/// Where packages of a Python version are below a prefix.
pub fn site_packages(prefix: &str, version: &str) -> PathBuf {
    Path::new(prefix).join("lib").join(format!("python{version}")).join("site-packages")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Question, NotFlink> {
        Question::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_flink_asks_is_understood() {
        let code =
            "import pyflink;import os;print(os.path.join(os.path.abspath(os.path.dirname(pyflink.__file__)), 'bin'))";
        assert_eq!(parse(&["-c", code]), Ok(Question::Runner));
        let install = [
            "-m",
            "pip",
            "install",
            "--ignore-installed",
            "-r",
            "/d/r.txt",
            "--prefix",
            "/d/p",
            "--no-index",
            "--find-links",
            "/d/c",
        ];
        let expected = Question::Install {
            requirements: "/d/r.txt".into(),
            prefix: "/d/p".into(),
            find_links: Some("/d/c".into()),
        };
        assert_eq!(parse(&install), Ok(expected));
        assert_eq!(parse(&["--version"]), Ok(Question::Version));
        let code = "import sys;import sysconfig;print(sysconfig.get_path('platlib', vars={'base': sys.argv[1]}))";
        assert_eq!(parse(&["-c", code, "/d/p"]), Ok(Question::SitePackages("/d/p".to_owned())));
    }

    #[test]
    fn the_launcher_is_no_interpreter() {
        for words in
            [&["-c", "print(1)"][..], &["job.py"], &[], &["-m", "pip", "install", "-e", "."], &["-m", "http.server"]]
        {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}

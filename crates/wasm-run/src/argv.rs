//! The command line before it is parsed.
//!
//! Two things the parser does not know. Flink writes its dependency options with one dash (`-pyfs`), which would be read as
//! five short options. And what follows `exec -c CODE` and `exec -m MODULE` belongs to the script, as with `python`; the
//! parser only knows that of positional arguments (`exec SCRIPT.py ...`), so a `--` is put behind CODE and MODULE.

use std::ffi::OsString;

use clap::{Arg, ArgAction, CommandFactory};

use crate::cli::Cli;

/// Flink's spellings of the dependency options, and ours.
const FLINK: [(&str, &str); 5] = [
    ("-pyfs", "--python-files"),
    ("-pyarch", "--python-archives"),
    ("-pyreq", "--python-requirements"),
    ("-pyexec", "--python-executable"),
    ("-pypath", "--python-path"),
];

/// The command line as the parser takes it.
pub fn normalised(argv: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut argv: Vec<_> = argv.into_iter().collect();
    let is_exec = argv.get(1).is_some_and(|command| command == "exec");
    if is_exec {
        let options = options_of_exec(&argv);
        argv[..options.end].iter_mut().for_each(spell_out);
        if let Some(index) = options.code_or_module {
            // `-cCODE` is `-c CODE`; options are ASCII, so the flag is two bytes.
            let argument = argv[index].to_string_lossy().into_owned();
            if argument.len() > 2 {
                argv.splice(index..=index, [OsString::from(&argument[..2]), OsString::from(&argument[2..])]);
            }
            if index + 2 <= argv.len() {
                argv.insert(index + 2, "--".into());
            }
        }
    } else {
        let end = argv.iter().position(|argument| argument == "--").unwrap_or(argv.len());
        argv[..end].iter_mut().for_each(spell_out);
    }
    argv
}

/// Where the options of `exec` are: before what belongs to the script.
struct ExecOptions {
    /// Behind the last of them.
    end: usize,
    /// `-c CODE` or `-m MODULE`, which end them.
    code_or_module: Option<usize>,
}

fn options_of_exec(argv: &[OsString]) -> ExecOptions {
    let cli = Cli::command();
    let takes_value = |option: &str| {
        let exec = cli.find_subcommand("exec");
        let mut known = exec.into_iter().flat_map(|exec| exec.get_arguments());
        is_flink(option) || known.any(|known| is_named(known, option) && takes_value(known))
    };
    let mut end = 2.min(argv.len());
    while let Some(argument) = argv.get(end) {
        match argument.to_str() {
            Some(argument) if argument.starts_with("-c") || argument.starts_with("-m") => {
                return ExecOptions { end, code_or_module: Some(end) };
            }
            Some(argument) if takes_value(argument) => end += 2,
            Some(argument) if argument.starts_with('-') && !["-", "--"].contains(&argument) => end += 1,
            // The script: the parser leaves all behind it alone.
            _ => break,
        }
    }
    ExecOptions { end: end.min(argv.len()), code_or_module: None }
}

fn is_flink(option: &str) -> bool {
    FLINK.iter().any(|(flink, _)| *flink == option)
}

/// Replaces Flink's spelling of an option, with or without `=VALUE`, by ours.
fn spell_out(argument: &mut OsString) {
    let Some(text) = argument.to_str() else { return };
    let (option, value) = match text.split_once('=') {
        Some((option, value)) => (option, Some(value)),
        None => (text, None),
    };
    if let Some((_, ours)) = FLINK.iter().find(|(flink, _)| *flink == option) {
        *argument = match value {
            Some(value) => format!("{ours}={value}").into(),
            None => (*ours).into(),
        };
    }
}

fn is_named(known: &Arg, option: &str) -> bool {
    let long = option.strip_prefix("--").is_some_and(|name| {
        known.get_long() == Some(name) || known.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
    });
    let short =
        option.strip_prefix('-').is_some_and(|name| known.get_short().is_some_and(|short| name == short.to_string()));
    long || short
}

fn takes_value(known: &Arg) -> bool {
    matches!(known.get_action(), ArgAction::Set | ArgAction::Append)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Command, Exec};

    fn exec(arguments: &[&str]) -> Exec {
        let argv = ["wasm-run", "exec"].iter().chain(arguments).map(OsString::from);
        match Cli::try_parse_from(normalised(argv)).unwrap().command {
            Command::Exec(exec) => exec,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_the_script_is_the_scripts() {
        for (argv, code, module, arguments) in [
            (&["s.py", "--memory", "1", "-c", "x"][..], None, None, &["s.py", "--memory", "1", "-c", "x"][..]),
            (&["-c", "pass", "--memory", "1", "-c", "x"], Some("pass"), None, &["--memory", "1", "-c", "x"]),
            (&["-cpass", "--json"], Some("pass"), None, &["--json"]),
            (&["-m", "json.tool", "--help"], None, Some("json.tool"), &["--help"]),
            (&["--env", "A=-c", "--json", "-m", "x", "a", "--", "b"], None, Some("x"), &["a", "--", "b"]),
            (&["--memory=1GiB", "-c", "pass"], Some("pass"), None, &[]),
            (&["-", "-x"], None, None, &["-", "-x"]),
        ] {
            let exec = exec(argv);
            assert_eq!(exec.code.as_deref(), code, "{argv:?}");
            assert_eq!(exec.module.as_deref(), module, "{argv:?}");
            assert_eq!(exec.arguments, arguments, "{argv:?}");
        }
    }

    #[test]
    fn flinks_options_are_taken_in_every_spelling() {
        for argv in [
            &[
                "-pyfs",
                "a.py,b.zip",
                "-pyarch=x.zip#x",
                "-pyreq",
                "r.txt",
                "-pyexec",
                "x/bin/python",
                "-pypath",
                "/env/p",
            ][..],
            &[
                "--pyfs",
                "a.py",
                "--python-files",
                "b.zip",
                "--pyarch",
                "x.zip#x",
                "--pyreq=r.txt",
                "--pyexec",
                "x/bin/python",
                "--pypath",
                "/env/p",
            ],
            &[
                "--pyFiles",
                "a.py,b.zip",
                "--pyArchives",
                "x.zip#x",
                "--pyRequirements",
                "r.txt",
                "--pyExecutable=x/bin/python",
                "--pyPythonPath",
                "/env/p",
            ],
        ] {
            for (code, script) in [(None, &["s.py", "-pyfs", "-c"][..]), (Some("pass"), &["-c", "pass", "-pyfs", "x"])]
            {
                let exec = exec(&[argv, script].concat());
                let options = exec.environment.python_options();
                assert_eq!(options.files.as_deref(), Some("a.py,b.zip"), "{argv:?}");
                assert_eq!(options.archives.as_deref(), Some("x.zip#x"));
                assert_eq!(options.requirements.as_deref(), Some("r.txt"));
                assert_eq!(options.executable.as_deref(), Some("x/bin/python"));
                assert_eq!(options.python_path.as_deref(), Some("/env/p"));
                assert_eq!(exec.code.as_deref(), code);
                assert_eq!(exec.arguments.last(), script.last().map(|last| last.to_string()).as_ref());
            }
        }
        let argv = ["wasm-run", "env", "inspect", "-pyfs", "a.py"].map(OsString::from);
        assert!(matches!(Cli::try_parse_from(normalised(argv)).unwrap().command, Command::Env(_)));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

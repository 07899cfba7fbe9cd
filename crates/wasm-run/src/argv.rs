//! The command line before it is parsed.
//!
//! What follows `exec -c CODE` and `exec -m MODULE` belongs to the script, as with `python`. The parser only knows that of
//! positional arguments (`exec SCRIPT.py ...`), so a `--` is put behind CODE and MODULE.

use std::ffi::OsString;

use clap::{Arg, ArgAction, CommandFactory};

use crate::cli::Cli;

/// The command line with a `--` where the script's own arguments begin.
pub fn normalised(argv: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut argv: Vec<_> = argv.into_iter().collect();
    if argv.get(1).is_some_and(|command| command == "exec")
        && let Some(index) = code_or_module(&argv)
    {
        // `-cCODE` is `-c CODE`; options are ASCII, so the flag is two bytes.
        let argument = argv[index].to_string_lossy().into_owned();
        if argument.len() > 2 {
            argv.splice(index..=index, [OsString::from(&argument[..2]), OsString::from(&argument[2..])]);
        }
        if index + 2 <= argv.len() {
            argv.insert(index + 2, "--".into());
        }
    }
    argv
}

/// Where `-c CODE` or `-m MODULE` stands among the options of `exec`.
fn code_or_module(argv: &[OsString]) -> Option<usize> {
    let cli = Cli::command();
    let exec = cli.find_subcommand("exec")?;
    let takes_value = |option: &str| exec.get_arguments().any(|known| is_named(known, option) && takes_value(known));
    let mut index = 2;
    while let Some(argument) = argv.get(index) {
        let argument = argument.to_str()?;
        match argument {
            "--" => return None,
            _ if argument.starts_with("-c") || argument.starts_with("-m") => return Some(index),
            _ if takes_value(argument) => index += 2,
            _ if argument.starts_with('-') && argument != "-" => index += 1,
            // The script: the parser leaves all behind it alone.
            _ => return None,
        }
    }
    None
}

fn is_named(known: &Arg, option: &str) -> bool {
    let long = option.strip_prefix("--").is_some_and(|name| known.get_long() == Some(name));
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
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

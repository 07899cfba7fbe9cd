//! On a terminal, without a statement, there is a prompt.
//!
//! `script` (of util-linux, on every Debian) gives the command a terminal; TERM=dumb keeps it from drawing.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::folder;
use crate::support::Folder;

/// A session at a terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: ChildStdout,
    /// What has been shown and was not looked at yet.
    shown: String,
}

impl Terminal {
    fn start(folder: &Folder, arguments: &str) -> Self {
        let state = folder.path("state");
        // In place of the shell: one that waits would die of an interrupt, and end with that.
        let command = format!("exec {} sql {arguments}", env!("CARGO_BIN_EXE_wasm-run"));
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--echo", "never", "--command", &command, "/dev/null"])
            .current_dir(folder.path(""))
            .env("TERM", "dumb")
            .env("XDG_STATE_HOME", state)
            .env_remove("VIVARIUM_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` of util-linux is needed: apt-get install bsdutils");
        let (keys, screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, keys, screen, shown: String::new() }
    }

    /// What is shown until `text` is there, and that.
    fn until(&mut self, text: &str) -> String {
        loop {
            if let Some(index) = self.shown.find(text) {
                return self.shown.drain(..index + text.len()).collect::<String>().replace('\r', "");
            }
            let mut bytes = [0; 4096];
            let count = self.screen.read(&mut bytes).unwrap();
            assert!(count > 0, "the terminal closed before it showed {text:?}; it showed {:?}", self.shown);
            self.shown.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }

    /// Types a line at the prompt, and gives what is shown until the next one.
    fn answer(&mut self, line: &str) -> String {
        self.keys.write_all(line.as_bytes()).unwrap();
        self.keys.write_all(b"\n").unwrap();
        self.until("sql> ").trim_end_matches("sql> ").to_owned()
    }

    fn end(mut self, line: &str) -> Option<i32> {
        self.keys.write_all(line.as_bytes()).unwrap();
        self.screen.read_to_string(&mut self.shown).unwrap();
        self.child.wait().unwrap().code()
    }
}

#[test]
fn statements_are_answered_until_the_user_leaves() {
    let folder = folder();
    let mut terminal = Terminal::start(&folder, "--udf f.py --table t=t.csv");
    terminal.until("sql> ");
    let answer = terminal.answer("SELECT twice(x) AS y\nFROM t\nWHERE x = 3;");
    assert!(answer.contains(" y\n---\n 6\n(1 row)\n"), "{answer}");
    // A failure is told, and the prompt comes back.
    let answer = terminal.answer("SELECT nothing FROM t;");
    assert!(answer.contains("wasm-run: ") && answer.contains("at line 1, column 8:"), "{answer}");
    let answer = terminal.answer("CREATE FUNCTION thrice(x BIGINT) RETURNS BIGINT LANGUAGE PYTHON AS $$\ndef thrice(x: int) -> int:\n    return 3 * x;\n$$;");
    assert!(!answer.contains("wasm-run:"), "{answer}");
    let answer = terminal.answer("SELECT thrice(x) AS z FROM t WHERE x = 3;");
    assert!(answer.contains("\n 9\n"), "{answer}");
    assert_eq!(terminal.end("\\q\n"), Some(0));
}

#[test]
fn backslashes_ask_about_the_session() {
    let folder = folder();
    let mut terminal = Terminal::start(&folder, "--udf f.py --table t=t.csv");
    terminal.until("sql> ");
    for (command, shown) in [
        ("\\?", "the columns of a table"),
        ("\\d", "| t "),
        ("\\d t", "| Int64"),
        ("\\df", "twice"),
        ("\\df upper", "upper"),
        ("\\x", "there is no command \\x; \\? shows the commands"),
        ("\\d nothing", "nothing"),
    ] {
        let answer = terminal.answer(command);
        assert!(answer.contains(shown), "{command}: {answer}");
    }
    assert_eq!(terminal.end("quit\n"), Some(0));
}

#[test]
fn an_interrupt_ends_the_query_and_not_the_prompt() {
    let folder = folder();
    folder.write(
        "slow.py",
        "def slow(x: int) -> int:\n    print('started', flush=True)\n    while True:\n        pass\n",
    );
    let mut terminal = Terminal::start(&folder, "--udf slow.py::slow --udf f.py --table t=t.csv --timeout none");
    terminal.until("sql> ");
    terminal.keys.write_all(b"SELECT slow(x) FROM t;\n").unwrap();
    terminal.until("[slow] started");
    // The terminal makes a signal of it, as it does for a user.
    terminal.keys.write_all(b"\x03").unwrap();
    let shown = terminal.until("sql> ");
    assert!(shown.contains("the query was interrupted"), "{shown}");
    let answer = terminal.answer("SELECT twice(21) AS y;");
    assert!(answer.contains("\n 42\n"), "{answer}");
    assert_eq!(terminal.end("\x04"), Some(0));
}

#[test]
fn lines_are_kept_for_the_next_time() {
    let folder = folder();
    for text in ["first", "second"] {
        let mut terminal = Terminal::start(&folder, "");
        terminal.until("sql> ");
        terminal.answer(&format!("SELECT '{text}'\nAS x;"));
        assert_eq!(terminal.end("exit\n"), Some(0));
    }
    let history = folder.read("state/wasm-run/sql_history");
    assert!(history.contains("SELECT 'first'\\nAS x;\n") && history.contains("SELECT 'second'\\nAS x;\n"), "{history}");
    use std::os::unix::fs::PermissionsExt;
    let mode = folder.path("state/wasm-run/sql_history").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

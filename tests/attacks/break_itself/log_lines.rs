//! Log lines that pretend to be others.

use crate::case::{Case, ensure, host};
use crate::world::{Attempt, rows};

/// The lines that code prints, as the log has them.
async fn lines(attempt: &Attempt, code: &str) -> Result<Vec<String>, String> {
    let source = format!("import sys, os\ndef f(x: int) -> int:\n    {code}\n    return 1\n");
    let task = attempt.task(&source).await.map_err(|error| error.to_string())?;
    task.invoke(&rows(&[1]), 0).await.map_err(|error| error.to_string())?;
    // A last line without an end is written when its instance goes.
    drop(task);
    Ok(attempt.world.log.lines(attempt.tenant.id().as_str()))
}

fn harmless(lines: &[String]) -> Result<(), String> {
    let hostile = |line: &&String| line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}'));
    match lines.iter().find(hostile) {
        Some(line) => Err(format!("the log has the line {line:?}")),
        None => Ok(()),
    }
}

pub const CASES: &[Case] = &[
    host("escape sequences in log lines", |attempt| {
        Box::pin(async move {
            let lines = lines(&attempt, r"print('\x1b[2J\x1b]0;title\x07\x9b31m red', flush=True)").await?;
            harmless(&lines)?;
            ensure(lines == [r"\x1b[2J\x1b]0;title\x07\x9b31m red"], || format!("{lines:?}"))
        })
    })
    .so("the line shows `\\x1b[2J` as text")
    .by("control characters are escaped"),
    host("forged lines of another tenant", |attempt| {
        Box::pin(async move {
            let code =
                r"print('fine\rINFO tenant=healthy job=j: all is well\x0b\x0c\x85\u2028INFO forged', flush=True)";
            let lines = lines(&attempt, code).await?;
            harmless(&lines)?;
            ensure(lines.len() == 1, || format!("{lines:?}"))?;
            let healthy = attempt.world.log.lines("healthy");
            ensure(healthy.is_empty(), || format!("the sibling's log has {healthy:?}"))
        })
    })
    .so("one event, labelled with its own tenant")
    .by("labels are the host's; separators of lines are escaped"),
    host("log lines that are not text", |attempt| {
        Box::pin(async move {
            let lines = lines(&attempt, r"os.write(1, bytes(range(256)) + b'\n' + b'\xff\xfe\xed\xa0\x80\n')").await?;
            harmless(&lines)?;
            ensure(lines.len() == 3, || format!("{lines:?}"))
        })
    })
    .so("bytes that are no text are replaced")
    .by("lines are decoded as UTF-8, with replacements"),
    host("a line without end", |attempt| {
        Box::pin(async move {
            let lines = lines(&attempt, r"os.write(2, b'x' * 100_000)").await?;
            ensure(lines.len() == 13 && lines.iter().all(|line| line.len() <= 8192), || {
                format!("{} lines", lines.len())
            })
        })
    })
    .so("several events of 8 KiB")
    .by("lines are cut"),
];

//! Whether a module's functions run as columns, and which of their lines leave rows to the interpreter.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vivarium_sandbox::{ProtocolError, Sandbox};
use vivarium_text::line;

use crate::signature::Signature;

/// The most lines of one function; guests report fewer.
const MAX_LINES: usize = 1_000;

/// The longest text of an explanation, in bytes.
const MAX_TEXT: usize = 1_000;

/// Whether a function runs as columns, as far as its declaration alone tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The function's name.
    pub function: String,
    /// Whether it does; `None` when that depends on the columns it is bound to.
    pub columns: Option<bool>,
    /// Why not, or why nobody can tell.
    pub why: Option<String>,
    /// What to write instead, where there is something better.
    pub instead: Option<String>,
    /// What of it leaves rows to the interpreter: first what always does, each by line.
    pub lines: Vec<ExplainedLine>,
}

/// Part of a line for which rows are the interpreter's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExplainedLine {
    /// The source's file, as Python names it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The function that the line is of, when it is another one, which is called.
    pub function: Option<String>,
    /// The line's text; empty when the source is not at hand.
    pub source: String,
    /// What the interpreter has to do: what cannot run as columns or, when `always` is false, which values.
    pub why: String,
    /// Whether all rows that come there are the interpreter's, and not only those with such values.
    pub always: bool,
    /// What to write instead, where there is something better.
    pub instead: Option<String>,
}

/// Asks a sandbox in which the module is loaded. What Python raises meanwhile, in `open` say, is the explanation.
pub(crate) async fn explain(
    sandbox: &mut Sandbox,
    signature: &Signature,
) -> Result<Explanation, vivarium_sandbox::Error> {
    let request = json!({"op": "explain", "function": signature.attribute});
    let found = match sandbox.control(&request).await {
        Ok(reply) => parse(reply)?,
        Err(vivarium_sandbox::Error::Guest(error)) => {
            let raised = match &error.exception {
                Some(exception) => format!("{exception}: {}", error.message),
                None => error.message.clone(),
            };
            Found { columns: None, why: Some(raised), instead: None, lines: Vec::new() }
        }
        Err(error) => return Err(error),
    };
    let text = |text: String| line(&text, MAX_TEXT);
    let checked = |one: ExplainedLine| ExplainedLine {
        file: text(one.file),
        line: one.line,
        function: one.function.map(text),
        source: text(one.source),
        why: text(one.why),
        always: one.always,
        instead: one.instead.map(text),
    };
    Ok(Explanation {
        function: signature.name.clone(),
        columns: found.columns,
        why: found.why.map(text),
        instead: found.instead.map(text),
        lines: found.lines.into_iter().take(MAX_LINES).map(checked).collect(),
    })
}

/// The guest's answer.
#[derive(Deserialize)]
struct Found {
    columns: Option<bool>,
    why: Option<String>,
    instead: Option<String>,
    lines: Vec<ExplainedLine>,
}

fn parse(reply: Value) -> Result<Found, ProtocolError> {
    serde_json::from_value(reply)
        .map_err(|error| ProtocolError::Reply { request: "explain", problem: line(&error.to_string(), MAX_TEXT) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_agreed_form() {
        let line = json!({
            "file": "f.py", "line": 3, "function": null, "source": "x", "why": "None", "always": true, "instead": null,
        });
        let answer = json!({"columns": null, "why": "because", "instead": null, "lines": [line]});
        assert_eq!(parse(answer.clone()).unwrap().lines[0].line, 3);
        for (field, wrong) in
            [("columns", json!(1)), ("why", json!([])), ("lines", json!([{"line": -1}])), ("lines", json!(null))]
        {
            let mut answer = answer.clone();
            answer[field] = wrong;
            assert!(matches!(parse(answer), Err(ProtocolError::Reply { request: "explain", .. })), "{field}");
        }
    }
}

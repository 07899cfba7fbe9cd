//! What a guest says in JSON.

use vivarium_sandbox::fuzzing::read_reply;

/// A byte for the rows of the batch, then a reply: failed rows are rows of the batch, and no text that is shown has control characters.
pub fn reply(bytes: &[u8]) {
    let Some((&batch_rows, reply)) = bytes.split_first() else { return };
    let (rows, shown) = read_reply(reply, usize::from(batch_rows));
    assert!(rows.is_sorted_by(|one, next| one < next), "{rows:?}");
    assert!(rows.last().is_none_or(|last| *last < u32::from(batch_rows)), "{rows:?} of {batch_rows}");
    for text in shown {
        assert!(!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{text:?}");
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    [
        r#"{"handle": 3, "inputs": [{"name": "x", "type": "int64"}], "result": {"type": "utf8", "nullable": true}}"#,
        r#"{"error": {"kind": "exception", "type": "ValueError", "message": "bad\nprice", "function": "price", "row": 2, "traceback":
           [{"file": "f.py", "line": 3, "function": "price", "source": "    raise ValueError(x)"}], "omitted": 1,
           "cause": {"kind": "memory", "message": ""}}}"#,
        r#"{"row_errors": [{"kind": "result", "message": "not an int", "row": 1, "arguments": ["'x'", "None"]}], "rows": [1, 4], "more": true}"#,
        r#"{"metrics": [{"name": "parsed", "kind": "counter", "value": 12}], "rows": []}"#,
        r#"{"error": {"kind": "exit", "message": "\u001b[2J", "exit": -1}}"#,
    ]
    .map(|text| [&[7], text.as_bytes()].concat())
    .to_vec()
}

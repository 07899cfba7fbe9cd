//! Whatever a guest says in a reply, the host answers with a typed error or with rows of the batch: no panic, nothing unbounded.

mod common;

use arrow::datatypes::DataType;
use common::{ECHO, Guest, RESULT, column, config};
use proptest::prelude::*;
use serde_json::{Map, Value};
use vivarium_sandbox::{Error, Sandbox};

/// Names that the host looks for, and one that it does not.
const NAMES: [&str; 17] = [
    "error",
    "kind",
    "type",
    "message",
    "function",
    "row",
    "traceback",
    "file",
    "line",
    "source",
    "cause",
    "omitted",
    "exit",
    "row_errors",
    "rows",
    "count",
    "surprise",
];

/// JSON of the names and the sorts of values that replies have, put together at random.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2..5i64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["exception", "memory", "exit", "result", "", "\u{1b}[2J"]).prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(NAMES.to_vec()), inner), 0..6).prop_map(|entries| {
                Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
            }),
        ]
    })
}

/// A reply: such a value below one of the names that count, and now and then damaged text.
fn reply() -> impl Strategy<Value = String> {
    let object = || {
        let entries = prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..5);
        entries.prop_map(|entries| {
            Value::Object(entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).to_string()
        })
    };
    prop_oneof![
        6 => object(),
        1 => value().prop_map(|value| value.to_string()),
        1 => (object(), any::<prop::sample::Index>()).prop_map(|(text, end)| {
            text.chars().take(end.index(text.len().max(1))).collect()
        }),
        1 => ".{0,60}",
    ]
}

/// One call of a function and one request, both answered like this.
async fn answers(status: u32, reply: String) -> [Result<usize, Error>; 2] {
    let set_status = format!("(i32.store (i32.const {RESULT}) (i32.const {status}))");
    // `start` is answered with the reply, too: as long as it is JSON, that is what it wants.
    let guest = Guest {
        invoke: format!("{set_status} {ECHO}"),
        control: format!("{set_status} (i32.const {RESULT})"),
        reply,
        ..Guest::default()
    };
    let mut sandbox = match Sandbox::start(&guest.image(), &config()).await {
        Ok(sandbox) => sandbox,
        Err(error) => return [Err(error), Ok(0)],
    };
    let called = sandbox.invoke(1, 0, 3, &[column()], &DataType::Int64).await;
    let rows = called.map(|invocation| {
        let failed = invocation.row_errors.rows;
        assert!(failed.len() <= 3 && failed.is_sorted() && failed.iter().all(|row| *row < 3), "{failed:?}");
        failed.len()
    });
    [rows, sandbox.control(&serde_json::json!({"op": "eval", "source": ""})).await.map(|_| 0)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reply_is_an_error_or_makes_sense(status in 0..3u32, reply in reply()) {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for answer in executor.block_on(answers(status, reply.clone())) {
            let Err(error) = answer else { continue };
            let expected = matches!(
                error,
                Error::Protocol(_) | Error::Guest(_) | Error::Limit(_) | Error::Dead { .. } | Error::Exchange(_)
            );
            prop_assert!(expected, "{error:?}");
            // What is shown of it has no control characters and no lines of its own, apart from a message's.
            let shown = error.to_string();
            prop_assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{shown:?}");
        }
    }
}

//! Structures that a hostile guest module returns through the ABI itself.
//!
//! The module writes what it likes over the arrays of the batch and hands them back. At `$child` lies the first column: an
//! int64 array of three rows, one of them NULL.

use vivarium_sandbox::{Error, ProtocolError};

use crate::case::{Case, host};
use crate::guests::{ECHO, Guest, RESULT};
use crate::modules;
use crate::world::Attempt;

const CHECKED: &str = "every pointer, length and count is checked against linear memory before it is used";

/// A guest that runs this over its result before it returns it.
fn forging(body: &str) -> Guest {
    let invoke = format!(
        "(local $child i32) (local $buffers i32)
         (local.set $child (i32.load (i32.load offset=44 (local.get $arena))))
         (local.set $buffers (i32.load offset=40 (local.get $child)))
         {body}
         {ECHO}"
    );
    Guest { invoke, ..Guest::default() }
}

/// Stores a number into the array's structure.
fn long(offset: u32, value: i64) -> String {
    format!("(i64.store offset={offset} (local.get $child) (i64.const {value}))")
}

fn word(offset: u32, value: i64) -> String {
    format!("(i32.store offset={offset} (local.get $child) (i32.const {value}))")
}

/// Stores into the table of buffers: validity, values.
fn buffer(index: u32, value: i64) -> String {
    format!("(i32.store offset={} (local.get $buffers) (i32.const {value}))", 4 * index)
}

/// All of these must be refused as wrong structures.
async fn forged(attempt: Attempt, bodies: Vec<String>) -> Result<(), String> {
    for body in bodies {
        let wrong = |error: &Error| matches!(error, Error::Exchange(_) | Error::Protocol(_) | Error::Limit(_));
        modules::fails(&attempt, forging(&body), wrong).await.map_err(|error| format!("{body}: {error}"))?;
    }
    Ok(())
}

macro_rules! forged {
    ($name:literal, [$($body:expr),* $(,)?]) => {
        host($name, |attempt| Box::pin(forged(attempt, vec![$($body.to_string()),*])))
            .so("the call fails; the instance is destroyed and replaced")
            .by(CHECKED)
    };
}

pub const CASES: &[Case] = &[
    host("nothing: an honest module", |attempt| Box::pin(async move { modules::answers(&attempt, forging("")).await }))
        .so("the call succeeds: what the other modules break is whole here")
        .by("nothing needs to"),
    forged!("forged row counts", [long(0, 2), long(0, 4), long(0, 0), long(0, -1), long(0, i64::MAX), long(0, i64::MIN), long(0, 1 << 32)]),
    forged!("forged counts of NULLs", [long(8, 0), long(8, 2), long(8, 4), long(8, -2), long(8, i64::MAX), long(8, i64::MIN)]),
    forged!("forged offsets of the array", [long(16, 1), long(16, -1), long(16, i64::MAX), long(16, 1 << 32)]),
    forged!("forged counts of buffers", [long(24, 0), long(24, 1), long(24, 3), long(24, -1), long(24, i64::MAX)]),
    forged!("forged counts of children", [long(32, 1), long(32, -1), long(32, i64::MAX), long(32, 1 << 32)]),
    forged!(
        "tables of buffers out of range",
        [word(40, 0), word(40, -1), word(40, -8), word(40, 524_284), word(40, 1 << 30)]
    ),
    forged!("a dictionary where there is none", [word(48, 64), word(48, -1)]),
    forged!("buffers out of range", [buffer(1, 0), buffer(1, -1), buffer(1, 524_284), buffer(1, -24), buffer(0, -1), buffer(0, 524_288)]),
    forged!("validity that is missing although there are NULLs", [buffer(0, 0)]),
    forged!(
        "structures at addresses that are not aligned and run out of memory",
        ["(i32.store (i32.const 76) (i32.const 524287)) (return (i32.const 64))", "(i32.store (i32.const 76) (i32.const 524225)) (return (i32.const 64))"]
    ),
    host("structures that overlap one another, and lie at odd addresses", |attempt| {
        Box::pin(async move {
            // The values are the array's own structure; the array is a copy at an odd address. All of it is in memory, so it is read.
            let body = format!(
                "{} (memory.copy (i32.const 300001) (local.get $child) (i32.const 64)) (i32.store (i32.const 76) (i32.const 300001)) (return (i32.const {RESULT}))",
                buffer(1, 300_001),
            );
            modules::ends_either_way(&attempt, forging(&body)).await
        })
    })
    .so("the call fails, or returns numbers that lie there")
    .by("buffers are copied out before they are checked: what overlaps is only other bytes"),
    host("a result that is the batch, the request or the reply", |attempt| {
        Box::pin(async move {
            for place in ["(local.get $arena)", "(i32.const 64)", "(i32.const 256)", "(i32.const 65536)"] {
                let body = format!("(i32.store (i32.const 76) {place}) (return (i32.const {RESULT}))");
                let wrong = |error: &Error| matches!(error, Error::Exchange(_));
                modules::fails(&attempt, forging(&body), wrong).await.map_err(|error| format!("{place}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the call fails; the instance is destroyed and replaced")
    .by(CHECKED),
    host("an array that is its own child", |attempt| {
        Box::pin(async move {
            let body = format!(
                "{} (i32.store offset=44 (local.get $child) (i32.const {RESULT})) (i32.store (i32.const {RESULT}) (local.get $child)) {}",
                long(32, 1),
                word(40, 64)
            );
            modules::fails(&attempt, forging(&body), |error| matches!(error, Error::Exchange(_) | Error::Protocol(_))).await
        })
    })
    .so("the call fails; the instance is destroyed and replaced")
    .by("the declared type says how deep structures go, not the guest"),
    host("results out of range and unaligned arenas", |attempt| {
        Box::pin(async move {
            for invoke in [
                "(i32.const 0)".to_owned(),
                "(i32.const -1)".to_owned(),
                "(i32.const 524280)".to_owned(),
                format!("(i32.store (i32.const {}) (i32.const 65)) (i32.store (i32.const {}) (i32.const 64)) {ECHO}", RESULT + 16, RESULT + 20),
                format!("(i32.store (i32.const {}) (i32.const 64)) (i32.store (i32.const {}) (i32.const -1)) {ECHO}", RESULT + 16, RESULT + 20),
                format!("(i32.store (i32.const {}) (i32.const 7)) {ECHO}", RESULT),
            ] {
                let guest = Guest { invoke: invoke.clone(), ..Guest::default() };
                modules::fails(&attempt, guest, |error| matches!(error, Error::Protocol(_))).await.map_err(|error| format!("{invoke}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the call fails; the instance is destroyed and replaced")
    .by(CHECKED),
    host("an arena that wraps around the address space, or is not aligned", |attempt| {
        Box::pin(async move {
            for batch in ["(i32.const -64)", "(i32.const 131073)", "(i32.const 524224)"] {
                let guest = Guest { batch: batch.to_owned(), ..Guest::default() };
                let wrong = |error: &Error| {
                    matches!(error, Error::Protocol(ProtocolError::OutOfBounds { .. } | ProtocolError::Misaligned { .. }))
                };
                modules::fails(&attempt, guest, wrong).await.map_err(|error| format!("{batch}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the call fails; the instance is destroyed and replaced")
    .by(CHECKED),
    host("a reply of nonsense", |attempt| {
        Box::pin(async move {
            for reply in ["", "null", "{", "[[[[", "{\"error\": 1}", "\u{0}", "{\"row_errors\": 7}"] {
                let guest = Guest {
                    reply: reply.to_owned(),
                    invoke: format!("(i32.store (i32.const {RESULT}) (i32.const 1)) (i32.const {RESULT})"),
                    control: format!("(i32.const {RESULT})"),
                    ..Guest::default()
                };
                modules::fails(&attempt, guest, |error| matches!(error, Error::Protocol(_))).await.map_err(|error| format!("{reply:?}: {error}"))?;
            }
            let deep = Guest { reply: "[".repeat(50_000), ..Guest::default() };
            modules::fails(&attempt, deep, |error| matches!(error, Error::Protocol(_))).await
        })
    })
    .so("the call fails; the instance is destroyed and replaced")
    .by("replies are counted and parsed with a limit on depth"),
    host("rows that fail but are none of the batch's", |attempt| {
        Box::pin(async move {
            for reply in [
                "{\"row_errors\": [], \"count\": 1, \"rows\": [3]}",
                "{\"row_errors\": [], \"count\": 2, \"rows\": [1, 0]}",
                "{\"row_errors\": [], \"count\": 1, \"rows\": [-1]}",
            ] {
                let guest = Guest { reply: reply.to_owned(), ..Guest::default() };
                modules::fails(&attempt, guest, |error| matches!(error, Error::Protocol(_))).await.map_err(|error| format!("{reply}: {error}"))?;
            }
            Ok(())
        })
    })
    .so("the call fails; the instance is destroyed and replaced")
    .by("row numbers are checked against the batch"),
    host("a result that is rewritten after it was returned", |attempt| {
        Box::pin(async move {
            // The guest gets no turn between its return and the end of the copy: it has one thread, and memory is not shared.
            let shared = Guest { declarations: "(memory $other 1 1 shared)".into(), ..Guest::default() };
            modules::refused(&attempt, &shared.wat(), |_| true)?;
            modules::answers(&attempt, forging("")).await
        })
    })
    .so("the image with shared memory is refused; without it nothing runs while the host copies")
    .by("no shared memory, one thread, and each buffer is copied once and then checked"),
    host("names and addresses for WASI that lie outside of memory", |attempt| {
        Box::pin(async move {
            // EFAULT is 21.
            let checks: String = [
                "(call $write (i32.const 1) (i32.const -8) (i32.const 1) (i32.const 1100))",
                "(call $write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const -1))",
                "(call $write (i32.const 1) (i32.const 1024) (i32.const 1024) (i32.const -4))",
                "(call $random (i32.const -1) (i32.const 2))",
                "(call $random (i32.const 524287) (i32.const 2))",
                "(call $clock (i32.const 0) (i64.const 0) (i32.const -4))",
                "(call $poll (i32.const -8) (i32.const 1024) (i32.const 1) (i32.const 1300))",
                "(call $poll (i32.const 1024) (i32.const -8) (i32.const 1) (i32.const 1300))",
            ]
            .map(|call| format!("(if (i32.ne {call} (i32.const 21)) (then unreachable))"))
            .concat();
            modules::answers(&attempt, Guest { invoke: format!("{checks} {ECHO}"), ..Guest::default() }).await
        })
    })
    .so("the guest sees `EFAULT`")
    .by("addresses become slices in one checked place"),
    host("a version of the ABI that is not this one", |attempt| {
        Box::pin(async move {
            let guest = Guest { abi_version: 1, ..Guest::default() };
            modules::fails(&attempt, guest, |error| matches!(error, Error::Protocol(ProtocolError::Version { .. }))).await
        })
    })
    .so("starting fails")
    .by("the version is asked for first"),
];

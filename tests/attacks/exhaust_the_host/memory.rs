//! Linear memory, tables, handles and random bytes.

use vivarium_sandbox::{Error, LimitKind};

use crate::case::{BATCH_TIME, Case, MEMORY, call, host, load};
use crate::guests::{ECHO, Guest};
use crate::outcome::Ends;
use crate::world::modules;

pub const CASES: &[Case] = &[
    call("one big allocation", "def attack():\n    return len(bytearray(1 << 30))", MEMORY),
    call("many small allocations", "def attack():\n    kept = []\n    while True: kept.append(object())", MEMORY),
    call(
        "`MemoryError` caught in a loop",
        "
        def attack():
            kept = []
            for _ in range(200):
                try:
                    kept.append(bytes(8 << 20))
                except MemoryError:
                    kept.append(None)
            return kept.count(None) > 100
        ",
        Ends::Returns("True"),
    )
    .by("`Limits::memory`: growth is refused each time"),
    load("memory exhausted at import", "kept = []\nwhile True: kept.append(bytes(1 << 20))", MEMORY),
    call("memory exhausted inside C code: repeated text", "def attack():\n    return len('x' * (1 << 30))", MEMORY),
    call(
        "memory exhausted inside C code: a sorted range",
        "def attack():\n    return sorted(range(1 << 28))",
        MEMORY,
    ),
    call(
        "memory exhausted inside C code: a join",
        "def attack():\n    return len(b''.join([bytes(1 << 20)] * 1000))",
        MEMORY,
    ),
    call(
        "memory exhausted inside C code: JSON",
        "import json\n\ndef attack():\n    return json.loads('[' + '{},' * 3_000_000 + '{}]')",
        MEMORY,
    ),
    call(
        "memory exhausted inside C code: a large regex",
        "import re\n\ndef attack():\n    return re.compile('[a-z]' * 2_000_000)",
        MEMORY,
    )
    .with(|limits| limits.memory = 48 << 20),
    call(
        "memory exhausted inside C code: an integer",
        "def attack():\n    return (1 << (1 << 31 - 1)).bit_length()",
        MEMORY,
    ),
    call(
        "memory exhausted inside C code: NumPy",
        "import numpy\n\ndef attack():\n    return numpy.ones((1 << 13, 1 << 13)).sum()",
        MEMORY,
    ),
    call("memory exhausted while the result is built", "def attack():\n    return 'x' * (30 << 20)", MEMORY)
        .with(|limits| limits.memory = 80 << 20),
    call(
        "memory exhausted while the error is formatted",
        "
        class Large(Exception):
            def __str__(self):
                return 'x' * (1 << 30)

        def attack():
            raise Large
        ",
        Ends::Raises("Large"),
    )
    .by("`Limits::memory`; the report is then made without the message"),
    call(
        "memory kept full while the error is formatted",
        "
        import builtins

        def attack():
            builtins.kept = kept = []
            try:
                while True: kept.append(bytes(1 << 20))
            except MemoryError:
                while True: kept.append([])
        ",
        MEMORY,
    ),
    call(
        "an exception group of millions",
        "def attack():\n    raise ExceptionGroup('many', [ValueError()] * 10_000_000)",
        Ends::Raises("ExceptionGroup"),
    )
    .by("`Limits::memory`; the report holds the group's own message only"),
    call("a huge random request", "import os\n\ndef attack():\n    return len(os.urandom(1 << 30))", MEMORY),
    host("module: a huge random request to the host", |attempt| {
        Box::pin(async move {
            // EINVAL is 28.
            let body = format!(
                "(if (i32.ne (call $random (i32.const 1024) (i32.const 65537)) (i32.const 28)) (then unreachable)) {ECHO}"
            );
            modules::answers(&attempt, Guest { invoke: body, ..Guest::default() }).await
        })
    })
    .so("the guest sees `EINVAL`")
    .by("`Limits::random_bytes`"),
    host("module: memory that grows without end", |attempt| {
        Box::pin(async move {
            let body = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (unreachable)";
            let guest = Guest { invoke: body.into(), ..Guest::default() };
            modules::fails(&attempt, guest, |error| is(error, LimitKind::Memory)).await
        })
    })
    .so("the call fails: limit `memory`")
    .by("`Limits::memory`"),
    host("module: a table that grows without end", |attempt| {
        Box::pin(async move {
            let guest = Guest {
                declarations: "(table $t 4 funcref)".into(),
                invoke: "(loop $again (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) (unreachable)"
                    .into(),
                ..Guest::default()
            };
            modules::fails(&attempt, guest, |error| is(error, LimitKind::TableElements)).await
        })
    })
    .so("the call fails: limit `table_elements`")
    .by("`Limits::table_elements`"),
    host("module: a table that is too large from the start", |attempt| {
        Box::pin(async move {
            let guest = Guest { declarations: "(table 50001 funcref)".into(), ..Guest::default() };
            modules::fails(&attempt, guest, |error| matches!(error, Error::Limit(_) | Error::Image(_))).await
        })
    })
    .so("the image is refused")
    .by("`RuntimeConfig::table_elements`"),
    call(
        "handles without end",
        "
        import gc
        import _vivarium

        def attack():
            function = next(o for o in gc.get_objects() if isinstance(o, _vivarium.Function))
            while True: _vivarium.register(function)
        ",
        BATCH_TIME,
    ),
];

fn is(error: &Error, limit: LimitKind) -> bool {
    matches!(error, Error::Limit(error) if error.limit == limit)
}

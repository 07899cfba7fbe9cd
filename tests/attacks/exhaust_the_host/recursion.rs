//! Recursion in Python and in C.

use vivarium_sandbox::{Error, LimitKind};

use crate::case::{Case, call, host};
use crate::guests::Guest;
use crate::outcome::Ends;
use crate::world::modules;

const GUARD: &str = "Python's own guard; behind it `RuntimeConfig::wasm_stack`";

pub const CASES: &[Case] = &[
    call("deep recursion in Python", "def attack():\n    return attack()", Ends::Raises("RecursionError")).by(GUARD),
    call(
        "deep recursion in `json`",
        "import json\n\ndef attack():\n    return json.loads('[' * 1_000_000)",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in `json`, writing",
        "
        import json

        def attack():
            value = []
            for _ in range(100_000): value = [value]
            return json.dumps(value)
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in `pickle`",
        "
        import pickle

        def attack():
            value = []
            for _ in range(100_000): value = [value]
            return pickle.dumps(value)
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in `repr`",
        "
        def attack():
            value = []
            for _ in range(100_000): value = [value]
            return repr(value)
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in `ast`",
        "import ast\n\ndef attack():\n    return ast.literal_eval('-' * 1_000_000 + '1')",
        Ends::Raises("MemoryError"),
    )
    .by("the parser's own guard; behind it `RuntimeConfig::wasm_stack`"),
    call(
        "deep recursion in `compile`",
        "def attack():\n    return compile('(' * 1_000_000, 'x', 'eval')",
        Ends::Raises("SyntaxError"),
    )
    .by("the parser's own guard; behind it `RuntimeConfig::wasm_stack`"),
    call(
        "deep recursion in `re`",
        "import re\n\ndef attack():\n    return re.compile('(' * 100_000 + ')' * 100_000)",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in `marshal`",
        "
        import marshal

        def attack():
            value = ()
            for _ in range(100_000): value = (value,)
            return marshal.dumps(value)
        ",
        Ends::Raises("ValueError"),
    )
    .by(GUARD),
    call(
        "deep recursion in `copy.deepcopy`",
        "
        import copy

        def attack():
            value = []
            for _ in range(100_000): value = [value]
            copy.deepcopy(value)
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in comparison",
        "
        def attack():
            a, b = [], []
            for _ in range(100_000): a, b = [a], [b]
            return a == b
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in deallocation",
        "
        def attack():
            value = None
            for _ in range(100_000): value = [value]
            del value
            return 'freed'
        ",
        Ends::Returns("'freed'"),
    )
    .by("Python's trashcan; behind it `RuntimeConfig::wasm_stack`"),
    call(
        "deep recursion in `__getattr__`",
        "
        class C:
            def __getattr__(self, name): return getattr(self, name)

        def attack():
            C().x
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    call(
        "deep recursion in C that Python does not count: iterators of iterators",
        "
        def attack():
            i = iter([1])
            for _ in range(200_000): i = map(int, i)
            return next(i)
        ",
        Ends::Limit(LimitKind::Stack),
    ),
    call(
        "deep recursion with a raised recursion limit",
        "
        import sys

        def attack():
            sys.setrecursionlimit(2 ** 31 - 1)
            def deep(n): return max([n], key=lambda n: deep(n + 1))
            return deep(0)
        ",
        Ends::Raises("RecursionError"),
    )
    .by(GUARD),
    host("module: endless recursion", |attempt| {
        Box::pin(async move {
            let guest = Guest {
                declarations:
                    "(func $deep (param i64) (result i64) (i64.add (call $deep (local.get 0)) (i64.const 1)))".into(),
                invoke: "(drop (call $deep (i64.const 0))) (i32.const 64)".into(),
                ..Guest::default()
            };
            modules::fails(
                &attempt,
                guest,
                |error| matches!(error, Error::Limit(limit) if limit.limit == LimitKind::Stack),
            )
            .await
        })
    })
    .so("the call fails: limit `wasm_stack`")
    .by("`RuntimeConfig::wasm_stack`"),
];

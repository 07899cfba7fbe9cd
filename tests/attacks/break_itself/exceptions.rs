//! Exceptions that misbehave, and ways to end.

use crate::case::{Case, call, ensure, host, load, script};
use crate::outcome::{Ends, describe};
use crate::world::rows;

const REPORTED: &str = "a report is made whatever the exception does";

pub const CASES: &[Case] = &[
    call(
        "an exception whose `__str__` raises",
        "
        class E(Exception):
            def __str__(self): raise self

        def attack():
            raise E
        ",
        Ends::Raises("E"),
    )
    .by(REPORTED),
    call(
        "an exception whose `__str__` exits",
        "
        class E(Exception):
            def __str__(self): raise SystemExit(9)

        def attack():
            raise E
        ",
        Ends::Raises("E"),
    )
    .by(REPORTED),
    call(
        "an exception whose `__str__` returns no text",
        "
        class E(Exception):
            def __str__(self): return 7

        def attack():
            raise E
        ",
        Ends::Raises("E"),
    )
    .by(REPORTED),
    call(
        "an exception whose class lies about its name",
        "
        class M(type):
            @property
            def __name__(cls): raise KeyboardInterrupt

        class E(Exception, metaclass=M): pass

        def attack():
            raise E
        ",
        Ends::Raises("E"),
    )
    .by(REPORTED),
    call(
        "an exception that cannot be made",
        "
        class E(Exception):
            def __new__(cls): return 7

        def attack():
            raise E
        ",
        Ends::Raises("TypeError"),
    )
    .by(REPORTED),
    call("`SystemExit`", "def attack():\n    raise SystemExit(3)", Ends::Raises("SystemExit"))
        .by("exiting fails the call like any exception"),
    call("`sys.exit` with a message", "import sys\n\ndef attack():\n    sys.exit('bye')", Ends::Raises("SystemExit"))
        .by("exiting fails the call like any exception"),
    call("`KeyboardInterrupt`", "def attack():\n    raise KeyboardInterrupt", Ends::Raises("KeyboardInterrupt"))
        .by(REPORTED),
    call("`GeneratorExit`", "def attack():\n    raise GeneratorExit", Ends::Raises("GeneratorExit")).by(REPORTED),
    call("`StopIteration`", "def attack():\n    raise StopIteration", Ends::Raises("StopIteration")).by(REPORTED),
    call("`os._exit`", "import os\n\ndef attack():\n    os._exit(3)", Ends::Exits(3))
        .by("leaving ends only its instance"),
    load("`os._exit` at import", "import os\nos._exit(7)", Ends::Exits(7)).by("leaving ends only its instance"),
    load("`SystemExit` at import", "raise SystemExit(7)", Ends::Raises("SystemExit")).by(REPORTED),
    script("a script that ends with a status of its own", "raise SystemExit(7)", Ends::Returns("7"))
        .by("the status is the script's"),
    call(
        "a circle of causes",
        "
        def attack():
            a, b = ValueError('a'), KeyError('b')
            a.__cause__, b.__cause__ = b, a
            raise a
        ",
        Ends::Raises("ValueError"),
    )
    .by("at most five causes are reported"),
    call(
        "a hundred thousand causes",
        "
        def attack():
            error = None
            for n in range(100_000):
                new = ValueError(n)
                new.__cause__ = error
                error = new
            raise error
        ",
        Ends::Raises("ValueError"),
    )
    .by("at most five causes are reported"),
    host("messages with surrogates, NULs and escape sequences", |attempt| {
        Box::pin(async move {
            let source = r#"
class E(Exception): pass
E.__name__ = 'E\x1b[31m\n'
def f(x: int) -> int:
    raise E('\ud800\udcff \x00 \x1b[2J\r\nINFO forged\u202e\u2028')
"#;
            let task = attempt.task(source).await.map_err(|error| error.to_string())?;
            let error = task.invoke(&rows(&[1]), 0).await.err().ok_or("it succeeded")?;
            let shown = format!("{error} {}", error.python().map(|error| error.traceback()).unwrap_or_default());
            let hostile = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2028}');
            ensure(!shown.chars().any(hostile) && shown.contains("\\x1b"), || describe(&Err(error)))
        })
    })
    .so("raises; the message shows `\\x1b[2J` as text")
    .by("control characters of reports are escaped"),
    call(
        "frames and tracebacks that are forged",
        "
        def attack():
            code = compile('raise ValueError', '\\x1b[2J\\n' * 1000, 'exec')
            exec(code.replace(co_name='../x', co_qualname='x' * 100_000, co_firstlineno=2 ** 30), {})
        ",
        Ends::Raises("ValueError"),
    )
    .by("names of reports are cut and escaped"),
    call(
        "`__class__` and `__traceback__` that change while they are read",
        "
        class E(Exception):
            @property
            def __traceback__(self): raise MemoryError
            @property
            def __cause__(self): return self
            @property
            def args(self): return self

        def attack():
            raise E
        ",
        Ends::Raises("E"),
    )
    .by(REPORTED),
    call(
        "a runtime whose own modules were replaced",
        "
        import sys

        def attack():
            for name in ('vivarium._errors', 'json', 'linecache', 'traceback'):
                sys.modules[name] = None
            raise ValueError
        ",
        Ends::Raises("ValueError"),
    )
    .by("what Python cannot report C reports"),
    call(
        "builtins that were replaced",
        "
        import builtins

        def attack():
            for name in ('str', 'isinstance', 'len', 'type', 'getattr', 'MemoryError', 'Exception'):
                setattr(builtins, name, None)
            raise ValueError
        ",
        Ends::Raises("ValueError"),
    )
    .by("what Python cannot report C reports"),
];

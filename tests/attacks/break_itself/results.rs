//! Results that are not what was declared.

use vivarium_sandbox::GuestErrorKind;

use crate::case::{Case, ensure, host, load};
use crate::outcome::{Ends, describe};
use crate::world::{Attempt, rows};

const CHECKED: &str = "values are checked against the declared type";

/// A function declared like this, called for three rows, must fail with a result error.
async fn refused(attempt: Attempt, functions: &[&str]) -> Result<(), String> {
    for function in functions {
        let source = format!("import numpy\nfrom vivarium import udf\n\n{function}\n");
        let task = attempt.task(&source).await.map_err(|error| format!("{function}: {error}"))?;
        let result = task.invoke(&rows(&[1, 2, 3]), 0).await.map(|evaluation| format!("{:?}", evaluation.result));
        ensure(Ends::Refused(GuestErrorKind::Result).matches(&result), || {
            format!("{function}: {}", describe(&result))
        })?;
    }
    Ok(())
}

pub const CASES: &[Case] = &[
    host("a result of another type", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                "def f(x: int) -> int: return 'text'",
                "def f(x: int) -> int: return 1.5",
                "def f(x: int) -> int: return 1 << 64",
                "def f(x: int) -> str: return 1",
                "def f(x: int) -> bytes: return 'text'",
                "def f(x: int) -> bool: return []",
                "@udf(result_type='int8')\ndef f(x: int): return 200",
                "@udf(result_type='list<item: int64>')\ndef f(x: int): return [1, 'a']",
                "@udf(result_type='struct<a: int64>')\ndef f(x: int): return 1",
                "@udf(result_type='date32[day]')\ndef f(x: int): return x",
                "@udf(result_type='decimal128(4, 2)')\ndef f(x: int): return __import__('decimal').Decimal(1000)",
            ],
        ))
    })
    .so("the call fails: Result error")
    .by(CHECKED),
    host("a vectorized result of another length, shape or type", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                "@udf(vectorized=True)\ndef f(x: int) -> int: return x[:2]",
                "@udf(vectorized=True)\ndef f(x: int) -> int: return numpy.concatenate([x, x])",
                "@udf(vectorized=True)\ndef f(x: int) -> int: return x.reshape(3, 1)",
                "@udf(vectorized=True)\ndef f(x: int) -> int: return 'text'",
                "@udf(vectorized=True)\ndef f(x: int) -> int: return numpy.array(['a', 'b', 'c'])",
                "@udf(vectorized=True)\ndef f(x: int) -> int: return numpy.lib.stride_tricks.as_strided(x, shape=(1 << 26,), strides=(0,))",
            ],
        ))
    })
    .so("the call fails: Result error")
    .by(CHECKED),
    host("a value that changes while it is read", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                "class L(list):\n    def __iter__(self): return iter('abc')\n@udf(result_type='list<item: int64>')\ndef f(x: int): return L([1])",
                "class D(dict):\n    def __getitem__(self, k): self.clear(); return 'x'\n    get = __getitem__\n@udf(result_type='struct<a: int64, b: int64>')\ndef f(x: int): return D(a='1', b=2)",
                "class S(str):\n    def __str__(self): return 1\n    def encode(self, *a): return 1\ndef f(x: int) -> int: return S('x')",
            ],
        ))
    })
    .so("the call fails: Result error")
    .by("each value is read once, by C code that checks its type"),
    host("text with surrogates", |attempt| {
        Box::pin(refused(attempt, &["def f(x: int) -> str: return '\\udcff'", "@udf(result_type='list<item: string>')\ndef f(x: int): return ['\\ud800']"]))
    })
    .so("the call fails: Result error")
    .by("text is UTF-8"),
    host("other results than declared, by instance", |attempt| {
        Box::pin(async move {
            let source = "
import os
from vivarium import udf
@udf(result_type='int64' if os.urandom(1)[0] & 1 else 'string')
def f(x: int): return None
";
            // The type is asked for once; an instance that says otherwise later is not used.
            for _ in 0..8 {
                match attempt.task(source).await {
                    Ok(task) => drop(task.invoke(&rows(&[1]), 0).await),
                    Err(error) => return Err(error.to_string()),
                }
            }
            Ok(())
        })
    })
    .so("the call returns NULLs of the first type, or fails: unstable")
    .by("the type that the host was told is the one it decodes"),
    load(
        "a declaration that is no function",
        "
        from vivarium import udf

        @udf
        class C: pass
        f = udf(42)
        ",
        Ends::Raises("TypeError"),
    )
    .by("declarations are checked when they are made"),
    load(
        "hostile attributes of a function",
        "
        from vivarium import udf

        @udf
        def f(x: int) -> int: return x
        f.__name__ = '\\x1b[2J'
        f.__doc__ = 7
        f.__defaults__ = None
        f.__module__ = []
        f.__qualname__ = '../../x'
        ",
        Ends::Returns("1 functions"),
    )
    .by("what a declaration says is checked and cut when it is listed"),
];

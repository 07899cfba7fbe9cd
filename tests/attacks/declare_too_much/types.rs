//! Types whose values are large whatever they hold: an engine fills a column with NULLs of them, and has not called anything.

use vivarium::{Error, ErrorClass};

use crate::case::{Case, ensure, host};
use crate::outcome::describe;
use crate::world::Attempt;

const BOUNDED: &str =
    "`vivarium::types::MAX_VALUE_BYTES`: 32 KiB for one value, counted over all levels, on both sides";

/// The declaration is a problem of the function's line, whose message says this; nothing is called, and the host goes on.
async fn refused(attempt: Attempt, declarations: &[(&str, &str)]) -> Result<(), String> {
    for (declaration, says) in declarations {
        let source = format!("import typing\nfrom vivarium import udf, udaf, udtf\n{declaration}\n");
        let module = attempt.module(&source).await.map_err(|error| format!("{declaration}: {error}"))?;
        let error = module.function("f").err().ok_or_else(|| format!("{declaration}: it can be used"))?;
        let text = error.to_string();
        ensure(matches!(error, Error::Problems { .. }) && error.class() == ErrorClass::Python, || {
            format!("{declaration}: {}", describe(&Err(error)))
        })?;
        ensure(text.contains(says) && text.len() < 1000, || format!("{declaration}: {text}"))?;
    }
    Ok(())
}

pub const CASES: &[Case] = &[
    host("results of a gigabyte each, by their size alone", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                ("@udf(result_type='fixed_size_binary[999999999]')\ndef f(x: int): return None", "line 4"),
                ("@udf(result_type='fixed_size_binary[999999999]')\ndef f(x: int): return None", "takes 999999999 bytes"),
                ("@udf(result_type='fixed_size_list<item: int64>[999999999]')\ndef f(x: int): return None", "at most 32768"),
                ("@udtf(result_type='table(a fixed_size_binary[999999999])')\ndef f(x: int): yield None,", "at most 32768"),
                (
                    "@udaf(result_type='fixed_size_binary[999999999]')\nclass f:\n    def create_accumulator(self): return []\n    def accumulate(self, acc, x: int): pass\n    def get_value(self, acc): return None",
                    "at most 32768",
                ),
            ],
        ))
    })
    .so("the declaration cannot be used, and its line says why; no engine has to fill a column with it")
    .by(BOUNDED),
    host("parameters of a gigabyte each, for the NULLs of an outer join", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                ("@udf(input_types=['fixed_size_binary[999999999]'])\ndef f(x) -> int: return 1", "at most 32768"),
                (
                    "@udf(input_types=['list<item: fixed_size_list<item: int8>[99999999]>'])\ndef f(x) -> int: return 1",
                    "at most 32768",
                ),
            ],
        ))
    })
    .so("the declaration cannot be used, and says why")
    .by(BOUNDED),
    host("sizes that are large as a product over levels", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                (
                    "@udf(result_type='fixed_size_list<item: fixed_size_binary[999999999]>[999999999]')\ndef f(x: int): return None",
                    "at most 32768",
                ),
                (
                    "@udf(result_type='fixed_size_list<item: fixed_size_list<item: fixed_size_list<item: int8>[99]>[99]>[99]')\ndef f(x: int): return None",
                    "takes 970299 bytes",
                ),
                (
                    "class A(typing.NamedTuple):\n    a: typing.Annotated[bytes, 'fixed_size_binary[20000]']\n    b: typing.Annotated[bytes, 'fixed_size_binary[20000]']\n@udf\ndef f(x: int) -> A: return None",
                    "takes 40000 bytes",
                ),
            ],
        ))
    })
    .so("the declaration cannot be used, and says why")
    .by(BOUNDED),
    host("sizes of values that take no bytes", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                ("@udf(result_type='fixed_size_list<item: null>[999999999]')\ndef f(x: int): return None", "at most 32768"),
                ("@udf(result_type='fixed_size_list<item: struct<>>[999999999]')\ndef f(x: int): return None", "at most 32768"),
                (
                    "@udf(result_type='fixed_size_list<item: fixed_size_list<item: int8>[0]>[999999999]')\ndef f(x: int): return None",
                    "at most 32768",
                ),
            ],
        ))
    })
    .so("the declaration cannot be used, and says why")
    .by("a value without bytes counts as one"),
    host("types that one side takes and the other does not", |attempt| {
        Box::pin(refused(
            attempt,
            &[
                ("@udf(result_type='decimal128(5, 10)')\ndef f(x: int): return None", "a number from -38 to 5"),
                ("@udf(result_type='fixed_size_binary[0]')\ndef f(x: int): return None", "a number from 1 to"),
                ("@udf(result_type='list<' * 32 + 'int8' + '>' * 32)\ndef f(x: int): return None", "more than 32 deep"),
                ("t = int\nfor _ in range(32): t = list[t]\n@udf\ndef f(x: int) -> t: return None", "32"),
                ("@udf(result_type='struct<\"\\\\ud800\": int8>')\ndef f(x: int): return None", "not valid Unicode"),
                ("@udf(result_type='decimal32(5, 2)')\ndef f(x: int): return None", "is not known"),
            ],
        ))
    })
    .so("the declaration cannot be used, and says why; it is the author's error and not an internal one")
    .by("one grammar, which host and guest are both tested against"),
];

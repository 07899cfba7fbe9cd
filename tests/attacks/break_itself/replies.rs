//! Replies that are forged: the SDK in the guest is Python, which the code it runs can replace.

use vivarium::{ErrorClass, TaskOptions};

use crate::case::{Case, ensure, host};
use crate::world::{Attempt, rows};

/// Replacements of what makes the guest's replies. Each is done while the module is loaded, so also its reply to that is forged.
const FORGED: &[(&str, &str)] = &[
    ("replies that are no JSON", "_errors.encode = lambda value: b'nonsense'"),
    ("replies of nothing", "_errors.encode = lambda value: b''"),
    ("replies that are no bytes", "_errors.encode = lambda value: 7"),
    ("replies of another shape", "_errors.encode = lambda value: b'[1, 2, 3]'"),
    ("replies nested a million deep", "_errors.encode = lambda value: b'[' * 1_000_000"),
    ("a million values", "_errors.encode = lambda value: b'[' + b'0,' * 1_000_000 + b'0]'"),
    ("`json.dumps` replaced", "json.dumps = lambda *a, **k: '{\"functions\": {\"a\": 1}}'"),
    ("functions that are none", "json.dumps = lambda *a, **k: '{\"functions\": [{\"name\": 7}], \"problems\": []}'"),
    ("endless names", "json.dumps = lambda *a, **k: '{\"functions\": [{\"name\": \"' + 'x' * 1_000_000 + '\"}]}'"),
    (
        "types that are none",
        "dumps = json.dumps\njson.dumps = lambda *a, **k: dumps(*a, **k).replace('int64', '\\x1b[2Jint65')",
    ),
    (
        "handles that are none",
        "dumps = json.dumps\njson.dumps = lambda *a, **k: dumps(*a, **k).replace('handle', 'hamdle')",
    ),
    ("handles of others", "_vivarium.register = lambda function: 2 ** 31"),
    ("negative handles", "_vivarium.register = lambda function: -1"),
    ("errors of the host's own kind", "_errors._kind = lambda exception: 'protocol'\nraise ValueError('forged')"),
    ("errors of a kind that there is not", "_errors._kind = lambda exception: 'host'\nraise ValueError('forged')"),
    (
        "errors in rows that there are not",
        "_errors.describe = lambda *a, **k: {'kind': 'exception', 'row': 2 ** 63}\nraise ValueError",
    ),
    ("errors that are text", "_errors.reply = lambda *a, **k: b'{\"error\": \"text\"}'\nraise ValueError"),
    (
        "the runtime's answers replaced",
        "_runtime.control = lambda request: (7, b'{}')\n_runtime._answer = lambda request: None",
    ),
    ("operations that lie", "_runtime._OPERATIONS.update(load=lambda r: None, bind=lambda r: {'handle': 'x'})"),
    ("operations that are gone", "_runtime._OPERATIONS.clear()"),
    ("declarations that lie about themselves", "_signature.Signature.describe = lambda self: {'name': None}"),
    ("what is bound replaced", "_bind.bind = lambda signature, request: 7"),
    ("reports of calls that are no JSON", "_errors.report = lambda *a: b'{{{{'"),
    (
        "reports of rows that there are not",
        "_errors.report = lambda *a: b'{\"row_errors\": [], \"count\": 9, \"rows\": [99]}'",
    ),
    ("reports that go on for ever", "_errors.report = lambda *a: b'{\"more\": true}'"),
    (
        "modules of the SDK that are gone",
        "for name in list(sys.modules):\n    if 'vivarium' in name: del sys.modules[name]",
    ),
    (
        "modules of the SDK that are empty",
        "for name in list(sys.modules):\n    if 'vivarium' in name: vars(sys.modules[name]).clear()",
    ),
];

const IMPORTS: &str = "
import json, sys
import _vivarium
from vivarium import _bind, _errors, _load, _runtime, _signature
";

/// What a module is told to forge, and a function of it that fails for odd numbers, so that there is a report to make.
async fn forge(attempt: &Attempt, forgery: &str) -> Result<(), vivarium::Error> {
    let source =
        format!("{IMPORTS}\ndef f(x: int) -> int:\n    if x % 2: raise ValueError('odd')\n    return x\n\n{forgery}\n");
    let module = attempt.module(&source).await?;
    for on_error in [vivarium::OnError::Null, vivarium::OnError::Fail] {
        let options = TaskOptions::default().with_instances(Some(1)).with_on_error(Some(on_error));
        let task = module.function("f")?.bind(&rows(&[]).schema(), options).await?;
        for _ in 0..2 {
            task.invoke(&rows(&[2, 3, 4]), 0).await?;
        }
        task.close().await?;
    }
    Ok(())
}

pub const CASES: &[Case] = &[host("replies forged by replacing the SDK's own functions", |attempt| {
    Box::pin(async move {
        for (what, forgery) in FORGED {
            // What the code breaks is the code's fault, whichever way it shows; nothing of it is the platform's failure.
            if let Err(error) = forge(&attempt, forgery).await {
                let class = error.class();
                ensure(
                    matches!(class, ErrorClass::Python | ErrorClass::Limit | ErrorClass::Input | ErrorClass::Usage),
                    || format!("{what}: {class:?}: {error}"),
                )?;
                let hostile = |c: char| c.is_control() && c != '\n';
                ensure(!error.to_string().contains(hostile), || format!("{what}: {error:?}"))?;
            }
        }
        Ok(())
    })
})
.so("loading, binding or the call fails as the code's own error, or nothing comes of it")
.by("every reply is parsed and bounded; the host takes a guest's word for nothing but the tenant's own rows")];

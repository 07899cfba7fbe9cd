//! Results, errors, names and prints that are too large for whoever takes them.

use arrow::array::RecordBatch;
use vivarium::{Arguments, FunctionSource, SourceError, TaskOptions};
use vivarium_sandbox::{Capture, LimitKind, OutputTarget, Sandbox, TenantLimits};

use crate::case::{Case, call, ensure, host, load};
use crate::outcome::{Ends, describe};
use crate::world::{Attempt, rows, tenant};

pub const CASES: &[Case] = &[
    call(
        "a result larger than allowed",
        "def attack():\n    return 'x' * (2 << 20)",
        Ends::Limit(LimitKind::OutputBytes),
    )
    .with(|limits| limits.output_bytes = 1 << 20),
    host("an error message of gigabytes", |attempt| {
        Box::pin(async move {
            let source = "def f(x: int) -> int:\n    raise ValueError('x' * (40 << 20))\n";
            let task = attempt.task(source).await.map_err(|error| error.to_string())?;
            let error = task.invoke(&rows(&[1]), 0).await.err().ok_or("it succeeded")?;
            let length = error.python().map_or(0, |error| error.error.message.len());
            ensure((1..=70_000).contains(&length), || {
                format!("the message has {length} bytes: {}", describe(&Err(error)))
            })
        })
    })
    .so("raises `ValueError` with the first 64 KiB of the message")
    .by("strings of reports are cut"),
    host("a traceback of 100,000 frames", |attempt| {
        Box::pin(async move {
            let source = "
import sys
sys.setrecursionlimit(200_000)
def deep(n):
    if n == 0: raise ValueError('deep')
    deep(n - 1)
def f(x: int) -> int:
    deep(100_000)
";
            let task = attempt.task(source).await.map_err(|error| error.to_string())?;
            let error = task.invoke(&rows(&[1]), 0).await.err().ok_or("it succeeded")?;
            let found = error.python().map(|error| (error.error.traceback.len(), error.error.omitted_frames));
            ensure(found == Some((50, 99_952)), || format!("{found:?} {}", describe(&Err(error))))
        })
    })
    .so("raises `ValueError` with the first and last 25 frames")
    .by("frames of reports are counted"),
    load(
        "thousands of functions",
        "
        from vivarium import udf
        for n in range(3000): exec(f'@udf\\ndef f{n}(x: int) -> int: return x')
        ",
        Ends::Limit(LimitKind::ReplyBytes),
    )
    .with(|limits| limits.reply_bytes = 256 << 10),
    host("a function with a name of megabytes", |attempt| Box::pin(unusable(attempt, "name='n' * (2 << 20)")))
        .so("the declaration cannot be used, and says why")
        .by("255 characters for a name"),
    host("a result type of a hundred thousand columns", |attempt| {
        Box::pin(unusable(attempt, "result_type='struct<' + ', '.join(f'c{n}: int64' for n in range(100_000)) + '>'"))
    })
    .so("the declaration cannot be used, and says why")
    .by("65,536 characters for a type"),
    host("a parameter list of ten thousand", |attempt| {
        Box::pin(async move {
            let source = "exec('def f(' + ', '.join(f'x{n}: int' for n in range(10_000)) + ') -> int: return 1')\nfrom vivarium import udf\nf = udf(f)\n";
            let module = attempt.module(source).await.map_err(|error| error.to_string())?;
            ensure(module.function("f").is_err(), || "it can be used".to_owned())
        })
    })
    .so("the declaration cannot be used, and says why")
    .by("255 parameters"),
    host("a batch of thousands of columns with names of kilobytes", |attempt| {
        Box::pin(async move {
            let mut attempt = attempt;
            attempt.limits.request_bytes = 64 << 10;
            let column = rows(&[1]).column(0).clone();
            let named = (0..3000).map(|number| (format!("{number}{}", "x".repeat(2000)), column.clone()));
            let batch = RecordBatch::try_from_iter(named).map_err(|error| error.to_string())?;
            let source = "from vivarium import udf\n@udf\ndef f(*x: int) -> int: return len(x)\n";
            let names = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
            let options = TaskOptions::default().with_arguments(Arguments::Columns(names));
            let module = attempt.module(source).await.map_err(|error| error.to_string())?;
            let function = module.function("f").map_err(|error| error.to_string())?;
            let result = function.bind(&batch.schema(), options).await.map(|_| String::new());
            ensure(Ends::Limit(LimitKind::RequestBytes).matches(&result), || describe(&result))
        })
    })
    .so("binding fails: limit `request_bytes`; names of columns never reach the guest")
    .by("`Limits::request_bytes`"),
    host("source code of 100 MB", |attempt| {
        Box::pin(async move {
            let source = "x = 1\n".repeat((100 << 20) / 6);
            let result = attempt.module(&source).await.map(|_| String::new());
            ensure(Ends::Limit(LimitKind::RequestBytes).matches(&result), || describe(&result))?;
            let path = attempt.world.root.path().join("large.py");
            let file = std::fs::File::create(&path).map_err(|error| error.to_string())?;
            file.set_len(100 << 20).map_err(|error| error.to_string())?;
            let refused = FunctionSource::file(&path);
            ensure(matches!(refused, Err(SourceError::TooLarge { .. })), || format!("{refused:?}"))
        })
    })
    .so("loading fails: limit `request_bytes`; a file of that size is not read")
    .by("`Limits::request_bytes`"),
    host("gigabytes of print", |attempt| Box::pin(async move { printed(attempt, "sys.stdout").await }))
        .so("the call goes on; what is over the rate is dropped, counted and noted once")
        .by("`Limits::log_bytes_per_second`"),
    host("gigabytes of print to stderr", |attempt| Box::pin(async move { printed(attempt, "sys.stderr").await }))
        .so("the call goes on; what is over the rate is dropped, counted and noted once")
        .by("`Limits::log_bytes_per_second`"),
    host("gigabytes of print by `os.write`, one line without end", |attempt| {
        Box::pin(async move {
            let source = "
import os
def f(x: int) -> int:
    for _ in range(1000):
        os.write(1, bytes(1 << 20))
    return 1
";
            let task = attempt.task(source).await.map_err(|error| error.to_string())?;
            task.invoke(&rows(&[1]), 0).await.map_err(|error| error.to_string())?;
            drop(task);
            let bytes: usize = attempt.world.log.lines(attempt.tenant.id().as_str()).iter().map(String::len).sum();
            // An escaped NUL takes four.
            ensure((1..256 << 20).contains(&bytes), || format!("{bytes} bytes were logged"))
        })
    })
    .so("the call goes on; what is over the rate is dropped, counted and noted once")
    .by("`Limits::log_bytes_per_second`; lines are cut"),
    host("a million empty lines in one call of the host's", |attempt| {
        Box::pin(async move {
            let source = "
import os
def f(x: int) -> int:
    for _ in range(4):
        lines = b'\\n' * (1 << 20)
        while lines:
            written = os.write(1, lines)
            assert 0 < written
            lines = lines[written:]
    return 1
";
            let started = std::time::Instant::now();
            let task = attempt.task(source).await.map_err(|error| error.to_string())?;
            task.invoke(&rows(&[1]), 0).await.map_err(|error| error.to_string())?;
            drop(task);
            let seconds = started.elapsed().as_secs() + 1;
            let lines = attempt.world.log.lines(attempt.tenant.id().as_str());
            // The bucket holds a second's worth; each flood has two notices of two lines.
            let most = ((1 << 20) / 128 + 4) * (seconds + 1);
            ensure((lines.len() as u64) <= most, || format!("{} lines in {seconds} s", lines.len()))?;
            let told = |line: &&String| line.contains("bytes of output were dropped]");
            ensure(lines.iter().any(|line| told(&line)), || "nobody said how many bytes were dropped".to_owned())
        })
    })
    .so("the call goes on; each line costs as much as its event, and the number of dropped bytes is told")
    .by("`Limits::log_bytes_per_second`; one call ends at most 128 lines"),
    host("lines of many sandboxes, and of ones that are started anew", |attempt| {
        Box::pin(async move {
            const RATE: u64 = 1 << 20;
            let limits = TenantLimits::default().with_log_bytes_per_second(Some(RATE));
            let talkative = tenant("talkative", &limits);
            let request = serde_json::json!({"op": "eval", "source": "import os\nfor _ in range(300): os.write(1, b'\\n' * 128)"});
            let started = std::time::Instant::now();
            for _ in 0..12 {
                let config = attempt.config_of(&talkative);
                let mut sandbox =
                    Sandbox::start(&attempt.world.image, &config).await.map_err(|error| error.to_string())?;
                sandbox.control(&request).await.map_err(|error| error.to_string())?;
            }
            let seconds = started.elapsed().as_secs() + 1;
            let lines = attempt.world.log.lines("talkative").len() as u64;
            let most = RATE / 128 * (seconds + 1) + 12 * 4;
            ensure(lines <= most, || format!("{lines} lines in {seconds} s"))
        })
    })
    .so("all of them together write as much as the tenant may")
    .by("`TenantLimits::log_bytes_per_second`"),
];

/// A declaration with these arguments is a problem, and no function that could be used.
async fn unusable(attempt: Attempt, arguments: &str) -> Result<(), String> {
    let source = format!("from vivarium import udf\n\n@udf({arguments})\ndef f(x: int): return x\n");
    let module = attempt.module(&source).await.map_err(|error| error.to_string())?;
    let refused = module.function("f").err().map(|error| error.to_string());
    // The message does not repeat what is too long.
    ensure(refused.as_ref().is_some_and(|error| error.len() < 1000), || format!("{refused:?}"))
}

/// A sandbox that prints 256 MiB, of which only what the rate allows arrives.
async fn printed(attempt: Attempt, stream: &str) -> Result<(), String> {
    const RATE: u64 = 4096;
    let capture = Capture::new(1 << 30);
    let mut config = attempt.config();
    config.limits.log_bytes_per_second = Some(RATE);
    config.stdout = OutputTarget::Capture(capture.clone());
    config.stderr = OutputTarget::Capture(capture.clone());
    let mut sandbox = Sandbox::start(&attempt.world.image, &config).await.map_err(|error| error.to_string())?;
    let source = format!(
        "import sys\nline = 'x' * (1 << 20)\nfor _ in range(256): {stream}.write(line)\n{stream}.flush()\nresult = 1"
    );
    let started = std::time::Instant::now();
    let reply = sandbox.control(&serde_json::json!({"op": "eval", "source": source})).await;
    let seconds = started.elapsed().as_secs() + 1;
    reply.map_err(|error| error.to_string())?;
    let bytes = capture.take().len() as u64;
    let most = RATE * (seconds + 1) + 1000;
    ensure(bytes >= RATE && bytes <= most, || format!("{bytes} bytes arrived, expected {RATE} to {most}"))
}

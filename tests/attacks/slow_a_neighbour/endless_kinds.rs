//! Code that does not end in the methods of aggregate, table and async functions.

use std::convert::Infallible;
use std::time::Duration;

use futures::{StreamExt, stream};
use vivarium::{Error, GroupBy, Kind, TaskOptions};
use vivarium_sandbox::LimitKind;

use crate::case::{BATCH_TIME, Case, dedent, ensure, host};
use crate::outcome::{Ends, describe};
use crate::world::{Attempt, rows};

/// Applies the function `f` of a source to a table of three rows; the first error, or that there was none.
async fn applied(attempt: &Attempt, source: &str) -> Result<String, Error> {
    let function = attempt.module(source).await?.function("f")?;
    let options = TaskOptions::default().with_instances(Some(1));
    let (schema, input) = (rows(&[]).schema(), stream::iter([Ok::<_, Infallible>(rows(&[1, 2, 3]))]));
    if function.signature().kind == Kind::Aggregate {
        let aggregation = function.bind_aggregate(&schema, &GroupBy::default(), options).await?;
        let mut outputs = Box::pin(aggregation.run(input));
        while let Some(output) = outputs.next().await {
            output?;
        }
    } else {
        let task = function.bind(&schema, options).await?;
        let mut outputs = Box::pin(task.run(input));
        while let Some(output) = outputs.next().await {
            output?;
        }
        task.close().await?;
    }
    Ok("a result".to_owned())
}

/// Each of these sources must end at this limit.
async fn ends(mut attempt: Attempt, ends: Ends, sources: Vec<String>) -> Result<(), String> {
    match ends {
        Ends::Limit(LimitKind::StartupTime) => attempt.limits.startup_time = Duration::from_millis(300),
        _ => attempt.limits.batch_time = Duration::from_millis(300),
    }
    for source in sources {
        let result = applied(&attempt, &dedent(&source)).await;
        ensure(ends.matches(&result), || format!("{source}: {}", describe(&result)))?;
    }
    Ok(())
}

/// An aggregate function one of whose methods does not end.
fn aggregate(endless: &str) -> String {
    let body =
        |method: &str, body: &str| if method == endless { "while True: pass".to_owned() } else { body.to_owned() };
    format!(
        "
        from vivarium import udaf

        @udaf
        class f:
            def create_accumulator(self):
                {}
            def accumulate(self, acc, x: int):
                {}
            def get_value(self, acc) -> int:
                {}
        ",
        body("create_accumulator", "return [0]"),
        body("accumulate", "acc[0] += x"),
        body("get_value", "return acc[0]"),
    )
}

pub const CASES: &[Case] = &[
    host("endless loop in each method of an aggregate function", |attempt| {
        let methods = ["create_accumulator", "accumulate", "get_value"];
        Box::pin(ends(attempt, BATCH_TIME, methods.map(aggregate).to_vec()))
    })
    .so("the call fails: limit `batch_time`")
    .by("`Limits::batch_time`"),
    host("endless loop, and endless rows, in a table function", |attempt| {
        let bodies = ["while True: pass", "while True: yield x"];
        let source = |body| {
            format!(
                "
                from typing import Iterator
                from vivarium import udtf

                @udtf
                def f(x: int) -> Iterator[tuple[int]]:
                    {body}
                    yield x
                "
            )
        };
        Box::pin(async move {
            ends(attempt.clone(), BATCH_TIME, vec![source(bodies[0])]).await?;
            // Rows leave in pieces, each in its time; whoever reads them decides how many.
            let source = dedent(&source(bodies[1]).replace("tuple[int]", "int"));
            let task = attempt.task(&source).await.map_err(|error| error.to_string())?;
            let input = stream::iter([Ok::<_, Infallible>(rows(&[1]))]);
            let mut outputs = Box::pin(task.run(input));
            for _ in 0..3 {
                let output = outputs.next().await.ok_or("the rows have ended")?;
                output.map_err(|error| error.to_string())?;
            }
            Ok(())
        })
    })
    .so("the call fails: limit `batch_time`; endless rows come in pieces, as many as are read")
    .by("`Limits::batch_time`, `Limits::output_rows`"),
    host("endless loop in an async function, and in `open` and `close`", |attempt| {
        let waits = "
            import asyncio
            from vivarium import udf

            @udf
            async def f(x: int) -> int:
                await asyncio.sleep(1e9)
            ";
        let opens = "
            from vivarium import udf

            @udf
            class f:
                def open(self, context):
                    while True: pass
                def eval(self, x: int) -> int:
                    return x
            ";
        Box::pin(async move {
            ends(attempt.clone(), BATCH_TIME, vec![waits.to_owned()]).await?;
            ends(attempt, Ends::Limit(LimitKind::StartupTime), vec![opens.to_owned()]).await
        })
    })
    .so("the call fails: limit `batch_time`, or `startup_time` in `open`")
    .by("`Limits::batch_time`, `Limits::startup_time`"),
];

//! Built-in SQL expressions of DataFusion, over the same batches in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use datafusion::datasource::MemTable;
use datafusion::physical_plan::execute_stream_partitioned;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::StreamExt;
use futures::future::BoxFuture;

use super::DATAFUSION;
use crate::contender::{Contender, NotRun};
use crate::material::Case;
use crate::work::Kind;

/// The engine's own functions.
#[derive(Debug, Default)]
pub struct BuiltIn {}

impl Contender for BuiltIn {
    fn name(&self) -> &'static str {
        DATAFUSION
    }

    fn run<'a>(&'a mut self, case: Case<'a>, repetitions: usize) -> BoxFuture<'a, Result<Duration, NotRun>> {
        Box::pin(async move {
            let Some(sql) = case.material.sql else {
                return Err(NotRun("it has no built-in expression for this work".to_owned()));
            };
            measure(case, sql, repetitions).await.map_err(NotRun::because)
        })
    }
}

/// One query over `repetitions` batches for each thread, planned before the clock starts; an aggregate is a query a repetition.
async fn measure(case: Case<'_>, sql: &str, repetitions: usize) -> Result<Duration> {
    let aggregate = case.material.kind == Kind::Aggregate;
    let config = SessionConfig::new().with_batch_size(case.rows).with_target_partitions(case.threads);
    let context = SessionContext::new_with_config(config);
    let partition = if aggregate { case.batches() } else { vec![case.batch(); repetitions] };
    let partitions = if aggregate { vec![partition] } else { vec![partition; case.threads] };
    context.register_table("t", Arc::new(MemTable::try_new(case.material.batch.schema(), partitions)?))?;
    let query = match case.material.kind {
        Kind::Aggregate => format!("SELECT a, {sql} FROM t GROUP BY a"),
        _ => format!("SELECT {sql} FROM t"),
    };
    let plan = context.sql(&query).await?.create_physical_plan().await?;
    let mut time = Duration::ZERO;
    for _ in 0..if aggregate { repetitions } else { 1 } {
        // A plan that has run keeps its state; making it anew is not timed.
        let plan = if aggregate { context.sql(&query).await?.create_physical_plan().await? } else { Arc::clone(&plan) };
        let start = Instant::now();
        let streams = execute_stream_partitioned(plan, context.task_ctx())?;
        let threads: Vec<_> = streams
            .into_iter()
            .map(|mut stream| {
                tokio::spawn(async move {
                    while let Some(batch) = stream.next().await {
                        std::hint::black_box(batch?);
                    }
                    Ok::<_, datafusion::error::DataFusionError>(())
                })
            })
            .collect();
        for thread in threads {
            thread.await??;
        }
        time += start.elapsed();
    }
    Ok(time)
}

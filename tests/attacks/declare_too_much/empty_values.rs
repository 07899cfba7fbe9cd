//! Values that take no bytes, by the million.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int8Array, ListArray, NullArray, RecordBatch, RunArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{Field, Int32Type};
use vivarium::{Error, TaskOptions};
use vivarium_sandbox::LimitKind;

use crate::case::{Case, ensure, host};
use crate::outcome::{Ends, describe};
use crate::world::{Attempt, rows};

const COUNTED: &str = "`Limits::output_items`";

/// A function of one row ends at the limit on the values within a result.
async fn too_many(attempt: Attempt, functions: &[&str]) -> Result<(), String> {
    for function in functions {
        let source = format!("from vivarium import udf\n{function}\n");
        let task = attempt.task(&source).await.map_err(|error| format!("{function}: {error}"))?;
        let result = task.invoke(&rows(&[1]), 0).await.map(|evaluation| format!("{} rows", evaluation.result.len()));
        ensure(Ends::Limit(LimitKind::OutputItems).matches(&result), || format!("{function}: {}", describe(&result)))?;
    }
    Ok(())
}

/// A batch of one row and one column, which takes a few bytes and stands for so many items, is too large for a call.
async fn refused(attempt: Attempt, items: ArrayRef, count: usize) -> Result<(), String> {
    let item = Arc::new(Field::new("item", items.data_type().clone(), true));
    let list = ListArray::new(item, OffsetBuffer::from_lengths([count]), items, None);
    let batch = RecordBatch::try_from_iter([("x", Arc::new(list) as ArrayRef)]).map_err(|error| error.to_string())?;
    let declared = if count == MILLIONS { "list<item: null>" } else { "list<item: int8>" };
    let source = format!("from vivarium import udf\n@udf\ndef f(x: '{declared}') -> int: return len(x)\n");
    let module = attempt.module(&source).await.map_err(|error| error.to_string())?;
    let function = module.function("f").map_err(|error| error.to_string())?;
    let options = TaskOptions::default().with_instances(Some(1));
    let task = function.bind(&batch.schema(), options).await.map_err(|error| error.to_string())?;
    match task.invoke(&batch, 0).await {
        Err(Error::RowTooLarge { row: 0, bytes, .. }) if bytes >= count as u64 => Ok(()),
        other => Err(describe(&other.map(|evaluation| format!("{:?}", evaluation.result)))),
    }
}

const MILLIONS: usize = 60_000_000;

pub const CASES: &[Case] = &[
    host("a list of two million NULLs", |attempt| {
        Box::pin(async move {
            let mut attempt = attempt;
            attempt.limits.output_items = 1_000_000;
            too_many(attempt, &["@udf(result_type='list<item: null>')\ndef f(x: int): return [None] * 2_000_000"]).await
        })
    })
    .so("the call fails: limit `output_items`")
    .by(COUNTED),
    host("lists of empty structs, of empty lists, and of bits", |attempt| {
        Box::pin(async move {
            let mut attempt = attempt;
            attempt.limits.output_items = 100_000;
            too_many(
                attempt,
                &[
                    "@udf(result_type='list<item: struct<>>')\ndef f(x: int): return [{}] * 100_001",
                    "@udf(result_type='list<item: fixed_size_list<item: int64>[0]>')\ndef f(x: int): return [[]] * 100_001",
                    "@udf(result_type='list<item: bool>')\ndef f(x: int): return [True] * 100_001",
                    "@udf(result_type='list<item: list<item: null>>')\ndef f(x: int): return [[None] * 1000] * 100",
                ],
            )
            .await
        })
    })
    .so("the call fails: limit `output_items`")
    .by(COUNTED),
    host("a batch of a few bytes with sixty million NULLs in a list", |attempt| {
        Box::pin(refused(attempt, Arc::new(NullArray::new(MILLIONS)), MILLIONS))
    })
    .so("the call fails: the row is larger than a call may be; nothing is made of it")
    .by("`Limits::batch_bytes`: a value without bytes counts as one"),
    host("a batch of a few bytes with one run of two billion values in a list", |attempt| {
        Box::pin(async move {
            let ends = arrow::array::Int32Array::from(vec![i32::MAX]);
            let run = RunArray::<Int32Type>::try_new(&ends, &Int8Array::from(vec![7])).map_err(|error| error.to_string())?;
            refused(attempt, Arc::new(run), i32::MAX as usize).await
        })
    })
    .so("the call fails: the row is larger than a call may be; the run is not taken apart")
    .by("`Limits::batch_bytes`: each value of a run counts as a byte at least"),
];

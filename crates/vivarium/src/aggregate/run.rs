//! A whole input, grouped and aggregated.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{filter_record_batch, interleave, take};
use futures::stream::{self, Stream, StreamExt};
use tokio::sync::mpsc;
use vivarium_sandbox::exchange::Plan;
use vivarium_sandbox::{LimitError, LimitKind};

use super::Shared;
use super::accumulators::{Accumulators, GroupRows};
use crate::chunks::{Chunk, chunks};
use crate::error::Error;
use crate::failures::Failures;
use crate::groups::GroupTable;
use crate::instances::{Held, Reply};
use crate::signature::{Kind, OnError};
use crate::spawn::{Spawned, spawn};
use crate::task::Output;

/// Groups of one output.
const GROUPS: usize = 8_192;

/// Bytes of one output, over all instances: what 32-bit offsets of one array can surely count.
const OUTPUT_BYTES: usize = 1 << 30;

/// Rows that wait for an instance, in parts of a chunk.
const WAITING: usize = 2;

/// Outputs that wait for their reader.
const OUTPUTS: usize = 2;

pub(super) fn run<S, E>(shared: Arc<Shared>, input: S) -> impl Stream<Item = Result<Output, Error>> + Send + 'static
where
    S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let (sender, receiver) = mpsc::channel(OUTPUTS);
    let work = spawn(async move {
        if let Err(error) = aggregate(shared, input, &sender).await {
            // Without a reader nobody wants to know.
            let _ = sender.send(Err(error)).await;
        }
        Ok(())
    });
    stream::try_unfold((receiver, work), |(mut receiver, work)| async move {
        let output: Option<Result<Output, Error>> = receiver.recv().await;
        match output {
            Some(output) => Ok(Some((output?, (receiver, work)))),
            // An end without an answer must not look like the end of the groups.
            None => work.await.map(|()| None),
        }
    })
}

async fn aggregate<S, E>(
    shared: Arc<Shared>,
    input: S,
    outputs: &mpsc::Sender<Result<Output, Error>>,
) -> Result<(), Error>
where
    S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut groups = GroupTable::new(shared.keys.clone(), shared.group_bytes)?;
    // One group cannot be spread over instances. Beyond the first, only free ones are taken: two runs that each wait for the
    // other's would wait for ever. How many there are makes no difference to the results.
    let most = if shared.keys.fields.is_empty() { 1 } else { shared.instances.size() };
    let mut instances = vec![Instance::start(Accumulators::open(&shared).await?)];
    while instances.len() < most
        && let Some(accumulators) = Accumulators::open_free(&shared).await?
    {
        instances.push(Instance::start(accumulators));
    }
    let fed = feed(&shared, input, &mut groups, &mut instances, outputs).await;
    // Rows before the one that stopped the input may have failed too: the first of all is reported.
    let mut first_error = fed.err();
    let (mut failures, mut accumulators) = (Failures::default(), Vec::new());
    for instance in instances {
        let Done { accumulators: returned, failures: failed, error } = instance.finish().await?;
        failures.merge(failed);
        accumulators.push(returned);
        first_error = match (first_error, error) {
            (Some(one), Some(other)) if other.first_row() < one.first_row() => Some(other),
            (one, other) => one.or(other),
        };
    }
    if let Some(error) = first_error {
        return Err(error);
    }
    let mut failures = Some(failures);
    for start in (0..groups.len()).step_by(GROUPS) {
        let range = start..groups.len().min(start + GROUPS);
        let mut output = emit(&shared, &groups, &mut accumulators, range).await?;
        if let Some(mut all) = failures.take() {
            all.merge(std::mem::take(&mut output.failures));
            output.failures = all;
        }
        if outputs.send(Ok(output)).await.is_err() {
            return Ok(());
        }
    }
    match failures {
        Some(failures) if !failures.is_empty() => {
            let batch = RecordBatch::new_empty(shared.output_schema());
            let _ = outputs.send(Ok(Output { batch, rows_in: 0, failures, _held: Held::new() })).await;
            Ok(())
        }
        _ => Ok(()),
    }
}

// ---- Rows in ----

/// Rows of one part of a chunk that belong to one instance.
struct Work {
    /// The groups' numbers within the instance, and the arguments.
    columns: Vec<ArrayRef>,
    /// Numbers of the rows in the whole input.
    rows: Vec<u64>,
}

/// An instance at work.
struct Instance {
    work: mpsc::Sender<Work>,
    done: Spawned<Done>,
}

struct Done {
    accumulators: Accumulators,
    failures: Failures,
    error: Option<Error>,
}

impl Instance {
    fn start(mut accumulators: Accumulators) -> Self {
        let (work, mut waiting) = mpsc::channel::<Work>(WAITING);
        let done = spawn(async move {
            let mut failures = Failures::default();
            let mut error = None;
            while let Some(Work { columns, rows }) = waiting.recv().await {
                let plan = Plan::new(&columns, rows.len());
                let done = match plan.map_err(|error| Error::Sandbox { error: error.into(), rows: None }) {
                    Ok(plan) => accumulators.accumulate_planned(&plan, &rows).await,
                    Err(error) => Err(error),
                };
                match done {
                    Ok(failed) => failures.extend(failed),
                    Err(failed) => {
                        error = Some(failed);
                        break;
                    }
                }
            }
            Ok(Done { accumulators, failures, error })
        });
        Self { work, done }
    }

    async fn finish(self) -> Result<Done, Error> {
        drop(self.work);
        self.done.await
    }
}

/// Hands all rows of the input to the instances of their groups, until its end or until one fails.
async fn feed<S, E>(
    shared: &Shared,
    input: S,
    groups: &mut GroupTable,
    instances: &mut [Instance],
    outputs: &mpsc::Sender<Result<Output, Error>>,
) -> Result<(), Error>
where
    S: Stream<Item = Result<RecordBatch, E>> + Send + Unpin + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    let mut chunks = Box::pin(chunks(input));
    while let Some(chunk) = chunks.next().await {
        let Chunk { first_row, batch } = chunk?;
        let rows_in = batch.num_rows() as u64;
        let (batch, columns, stop) = match shared.columns.of(&batch, first_row) {
            Ok(columns) => (batch, columns, None),
            // Rows before the value that does not convert go first: one of them may fail.
            Err(error) => match error {
                Error::Value { row, .. } if row > first_row => {
                    let before = batch.slice(0, (row - first_row) as usize);
                    let columns = shared.columns.of(&before, first_row)?;
                    (before, columns, Some(error))
                }
                error => return Err(error),
            },
        };
        let numbers = groups.of(&batch, first_row)?;
        let sent = send(shared, &columns, &numbers, first_row, instances).await?;
        if let Some(error) = stop {
            return Err(error);
        }
        let batch = RecordBatch::new_empty(shared.output_schema());
        let progress = Output { batch, rows_in, failures: Failures::default(), _held: Held::new() };
        if sent.is_err() || outputs.send(Ok(progress)).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// An instance does not take rows any more: it failed, and says so at the end.
struct Failed;

async fn send(
    shared: &Shared,
    columns: &[ArrayRef],
    numbers: &[u32],
    first_row: u64,
    instances: &mut [Instance],
) -> Result<Result<(), Failed>, Error> {
    let count = instances.len() as u32;
    let mut failed = false;
    // Parts are those of the whole chunk, however many instances share it: which rows a vectorized function sees together must
    // not depend on their number. Groups take a few bytes more.
    for part in parts(shared, columns, numbers.len(), first_row) {
        let rows = part?;
        for (index, instance) in instances.iter().enumerate() {
            let mine: Vec<u32> =
                rows.clone().filter(|&row| numbers[row] % count == index as u32).map(|row| row as u32).collect();
            if mine.is_empty() {
                continue;
            }
            let local: ArrayRef =
                Arc::new(UInt32Array::from_iter_values(mine.iter().map(|&row| numbers[row as usize] / count)));
            let numbers = mine.iter().map(|&row| first_row + u64::from(row)).collect();
            let mut taken = vec![local];
            if mine.len() == rows.len() {
                taken.extend(columns.iter().map(|column| column.slice(rows.start, rows.len())));
            } else {
                let indices = UInt32Array::from(mine);
                for column in columns {
                    taken.push(take(column, &indices, None)?);
                }
            }
            failed |= instance.work.send(Work { columns: taken, rows: numbers }).await.is_err();
        }
    }
    Ok(if failed { Err(Failed) } else { Ok(()) })
}

/// Ranges of rows that fit one call together with the numbers of their groups.
fn parts(
    shared: &Shared,
    columns: &[ArrayRef],
    rows: usize,
    first_row: u64,
) -> Vec<Result<std::ops::Range<usize>, Error>> {
    let groups: ArrayRef = Arc::new(UInt32Array::from(vec![0; rows]));
    let columns: Vec<_> = std::iter::once(groups).chain(columns.iter().cloned()).collect();
    shared.columns.parts(&columns, rows, first_row).map(|part| part.map(|part| part.rows)).collect()
}

// ---- Groups out ----

/// The results of a range of groups.
async fn emit(
    shared: &Shared,
    groups: &GroupTable,
    accumulators: &mut [Accumulators],
    range: std::ops::Range<usize>,
) -> Result<Output, Error> {
    let count = accumulators.len();
    let first_rows = groups.first_rows(range.clone());
    let keys = groups.columns(range.clone())?;
    let (mut failures, mut all_held) = (Failures::default(), Held::new());
    let (mut arrays, mut places): (Vec<Vec<ArrayRef>>, Vec<(usize, usize)>) = (Vec::new(), Vec::new());
    // For each row of the output, the group within the range.
    let mut group_of: Vec<u32> = Vec::new();
    let mut found: Vec<(u32, usize, usize)> = Vec::new();
    for (index, one) in accumulators.iter_mut().enumerate() {
        let mine: Vec<usize> = range.clone().filter(|group| group % count == index).collect();
        let local: Vec<u32> = mine.iter().map(|group| (group / count) as u32).collect();
        let rows: Vec<u64> = mine.iter().map(|group| first_rows[group - range.start]).collect();
        if local.is_empty() {
            continue;
        }
        if shared.kind == Kind::TableAggregate {
            let GroupRows { results, failures: failed, held } = one.rows_of(&local, &rows).await?;
            failures.merge(failed);
            all_held.extend(held);
            for result in results {
                let numbers = result.numbers.values().iter().enumerate();
                found.extend(numbers.map(|(at, &n)| ((mine[n as usize] - range.start) as u32, arrays.len(), at)));
                arrays.push(result.columns());
            }
        } else {
            let Reply { result, failures: failed, held } = one.values_of(&local, &rows).await?;
            failures.merge(failed);
            all_held.extend(held);
            found.extend(mine.iter().enumerate().map(|(at, group)| ((group - range.start) as u32, arrays.len(), at)));
            arrays.push(vec![result]);
        }
    }
    let bytes: usize = arrays.iter().flatten().map(|array| array.get_buffer_memory_size()).sum();
    if bytes > OUTPUT_BYTES {
        let error = LimitError::new(LimitKind::OutputBytes, OUTPUT_BYTES as u64);
        return Err(Error::Limit { error, rows: None });
    }
    // Within a group, rows stay in the order in which they came.
    found.sort_by_key(|(group, _, _)| *group);
    for (group, array, at) in found {
        group_of.push(group);
        places.push((array, at));
    }
    let group_of = UInt32Array::from(group_of);
    let mut columns = Vec::new();
    for key in &keys {
        columns.push(take(key, &group_of, None)?);
    }
    for column in 0..shared.results.len() {
        let parts: Vec<&dyn Array> = arrays.iter().map(|columns| columns[column].as_ref()).collect();
        let empty = arrow::array::new_empty_array(shared.results[column].data_type());
        columns.push(if parts.is_empty() { empty } else { interleave(&parts, &places)? });
    }
    let mut batch = RecordBatch::try_new(shared.output_schema(), columns)?;
    if shared.on_error == OnError::Skip && !failures.is_empty() {
        let kept =
            group_of.values().iter().map(|&group| failures.rows().binary_search(&first_rows[group as usize]).is_err());
        batch = filter_record_batch(&batch, &BooleanArray::from(kept.collect::<Vec<_>>()))?;
    }
    Ok(Output { batch, rows_in: 0, failures, _held: all_held })
}

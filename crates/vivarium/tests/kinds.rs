//! Table, aggregate and async functions through the library: what comes out depends neither on batches nor on instances.

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use futures::{StreamExt, TryStreamExt, stream};
use vivarium::{
    Aggregation, ArgumentValue, Arguments, ColumnCounts, ColumnMode, Error, ErrorClass, Failures, Function,
    FunctionMetric, FunctionSource, GroupBy, Image, JobContext, Limits, Module, OnError, Output, Runtime,
    RuntimeConfig, SandboxConfig, Task, TaskOptions,
};
use vivarium_guest::ImageStore;

const FUNCTIONS: &str = r#"
import asyncio, itertools, logging, warnings
from typing import Iterator
import numpy as np
from vivarium import udaf, udf, udtaf, udtf

@udtf
def repeat(x: int) -> Iterator[tuple[int, str]]:
    for n in range(x % 5):
        if x % 1000 == 3 and n == 2:
            raise ValueError(f"no {x}")
        yield n, str(x)

@udtf
def many(x: int) -> Iterator[int]:
    return range(x)

@udtf
def endless(x: int) -> Iterator[int]:
    return itertools.count()

@udaf
class total:
    def create_accumulator(self):
        return [0.0, 0]
    def accumulate(self, acc, x: float):
        if x % 1000 == 7:
            raise ValueError(f"no {x}")
        acc[0] += x / 3
        acc[1] += 1
    def retract(self, acc, x: float):
        acc[0] -= x / 3
        acc[1] -= 1
    def merge(self, acc, other):
        acc[0] += other[0]
        acc[1] += other[1]
    def get_value(self, acc) -> float | None:
        return acc[0] if acc[1] else None

@udaf(vectorized=True)
class batched:
    def create_accumulator(self, groups):
        return np.zeros(groups)
    def accumulate(self, acc, groups, x: float):
        np.add.at(acc, groups, x / 3)
    def merge(self, acc, groups, other):
        np.add.at(acc, groups, other)
    def get_value(self, acc) -> float:
        return acc

@udaf
class fails:
    def create_accumulator(self):
        return [0]
    def accumulate(self, acc, x: float):
        acc[0] = x
    def get_value(self, acc) -> float:
        if acc[0] == 5:
            raise ArithmeticError("five")
        return acc[0]

@udtaf
class top:
    def create_accumulator(self):
        return []
    def accumulate(self, acc, x: float):
        acc.append(x)
    def emit_value(self, acc) -> Iterator[float]:
        yield from sorted(acc, reverse=True)[:3]

@udf
async def later(x: int) -> int:
    await asyncio.sleep(0.0001)
    if x % 1000 == 999:
        raise ValueError(x)
    return -x

@udf
def scaled(x: int, factor: int = 1, *more: int) -> int:
    return x * factor + sum(more)

@udf
class counted:
    def open(self, context):
        self.calls = context.metrics.counter("calls")
        self.seen = context.metrics.distribution("seen")
        self.text = f"{context.job_parameters['name']} {context.task_number}/{context.parallelism}"
    def eval(self, x: int) -> str:
        self.calls.inc()
        self.seen.update(x)
        return self.text
    def close(self):
        print("closed")

@udf
def talks(x: int) -> int:
    if x == 3:
        print("printed", x)
        logging.getLogger("mine").warning("logged %s", x)
        warnings.warn("warned")
    return x

@udf
def plain(x: int) -> int:
    return x * 3 + 1

@udf(vectorized=True)
def array(x: int) -> int:
    return x + 1
"#;

/// The guest image, built when it is missing.
async fn image() -> Image {
    static IMAGE: tokio::sync::OnceCell<Image> = tokio::sync::OnceCell::const_new();
    let open = async || {
        let location = ImageStore::open().unwrap().ensure(&mut |event| eprintln!("{event:?}")).await.unwrap();
        let runtime = Runtime::new(RuntimeConfig::default().with_sandboxes(32)).unwrap();
        Image::open(&runtime, location.directory).unwrap()
    };
    IMAGE.get_or_init(open).await.clone()
}

async fn function_with(name: &str, config: SandboxConfig) -> Function {
    let source = FunctionSource::inline("kinds.py", FUNCTIONS);
    Module::load(&image().await, config, source).await.unwrap().function(name).unwrap()
}

async fn function(name: &str) -> Function {
    function_with(name, SandboxConfig::default()).await
}

fn options(on_error: OnError, instances: usize) -> TaskOptions {
    TaskOptions::default().with_on_error(Some(on_error)).with_instances(Some(instances))
}

fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef)]).unwrap()
}

/// Numbers with the text of a group, which are many or few.
fn keyed(rows: std::ops::Range<i64>, groups: i64) -> RecordBatch {
    let keys: StringArray = rows.clone().map(|x| Some(format!("k{}", x * 7919 % groups))).collect();
    let values = Float64Array::from_iter_values(rows.map(|x| x as f64));
    let columns: [(&str, ArrayRef); 2] = [("key", Arc::new(keys)), ("x", Arc::new(values))];
    RecordBatch::try_from_iter(columns).unwrap()
}

async fn task(name: &str, options: TaskOptions) -> Task {
    function(name).await.bind(&numbers(0..0).schema(), options).await.unwrap()
}

async fn aggregation(name: &str, keys: &[&str], options: TaskOptions) -> Aggregation {
    let group_by = GroupBy::default().with_columns(keys.iter().map(|&key| key.to_owned()).collect());
    function(name).await.bind_aggregate(&keyed(0..0, 1).schema(), &group_by, options).await.unwrap()
}

/// Slices of a table, of these sizes again and again.
fn cut(table: &RecordBatch, sizes: &[usize]) -> Vec<Result<RecordBatch, Infallible>> {
    let (mut batches, mut next) = (Vec::new(), 0);
    for size in sizes.iter().cycle() {
        let length = (*size).min(table.num_rows() - next);
        batches.push(Ok(table.slice(next, length)));
        next += length;
        if next == table.num_rows() {
            break;
        }
    }
    batches
}

async fn collect(
    outputs: impl futures::Stream<Item = Result<Output, Error>>,
) -> Result<(RecordBatch, Failures, u64), Error> {
    let outputs: Vec<_> = outputs.try_collect().await?;
    let mut failures = Failures::default();
    outputs.iter().for_each(|output| failures.extend(output.failures.clone()));
    let rows_in = outputs.iter().map(|output| output.rows_in).sum();
    let batches: Vec<_> = outputs.into_iter().map(|output| output.batch).collect();
    Ok((concat_batches(&batches[0].schema(), &batches).unwrap(), failures, rows_in))
}

fn integers(column: &ArrayRef) -> Vec<Option<i64>> {
    column.as_primitive::<Int64Type>().iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_table_function_follow_their_input_rows() {
    const ROWS: i64 = 20_000;
    let table = numbers(0..ROWS);
    for policy in [OnError::Null, OnError::Skip] {
        let failing = |x: i64| x % 1000 == 3;
        let rows = |x: i64| -> Vec<(i64, Option<i64>)> {
            match (failing(x), policy) {
                (true, OnError::Null) => vec![(x, None)],
                (true, _) => vec![],
                _ => (0..x % 5).map(|n| (x, Some(n))).collect(),
            }
        };
        let expected: Vec<_> = (0..ROWS).flat_map(rows).collect();
        for (instances, sizes) in [(1, &[20_000][..]), (3, &[100, 9000])] {
            let task = task("repeat", options(policy, instances)).await;
            let (found, failures, rows_in) = collect(task.run(stream::iter(cut(&table, sizes)))).await.unwrap();
            let (inputs, results) = (integers(found.column(0)), integers(found.column(1)));
            let pairs: Vec<_> = inputs.into_iter().map(Option::unwrap).zip(results).collect();
            assert!(pairs == expected, "{policy} {instances}");
            assert_eq!((rows_in, found.schema().field(2).name().as_str()), (ROWS as u64, "f1"));
            assert_eq!(failures.rows(), (0..20).map(|n| n * 1000 + 3).collect::<Vec<u64>>());
            assert_eq!(failures.errors()[1].error.arguments, ["1003"]);
        }
    }
    let error = collect(task("repeat", options(OnError::Fail, 2)).await.run(stream::iter(cut(&table, &[777])))).await;
    assert_eq!(error.unwrap_err().python().unwrap().row, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn long_outputs_come_in_pieces_and_endless_ones_end() {
    let task = task("many", options(OnError::Fail, 2)).await;
    let input =
        RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![200_000, 0, 3])) as ArrayRef)]).unwrap();
    let outputs: Vec<_> = task.run(stream::iter(cut(&input, &[2]))).try_collect().await.unwrap();
    assert!(outputs.len() > 3, "{} outputs", outputs.len());
    assert_eq!(outputs.iter().map(|output| output.batch.num_rows()).sum::<usize>(), 200_003);
    assert_eq!(outputs.iter().map(|output| output.rows_in).sum::<u64>(), 3);

    let limits = Limits::default().with_batch_time(Duration::from_millis(300));
    let endless = function_with("endless", SandboxConfig::default().with_limits(limits)).await;
    let task = endless.bind(&numbers(0..0).schema(), options(OnError::Fail, 1)).await.unwrap();
    // A reader who has seen enough stops it.
    let first: Vec<_> = task.run(stream::iter(cut(&numbers(0..1), &[1]))).take(2).try_collect().await.unwrap();
    assert!(first.iter().all(|output| output.batch.num_rows() >= 1 << 16));
    let error = collect(task.run(stream::iter(cut(&numbers(0..1), &[1])))).await.unwrap_err();
    assert!(matches!(error, Error::Limit { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_come_in_the_order_of_their_first_rows() {
    const ROWS: i64 = 30_000;
    for (name, groups) in [("total", 17), ("total", 9_001), ("batched", 1_000)] {
        let table = keyed(if name == "total" { 8..9 } else { 0..ROWS }, groups);
        let table = concat_batches(&table.schema(), &[table.clone(), keyed(10..ROWS, groups)]).unwrap();
        let mut first: Option<RecordBatch> = None;
        for (instances, sizes) in [(1, &[30_000][..]), (3, &[1, 8192, 5]), (2, &[20_000])] {
            let aggregation = aggregation(name, &["key"], options(OnError::Skip, instances)).await;
            let outputs = aggregation.run(stream::iter(cut(&table, sizes)));
            let (found, failures, rows_in) = collect(outputs).await.unwrap();
            assert_eq!(rows_in as usize, table.num_rows());
            match &first {
                // Sums of floats to the last bit.
                Some(first) => assert_eq!(&found, first, "{name} {groups} {instances}"),
                None => {
                    let keys: Vec<_> = table.column(0).as_string::<i32>().iter().flatten().collect();
                    let mut seen = std::collections::HashSet::new();
                    let expected: Vec<_> = keys.into_iter().filter(|key| seen.insert(*key)).collect();
                    let found_keys: Vec<_> = found.column(0).as_string::<i32>().iter().flatten().collect();
                    assert_eq!(found_keys, expected);
                    first = Some(found);
                }
            }
            assert_eq!(failures.rows().len(), if name == "total" { 29 } else { 0 });
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_share_the_instances() {
    let table = keyed(8..20_000, 300);
    let aggregation = aggregation("total", &["key"], options(OnError::Skip, 2)).await;
    let run = || collect(aggregation.run(stream::iter(cut(&table, &[1000]))));
    let (one, other) = tokio::join!(run(), run());
    assert_eq!(one.unwrap().0, other.unwrap().0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failing_row_of_all_groups_is_reported() {
    let table = keyed(0..40_000, 100);
    for instances in [1, 3] {
        let aggregation = aggregation("total", &["key"], options(OnError::Fail, instances)).await;
        let error = collect(aggregation.run(stream::iter(cut(&table, &[5000])))).await.unwrap_err();
        let python = error.python().unwrap();
        assert_eq!((python.row, python.error.message.as_str()), (Some(7), "no 7.0"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_about_groups() {
    let table = keyed(0..2_000, 1_000);
    let key = |row: usize| table.column(0).as_string::<i32>().value(row).to_owned();
    for (policy, groups) in [(OnError::Null, 1_000), (OnError::Skip, 1_000)] {
        let aggregation = aggregation("total", &["key"], options(policy, 2)).await;
        let (found, failures, _) = collect(aggregation.run(stream::iter(cut(&table, &[300])))).await.unwrap();
        assert_eq!(
            (found.num_rows(), failures.rows()),
            (groups, &[7, 1007][..if policy == OnError::Null { 1 } else { 2 }])
        );
        // Rows 7 and 1007 are of one group: all of it that there is.
        let nulls: Vec<_> = (0..found.num_rows()).filter(|&row| found.column(1).is_null(row)).collect();
        let keys: Vec<_> = nulls.iter().map(|&row| found.column(0).as_string::<i32>().value(row).to_owned()).collect();
        assert_eq!(keys, [key(7)]);
    }
    for (policy, rows) in [(OnError::Null, 10), (OnError::Skip, 9)] {
        let aggregation = aggregation("fails", &["x"], options(policy, 2)).await;
        let (found, failures, _) = collect(aggregation.run(stream::iter(cut(&keyed(0..10, 3), &[4])))).await.unwrap();
        assert_eq!((found.num_rows(), failures.rows()), (rows, &[5][..]));
        assert_eq!(found.column(1).null_count(), rows - 9);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_there_is_one_group_and_without_rows_too() {
    let aggregation = aggregation("total", &[], options(OnError::Fail, 3)).await;
    let (found, _, _) = collect(aggregation.run(stream::iter(cut(&keyed(0..7, 3), &[2])))).await.unwrap();
    assert_eq!((found.num_rows(), found.column(0).as_primitive::<Float64Type>().value(0)), (1, 7.0));
    let (found, _, _) = collect(aggregation.run(stream::iter(cut(&keyed(0..0, 3), &[2])))).await.unwrap();
    assert_eq!((found.num_rows(), found.column(0).null_count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_for_groups() {
    let table = keyed(0..9_000, 4_500);
    for instances in [1, 2] {
        let aggregation = aggregation("top", &["key"], options(OnError::Fail, instances)).await;
        let (found, _, _) = collect(aggregation.run(stream::iter(cut(&table, &[1000])))).await.unwrap();
        assert_eq!((found.num_rows(), found.schema().field(1).name().as_str()), (9_000, "top"));
        let values = found.column(1).as_primitive::<Float64Type>();
        assert!((0..4_500).all(|group| values.value(2 * group) == values.value(2 * group + 1) + 4_500.0));
        assert_eq!(values.value(0), 4_500.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accumulators_leave_and_come_back() {
    for name in ["total", "batched"] {
        let aggregation = aggregation(name, &["key"], options(OnError::Fail, 2)).await;
        let (mut one, mut other) =
            (aggregation.accumulators().await.unwrap(), aggregation.accumulators().await.unwrap());
        let table = keyed(0..6, 3);
        one.accumulate(&[0, 1, 0, 1, 0, 1], &table, 0).await.unwrap();
        other.accumulate(&[5, 5, 5, 5, 5, 5], &table, 0).await.unwrap();
        let states = one.states(&[0, 1]).await.unwrap();
        other.merge(&[5, 2], &states).await.unwrap();
        let values = other.values(&[5, 2]).await.unwrap().0;
        assert_eq!(values.as_primitive::<Float64Type>().values(), &[5.0 + 2.0, 3.0]);
        other.restore(&[5], &states.slice(1, 1)).await.unwrap();
        assert_eq!(other.values(&[5]).await.unwrap().0.as_primitive::<Float64Type>().values(), &[3.0]);
        if name == "total" {
            one.retract(&[0, 0, 0], &table.slice(0, 3), 0).await.unwrap();
        } else {
            let error = one.retract(&[0, 0, 0], &table.slice(0, 3), 0).await.unwrap_err();
            assert!(matches!(error, Error::Operation { method: "retract", .. }), "{error}");
            let bytes = arrow::array::LargeBinaryArray::from(vec![&b"\x01nonsense"[..]]);
            assert_eq!(one.restore(&[0], &bytes).await.unwrap_err().class(), ErrorClass::Python);
        }
        drop((one, other));
        // The next one to get the instance finds no groups.
        let mut again = aggregation.accumulators().await.unwrap();
        let value = again.values(&[5]).await.unwrap().0;
        assert!(value.is_null(0) || value.as_primitive::<Float64Type>().value(0) == 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn async_functions_fail_in_the_order_of_rows() {
    let task_of = async |policy, instances| task("later", options(policy, instances)).await;
    let error = collect(task_of(OnError::Fail, 2).await.run(stream::iter(cut(&numbers(0..20_000), &[3000])))).await;
    assert_eq!(error.unwrap_err().python().unwrap().row, Some(999));
    let (found, failures, _) =
        collect(task_of(OnError::Null, 2).await.run(stream::iter(cut(&numbers(0..10_000), &[3000])))).await.unwrap();
    assert_eq!((found.column(1).null_count(), failures.rows().len()), (10, 10));
    assert_eq!(integers(found.column(1))[9_998], Some(-9_998));
}

#[tokio::test(flavor = "multi_thread")]
async fn constants_stand_for_columns() {
    let column = |name: &str| ArgumentValue::Column(name.to_owned());
    let text = |value: &str| ArgumentValue::Text(value.to_owned());
    let value: ArrayRef = Arc::new(arrow::array::Int8Array::from(vec![4]));
    let bound = async |values: Vec<ArgumentValue>| {
        let options = options(OnError::Fail, 1).with_arguments(Arguments::Values(values));
        function("scaled").await.bind(&numbers(0..0).schema(), options).await
    };
    for (values, expected) in [
        (vec![column("x"), text("3")], [3, 6]),
        (vec![column("x"), column("x"), ArgumentValue::Constant(value), column("x")], [6, 10]),
    ] {
        let task = bound(values).await.unwrap();
        assert_eq!(integers(&task.invoke(&numbers(1..3), 0).await.unwrap().result), expected.map(Some));
    }
    let error = bound(vec![column("x"), text("three")]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the constant three cannot be parameter \"factor\" of scaled (kinds.py:79), which takes int64"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_opened_and_closed_and_its_metrics_add_up() {
    let context = JobContext::default()
        .with_job_parameters([("name".to_owned(), "job".to_owned())].into())
        .with_task_number(1)
        .with_parallelism(4);
    let task = task("counted", options(OnError::Fail, 3).with_context(context)).await;
    let (found, _, _) = collect(task.run(stream::iter(cut(&numbers(0..50_000), &[5000])))).await.unwrap();
    assert!(found.column(1).as_string::<i32>().iter().all(|text| text == Some("job 1/4")));
    let metrics = task.metrics();
    assert_eq!(metrics["calls"], FunctionMetric::Counter(50_000));
    let sum = 50_000 * 49_999 / 2;
    assert_eq!(metrics["seen"], FunctionMetric::Distribution { count: 50_000, sum, min: 0, max: 49_999 });
    task.close().await.unwrap();
    assert_eq!(task.metrics(), metrics);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_counted_by_how_they_ran() {
    let counts = |rows_as_columns, rows_interpreted| {
        let mut counts = ColumnCounts::default();
        counts.rows_as_columns = rows_as_columns;
        counts.rows_interpreted = rows_interpreted;
        counts
    };
    let rows = |columns| options(OnError::Fail, 3).with_columns(columns);
    for (name, columns, expected) in [
        ("plain", ColumnMode::Force, counts(20_000, 0)),
        ("plain", ColumnMode::Shadow, counts(20_000, 0)),
        ("plain", ColumnMode::Off, counts(0, 20_000)),
        // Not a function of the columns' kind, and one that has whole columns as it is.
        ("later", ColumnMode::Force, counts(0, 900)),
        ("array", ColumnMode::Force, counts(0, 0)),
    ] {
        let task = task(name, rows(columns)).await;
        let input = numbers(0..(expected.rows_as_columns + expected.rows_interpreted).max(10) as i64);
        let outputs = task.run(stream::iter(cut(&input, &[300, 1, 5000])));
        outputs.for_each(|output| async { drop(output.unwrap()) }).await;
        assert_eq!(task.column_counts(), expected, "{name} {columns:?}");
    }
    let grouped = aggregation("top", &["key"], rows(ColumnMode::Force)).await;
    let outputs = grouped.run(stream::iter(cut(&keyed(0..1000, 10), &[300])));
    outputs.for_each(|output| async { drop(output.unwrap()) }).await;
    assert_eq!(grouped.column_counts(), counts(0, 1000));
}

/// Collects formatted events.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_function_says_is_an_event_of_its_rows() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().without_time().with_ansi(false).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let task = task("talks", options(OnError::Fail, 1)).await;
    task.invoke(&numbers(0..10), 500).await.unwrap();
    drop(guard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for said in ["printed 3", "logged 3", "UserWarning: warned"] {
        let line = log.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{said}: {log}"));
        for label in ["job=local", "function=\"talks\"", "first_row=500", "rows=10"] {
            assert!(line.contains(label), "{label}: {line}");
        }
    }
}

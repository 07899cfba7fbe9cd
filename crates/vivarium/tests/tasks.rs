//! Functions through the library: what a task gives does not depend on batches, instances or earlier failures.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt, stream};
use vivarium::{
    Error, ErrorClass, Failures, FunctionSource, GroupBy, Image, Kind, Module, NullHandling, OnError, Runtime,
    RuntimeConfig, SandboxConfig, Task, TaskOptions,
};
use vivarium_guest::ImageStore;

const FUNCTIONS: &str = r#"
import os
from vivarium import udf

@udf
def risky(x: int) -> int | None:
    """Fails for multiples of 1,000; NULL for other multiples of 7."""
    if x % 1000 == 0:
        raise ValueError(f"multiple {x}")
    return None if x % 7 == 0 else -x

@udf
def ends(x: int) -> int:
    if x == 0:
        os._exit(3)
    return x
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

async fn module() -> Module {
    let source = FunctionSource::inline("functions.py", FUNCTIONS);
    Module::load(&image().await, SandboxConfig::default(), source).await.unwrap()
}

fn numbers(rows: std::ops::Range<i64>) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(rows)) as ArrayRef)]).unwrap()
}

async fn task(function: &str, on_error: OnError, instances: usize) -> Task {
    let options = TaskOptions::default().with_on_error(Some(on_error)).with_instances(Some(instances));
    module().await.function(function).unwrap().bind(&numbers(0..0).schema(), options).await.unwrap()
}

/// All rows and failures of a run over `rows` numbers that come in batches of these sizes, again and again.
async fn run(task: &Task, rows: i64, sizes: &[i64]) -> Result<(RecordBatch, Failures), Error> {
    let mut batches = Vec::new();
    let mut next = 0;
    for size in sizes.iter().cycle() {
        let end = rows.min(next + size);
        batches.push(Ok::<_, Infallible>(numbers(next..end)));
        next = end;
        if next == rows {
            break;
        }
    }
    let outputs: Vec<_> = task.run(stream::iter(batches)).try_collect().await?;
    let mut failures = Failures::default();
    outputs.iter().for_each(|output| failures.extend(output.failures.clone()));
    let batches: Vec<_> = outputs.into_iter().map(|output| output.batch).collect();
    Ok((concat_batches(&batches[0].schema(), &batches).unwrap(), failures))
}

#[tokio::test(flavor = "multi_thread")]
async fn results_and_failures_do_not_depend_on_batches_or_instances() {
    const ROWS: i64 = 30_000;
    for policy in [OnError::Null, OnError::Skip] {
        let expected = run(&task("risky", policy, 1).await, ROWS, &[ROWS]).await.unwrap();
        assert_eq!(expected.1.rows(), (0..30).map(|n| n * 1000).collect::<Vec<u64>>());
        assert_eq!(expected.0.num_rows() as i64, if policy == OnError::Skip { ROWS - 30 } else { ROWS });
        for (instances, sizes) in [(1, &[1, 0, 8191][..]), (3, &[8192]), (3, &[100, 20_000])] {
            let found = run(&task("risky", policy, instances).await, ROWS, sizes).await.unwrap();
            assert_eq!(found.0, expected.0);
            assert_eq!(found.1.rows(), expected.1.rows());
            let messages =
                |failures: &Failures| failures.errors().iter().map(|error| error.to_string()).collect::<Vec<_>>();
            assert_eq!(messages(&found.1), messages(&expected.1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_failing_row_is_reported() {
    let source = FunctionSource::inline("f.py", "def f(x: int) -> int:\n    return 1 // (x % 10_000 - 9_999)\n");
    let module = Module::load(&image().await, SandboxConfig::default(), source).await.unwrap();
    let task = module.function("f").unwrap().bind(&numbers(0..0).schema(), TaskOptions::default()).await.unwrap();
    for _ in 0..5 {
        let error = run(&task, 60_000, &[4096]).await.unwrap_err();
        assert_eq!(error.python().unwrap().row, Some(9_999), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_gives_one_array() {
    let null = task("risky", OnError::Null, 1).await;
    let evaluation = null.invoke(&numbers(996..1004), 5_000_000).await.unwrap();
    let result = evaluation.result.as_primitive::<Int64Type>();
    assert_eq!((result.value(0), result.is_null(4), result.is_null(5)), (-996, true, true));
    assert_eq!(evaluation.failures.rows(), [5_000_004]);
    // More rows than one call takes.
    assert_eq!(null.invoke(&numbers(1..20_000), 0).await.unwrap().result.len(), 19_999);
    assert_eq!(null.invoke(&numbers(0..0), 0).await.unwrap().result.len(), 0);

    let skip = task("risky", OnError::Skip, 1).await;
    assert!(matches!(skip.invoke(&numbers(0..1), 0).await, Err(Error::SkipNeedsRun)));
    let other =
        RecordBatch::try_from_iter([("x", Arc::new(arrow::array::StringArray::from(vec!["a"])) as ArrayRef)]).unwrap();
    assert_eq!(null.invoke(&other, 7).await.unwrap_err().class(), ErrorClass::Input);
}

/// An input that dies after some batches: a reader whose file is damaged, say.
fn dying(batches: usize) -> impl futures::Stream<Item = Result<RecordBatch, Infallible>> + Send + Unpin + 'static {
    stream::iter(0..=batches).map(move |batch| {
        assert!(batch < batches, "the reader dies");
        Ok(numbers(1..5_000))
    })
}

/// The rows that came before the end, and the end: it must be an error or the producer's own panic, and never look like the last row.
async fn end_of<S>(outputs: S) -> (u64, Result<(), Error>)
where
    S: futures::Stream<Item = Result<vivarium::Output, Error>> + Send + 'static,
{
    let read = async move {
        let mut outputs = std::pin::pin!(outputs);
        let mut rows = 0;
        loop {
            match outputs.next().await {
                Some(Ok(output)) => rows += output.rows_in,
                Some(Err(error)) => return (rows, Err(error)),
                None => return (rows, Ok(())),
            }
        }
    };
    match tokio::spawn(read).await {
        Ok(ended) => ended,
        Err(died) => (0, Err(Error::Worker(died.to_string()))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_dies_is_not_an_input_that_ends() {
    let source = r#"
from typing import Iterator
from vivarium import udaf, udtf

@udtf
def twice(x: int) -> Iterator[int]:
    yield x
    yield x

@udaf
class Total:
    def create_accumulator(self) -> list:
        return [0]
    def accumulate(self, acc, x: int):
        acc[0] += x
    def get_value(self, acc) -> int:
        return acc[0]
"#;
    let source = FunctionSource::inline("kinds.py", source);
    let module_of_kinds = Module::load(&image().await, SandboxConfig::default(), source).await.unwrap();
    let schema = numbers(0..0).schema();
    for instances in [1, 3] {
        let options = || TaskOptions::default().with_instances(Some(instances));
        let scalar = task("ends", OnError::Fail, instances).await;
        let table = module_of_kinds.function("twice").unwrap().bind(&schema, options()).await.unwrap();
        let total = module_of_kinds.function("Total").unwrap();
        let total = total.bind_aggregate(&schema, &GroupBy::default(), options()).await.unwrap();
        for batches in [0, 1, 5, 20] {
            for (kind, end) in [
                ("scalar", end_of(scalar.run(dying(batches))).await),
                ("table", end_of(table.run(dying(batches))).await),
                ("aggregate", end_of(total.run(dying(batches))).await),
            ] {
                let (rows, end) = end;
                assert!(
                    end.is_err(),
                    "{kind}, {instances} instances: {rows} rows of an input that died are all of them"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_ends_is_replaced() {
    let task = task("ends", OnError::Fail, 1).await;
    for _ in 0..3 {
        assert_eq!(task.invoke(&numbers(0..1), 0).await.unwrap_err().class(), ErrorClass::Python);
        assert_eq!(task.invoke(&numbers(1..3), 0).await.unwrap().result.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_makes_the_input_wait() {
    let task = task("risky", OnError::Null, 2).await;
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let input = stream::iter(0..100).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(numbers(0..8192))
    });
    let mut outputs = Box::pin(task.run(input));
    outputs.next().await.unwrap().unwrap();
    // Two chunks for each instance are in flight, and the first has left.
    assert!(read.load(Ordering::Relaxed) <= 5, "{read:?} batches were read for one");
    assert_eq!(outputs.count().await, 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_describes_its_functions() {
    let module = module().await;
    let risky = &module.signatures()[0];
    assert_eq!((risky.name.as_str(), risky.kind, risky.null_handling), ("risky", Kind::Scalar, NullHandling::Skip));
    assert_eq!((risky.line, risky.decorated, risky.parameters[0].nullable), (6, true, false));
    assert!(risky.doc.as_deref().unwrap().starts_with("Fails for multiples"));
    assert!(module.problems().is_empty());
    assert!(matches!(module.only_function(), Err(Error::SeveralFunctions { .. })));
    assert!(matches!(module.function("third"), Err(Error::NoFunction { .. })));
}

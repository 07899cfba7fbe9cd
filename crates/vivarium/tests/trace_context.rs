//! What sandboxes do is seen below the span of whoever asked for it, on whichever thread it is done.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::{TryStreamExt, stream};
use tracing::Instrument;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use vivarium::{FunctionSource, Image, Module, Runtime, RuntimeConfig, SandboxConfig, TaskOptions};
use vivarium_guest::ImageStore;

/// Spans of calls as paths of names, from the outermost one inwards.
#[derive(Clone, Default)]
struct Paths(Arc<Mutex<BTreeSet<String>>>);

impl<S: tracing::Subscriber + for<'span> LookupSpan<'span>> Layer<S> for Paths {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let scope = context.span_scope(id).expect("the span that is made");
        let path: Vec<_> = scope.from_root().map(|span| span.name()).collect();
        if path.last() == Some(&"invoke") {
            self.0.lock().unwrap().insert(path.join("/"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_below_the_span_of_the_caller() {
    let paths = Paths::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(paths.clone())).unwrap();
    let location = ImageStore::open().unwrap().ensure(&mut |event| eprintln!("{event:?}")).await.unwrap();
    let image = Image::open(&Runtime::new(RuntimeConfig::default()).unwrap(), location.directory).unwrap();
    let source = FunctionSource::inline(
        "functions.py",
        "from typing import Iterator\nfrom vivarium import udtf\n\n\
         def one(x: int) -> int:\n    return x + 1\n\n\
         @udtf\ndef two(x: int) -> Iterator[int]:\n    yield x\n    yield x\n",
    );
    let module = Module::load(&image, SandboxConfig::default(), source).await.unwrap();
    let batch =
        RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from_iter_values(0..20_000)) as ArrayRef)]).unwrap();
    for function in ["one", "two"] {
        let options = TaskOptions::default().with_instances(Some(2));
        let task = module.function(function).unwrap().bind(&batch.schema(), options).await.unwrap();
        let batches = vec![Ok::<_, Infallible>(batch.clone()); 4];
        let outputs = async { task.run(stream::iter(batches)).try_collect::<Vec<_>>().await };
        let outputs = outputs.instrument(tracing::info_span!("request")).await.unwrap();
        let rows: usize = outputs.iter().map(|output| output.batch.num_rows()).sum();
        assert_eq!(rows % 80_000, 0);
    }
    let found = paths.0.lock().unwrap().clone();
    assert_eq!(found, BTreeSet::from(["request/invoke".to_owned()]));
}

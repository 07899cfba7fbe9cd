//! Work on another thread that ends with its owner.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;
use tracing::Instrument;

use crate::error::Error;

/// Runs a future on tokio's workers, in the caller's span; dropping the returned future stops it.
pub(crate) fn spawn<T: Send + 'static>(work: impl Future<Output = Result<T, Error>> + Send + 'static) -> Spawned<T> {
    Spawned(tokio::spawn(work.in_current_span()))
}

/// The answer of [`spawn`]ed work.
pub(crate) struct Spawned<T>(JoinHandle<Result<T, Error>>);

impl<T> Future for Spawned<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0)
            .poll(context)
            .map(|joined| joined.unwrap_or_else(|error| Err(Error::Worker(error.to_string()))))
    }
}

impl<T> Drop for Spawned<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

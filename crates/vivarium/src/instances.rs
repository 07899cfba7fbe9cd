//! The instances of a task: sandboxes in which the function is loaded and bound.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow_schema::DataType;
use serde_json::{Value, json};
use vivarium_sandbox::exchange::Plan;
use vivarium_sandbox::{Limits, Pool, ProtocolError, Sandbox};

use crate::bind::{Argument, Place};
use crate::error::Error;
use crate::failures::Failures;
use crate::module::Origin;
use crate::python_error::PythonError;
use crate::signature::{OnError, ValueType, parse_value_type};
use crate::types;

/// The operation of `vv_invoke` that calls a scalar or vectorized function.
const CALL: u32 = 0;

/// A pool of sandboxes that are ready to call one function.
#[derive(Debug)]
pub(crate) struct Instances {
    pool: Pool<Bound>,
    place: Place,
    result: DataType,
    limits: Limits,
}

/// The function within one instance.
#[derive(Debug)]
struct Bound {
    handle: u32,
    result: ValueType,
}

/// What one call returned.
#[derive(Debug)]
pub(crate) struct Reply {
    pub result: ArrayRef,
    pub failures: Failures,
}

/// The requests that make a new sandbox ready.
struct Preparation {
    load: Value,
    bind: Value,
}

impl Instances {
    /// Starts the first instance of up to `size`; the others start when there is work for them.
    pub(crate) async fn start(
        origin: &Origin,
        place: Place,
        attribute: &str,
        arguments: &[Argument],
        on_error: OnError,
        size: usize,
    ) -> Result<Self, Error> {
        let arguments = arguments
            .iter()
            .map(|argument| Ok(json!({"type": types::print(&argument.data_type)?, "nullable": argument.nullable})))
            .collect::<Result<Vec<_>, types::TypeError>>();
        // Binding printed each of these types before.
        let arguments = arguments.map_err(|error| Error::Signature(error.into()))?;
        let preparation = Arc::new(Preparation {
            load: origin.source.load_request(),
            bind: json!({"op": "bind", "function": attribute, "arguments": arguments, "on_error": on_error}),
        });
        let pool = Pool::new(&origin.image, origin.config.clone(), size, move |sandbox| {
            let preparation = Arc::clone(&preparation);
            Box::pin(async move { preparation.apply(sandbox).await })
        });
        let first = pool.checkout().await.map_err(Error::without_rows)?;
        let result = first.value().result.data_type.clone();
        drop(first);
        Ok(Self { pool, place, result, limits: origin.config.effective_limits() })
    }

    /// The type of the function's results.
    pub(crate) fn result_type(&self) -> &DataType {
        &self.result
    }

    /// What each instance may use.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The most instances at one time.
    pub(crate) fn size(&self) -> usize {
        self.pool.size()
    }

    /// Calls the function for the rows of `batch`; `first_row` is the first one's number in the whole input.
    pub(crate) async fn invoke(&self, batch: &Plan, first_row: u64) -> Result<Reply, Error> {
        let rows = batch.rows() as u64;
        let function = &self.place.function;
        let mut lease = self.pool.checkout().await.map_err(Error::without_rows)?;
        let (sandbox, bound) = lease.parts();
        if bound.result.data_type != self.result {
            return Err(self.unstable(&bound.result.data_type));
        }
        let invocation = sandbox.invoke_plan(bound.handle, CALL, batch, &self.result, true).await;
        let invocation = invocation.map_err(|error| Error::in_rows(error, function, first_row, rows))?;
        let failed = invocation.row_errors.rows.iter().map(|&row| first_row + u64::from(row)).collect();
        let errors = invocation.row_errors.errors.into_iter();
        let errors = errors.map(|error| PythonError::in_rows(error, function, first_row, rows)).collect();
        Ok(Reply { result: invocation.array, failures: Failures::new(failed, errors) })
    }

    fn unstable(&self, second: &DataType) -> Error {
        let name = |data_type: &DataType| types::print(data_type).unwrap_or_else(|_| data_type.to_string());
        Error::Unstable { function: self.place.clone(), first: name(&self.result), second: name(second) }
    }
}

impl Preparation {
    async fn apply(&self, sandbox: &mut Sandbox) -> Result<Bound, vivarium_sandbox::Error> {
        sandbox.control(&self.load).await?;
        let reply = sandbox.control(&self.bind).await?;
        let malformed = |problem: String| ProtocolError::Reply { request: "bind", problem };
        let handle = reply["handle"].as_u64().and_then(|handle| u32::try_from(handle).ok());
        Ok(Bound {
            handle: handle.ok_or_else(|| malformed("it has no handle".to_owned()))?,
            result: parse_value_type(&reply["result"]).map_err(|error| malformed(error.to_string()))?,
        })
    }
}

//! One function of a module, and its way to a task.

use std::sync::Arc;

use arrow_schema::Schema;

use crate::bind::{Arguments, Place, bind};
use crate::error::Error;
use crate::instances::Instances;
use crate::module::Origin;
use crate::signature::{Kind, OnError, Signature};
use crate::task::Task;

/// A function that can be bound to the columns of a table.
#[derive(Debug, Clone)]
pub struct Function {
    origin: Arc<Origin>,
    signature: Signature,
}

/// How a function is applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskOptions {
    /// Which columns are the arguments.
    pub arguments: Arguments,
    /// The name of the result column; `None`: the function's.
    pub result_name: Option<String>,
    /// What happens to rows for which the function raises; `None`: what its declaration says, else [`OnError::Fail`].
    pub on_error: Option<OnError>,
    /// How many instances work at the same time; `None`: one for each core.
    pub instances: Option<usize>,
}

impl Function {
    pub(crate) fn new(origin: Arc<Origin>, signature: Signature) -> Self {
        Self { origin, signature }
    }

    /// What the function says about itself.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Its name and where it is defined.
    pub fn place(&self) -> Place {
        Place {
            function: self.signature.name.clone(),
            source: self.origin.source.name().to_owned(),
            line: self.signature.line,
        }
    }

    /// Binds the function to columns: checks names and types, starts a first instance and asks it for the result's type.
    ///
    /// # Errors
    /// [`Error::Bind`] when columns and parameters do not go together, [`Error::ResultName`] when the result's name is taken,
    /// [`Error::Kind`] when the function gives no value for each row, [`Error::Python`] when the declaration cannot be used.
    pub async fn bind(&self, schema: &Schema, options: TaskOptions) -> Result<Task, Error> {
        if !matches!(self.signature.kind, Kind::Scalar | Kind::Vectorized) {
            return Err(Error::Kind { function: self.place(), kind: self.signature.kind });
        }
        let arguments = bind(&self.signature, self.origin.source.name(), schema, &options.arguments)?;
        let result_name = options.result_name.clone().unwrap_or_else(|| self.signature.name.clone());
        if schema.fields().iter().any(|field| *field.name() == result_name) {
            return Err(Error::ResultName { name: result_name, function: self.place() });
        }
        let on_error = options.on_error.or(self.signature.on_error).unwrap_or(OnError::Fail);
        let instances = options.instances.unwrap_or_else(cores).max(1);
        let place = self.place();
        let instances =
            Instances::start(&self.origin, place.clone(), &self.signature.attribute, &arguments, on_error, instances)
                .await?;
        Ok(Task::new(place, arguments, result_name, on_error, instances))
    }
}

/// Cores this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

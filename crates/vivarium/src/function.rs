//! One function of a module, and its way to a task.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Fields, Schema};
use vivarium_sandbox::SandboxConfig;

use crate::aggregate::{Aggregation, DEFAULT_GROUP_BYTES};
use crate::bind::{Arguments, Place, bind};
use crate::column_mode::ColumnMode;
use crate::columns::ArgumentColumns;
use crate::context::JobContext;
use crate::error::Error;
use crate::groups::Keys;
use crate::instances::{Binding, Instances};
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
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct TaskOptions {
    /// Which columns and constants are the arguments.
    pub arguments: Arguments,
    /// The names of the result columns; none: the function's name, or those that a table function gives its columns.
    pub result_names: Vec<String>,
    /// What happens to rows for which the function raises; `None`: what its declaration says, else [`OnError::Fail`].
    pub on_error: Option<OnError>,
    /// How many instances work at the same time; `None`: one for each core.
    pub instances: Option<usize>,
    /// What a function is told when it is opened.
    pub context: JobContext,
    /// Whether its rows may run as columns.
    pub columns: ColumnMode,
}

vivarium_sandbox::__setters!(TaskOptions {
    with_arguments: arguments: Arguments,
    with_result_names: result_names: Vec<String>,
    with_on_error: on_error: Option<OnError>,
    with_instances: instances: Option<usize>,
    with_context: context: JobContext,
    with_columns: columns: ColumnMode,
});

/// How rows are grouped for an aggregate function.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupBy {
    /// The columns whose values make a group; none: all rows are one group.
    pub columns: Vec<String>,
    /// Bytes of host memory that the keys of all groups may take.
    pub max_bytes: u64,
}

impl Default for GroupBy {
    fn default() -> Self {
        Self { columns: Vec::new(), max_bytes: DEFAULT_GROUP_BYTES }
    }
}

vivarium_sandbox::__setters!(GroupBy {
    with_columns: columns: Vec<String>,
    with_max_bytes: max_bytes: u64,
});

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

    /// What the function's sandboxes are started with.
    pub fn sandbox_config(&self) -> &SandboxConfig {
        &self.origin.config
    }

    /// The same function in sandboxes of another configuration: a query of its own, with its own task and limits. Whatever the
    /// source depends on, such as the environment, has to be the same.
    #[must_use]
    pub fn with_sandbox_config(&self, config: SandboxConfig) -> Self {
        let Origin { image, source, .. } = &*self.origin;
        let origin = Origin { image: image.clone(), config, source: source.clone() };
        Self { origin: Arc::new(origin), signature: self.signature.clone() }
    }

    /// Checks that columns and parameters go together, without starting anything.
    ///
    /// # Errors
    /// [`Error::Bind`] when they do not.
    pub fn check(&self, schema: &Schema, arguments: &Arguments) -> Result<(), Error> {
        bind(&self.signature, self.origin.source.name(), schema, arguments)?;
        Ok(())
    }

    /// Binds the function to columns: checks names and types, starts a first instance and asks it for the result's type.
    ///
    /// # Errors
    /// [`Error::Bind`] when columns and parameters do not go together, [`Error::ResultName`] when the result's name is taken,
    /// [`Error::Kind`] for an aggregate function, [`Error::Python`] when the declaration cannot be used or `open` raises.
    pub async fn bind(&self, schema: &Schema, options: TaskOptions) -> Result<Task, Error> {
        if matches!(self.signature.kind, Kind::Aggregate | Kind::TableAggregate) {
            let wanted = "has a result for groups of rows, not for each row";
            return Err(Error::Kind { wanted, function: self.place(), kind: self.signature.kind });
        }
        let taken: Vec<_> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let Bound { columns, results, on_error, instances } = self.start(schema, options, &taken).await?;
        Ok(Task::new(columns, self.signature.kind, results, on_error, instances))
    }

    /// Binds an aggregate function to columns.
    ///
    /// # Errors
    /// As [`bind`](Self::bind), with [`Error::Kind`] for a function of any other kind.
    pub async fn bind_aggregate(
        &self,
        schema: &Schema,
        group_by: &GroupBy,
        options: TaskOptions,
    ) -> Result<Aggregation, Error> {
        let kind = self.signature.kind;
        if !matches!(kind, Kind::Aggregate | Kind::TableAggregate) {
            let wanted = "has no result for groups of rows";
            return Err(Error::Kind { wanted, function: self.place(), kind });
        }
        let keys = Keys::find(schema, &group_by.columns, &self.place())?;
        let taken: Vec<_> = keys.fields.iter().map(|field| field.name().clone()).collect();
        let Bound { columns, results, on_error, instances } = self.start(schema, options, &taken).await?;
        Ok(Aggregation::new(columns, kind, keys, results, on_error, group_by.max_bytes, instances))
    }

    /// The arguments for the rows of a batch as the function gets them: chosen, converted, constants repeated, named after the
    /// parameters. For those who call the same function elsewhere, to compare.
    ///
    /// # Errors
    /// As [`bind`](Self::bind) where no instance is needed; [`Error::Value`] for a value that does not convert.
    pub fn arguments(&self, batch: &RecordBatch, arguments: &Arguments) -> Result<RecordBatch, Error> {
        let arguments = bind(&self.signature, self.origin.source.name(), &batch.schema(), arguments)?;
        let names: Vec<_> = arguments.iter().map(|argument| argument.parameter.clone()).collect();
        let columns = ArgumentColumns { place: self.place(), arguments, batch_bytes: usize::MAX }.of(batch, 0)?;
        let fields: Vec<_> = names
            .iter()
            .zip(&columns)
            .enumerate()
            // A variadic parameter has several columns.
            .map(|(index, (name, column))| Field::new(format!("{index}_{name}"), column.data_type().clone(), true))
            .collect();
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &rows)?)
    }

    async fn start(&self, schema: &Schema, options: TaskOptions, taken: &[String]) -> Result<Bound, Error> {
        let arguments = bind(&self.signature, self.origin.source.name(), schema, &options.arguments)?;
        let on_error = options.on_error.or(self.signature.on_error).unwrap_or(OnError::Fail);
        let binding = Binding {
            place: self.place(),
            attribute: &self.signature.attribute,
            arguments: &arguments,
            on_error,
            context: &options.context,
            columns: options.columns,
            instances: options.instances.unwrap_or_else(cores).max(1),
        };
        // What is known without an instance is checked before one starts.
        if let Some(result) = &self.signature.result {
            self.result_fields(&result.data_type, &options.result_names, taken)?;
        }
        let instances = Instances::start(&self.origin, binding).await?;
        let results = self.result_fields(instances.result_type(), &options.result_names, taken)?;
        let batch_bytes = usize::try_from(instances.limits().batch_bytes).unwrap_or(usize::MAX);
        let columns = ArgumentColumns { place: self.place(), arguments, batch_bytes };
        Ok(Bound { columns, results, on_error, instances })
    }

    /// The result columns. All may be NULL: any function may return None, and a failed row may become NULL.
    fn result_fields(&self, result: &DataType, names: &[String], taken: &[String]) -> Result<Fields, Error> {
        let fields: Vec<(String, DataType)> = match (self.signature.kind, result) {
            (Kind::Table | Kind::TableAggregate, DataType::Struct(columns)) => {
                columns.iter().map(|column| (column.name().clone(), column.data_type().clone())).collect()
            }
            _ => vec![(self.signature.name.clone(), result.clone())],
        };
        if !names.is_empty() && names.len() != fields.len() {
            return Err(Error::ResultNames { given: names.len(), columns: fields.len(), function: self.place() });
        }
        let mut seen = taken.to_vec();
        let mut results = Vec::with_capacity(fields.len());
        for (index, (name, data_type)) in fields.into_iter().enumerate() {
            let name = names.get(index).cloned().unwrap_or(name);
            if seen.contains(&name) {
                return Err(Error::ResultName { name, function: self.place() });
            }
            seen.push(name.clone());
            results.push(Field::new(name, data_type, true));
        }
        Ok(results.into())
    }
}

/// A function whose first instance has started.
struct Bound {
    columns: ArgumentColumns,
    results: Fields,
    on_error: OnError,
    instances: Instances,
}

/// Cores this process may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

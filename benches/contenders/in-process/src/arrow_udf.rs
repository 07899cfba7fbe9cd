//! The `arrow-udf-runtime` crate, with its own spelling of the types that it takes as text.

use std::sync::Arc;

use anyhow::{Result, bail};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow_udf_runtime::CallMode;
use arrow_udf_runtime::python::Runtime;

use crate::{Kind, Prepared, Request, result_field};

struct Function {
    kind: Kind,
    name: String,
    runtime: Runtime,
}

pub fn prepare(request: &Request) -> Result<Arc<dyn Prepared>> {
    match request.kind {
        Kind::Scalar | Kind::Table => {}
        Kind::Vectorized => bail!("it calls functions row by row only"),
        Kind::Aggregate => bail!("it has no groups: a state is one group's, and a call has the rows of one"),
    }
    let mut runtime = Runtime::new()?;
    let source = std::fs::read_to_string(&request.source)?;
    let result = spelled(&result_field(request)?)?;
    runtime.add_function(&request.function, result, CallMode::ReturnNullOnNullInput, &source)?;
    Ok(Arc::new(Function { kind: request.kind, name: request.function.clone(), runtime }))
}

impl Prepared for Function {
    fn call(&self, batch: &RecordBatch) -> Result<()> {
        let batch = arguments(batch)?;
        if self.kind == Kind::Table {
            for output in self.runtime.call_table_function(&self.name, &batch, batch.num_rows().max(1))? {
                std::hint::black_box(output?);
            }
            return Ok(());
        }
        let output = self.runtime.call(&self.name, &batch)?;
        if output.num_columns() > 1 {
            bail!("{} failed: {:?}", self.name, output.column(1).slice(0, 1));
        }
        std::hint::black_box(output);
        Ok(())
    }
}

/// Decimals are text with a name of the crate's own.
fn spelled(field: &FieldRef) -> Result<Field> {
    match field.data_type() {
        DataType::Decimal128(..) => {
            let name = [("ARROW:extension:name".to_owned(), "arrowudf.decimal".to_owned())];
            Ok(Field::new(field.name(), DataType::Utf8, true).with_metadata(name.into()))
        }
        other => Ok(Field::new(field.name(), other.clone(), true)),
    }
}

fn arguments(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    let fields = schema.fields().iter().map(spelled).collect::<Result<Vec<_>>>()?;
    let columns = fields.iter().zip(batch.columns()).map(|(field, column)| cast(column, field.data_type()));
    let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

//! The plain row loop: values to Python objects, a call, its result to a builder.

use std::ffi::CString;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{AsArray, RecordBatch, UInt32Builder};
use arrow::datatypes::{DataType, Int64Type};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::values::{Build, Classes, Column};
use crate::{Kind, Prepared, Request, result_field};

struct Function {
    kind: Kind,
    function: Py<PyAny>,
    result: DataType,
    classes: Classes,
}

pub fn prepare(request: &Request) -> Result<Arc<dyn Prepared>> {
    if request.kind == Kind::Vectorized {
        bail!("a row loop has no batches for a vectorized function");
    }
    let result = result_field(request)?.data_type().clone();
    let source = CString::new(std::fs::read_to_string(&request.source)?)?;
    Python::attach(|py| {
        let module = PyModule::from_code(py, &source, c"functions.py", c"functions")?;
        let mut function = module.getattr(request.function.as_str())?;
        if request.kind == Kind::Aggregate {
            function = function.call0()?;
            if function.getattr("create_accumulator")?.call0().is_err() {
                bail!("a row loop has no arrays of accumulators");
            }
        }
        let classes = Classes::new(py)?;
        Ok(Arc::new(Function { kind: request.kind, function: function.unbind(), result, classes }) as Arc<dyn Prepared>)
    })
}

impl Prepared for Function {
    fn call(&self, batch: &RecordBatch) -> Result<()> {
        let columns = batch.columns().iter().map(|column| Column::new(column)).collect::<Result<Vec<_>>>()?;
        Python::attach(|py| {
            let function = self.function.bind(py);
            let mut results = Build::new(&self.result, batch.num_rows())?;
            let mut rows = UInt32Builder::new();
            for row in 0..batch.num_rows() {
                // One argument and two are called without a tuple.
                let value = match &columns[..] {
                    [one] => function.call1((one.value(py, &self.classes, row)?,))?,
                    [one, two] => {
                        let arguments = (one.value(py, &self.classes, row)?, two.value(py, &self.classes, row)?);
                        function.call1(arguments)?
                    }
                    all => {
                        let arguments = all.iter().map(|column| column.value(py, &self.classes, row));
                        function.call1(PyTuple::new(py, arguments.collect::<Result<Vec<_>>>()?)?)?
                    }
                };
                if self.kind == Kind::Scalar {
                    results.append(&value)?;
                    continue;
                }
                for value in value.try_iter()? {
                    rows.append_value(row as u32);
                    results.append(&value?)?;
                }
            }
            std::hint::black_box((rows.finish(), results.finish()?));
            Ok(())
        })
    }

    /// Accumulators in a dictionary, by the key in the first column.
    fn aggregate(&self, batches: &[RecordBatch]) -> Result<()> {
        Python::attach(|py| {
            let function = self.function.bind(py);
            let (create, accumulate) = (function.getattr("create_accumulator")?, function.getattr("accumulate")?);
            let groups = PyDict::new(py);
            for batch in batches {
                let keys = batch.column(0).as_primitive_opt::<Int64Type>().context("keys are int64")?;
                let values = Column::new(batch.column(1))?;
                for row in 0..batch.num_rows() {
                    let key = keys.value(row);
                    let accumulator = match groups.get_item(key)? {
                        Some(accumulator) => accumulator,
                        None => {
                            let accumulator = create.call0()?;
                            groups.set_item(key, &accumulator)?;
                            accumulator
                        }
                    };
                    accumulate.call1((accumulator, values.value(py, &self.classes, row)?))?;
                }
            }
            let mut results = Build::new(&self.result, groups.len())?;
            let value = function.getattr("get_value")?;
            for accumulator in groups.values() {
                results.append(&value.call1((accumulator,))?)?;
            }
            std::hint::black_box(results.finish()?);
            Ok(())
        })
    }
}

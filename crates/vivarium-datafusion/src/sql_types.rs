//! `RETURNS TABLE (...)`, `MAP(...)` and `TIMESTAMP(2)`, which DataFusion parses and has no types for.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};
use datafusion::common::{DFSchema, TableReference, plan_err};
use datafusion::config::ConfigOptions;
use datafusion::error::Result;
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::planner::{ContextProvider, TypePlanner};
use datafusion::logical_expr::{AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF};
use datafusion::sql::planner::{PlannerContext, SqlToRel};
use datafusion::sql::sqlparser::ast;

/// The item of a list that stands for the rows of a table: no list of a user's has it by this name.
const ROWS: &str = "rows of a table";

/// Plans the type of a table function's result, a list of structs under a name of its own, maps, and timestamps of any number of digits.
#[derive(Debug)]
pub(crate) struct TableTypes {
    next: Option<Arc<dyn TypePlanner>>,
}

impl TableTypes {
    /// Before the planner that a session has, which is asked for everything else.
    pub fn before(next: Option<Arc<dyn TypePlanner>>) -> Self {
        Self { next }
    }
}

impl TypePlanner for TableTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>> {
        match sql_type {
            ast::DataType::Table(Some(columns)) => {
                let columns = columns.iter().map(|column| {
                    let name = match column.name.quote_style {
                        Some(_) => column.name.value.clone(),
                        None => column.name.value.to_lowercase(),
                    };
                    Ok(Field::new(name, self.column_type(&column.data_type)?, true))
                });
                let rows = DataType::Struct(columns.collect::<Result<Fields>>()?);
                let list = DataType::List(Arc::new(Field::new(ROWS, rows, true)));
                Ok(Some(Arc::new(Field::new("", list, true))))
            }
            ast::DataType::Map(key, value) => {
                let fields = [
                    Field::new("key", self.column_type(key)?, false),
                    Field::new("value", self.column_type(value)?, true),
                ];
                let entries = Field::new("entries", DataType::Struct(fields.into_iter().collect()), false);
                Ok(Some(Arc::new(Field::new("", DataType::Map(Arc::new(entries), false), true))))
            }
            ast::DataType::Timestamp(Some(digits), zone) if ![0, 3, 6, 9].contains(digits) && *digits < 9 => {
                let unit = match digits {
                    0..=3 => TimeUnit::Millisecond,
                    4..=6 => TimeUnit::Microsecond,
                    _ => TimeUnit::Nanosecond,
                };
                let has_zone = matches!(zone, ast::TimezoneInfo::WithTimeZone | ast::TimezoneInfo::Tz);
                let timestamp = DataType::Timestamp(unit, has_zone.then(|| "UTC".into()));
                Ok(Some(Arc::new(Field::new("", timestamp, true))))
            }
            other => match &self.next {
                Some(next) => next.plan_type_field(other),
                None => Ok(None),
            },
        }
    }
}

impl TableTypes {
    /// The type of a column, as DataFusion plans it anywhere else: in a cast.
    fn column_type(&self, sql_type: &ast::DataType) -> Result<DataType> {
        let nothing = ast::Expr::Value(ast::Value::Null.into());
        let cast = ast::Expr::Cast {
            kind: ast::CastKind::Cast,
            expr: Box::new(nothing),
            data_type: sql_type.clone(),
            array: false,
            format: None,
        };
        let provider = NoContext { types: self.next.clone(), options: ConfigOptions::default() };
        let planner = SqlToRel::new(&provider);
        match planner.sql_to_expr(cast, &DFSchema::empty(), &mut PlannerContext::new())? {
            Expr::Cast(Cast { field, .. }) => Ok(field.data_type().clone()),
            other => plan_err!("{sql_type} cannot be the type of a column: {other}"),
        }
    }
}

/// A session without tables and functions: types need none.
struct NoContext {
    types: Option<Arc<dyn TypePlanner>>,
    options: ConfigOptions,
}

impl ContextProvider for NoContext {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        plan_err!("there is no table {name} in a type")
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        self.types.clone()
    }

    fn get_function_meta(&self, _: &str) -> Option<Arc<ScalarUDF>> {
        None
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, _: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The columns, if the type is that of `RETURNS TABLE (...)`.
pub(crate) fn table_columns(data_type: &DataType) -> Option<&Fields> {
    match data_type {
        DataType::List(item) if item.name() == ROWS => match item.data_type() {
            DataType::Struct(columns) => Some(columns),
            _ => None,
        },
        _ => None,
    }
}

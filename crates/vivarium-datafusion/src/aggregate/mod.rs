//! Aggregate functions.
//!
//! DataFusion's own operators group rows, repartition states and move window frames; they call accumulators synchronously. An
//! operator of ours would have to do all of that again to await the guest instead, so accumulators wait ([`crate::bridge`]), once
//! for each batch of rows and once for thousands of groups, never for a row or a group alone (except for windows, whose frames move
//! row by row).
//!
//! ```text
//!   function has merge, no DISTINCT, no ORDER BY     streaming    rows go to the guest as they come; the state of a group is
//!                                                                 its accumulator as bytes, merged by the guest
//!   otherwise                                        collecting   rows are kept on the host; the state of a group is its rows;
//!                                                                 the guest gets them at the end, in order
//!   OVER a frame that moves                          sliding      retract where there is one, else the frame's rows again
//! ```
//!
//! An accumulator has an instance to itself for as long as it lives: groups are kept there. The pool of an aggregate call therefore
//! has no size of its own; a tenant's limit on instances bounds how many partitions and stages can work at a time.

mod collecting;
mod guest;
mod single;
mod sliding;
mod streaming;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::internal_err;
use datafusion::error::Result;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, GroupsAccumulator, Signature,
};
use datafusion::physical_expr::window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, WindowExpr};

use crate::error::Error;
use crate::function::{Given, PythonFunction};
use crate::scope::Scope;
use crate::settings::SandboxSettings;
use collecting::CollectedGroups;
use guest::GuestGroups;
use single::Single;
use sliding::Sliding;
use streaming::StreamedGroups;

/// An aggregate function.
#[derive(Debug)]
pub(crate) struct PythonAggregate {
    function: Arc<PythonFunction>,
    signature: Signature,
    /// The query that it is part of; `None` while the query is planned.
    scope: Option<Arc<Scope>>,
}

/// What an accumulator is made for.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub distinct: bool,
    /// How the keys behind the arguments are sorted.
    pub order: Vec<arrow::compute::SortOptions>,
    /// The columns of a row that is kept: arguments, then keys.
    pub row: Fields,
    pub arguments: usize,
}

impl PythonAggregate {
    pub fn new(function: Arc<PythonFunction>) -> Self {
        Self { signature: function.datafusion_signature(), function, scope: None }
    }

    /// The function.
    pub fn function(&self) -> &Arc<PythonFunction> {
        &self.function
    }

    /// The query that it is part of, if it knows it.
    pub fn scope(&self) -> Option<&Arc<Scope>> {
        self.scope.as_ref()
    }

    /// The same function as part of a query.
    pub fn in_scope(&self, scope: &Arc<Scope>) -> AggregateUDF {
        let (function, signature) = (Arc::clone(&self.function), self.signature.clone());
        AggregateUDF::new_from_impl(Self { function, signature, scope: Some(Arc::clone(scope)) })
    }

    fn streams(&self, distinct: bool, ordered: bool) -> bool {
        self.function.methods.merge && !distinct && !ordered
    }

    fn guest(&self, args: &AccumulatorArgs<'_>) -> Result<GuestGroups> {
        let given: Vec<_> = args.expr_fields.iter().map(|field| Given::Column(field.data_type())).collect();
        let types = self.function.bind_types(&given)?;
        let scope = self.scope.clone().unwrap_or_else(|| Scope::new(SandboxSettings::default()));
        let call = scope.aggregate(&self.function, &types);
        Ok(GuestGroups::new(scope, call))
    }

    fn shape(args: &AccumulatorArgs<'_>) -> Result<Shape> {
        let mut row: Vec<FieldRef> = args.expr_fields.to_vec();
        for key in args.order_bys {
            row.push(Arc::new(Field::new("", key.expr.data_type(args.schema)?, true)));
        }
        let order = args.order_bys.iter().map(|key| key.options).collect();
        let types = row.iter().map(|field| field.data_type());
        Ok(Shape { distinct: args.is_distinct, order, row: kept(types), arguments: args.expr_fields.len() })
    }
}

/// The columns of rows that are kept as a state.
fn kept<'a>(types: impl Iterator<Item = &'a DataType>) -> Fields {
    types.enumerate().map(|(index, t)| Field::new(format!("c{index}"), t.clone(), true)).collect()
}

impl AggregateUDFImpl for PythonAggregate {
    fn name(&self) -> &str {
        &self.function.name
    }

    fn aliases(&self) -> &[String] {
        &self.function.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let given: Vec<_> = arg_types.iter().map(Given::Column).collect();
        self.function.bind_types(&given)?;
        if given.is_empty() {
            let problem = "DataFusion calls no aggregate function without an argument; give accumulate a parameter, such as \
                           `row: int | None`, and the call a constant";
            return Err(Error::statement(&self.function.name, problem).into());
        }
        Ok(self.function.result.clone())
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.function.documentation)
    }

    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let name = format!("{}[state]", args.name);
        let state = if self.streams(args.is_distinct, !args.ordering_fields.is_empty()) {
            DataType::LargeBinary
        } else {
            let types = args.input_fields.iter().chain(args.ordering_fields).map(|field| field.data_type());
            collecting::state_type(&kept(types))
        };
        Ok(vec![Arc::new(Field::new(name, state, true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        // Rows are sorted here where an order is asked for: those of several partitions come together in none.
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(self: Arc<Self>, _: bool) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let streams = self.streams(args.is_distinct, !args.order_bys.is_empty());
        Ok(Box::new(Single::new(self.guest(&args)?, Self::shape(&args)?, streams)))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs<'_>) -> bool {
        true
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        let guest = self.guest(&args)?;
        match self.streams(args.is_distinct, !args.order_bys.is_empty()) {
            true => Ok(Box::new(StreamedGroups::new(guest))),
            false => Ok(Box::new(CollectedGroups::new(guest, Self::shape(&args)?))),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if !args.order_bys.is_empty() {
            return internal_err!("{} has an ORDER BY within a window", self.function.name);
        }
        let retract = self.function.methods.retract && !args.is_distinct;
        Ok(Box::new(Sliding::new(self.guest(&args)?, Self::shape(&args)?, retract)))
    }
}

impl PartialEq for PythonAggregate {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.scope.as_ref().map(Arc::as_ptr) == other.scope.as_ref().map(Arc::as_ptr)
    }
}

impl Eq for PythonAggregate {}

impl Hash for PythonAggregate {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

/// The scope of an aggregate function of ours.
pub(crate) fn scope(function: &AggregateUDF) -> Option<&Arc<Scope>> {
    function.inner().downcast_ref::<PythonAggregate>().and_then(PythonAggregate::scope)
}

/// The scope of an aggregate function of ours in a window.
pub(crate) fn window_scope(window: &dyn WindowExpr) -> Option<&Arc<Scope>> {
    let plain =
        window.as_any().downcast_ref::<PlainAggregateWindowExpr>().map(PlainAggregateWindowExpr::get_aggregate_expr);
    let sliding = window.as_any().downcast_ref::<SlidingAggregateWindowExpr>();
    plain.or_else(|| sliding.map(SlidingAggregateWindowExpr::get_aggregate_expr)).and_then(|expr| scope(expr.fun()))
}

//! The groups of one accumulator, in an instance of its own.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryArray, new_empty_array};
use arrow::compute::filter;
use datafusion::error::{DataFusionError, Result};
use vivarium::{Accumulators, Failures, concat_arrays};

use crate::bridge;
use crate::error::{Counted, Error};
use crate::lists::numbered;
use crate::scope::{Cancel, Scope};
use crate::work::{Call, CallRows, Work};

/// Groups whose values or states are asked for at a time.
const GROUPS: usize = 8_192;

/// Accumulators in a guest, behind calls that wait. The instance is taken when it is first needed.
pub(crate) struct GuestGroups {
    scope: Arc<Scope>,
    call: Arc<Call>,
    /// Never locked: an accumulator has to be `Sync`, and an instance is not.
    open: Mutex<Option<Open>>,
    rows: u64,
}

struct Open {
    work: Arc<Work>,
    accumulators: Accumulators,
}

impl GuestGroups {
    pub fn new(scope: Arc<Scope>, call: Arc<Call>) -> Self {
        Self { scope, call, open: Mutex::new(None), rows: 0 }
    }

    /// Another one of the same call, with no groups.
    pub fn another(&self) -> Self {
        Self::new(Arc::clone(&self.scope), Arc::clone(&self.call))
    }

    /// Adds rows of arguments to groups.
    pub fn accumulate(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.change(groups, columns, false)
    }

    /// Takes rows out again.
    pub fn retract(&mut self, groups: &[u32], columns: &[ArrayRef]) -> Result<()> {
        self.change(groups, columns, true)
    }

    fn change(&mut self, groups: &[u32], columns: &[ArrayRef], retract: bool) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let batch = self.call.types.batch(columns.to_vec(), groups.len())?;
        // An accumulator has the rows of one partition and stage, whose number nobody tells it.
        let rows = CallRows { batch, first: self.rows, counted: Some(Counted::Part) };
        if !retract {
            self.rows += groups.len() as u64;
        }
        let (cancel, call) = (self.scope.cancel(), Arc::clone(&self.call));
        let accumulators = self.open()?;
        let changed = async {
            match retract {
                true => accumulators.retract(groups, &rows.batch, rows.first).await,
                false => accumulators.accumulate(groups, &rows.batch, rows.first).await,
            }
        };
        let failures = wait(&cancel, &call, Some(&rows), changed)?;
        self.tell(&failures)
    }

    /// The values of groups.
    pub fn values(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let (cancel, call) = (self.scope.cancel(), Arc::clone(&self.call));
        let mut values = Vec::new();
        for groups in groups.chunks(GROUPS) {
            let accumulators = self.open()?;
            let (part, failures) = wait(&cancel, &call, None, accumulators.values(groups))?;
            self.tell(&failures)?;
            values.push(part);
        }
        match &values[..] {
            [] => Ok(new_empty_array(&call.function.result)),
            several => Ok(concat_arrays(several)?),
        }
    }

    /// The accumulators of groups, as bytes.
    pub fn states(&mut self, groups: &[u32]) -> Result<ArrayRef> {
        let (cancel, call) = (self.scope.cancel(), Arc::clone(&self.call));
        if groups.is_empty() {
            return Ok(Arc::new(LargeBinaryArray::new_null(0)));
        }
        let accumulators = self.open()?;
        Ok(Arc::new(wait(&cancel, &call, None, accumulators.states(groups))?))
    }

    /// Merges states into groups; NULL is the state of a group without rows.
    pub fn merge(&mut self, groups: &[u32], states: &ArrayRef) -> Result<()> {
        let (cancel, call) = (self.scope.cancel(), Arc::clone(&self.call));
        let accumulators = self.open()?;
        if states.null_count() == 0 {
            return wait(&cancel, &call, None, accumulators.merge(groups, states.as_binary::<i64>()));
        }
        let there = arrow::compute::is_not_null(states)?;
        let groups: Vec<u32> =
            groups.iter().zip(there.values()).filter_map(|(group, there)| there.then_some(*group)).collect();
        let states = filter(states, &there)?;
        wait(&cancel, &call, None, accumulators.merge(&groups, states.as_binary::<i64>()))
    }

    /// Forgets all groups, and begins again with these states as groups 0, 1, ...
    pub fn restart_with(&mut self, states: &ArrayRef) -> Result<()> {
        self.forget()?;
        if states.is_empty() {
            return Ok(());
        }
        let (cancel, call) = (self.scope.cancel(), Arc::clone(&self.call));
        let numbers: Vec<u32> = (0..numbered(states.len())?).collect();
        let accumulators = self.open()?;
        wait(&cancel, &call, None, accumulators.restore(&numbers, states.as_binary::<i64>()))
    }

    /// Forgets all groups.
    pub fn forget(&mut self) -> Result<()> {
        let (cancel, call) = (self.scope.cancel(), Arc::clone(&self.call));
        match slot(&mut self.open) {
            Some(open) => wait(&cancel, &call, None, open.accumulators.forget()),
            None => Ok(()),
        }
    }

    fn open(&mut self) -> Result<&mut Accumulators> {
        if slot(&mut self.open).is_none() {
            let work = self.scope.work(&self.call);
            let opening = async { work.aggregation().await?.accumulators().await };
            let accumulators = wait(&self.scope.cancel(), &self.call, None, opening)?;
            *slot(&mut self.open) = Some(Open { work, accumulators });
        }
        match slot(&mut self.open) {
            Some(open) => Ok(&mut open.accumulators),
            None => Err(cancelled(&self.call)),
        }
    }

    fn tell(&mut self, failures: &Failures) -> Result<()> {
        self.call.failed(failures);
        match slot(&mut self.open) {
            Some(open) => open.work.charge(),
            None => Ok(()),
        }
    }
}

fn slot(open: &mut Mutex<Option<Open>>) -> &mut Option<Open> {
    open.get_mut().unwrap_or_else(PoisonError::into_inner)
}

fn wait<T: Send>(
    cancel: &Cancel,
    call: &Call,
    rows: Option<&CallRows>,
    work: impl Future<Output = Result<T, vivarium::Error>> + Send,
) -> Result<T> {
    let done = bridge::wait(cancel.unless_over(work)).flatten();
    done.ok_or_else(|| cancelled(call))?.map_err(|error| call.error(error, rows))
}

fn cancelled(call: &Call) -> DataFusionError {
    Error::Cancelled { function: call.function.name.clone() }.into()
}

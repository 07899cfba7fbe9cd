//! How far statements may change DataFusion's options: at most to the values of the command line, or the defaults.
//!
//! Statements are untrusted, and options decide how much of the machine they get. (Those of the sandboxes, `vivarium.*`, are bounded where
//! they are set, in `vivarium-datafusion`.)

use std::collections::HashMap;

use datafusion::config::ConfigOptions;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{LogicalPlan, Statement};

/// Options of the process: memory, folders, caches.
const RUNTIME: &str = "datafusion.runtime.";

/// Numbers without a bound of their own may be this many times what they are at first.
const TIMES: u64 = 16;

/// Numbers with a bound of their own: the least, and the most where it is not what they are at first.
const BOUNDS: [(&str, u64, Option<u64>); 4] = [
    // Rows of a batch, of which each operator of each partition keeps some.
    ("datafusion.execution.batch_size", 1, Some(65_536)),
    ("datafusion.execution.target_partitions", 1, None),
    ("datafusion.execution.planning_concurrency", 1, None),
    // Deeper statements use up the parser's stack.
    ("datafusion.sql_parser.recursion_limit", 1, None),
];

/// What options were at first.
#[derive(Debug)]
pub struct Ceilings(HashMap<String, String>);

impl Ceilings {
    /// The options of a session as the command line has made them.
    pub fn of(options: &ConfigOptions) -> Self {
        Self(options.entries().into_iter().filter_map(|entry| Some((entry.key, entry.value?))).collect())
    }

    /// Checks a statement, if it sets an option.
    ///
    /// # Errors
    /// That the option is not for statements to set, or not so high.
    pub fn check(&self, plan: &LogicalPlan) -> Result<()> {
        let (name, value) = match plan {
            LogicalPlan::Statement(Statement::SetVariable(set)) => (set.variable.to_lowercase(), Some(&set.value)),
            LogicalPlan::Statement(Statement::ResetVariable(reset)) => (reset.variable.to_lowercase(), None),
            _ => return Ok(()),
        };
        if name.starts_with(RUNTIME) {
            return Err(DataFusionError::Plan(format!(
                "{name} is not for statements to set: memory and temporary files are the command line's (--query-memory, --host-memory)"
            )));
        }
        let Some((least, most)) = value.and(self.bounds(&name)) else { return Ok(()) };
        match value.and_then(|value| value.trim().parse::<u64>().ok()) {
            Some(number) if (least..=most).contains(&number) => Ok(()),
            _ => Err(DataFusionError::Plan(format!("{name} can be set from {least} to {most}"))),
        }
    }

    /// The least and the most that a number may be set to; `None` for what is none.
    fn bounds(&self, name: &str) -> Option<(u64, u64)> {
        let first = self.0.get(name)?.parse::<u64>().ok()?;
        Some(match BOUNDS.iter().find(|(bounded, ..)| *bounded == name) {
            Some((_, least, most)) => (*least, most.unwrap_or(first)),
            None => (0, first.saturating_mul(TIMES).max(TIMES)),
        })
    }
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;

    async fn checked(sql: &str) -> Result<()> {
        let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
        let ceilings = Ceilings::of(session.state().config_options());
        ceilings.check(&session.state().create_logical_plan(sql).await?)
    }

    #[tokio::test]
    async fn statements_lift_no_limit() {
        for refused in [
            "SET datafusion.runtime.memory_limit = '100G'",
            "SET datafusion.runtime.temp_directory = '/'",
            "RESET datafusion.runtime.memory_limit",
            "SET datafusion.execution.target_partitions = 3",
            "SET datafusion.execution.target_partitions = 0",
            "SET datafusion.execution.batch_size = 0",
            "SET datafusion.execution.batch_size = 1000000000",
            "SET datafusion.sql_parser.recursion_limit = 100000",
            "SET datafusion.execution.sort_spill_reservation_bytes = 100000000000",
            "SET datafusion.execution.batch_size = -1",
        ] {
            assert!(checked(refused).await.is_err(), "{refused}");
        }
        for allowed in [
            "SET datafusion.execution.target_partitions = 1",
            "SET datafusion.execution.batch_size = 100",
            "SET datafusion.execution.time_zone = '+01:00'",
            "SET datafusion.optimizer.max_passes = 1",
            "SELECT 1",
        ] {
            checked(allowed).await.unwrap();
        }
    }
}

//! How far a query is: how many rows its scans have read.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use crate::progress::{ProgressMode, RowProgress};

/// The scans of a query, watched.
pub struct ScanProgress {
    scans: Vec<Arc<dyn ExecutionPlan>>,
    progress: RowProgress,
}

impl ScanProgress {
    /// Watches the leaves of a plan.
    pub fn start(mode: ProgressMode, plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut scans = Vec::new();
        collect_leaves(plan, &mut scans);
        // Files of text do not say how many rows they have.
        let statistics = StatisticsContext::new();
        let rows = scans.iter().map(|scan| match statistics.compute(&**scan, &StatisticsArgs::new()).ok()?.num_rows {
            Precision::Exact(rows) => Some(rows as u64),
            _ => None,
        });
        let total = rows.sum::<Option<u64>>().filter(|total| *total > 0);
        Self { scans, progress: RowProgress::start(mode, total) }
    }

    /// Shows how far it is now.
    pub fn look(&mut self) {
        let rows = self.scans.iter().filter_map(|scan| scan.metrics()?.output_rows());
        self.progress.set(rows.map(|rows| rows as u64).sum());
    }
}

fn collect_leaves(plan: &Arc<dyn ExecutionPlan>, leaves: &mut Vec<Arc<dyn ExecutionPlan>>) {
    let children = plan.children();
    if children.is_empty() {
        leaves.push(Arc::clone(plan));
    }
    for child in children {
        collect_leaves(child, leaves);
    }
}

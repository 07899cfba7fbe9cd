//! What `series` and `sql` measure with. (Everything else is measured by `wasm-run bench`.)

use anyhow::{Context, Result};

/// `--rounds N`; what cargo itself passes is ignored.
pub fn rounds() -> Result<usize> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--rounds") {
        None => Ok(11),
        Some(position) => {
            let value = arguments.get(position + 1).context("--rounds takes a number")?;
            value.parse().with_context(|| format!("--rounds takes a number, not {value:?}"))
        }
    }
}

/// Samples in seconds, or ratios.
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub fn quantile(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part).round() as usize]
    }

    /// The median and the quartiles, multiplied by `unit`.
    pub fn show(&self, unit: f64) -> String {
        let [low, median, high] = [0.25, 0.5, 0.75].map(|part| self.quantile(part) * unit);
        format!("{median:.2} ({low:.2}–{high:.2})")
    }
}

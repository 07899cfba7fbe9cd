//! Does one thing so many times, for a program that counts instructions: `vivarium-counted PART REPETITIONS`.
//!
//! `benches/instructions.py` runs it under callgrind and compares with the stored baseline.

use anyhow::{Context, Result, bail};
use vivarium_bench::counted;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let part = arguments.next().context("row-loop, columns, vectorized, one-row, exchange, checkout or prepare")?;
    let repetitions = arguments.next().map_or(Ok(1), |count| count.parse()).context("a number of repetitions")?;
    // One thread: what others would do meanwhile is not to be counted.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match part.as_str() {
        // Compiles the image, which would take hours where instructions are counted.
        "prepare" => counted::image().map(drop),
        "row-loop" => runtime.block_on(counted::row_loop(repetitions)),
        "columns" => runtime.block_on(counted::columns(repetitions)),
        "vectorized" => runtime.block_on(counted::vectorized(repetitions)),
        "one-row" => runtime.block_on(counted::one_row(repetitions)),
        "exchange" => counted::exchange(repetitions),
        "checkout" => runtime.block_on(counted::checkout(repetitions)),
        other => bail!("there is no part {other:?}"),
    }
}

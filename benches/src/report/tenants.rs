//! What tenants notice of each other, as tables and a plot.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use super::plots::{COLOURS, GREY, label};
use crate::measures::tenants::WEIGHTS;
use crate::results::Results;
use crate::statistics::{Samples, show_time};

const WORKING: &str = "tenants/beside/working";
const HOSTILE: &str = "tenants/beside/hostile";
const IDLE: &str = "tenants/idle";
/// The quantiles of latency that are told.
const QUANTILES: [(f64, &str); 4] = [(0.5, "median"), (0.9, "90 %"), (0.99, "99 %"), (1.0, "all")];

/// How many times longer 99 of 100 calls take at most beside tenants that attack than beside tenants that compute.
pub fn tail_ratio(results: &Results) -> Option<f64> {
    let tail = |key| Some(results.measure(key)?.samples.quantile(0.99));
    Some(tail(HOSTILE)? / tail(WORKING)?)
}

/// The largest difference, over tenants and windows, between a share and what the weight says, as a part of all processor time.
pub fn largest_error(results: &Results) -> Option<f64> {
    let errors =
        shares(results).flat_map(|(_, ideal, samples)| samples.0.iter().map(move |share| (share - ideal).abs()));
    errors.reduce(f64::max)
}

/// Bytes of a process with two thousand idle tenants.
pub fn idle(results: &Results) -> Option<f64> {
    Some(results.measure(IDLE)?.samples.median())
}

/// Weight, ideal share, and shares by window.
fn shares(results: &Results) -> impl Iterator<Item = (u32, f64, &Samples)> {
    let all: u32 = WEIGHTS.iter().sum();
    WEIGHTS.into_iter().filter_map(move |weight| {
        let measure = results.measure(&format!("tenants/share/{weight}"))?;
        Some((weight, f64::from(weight) / f64::from(all), &measure.samples))
    })
}

/// Latency, shares and memory.
pub fn tables(results: &Results) -> String {
    let mut text = String::new();
    let latencies: Vec<_> = results.measures_of("tenants/beside/").collect();
    if !latencies.is_empty() {
        text += "How long a call takes, by the part of the calls that take at most as long:\n\n|";
        text += &QUANTILES.iter().fold(" |".to_owned(), |head, (_, name)| format!("{head} {name} |"));
        let _ = writeln!(text, "\n|---{}|", "|---".repeat(QUANTILES.len()));
        for measure in latencies {
            let _ = write!(text, "| {} |", measure.what);
            for (part, _) in QUANTILES {
                let _ = write!(text, " {} |", show_time(measure.samples.quantile(part)));
            }
            text.push('\n');
        }
        text.push('\n');
    }
    let mut rows = shares(results).peekable();
    if rows.peek().is_some() {
        text += "Processor time of tenants that all have more to do than there is time for, in windows of a second:\n\n\
                 | weight | its share | median of what it got | least and most |\n|---|---|---|---|\n";
        for (weight, ideal, samples) in rows {
            let percent = |part: f64| format!("{:.2} %", part * 100.0);
            let (low, high) = (samples.quantile(0.0), samples.quantile(1.0));
            let _ = writeln!(
                text,
                "| {weight} | {} | {} | {}–{} |",
                percent(ideal),
                percent(samples.median()),
                percent(low),
                percent(high)
            );
        }
        text.push('\n');
    }
    if let Some(measure) = results.measure(IDLE) {
        let _ = writeln!(text, "{}: {:.0} MiB.\n", measure.what, measure.samples.median() / f64::from(1 << 20));
    }
    text
}

/// The latencies as curves: how many calls of a hundred take at most so long.
pub fn plot(results: &Results, path: &Path) -> Result<bool> {
    let curves: Vec<_> = results.measures_of("tenants/beside/").collect();
    let all = || curves.iter().flat_map(|measure| measure.samples.0.iter().map(|seconds| seconds * 1e3));
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    if low >= high {
        return Ok(false);
    }
    let area = SVGBackend::new(path, (860, 320)).into_drawing_area();
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((low / 1.2..high * 1.2).log_scale(), 0.0..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GREY.mix(0.25))
        .axis_style(GREY)
        .label_style(label(12))
        .axis_desc_style(label(12))
        .x_desc("milliseconds of a call")
        .y_desc("% of calls")
        .draw()?;
    for (measure, colour) in curves.iter().zip([COLOURS[2], COLOURS[0]]) {
        let points = (0..=200).map(|step| {
            let part = f64::from(step) / 200.0;
            (measure.samples.quantile(part) * 1e3, part * 100.0)
        });
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(measure.what.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(label(13))
        .border_style(TRANSPARENT)
        .draw()?;
    area.present()?;
    Ok(true)
}

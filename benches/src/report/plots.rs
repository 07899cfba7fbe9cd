//! The plots: SVG without background, in colours that are read on white and on black.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::tables::CONTENDERS;
use super::tenants;
use crate::contenders::{self, SANDBOX};
use crate::results::Results;
use crate::standard::BATCH;

/// A plot that was drawn.
pub struct Plot {
    /// Its file's name.
    pub file: &'static str,
    /// What it shows.
    pub title: &'static str,
}

pub(super) const GREY: RGBColor = RGBColor(128, 128, 128);
/// The sandbox, and the contenders in their order.
pub(super) const COLOURS: [RGBColor; 8] = [
    RGBColor(214, 96, 30),
    RGBColor(230, 160, 110),
    RGBColor(66, 133, 200),
    RGBColor(60, 150, 90),
    RGBColor(150, 110, 190),
    RGBColor(190, 150, 40),
    RGBColor(200, 90, 130),
    RGBColor(110, 140, 150),
];
const FONT: &str = "sans-serif";

/// Draws a plot into a file; false when there is nothing to draw.
type Drawing = fn(&Results, &Path) -> Result<bool>;

/// Draws what there is to draw.
pub fn draw(results: &Results, directory: &Path) -> Result<Vec<Plot>> {
    std::fs::create_dir_all(directory)?;
    let mut plots = Vec::new();
    let drawings: [(Plot, Drawing); 5] = [
        (Plot { file: "rows.svg", title: "Nanoseconds a row by work and contender" }, rows),
        (Plot { file: "columns.svg", title: "Nanoseconds a row as columns, and by the interpreter" }, columns),
        (Plot { file: "batches.svg", title: "Nanoseconds a row by rows per batch" }, batches),
        (Plot { file: "threads.svg", title: "Rows per second by threads" }, threads),
        (Plot { file: "tenants.svg", title: "Calls by their latency, beside a hundred other tenants" }, tenants::plot),
    ];
    for (plot, drawing) in drawings {
        let path = directory.join(plot.file);
        if drawing(results, &path).map_err(|error| anyhow!("{} cannot be drawn: {error:#}", path.display()))? {
            plots.push(plot);
        }
    }
    Ok(plots)
}

/// Names with their colours.
fn contenders() -> impl Iterator<Item = (&'static str, RGBColor)> {
    std::iter::once(SANDBOX).chain(CONTENDERS).zip(COLOURS)
}

pub(super) fn label(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&GREY)
}

fn rows(results: &Results, path: &Path) -> Result<bool> {
    let found = results.comparisons.iter().filter(|one| one.rows == BATCH && one.threads == 1);
    points(&found.collect::<Vec<_>>(), &contenders().collect::<Vec<_>>(), path)
}

fn columns(results: &Results, path: &Path) -> Result<bool> {
    let found = results.comparisons.iter().filter(|one| one.samples(contenders::ROW_BY_ROW).is_some());
    let drawn = [SANDBOX, contenders::ROW_BY_ROW, contenders::PYO3];
    let drawn: Vec<_> = contenders().filter(|(name, _)| drawn.contains(name)).collect();
    points(&found.collect::<Vec<_>>(), &drawn, path)
}

/// A point for each contender on a line for each work.
fn points(found: &[&Comparison], contenders: &[(&'static str, RGBColor)], path: &Path) -> Result<bool> {
    if found.is_empty() {
        return Ok(false);
    }
    let (width, line, left, top) = (860, 26, 190, 70);
    let height = top + line * found.len() as u32 + 50;
    let area = SVGBackend::new(path, (width, height)).into_drawing_area();
    let medians = || {
        found.iter().flat_map(|one| contenders.iter().filter_map(|(name, _)| Some(one.samples(name)?.median() * 1e9)))
    };
    let (low, high) =
        (medians().fold(f64::MAX, f64::min).log10().floor(), medians().fold(1.0, f64::max).log10().ceil());
    let x = |value: f64| left as i32 + ((value.log10() - low) / (high - low) * f64::from(width - left - 30)) as i32;
    let bottom = (height - 42) as i32;
    for power in low as i32..=high as i32 {
        let at = x(10f64.powi(power));
        area.draw(&PathElement::new([(at, top as i32 - 6), (at, bottom)], GREY.mix(0.35)))?;
        let style = label(13).pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(power_of_ten(power), (at, bottom + 4), style))?;
    }
    area.draw(&Text::new(
        "nanoseconds a row",
        (x(10f64.powf((low + high) / 2.0)), bottom + 22),
        label(13).pos(Pos::new(HPos::Center, VPos::Top)),
    ))?;
    for (index, one) in found.iter().enumerate() {
        let y = (top + line * index as u32 + line / 2) as i32;
        let style = label(14).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(one.work.clone(), (left as i32 - 12, y), style))?;
        area.draw(&PathElement::new([(left as i32, y), (width as i32 - 20, y)], GREY.mix(0.25)))?;
        for &(name, colour) in contenders {
            let Some(samples) = one.samples(name) else { continue };
            let at = (x(samples.median() * 1e9), y);
            let size = if name == SANDBOX { 7 } else { 5 };
            area.draw(&Circle::new(at, size, colour.filled()))?;
        }
    }
    let mut at = 14;
    for &(name, colour) in contenders {
        area.draw(&Circle::new((at, 24), 5, colour.filled()))?;
        area.draw(&Text::new(name, (at + 10, 24), label(13).pos(Pos::new(HPos::Left, VPos::Center))))?;
        at += 32 + 8 * name.len() as i32;
    }
    area.present()?;
    Ok(true)
}

fn power_of_ten(power: i32) -> String {
    if power < 0 {
        format!("{:.*}", power.unsigned_abs() as usize, 10f64.powi(power))
    } else {
        format!("{:.0}", 10f64.powi(power))
    }
}

/// Work that is drawn by batches and by threads.
const DRAWN: [&str; 3] = ["add one", "business rule", "vectorized add"];

/// A curve for each contender, a panel for each work; both axes logarithmic.
fn batches(results: &Results, path: &Path) -> Result<bool> {
    panels(results, path, "rows per batch", "ns a row", |one| one.threads == 1, |one| one.rows, |seconds| seconds * 1e9)
}

fn threads(results: &Results, path: &Path) -> Result<bool> {
    if results.comparisons.iter().all(|one| one.threads == 1) {
        return Ok(false);
    }
    panels(results, path, "threads", "M rows/s", |one| one.rows == BATCH, |one| one.threads, |seconds| 1e-6 / seconds)
}

type Comparison = crate::rounds::Comparison;

fn panels(
    results: &Results,
    path: &Path,
    x_label: &str,
    y_label: &str,
    wanted: fn(&Comparison) -> bool,
    place: fn(&Comparison) -> usize,
    value: fn(f64) -> f64,
) -> Result<bool> {
    let of = |work: &str| -> Vec<&Comparison> {
        let mut found: Vec<_> = results.comparisons.iter().filter(|one| one.work == work && wanted(one)).collect();
        found.sort_by_key(|one| place(one));
        found
    };
    let works: Vec<_> = DRAWN.into_iter().filter(|work| of(work).len() > 1).collect();
    if works.is_empty() {
        return Ok(false);
    }
    let area = SVGBackend::new(path, (860, 360)).into_drawing_area();
    let (legend, area) = area.split_vertically(44);
    let mut at = 14;
    for (name, colour) in contenders() {
        legend.draw(&Circle::new((at, 20), 5, colour.filled()))?;
        legend.draw(&Text::new(name, (at + 10, 20), label(13).pos(Pos::new(HPos::Left, VPos::Center))))?;
        at += 32 + 8 * name.len() as i32;
    }
    for (work, panel) in works.iter().zip(area.split_evenly((1, works.len()))) {
        let found = of(work);
        let values = || {
            found.iter().flat_map(|one| contenders().filter_map(|(name, _)| Some(value(one.samples(name)?.median()))))
        };
        let (low, high) = (values().fold(f64::MAX, f64::min) / 1.5, values().fold(0.0, f64::max) * 1.5);
        let places: Vec<_> = found.iter().map(|one| place(one) as f64).collect();
        let (first, last) = (places[0], places[places.len() - 1]);
        let mut chart = ChartBuilder::on(&panel)
            .caption(*work, label(15))
            .margin(8)
            .margin_right(20)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (first * 0.9..last * 1.1).log_scale().with_key_points(places),
                (low..high).log_scale(),
            )?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GREY.mix(0.25))
            .axis_style(GREY)
            .label_style(label(12))
            .axis_desc_style(label(12))
            .x_desc(x_label)
            .y_desc(y_label)
            .y_labels(8)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| if *y < 1.0 { format!("{y:.1}") } else { format!("{y:.0}") })
            .draw()?;
        for (name, colour) in contenders() {
            let points: Vec<_> =
                found.iter().filter_map(|one| Some((place(one) as f64, value(one.samples(name)?.median())))).collect();
            let width = if name == SANDBOX { 3 } else { 1 };
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(width)))?;
            chart.draw_series(points.into_iter().map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    area.present()?;
    Ok(true)
}

//! Synthetic cells as stars on the cloud of real cells (Yu et al. 2025, Fig. 6), by UMAP (McInnes et al. 2018).

use std::collections::BTreeSet;

use ndarray::{Array2, Axis, concatenate};
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use umap_rs::{GraphParams, ManifoldParams, Umap, UmapConfig};

use super::VisualizeError;
use super::cells::{RealAndSynthetic, check_finite};
use super::figure::{Figure, MOST_POINTS, significant};
use super::layout::{CURVE, Edge, optimise, principal_components};
use super::palette::class_color;
use super::still::{Panel, Still, Text};
use super::style::{QUIET, TOP, axis, base};
use crate::notebook::escape;
use crate::text::{count, grouped};
use plotly::layout::{ItemSizing, Legend};
use scdd_learn::knn::nearest_itself_first;

/// Neighbours that make the graph: UMAP's and scanpy's default.
const NEIGHBOURS: usize = 15;
/// From here on WebGL draws the cloud; below, SVG is sharper and costs no graphics context.
const WEBGL: usize = 5_000;

/// Coordinates of `points` `[cells, latent]` in the plane `[cells, 2]`: exact Euclidean neighbours (for latents of unit
/// norm the same as by cosine), initialised by the first two principal components, minimum distance 0.5.
///
/// The same points and seed give the same coordinates.
///
/// # Errors
/// For fewer than 3 cells, no coordinates, or values that are not finite.
///
/// ```
/// let points = ndarray::Array2::from_shape_fn((40, 4), |(i, j)| ((i * 7 + j * 3) % 11) as f32);
/// let coordinates = scdd::visualize::umap_embedding(&points, 7)?;
/// assert_eq!(coordinates.dim(), (40, 2));
/// # Ok::<(), scdd::visualize::VisualizeError>(())
/// ```
pub fn umap_embedding(points: &Array2<f32>, seed: u64) -> Result<Array2<f32>, VisualizeError> {
    let (cells, latent) = points.dim();
    if cells < 3 || latent == 0 {
        return Err(VisualizeError::Empty {
            what: "the input of UMAP",
            found: format!("{} of {} coordinates", count(cells, "cell"), grouped(latent)),
            least: "3 cells of 1 coordinate",
        });
    }
    check_finite("embedded", points)?;
    let k = NEIGHBOURS.min(cells - 1);
    let (indices, distances) = nearest_itself_first(points, k);
    let config = UmapConfig {
        n_components: 2,
        manifold: ManifoldParams { min_dist: 0.5, spread: 1.0, a: Some(CURVE.0), b: Some(CURVE.1) },
        graph: GraphParams { n_neighbors: k, ..Default::default() },
        ..Default::default()
    };
    let manifold = Umap::new(config).learn_manifold(points.view(), indices.view(), distances.view());
    let graph = manifold.graph();
    let edges: Vec<Edge> = graph
        .outer_iterator()
        .enumerate()
        .flat_map(|(head, row)| {
            row.iter().map(|(tail, &weight)| Edge { head: head as u32, tail: tail as u32, weight }).collect::<Vec<_>>()
        })
        .collect();
    let mut stream = crate::seed::stream(seed, "umap");
    let mut coordinates = principal_components(points, &mut stream);
    // umap-learn's rule for the number of epochs.
    let epochs = if cells <= 10_000 { 500 } else { 200 };
    optimise(&mut coordinates, &edges, epochs, &mut stream);
    Ok(coordinates)
}

/// Draws real cells as a cloud and synthetic cells as stars, one colour per class.
///
/// Both kinds of cells are latents `[cells, latent]` of one encoder. They are embedded together in one fit: a synthetic cell
/// that is near no real cell lies apart, where a projection onto the finished cloud would hide it. More than 50,000 real cells
/// are thinned at random to that number before the fit; every class keeps at least 50 cells (or all that it has), and the
/// subtitle gives the number. The same input and seed give the same figure.
///
/// # Errors
/// For labels that do not fit, values that are not finite, latents of different width, or fewer than 3 cells.
///
/// ```
/// use ndarray::Array2;
/// use scdd::visualize::{LabelledCells, RealAndSynthetic};
/// let real = Array2::from_shape_fn((60, 5), |(i, j)| (i % 2) as f32 * 4.0 + ((i * 5 + j) % 7) as f32 * 0.1);
/// let labels: Vec<u32> = (0..60).map(|i| i % 2).collect();
/// let synthetic = Array2::from_shape_fn((2, 5), |(i, _)| i as f32 * 4.0 + 0.3);
/// let classes = ["alpha".to_string(), "beta".to_string()];
/// let cells = RealAndSynthetic {
///     real: LabelledCells { cells: &real, labels: &labels },
///     synthetic: LabelledCells { cells: &synthetic, labels: &[0, 1] },
///     classes: &classes,
/// };
/// let figure = scdd::visualize::umap_figure(&cells, 7)?;
/// assert_eq!(figure.summary(), "UMAP of 60 real cells and 2 synthetic cells in 2 classes");
/// # Ok::<(), scdd::visualize::VisualizeError>(())
/// ```
pub fn umap_figure(cells: &RealAndSynthetic<'_>, seed: u64) -> Result<Figure, VisualizeError> {
    cells.check()?;
    let (real, synthetic, classes) = (cells.real.cells, cells.synthetic.cells, cells.classes);
    if real.ncols() != synthetic.ncols() {
        return Err(VisualizeError::Length {
            what: "coordinates of a synthetic cell (real and synthetic cells need the same encoder)".to_owned(),
            found: synthetic.ncols(),
            expected: real.ncols(),
        });
    }
    let kept = thinned(cells.real.labels, classes.len(), MOST_POINTS, seed);
    let shown_real = real.select(Axis(0), &kept);
    let joint = concatenate![Axis(0), shown_real, *synthetic];
    let coordinates = umap_embedding(&joint, seed)?;

    let shown_labels = kept.iter().map(|&cell| cells.real.labels[cell]);
    let labels: Vec<u32> = shown_labels.chain(cells.synthetic.labels.iter().copied()).collect();
    let cloud = Cloud { coordinates: &coordinates, labels: &labels, real: kept.len(), classes };
    let present: BTreeSet<u32> = labels.iter().copied().collect();
    let all = count(real.nrows(), "real cell");
    let summary = format!(
        "UMAP of {all} and {} in {}",
        count(synthetic.nrows(), "synthetic cell"),
        count(present.len(), "class")
    );
    let shown = if kept.len() < real.nrows() { format!("{} of {all} drawn", grouped(kept.len())) } else { all };
    let subtitle = format!(
        "{shown} and {} in {}, embedded together",
        count(synthetic.nrows(), "synthetic cell"),
        count(present.len(), "class")
    );
    let title = "Synthetic cells among real cells";
    let size = cloud.size(present.len());
    let side = cloud.side(present.len()) as f64;
    let [x, y] = cloud.ranges();
    let bare = |name: &str, range: (f64, f64)| axis(name).show_tick_labels(false).range(vec![range.0, range.1]);
    let layout = base(title, &subtitle, size, [48, 24, 48])
        .legend(
            Legend::new()
                .item_sizing(ItemSizing::Trace)
                .x((side + 16.0) / (size.0 - 72) as f64)
                .trace_group_gap(1)
                .font(plotly::common::Font::new().size(12)),
        )
        .x_axis(bare("UMAP 1", x).domain(&[0.0, side / (size.0 - 72) as f64]).scale_anchor("y"))
        .y_axis(bare("UMAP 2", y).domain(&[1.0 - side / (size.1 - TOP - 48) as f64, 1.0]));
    Ok(Figure::new(cloud.traces(&present), layout, summary, cloud.still(title, &subtitle, size, &present)))
}

/// Indices of at most about `most` cells, sorted ascending; a class keeps at least 50 or all that it has.
fn thinned(labels: &[u32], classes: usize, most: usize, seed: u64) -> Vec<usize> {
    if labels.len() <= most {
        return (0..labels.len()).collect();
    }
    let mut by_class = vec![Vec::new(); classes];
    for (cell, &label) in labels.iter().enumerate() {
        by_class[label as usize].push(cell);
    }
    let floor = 50.min(most / classes.max(1));
    let small: usize = by_class.iter().map(|cells| cells.len().min(floor)).sum();
    let rest: usize = by_class.iter().map(|cells| cells.len().saturating_sub(floor)).sum();
    let fraction = most.saturating_sub(small) as f64 / rest.max(1) as f64;
    let mut stream = crate::seed::stream(seed, "umap thinning");
    let mut kept = Vec::with_capacity(most);
    for mut cells in by_class {
        cells.shuffle(&mut stream);
        let keep = cells.len().min(floor) + (cells.len().saturating_sub(floor) as f64 * fraction) as usize;
        kept.extend(cells.into_iter().take(keep));
    }
    kept.sort_unstable();
    kept
}

/// Coordinates and labels of real cells, then synthetic cells.
struct Cloud<'a> {
    coordinates: &'a Array2<f32>,
    labels: &'a [u32],
    real: usize,
    classes: &'a [String],
}

impl Cloud<'_> {
    fn of(&self, class: u32, synthetic: bool) -> Vec<(f64, f64)> {
        let range = if synthetic { self.real..self.labels.len() } else { 0..self.real };
        range
            .filter(|&cell| self.labels[cell] == class)
            .map(|cell| (f64::from(self.coordinates[[cell, 0]]), f64::from(self.coordinates[[cell, 1]])))
            .collect()
    }

    /// Room for the longest class name and for every class in the legend.
    fn size(&self, shown: usize) -> (usize, usize) {
        let longest = self.classes.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let legend = 20 * (shown + 3);
        (72 + self.side(shown) + (longest * 7 + 60).clamp(140, 360), TOP + 48 + legend.max(self.side(shown)))
    }

    /// Side of the square that the cells lie in, in pixels.
    fn side(&self, shown: usize) -> usize {
        (20 * (shown + 3)).clamp(628, 800)
    }

    /// Equally wide ranges, so that the square keeps distances equal in both directions.
    fn ranges(&self) -> [(f64, f64); 2] {
        let reach = [0, 1].map(|axis| {
            let column = self.coordinates.column(axis);
            column.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
                (low.min(f64::from(x)), high.max(f64::from(x)))
            })
        });
        let half = 0.53 * reach.iter().map(|(low, high)| high - low).fold(0.0, f64::max);
        reach.map(|(low, high)| ((low + high) / 2.0 - half, (low + high) / 2.0 + half))
    }

    fn marker_sizes(&self) -> (f64, f64, f64) {
        let (point, opacity) = match self.real {
            0..1_000 => (5.5, 0.6),
            1_000..6_000 => (4.0, 0.5),
            6_000..20_000 => (3.0, 0.4),
            _ => (2.0, 0.35),
        };
        let star = match self.labels.len() - self.real {
            0..=60 => 14.0,
            61..=200 => 12.0,
            _ => 9.0,
        };
        (point, opacity, star)
    }

    fn traces(&self, present: &BTreeSet<u32>) -> Vec<Value> {
        let kind = if self.real > WEBGL { "scattergl" } else { "scatter" };
        let (point, opacity, star) = self.marker_sizes();
        let axis = |points: &[(f64, f64)], second: bool| -> Vec<f64> {
            points.iter().map(|p| significant(if second { p.1 } else { p.0 })).collect()
        };
        let key = |name: &str, group: &str, marker: Value| {
            json!({ "type": "scatter", "mode": "markers", "x": [null], "y": [null], "name": name,
                    "legendgroup": group, "hoverinfo": "skip", "marker": marker })
        };
        let outline = json!({ "color": "#111111", "width": 1.3 });
        let mut traces = vec![
            key("real cell", "real", json!({ "symbol": "circle", "size": 6, "color": "#8a8a8a" })),
            key(
                "synthetic cell",
                "synthetic",
                json!({ "symbol": "star", "size": 14, "color": "#ffffff", "line": outline }),
            ),
        ];
        for (synthetic, symbol) in [(false, "circle"), (true, "star")] {
            for &class in present {
                let points = self.of(class, synthetic);
                let name = escape(&self.classes[class as usize]);
                let color = class_color(class as usize);
                if !synthetic {
                    traces.push(key(&name, &name, json!({ "symbol": "circle", "size": 11, "color": color })));
                }
                if points.is_empty() {
                    continue;
                }
                let (kind, what) = if synthetic { ("scatter", "synthetic cell") } else { (kind, "real cell") };
                let marker = if synthetic {
                    json!({ "symbol": symbol, "size": star, "color": color, "opacity": 1, "line": outline })
                } else {
                    json!({ "symbol": symbol, "size": point, "color": color, "opacity": opacity })
                };
                traces.push(json!({
                    "type": kind, "mode": "markers", "name": name, "legendgroup": name, "showlegend": false,
                    "x": axis(&points, false), "y": axis(&points, true), "marker": marker,
                    "hovertemplate": format!("<b>%{{fullData.name}}</b><br>{what}<extra></extra>"),
                }));
            }
        }
        traces
    }

    fn still(&self, title: &str, subtitle: &str, size: (usize, usize), present: &BTreeSet<u32>) -> Still {
        let side = self.side(present.len()) as f64;
        let [x, y] = self.ranges();
        let panel = Panel { left: 48.0, top: TOP as f64, width: side, height: side, x, y };
        let key = 48.0 + side + 24.0;
        let mut still = Still::new(title, subtitle, size);
        still.frame(&panel);
        still.text(Text::new("UMAP 1", 48.0 + side / 2.0, panel.top + side + 20.0).middle().size(13));
        still.text(Text::new("UMAP 2", 36.0, panel.top + side / 2.0).middle().size(13).upwards());
        let (point, opacity, star) = self.marker_sizes();
        // A still picture of a big cloud needs no more than some 4,000 cells.
        let stride = self.real.div_ceil(4_000).max(1);
        for &class in present {
            let points = self.of(class, false).into_iter().step_by(stride).map(|(x, y)| panel.position(x, y));
            still.dots(points, point, class_color(class as usize), opacity);
        }
        for &class in present {
            for (x, y) in self.of(class, true) {
                still.star(panel.position(x, y), star * 0.6, class_color(class as usize));
            }
        }
        let mut line = panel.top + 10.0;
        still.dots(std::iter::once((key, line - 4.0)), 6.0, QUIET, 1.0);
        still.text(Text::new("real cell", key + 14.0, line));
        line += 20.0;
        still.star((key, line - 4.0), 7.0, "#ffffff");
        still.text(Text::new("synthetic cell", key + 14.0, line));
        for &class in present {
            line += 20.0;
            still.dots(std::iter::once((key, line - 4.0)), 11.0, class_color(class as usize), 1.0);
            still.text(Text::new(&self.classes[class as usize], key + 14.0, line));
        }
        still
    }
}

#[cfg(test)]
#[path = "umap_tests.rs"]
mod tests;

//! Heatmap of marker genes, real and synthetic cells side by side (Yu et al. 2025, Fig. 5): the same genes, classes and
//! colour scale in both panels.

use ndarray::{Array2, ArrayView2};
use plotly::common::{Anchor, ColorBar, ColorScale, ColorScalePalette, Font, Side, ThicknessMode};
use plotly::layout::{Axis, AxisType, ColorAxis};
use serde_json::{Value, json};

use super::VisualizeError;
use super::cells::RealAndSynthetic;
use super::figure::{Figure, significant};
use super::still::{Panel, Still, Text};
use super::style::{TOP, base, panel_title, small};
use crate::notebook::escape;
use crate::text::count;

/// Cells shown per class (our choice): enough to see the spread, few enough for a notebook.
const CELLS_PER_CLASS: usize = 40;
/// Values drawn at most, so that a notebook with many classes and genes stays small.
const MOST_VALUES: usize = 60_000;
/// With more classes than this the panels stand one above the other.
const SIDE_BY_SIDE: usize = 24;
/// Part of a class's width that is left white, so that neighbours can be told apart.
const GAP: f64 = 0.06;
const SCALE_NAME: &str = "log1p of counts per 10,000";

/// Draws expression of the given genes in real and synthetic cells, two panels with one colour scale.
///
/// Both kinds of cells are dense `[cells, genes]`, log1p of counts per 10,000, with columns named by `gene_names` and drawn in
/// that order from the top. Cells stand class by class; a class is equally wide in both panels, whatever its number of cells.
/// Of a class with more than 40 cells, 40 at even steps are drawn, and fewer where genes and classes are so many that a panel
/// would hold over 60,000 values. Classes without a cell in either panel are left out; a class that only one panel has stays
/// white in the other.
///
/// # Errors
/// For labels or names that do not fit, values that are not finite, and when there are no cells or genes.
///
/// ```
/// use ndarray::array;
/// use scdd::visualize::{LabelledCells, RealAndSynthetic};
/// let real = array![[2.0, 0.0], [1.5, 0.1], [0.0, 3.0]];
/// let synthetic = array![[1.8, 0.0], [0.1, 2.7]];
/// let genes = ["INS".to_string(), "GCG".to_string()];
/// let classes = ["beta".to_string(), "alpha".to_string()];
/// let cells = RealAndSynthetic {
///     real: LabelledCells { cells: &real, labels: &[0, 0, 1] },
///     synthetic: LabelledCells { cells: &synthetic, labels: &[0, 1] },
///     classes: &classes,
/// };
/// let figure = scdd::visualize::expression_heatmap(&cells, &genes)?;
/// assert_eq!(
///     figure.summary(),
///     "Expression of 2 genes in 3 real cells beside 2 synthetic cells in 2 classes"
/// );
/// # Ok::<(), scdd::visualize::VisualizeError>(())
/// ```
pub fn expression_heatmap(cells: &RealAndSynthetic<'_>, gene_names: &[String]) -> Result<Figure, VisualizeError> {
    cells.check()?;
    for (kind, side) in cells.sides() {
        let rows = side.cells;
        if rows.ncols() != gene_names.len() {
            return Err(VisualizeError::Length {
                what: format!("genes of {kind} cells (one column per gene name)"),
                found: rows.ncols(),
                expected: gene_names.len(),
            });
        }
        if rows.is_empty() {
            return Err(VisualizeError::Empty {
                what: "the expression of cells",
                found: format!("{} of {}", count(rows.nrows(), &format!("{kind} cell")), count(rows.ncols(), "gene")),
                least: "1 cell of 1 gene",
            });
        }
    }
    let RealAndSynthetic { real, synthetic, classes } = *cells;
    let present: Vec<u32> = (0..classes.len() as u32)
        .filter(|class| real.labels.contains(class) || synthetic.labels.contains(class))
        .collect();
    let most = (MOST_VALUES / (gene_names.len() * present.len()).max(1)).clamp(4, CELLS_PER_CLASS);
    let sides = [
        Panelled { name: "Real cells", rows: real.cells, cells: by_class(real.labels, &present, most) },
        Panelled { name: "Synthetic cells", rows: synthetic.cells, cells: by_class(synthetic.labels, &present, most) },
    ];
    let names: Vec<&str> = present.iter().map(|&class| classes[class as usize].as_str()).collect();
    let top = sides.iter().flat_map(|side| side.rows.iter()).copied().fold(0.0f32, f32::max);
    let plan = Plan::new(gene_names, &names, f64::from(top).max(1e-6));

    let (real, synthetic) = (real.cells, synthetic.cells);
    let shown: usize = sides[0].cells.iter().map(Vec::len).sum();
    let of = if shown < real.nrows() { format!("{shown} of ") } else { String::new() };
    let (title, subtitle) = (
        "Marker genes in real and synthetic cells",
        format!(
            "{} in {of}{} and {}, {}",
            count(gene_names.len(), "gene"),
            count(real.nrows(), "real cell"),
            count(synthetic.nrows(), "synthetic cell"),
            count(names.len(), "class")
        ),
    );
    let summary = format!(
        "Expression of {} in {} beside {} in {}",
        count(gene_names.len(), "gene"),
        count(real.nrows(), "real cell"),
        count(synthetic.nrows(), "synthetic cell"),
        count(names.len(), "class")
    );
    let traces = sides.iter().enumerate().flat_map(|(panel, side)| side.traces(panel, &plan)).collect();
    Ok(Figure::new(traces, plan.layout(title, &subtitle), summary, plan.still(title, &subtitle, &sides)))
}

/// For each class its cells in their order, at even steps when there are many.
fn by_class(labels: &[u32], present: &[u32], most: usize) -> Vec<Vec<usize>> {
    present
        .iter()
        .map(|&class| {
            let all: Vec<usize> = (0..labels.len()).filter(|&cell| labels[cell] == class).collect();
            let keep = all.len().min(most);
            (0..keep).map(|i| all[i * all.len() / keep]).collect()
        })
        .collect()
}

struct Panelled<'a> {
    name: &'static str,
    rows: &'a Array2<f32>,
    cells: Vec<Vec<usize>>,
}

impl Panelled<'_> {
    /// One heatmap per class, so that hovering can name the class without a label per value.
    fn traces(&self, panel: usize, plan: &Plan) -> Vec<Value> {
        let suffix = if panel == 0 { "" } else { "2" };
        let kind = if panel == 0 { "real cell" } else { "synthetic cell" };
        self.cells
            .iter()
            .enumerate()
            .filter(|(_, cells)| !cells.is_empty())
            .map(|(position, cells)| {
                let values: Vec<Vec<f64>> = (0..plan.genes.len())
                    .map(|gene| {
                        cells.iter().map(|&cell| (f64::from(self.rows[[cell, gene]]) * 100.0).round() / 100.0).collect()
                    })
                    .collect();
                let width = (1.0 - GAP) / cells.len() as f64;
                let edges: Vec<f64> =
                    (0..=cells.len()).map(|i| significant(position as f64 + GAP / 2.0 + i as f64 * width)).collect();
                json!({
                    "type": "heatmap", "x": edges, "y": plan.genes, "z": values,
                    "xaxis": format!("x{suffix}"), "yaxis": format!("y{suffix}"), "coloraxis": "coloraxis",
                    "name": escape(plan.names[position]),
                    "hovertemplate":
                        format!("<b>%{{y}}</b><br>%{{fullData.name}}, {kind}<br>%{{z:.2f}}<extra></extra>"),
                })
            })
            .collect()
    }

    fn view(&self) -> ArrayView2<'_, f32> {
        self.rows.view()
    }
}

/// Sizes and positions in pixels, computed once for plotly and for the still picture.
struct Plan<'a> {
    genes: Vec<String>,
    names: &'a [&'a str],
    top: f64,
    size: (usize, usize),
    margin: [usize; 3],
    /// Left, top, width and height of each panel.
    panels: [(f64, f64, f64, f64); 2],
    row: f64,
    stacked: bool,
}

impl<'a> Plan<'a> {
    fn new(gene_names: &[String], names: &'a [&'a str], top: f64) -> Self {
        let longest = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
        let gene_room = (longest(&mut gene_names.iter().map(|n| n.chars().count())) * 8 + 16).clamp(56, 160);
        let class_room = (longest(&mut names.iter().map(|n| n.chars().count())) * 7 + 20).clamp(50, 240);
        let row = if gene_names.len() > 60 { 13.0 } else { 15.0 };
        let height = (row * gene_names.len() as f64).max(120.0);
        let stacked = names.len() > SIDE_BY_SIDE;
        let margin = [gene_room, 110, class_room];
        let (left, above) = (gene_room as f64, TOP as f64 + 26.0);
        let (panels, inner) = if stacked {
            let width = (names.len() as f64 * 18.0).max(700.0);
            let below = above + height + 40.0;
            ([(left, above, width, height), (left, below, width, height)], (width, below + height - TOP as f64))
        } else {
            let width = (names.len() as f64 * 24.0).max(240.0);
            let second = left + width + 28.0;
            ([(left, above, width, height), (second, above, width, height)], (2.0 * width + 28.0, height + 26.0))
        };
        let size = ((inner.0 + (gene_room + 110) as f64) as usize, (inner.1 + (TOP + class_room) as f64) as usize);
        let genes = gene_names.iter().map(|name| escape(name)).collect();
        Self { genes, names, top, size: (size.0.max(520), size.1), margin, panels, row, stacked }
    }

    /// Fractions of the plotting area, as plotly wants domains.
    fn domains(&self, panel: usize) -> ([f64; 2], [f64; 2]) {
        let (left, top, width, height) = self.panels[panel];
        let wide = (self.size.0 - self.margin[0] - self.margin[1]) as f64;
        let high = (self.size.1 - TOP - self.margin[2]) as f64;
        let x = (left - self.margin[0] as f64) / wide;
        let y = 1.0 - (top - TOP as f64 + height) / high;
        let within = |fraction: f64| fraction.clamp(0.0, 1.0);
        ([x, within(x + width / wide)], [within(y), within(y + height / high)])
    }

    fn layout(&self, title: &str, subtitle: &str) -> plotly::Layout {
        let ticks: Vec<f64> = (0..self.names.len()).map(|class| class as f64 + 0.5).collect();
        let names: Vec<String> = self.names.iter().map(|name| escape(name)).collect();
        let plain = || Axis::new().show_grid(false).zero_line(false).show_line(false).tick_length(0);
        let x = |panel: usize| {
            plain()
                .domain(&self.domains(panel).0)
                .range(vec![0.0, self.names.len() as f64])
                .tick_values(ticks.clone())
                .tick_text(names.clone())
                .tick_angle(-90.0)
                .tick_font(Font::new().size(12))
                .anchor(if panel == 0 { "y" } else { "y2" })
                .show_tick_labels(!(self.stacked && panel == 0))
        };
        let y = |panel: usize| {
            plain()
                .domain(&self.domains(panel).1)
                .type_(AxisType::Category)
                .auto_range(false)
                .range(vec![self.genes.len() as f64 - 0.5, -0.5])
                .tick_values((0..self.genes.len()).map(|gene| gene as f64).collect())
                .tick_text(self.genes.clone())
                .tick_font(Font::new().size(if self.row < 15.0 { 10 } else { 12 }))
                .anchor(if panel == 0 { "x" } else { "x2" })
                .show_tick_labels(self.stacked || panel == 0)
        };
        let titles = ["Real cells", "Synthetic cells"].iter().enumerate().map(|(panel, name)| {
            let (x, y) = self.domains(panel);
            panel_title(name, x[0], y[1])
        });
        base(title, subtitle, self.size, self.margin)
            .annotations(titles.collect())
            .show_legend(false)
            .x_axis(x(0))
            .x_axis2(x(1))
            .y_axis(y(0))
            .y_axis2(y(1))
            .color_axis(
                ColorAxis::new()
                    .cmin(0.0)
                    .cmax(significant(self.top))
                    .color_scale(ColorScale::Palette(ColorScalePalette::Viridis))
                    .color_bar(
                        ColorBar::new()
                            .title(small(SCALE_NAME).side(Side::Right))
                            .len_mode(ThicknessMode::Pixels)
                            .len(300)
                            .y(1.0)
                            .y_anchor(Anchor::Top)
                            .thickness(14),
                    ),
            )
    }

    fn still(&self, title: &str, subtitle: &str, sides: &[Panelled<'_>; 2]) -> Still {
        // Pixels per class: a multiple would be needed to hit every cell's edge; a picture this small hides it.
        let fine = (480 / self.names.len()).clamp(4, 24);
        let columns = fine * self.names.len();
        let mut still = Still::new(title, subtitle, self.size);
        for (panel, side) in sides.iter().enumerate() {
            let (left, top, width, height) = self.panels[panel];
            let area = Panel { left, top, width, height, x: (0.0, 1.0), y: (0.0, 1.0) };
            let rows = side.view();
            let values: Vec<f64> = (0..self.genes.len())
                .flat_map(|gene| (0..columns).map(move |column| (gene, column)))
                .map(|(gene, column)| {
                    let cells = &side.cells[column / fine];
                    let within = column % fine;
                    match cells.get(within * cells.len() / (fine - 1)) {
                        Some(&cell) if within < fine - 1 => f64::from(rows[[cell, gene]]) / self.top,
                        _ => f64::NAN,
                    }
                })
                .collect();
            still.grid(&area, columns, &values);
            still.text(Text::new(side.name, left, top - 6.0).size(14));
            let middle = |number: usize, of: usize, side: f64| (number as f64 + 0.5) * side / of as f64;
            if self.stacked || panel == 0 {
                for (gene, name) in self.genes.iter().enumerate() {
                    let y = top + middle(gene, self.genes.len(), height) + 4.0;
                    still.text(Text::new(name, left - 6.0, y).end().size(if self.row < 15.0 { 10 } else { 12 }));
                }
            }
            if !self.stacked || panel == 1 {
                for (class, name) in self.names.iter().enumerate() {
                    let x = left + middle(class, self.names.len(), width) + 4.0;
                    still.text(Text::new(name, x, top + height + 8.0).end().upwards());
                }
            }
        }
        let (left, top, width, height) = self.panels[1];
        still.scale(left + width + 16.0, top, height.min(300.0), (0.0, self.top), SCALE_NAME);
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(prefix: &str, n: usize) -> Vec<String> {
        (0..n).map(|i| format!("{prefix}{i}")).collect()
    }

    fn both<'a>(
        real: (&'a Array2<f32>, &'a [u32]),
        synthetic: (&'a Array2<f32>, &'a [u32]),
        classes: &'a [String],
    ) -> RealAndSynthetic<'a> {
        let [real, synthetic] = [real, synthetic].map(|(cells, labels)| super::super::LabelledCells { cells, labels });
        RealAndSynthetic { real, synthetic, classes }
    }

    #[test]
    fn both_panels_have_the_same_genes_classes_and_colour_scale() {
        let real = Array2::from_shape_fn((130, 6), |(cell, gene)| if cell % 3 == gene / 2 { 3.0 } else { 0.2 });
        let labels: Vec<u32> = (0..130).map(|cell| (cell % 3) as u32).collect();
        let synthetic = Array2::from_shape_fn((3, 6), |(cell, gene)| if cell == gene / 2 { 2.5 } else { 0.0 });
        let classes = names("c", 4);
        let cells = both((&real, &labels), (&synthetic, &[0, 1, 2]), &classes);
        let figure = expression_heatmap(&cells, &names("G", 6)).unwrap();
        let plot: Value = serde_json::from_str(&figure.to_json()).unwrap();
        let traces = plot["data"].as_array().unwrap();
        assert_eq!(traces.len(), 6, "three classes in each panel; the fourth has no cells");
        for (real, synthetic) in traces[..3].iter().zip(&traces[3..]) {
            assert_eq!(real["y"], synthetic["y"]);
            assert_eq!(real["name"], synthetic["name"]);
            assert_eq!((&real["coloraxis"], &synthetic["coloraxis"]), (&json!("coloraxis"), &json!("coloraxis")));
            let ends = |trace: &Value| {
                let x = trace["x"].as_array().unwrap();
                (x[0].clone(), x[x.len() - 1].clone())
            };
            assert_eq!(ends(real), ends(synthetic), "a class is equally wide in both panels");
            assert_eq!(real["z"][0].as_array().unwrap().len(), 40);
        }
        assert_eq!(traces[1]["z"][2][0], 3.0, "gene 2 is a marker of class 1");
        assert_eq!(plot["layout"]["coloraxis"]["cmax"], 3.0);
        assert!(figure.summary().contains("130 real cells beside 3 synthetic cells in 3 classes"));
    }

    #[test]
    fn genes_without_names_and_empty_input_are_errors() {
        let say = |real: &Array2<f32>, labels: &[u32], genes: usize| {
            let (synthetic, classes) = (Array2::zeros((1, genes)), names("c", 1));
            let cells = both((real, labels), (&synthetic, &[0]), &classes);
            expression_heatmap(&cells, &names("G", genes)).unwrap_err().to_string()
        };
        assert!(say(&Array2::zeros((2, 5)), &[0, 0], 6).contains("found 5, expected 6"));
        assert!(say(&Array2::zeros((0, 6)), &[], 6).contains("0 real cells of 6 genes"));
    }
}

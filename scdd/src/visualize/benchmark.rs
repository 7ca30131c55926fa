//! Figures of a benchmark: a dot plot of scores by method and model, and a heatmap of recall by method and class.

use itertools::Itertools;
use plotly::Layout;
use plotly::common::{ColorScale, ColorScalePalette};
use plotly::layout::{AxisType, CategoryOrder, ColorAxis, Legend};
use serde_json::{Value, json};

use super::VisualizeError;
use super::figure::{Figure, significant};
use super::palette::class_color;
use super::still::{Panel, Still, Text};
use super::style::{GRID, TOP, axis, base};
use crate::benchmark::{BenchmarkError, BenchmarkResults, BenchmarkRow, Measure};
use crate::evaluate::{mean, sample_deviation};
use crate::notebook::escape;
use crate::text::{budget, count};

/// Height of a line in pixels.
const ROW: usize = 22;
const MARKERS: [&str; 8] = ["circle", "diamond", "square", "triangle-up", "cross", "x", "triangle-down", "star"];

impl BenchmarkResults {
    /// A score of each method under each model on one data set, label and budget: means over seeds, with their deviation;
    /// all training cells are in the figure of every budget. Methods are ordered by their mean over models.
    ///
    /// # Errors
    /// When there are no such rows with scores.
    pub fn methods_figure(
        &self,
        file: &str,
        label: &str,
        per_class: Option<usize>,
        measure: Measure,
    ) -> crate::Result<Figure> {
        let rows = self.at(file, label, per_class)?;
        let (models, mut methods) = (names(&rows, |row| row.model.clone()), names(&rows, |row| row.method.clone()));
        let values = |method: &str, model: Option<&str>| -> Vec<f64> {
            let here = |row: &&&BenchmarkRow| row.method == method && model.is_none_or(|model| row.model == model);
            rows.iter().filter(here).filter_map(|row| measure.of(row)).collect()
        };
        let worth = |method: &String| mean(&values(method, None)).unwrap_or(f64::NEG_INFINITY);
        methods.sort_by(|a, b| worth(a).total_cmp(&worth(b)));
        let dots: Vec<Vec<(usize, f64, f64)>> = models
            .iter()
            .map(|model| {
                let of = |(line, method): (usize, &String)| {
                    let values = values(method, Some(model));
                    Some((line, mean(&values)?, sample_deviation(&values).unwrap_or(0.0)))
                };
                methods.iter().enumerate().filter_map(of).collect()
            })
            .collect();
        let traces = models.iter().zip(&dots).enumerate().map(|(number, (model, dots))| {
            json!({
                "type": "scatter", "mode": "markers", "name": escape(model),
                "x": dots.iter().map(|(_, value, _)| significant(*value)).collect::<Vec<_>>(),
                "y": dots.iter().map(|(line, ..)| escape(&methods[*line])).collect::<Vec<_>>(),
                "error_x": { "type": "data", "array": dots.iter().map(|(.., spread)| significant(*spread)).collect::<Vec<_>>(),
                             "thickness": 1, "width": 3 },
                "marker": { "color": class_color(number), "size": 9, "symbol": MARKERS[number % MARKERS.len()] },
                "hovertemplate": "%{y}: %{x:.3f}<extra>%{fullData.name}</extra>",
            })
        });
        let seeds = names(&rows, |row| row.seed.to_string()).len();
        let title = format!("{file}, {label}{}", budget(per_class));
        let subtitle = format!("{}, mean and deviation over {}", measure.name(), count(seeds, "seed"));
        let plan = Lines::new(&methods, 640.0);
        let layout = plan
            .layout(&title, &subtitle, 170)
            .legend(Legend::new().x(1.02).y(1.0))
            .x_axis(axis(measure.name()).show_grid(true).grid_color(GRID));
        let low = dots.iter().flatten().map(|(_, value, spread)| value - spread).fold(1.0f64, f64::min);
        let mut still = Still::new(&title, &subtitle, plan.size(170));
        let panel = plan.panel((low.max(0.0) - 0.02, 1.0));
        still.frame(&panel);
        plan.write_names(&mut still);
        for (number, (model, dots)) in models.iter().zip(&dots).enumerate() {
            let color = class_color(number);
            for (line, value, spread) in dots {
                let y = *line as f64 + 0.5;
                if *spread > 0.0 {
                    still.line([value - spread, value + spread].iter().map(|&x| panel.position(x, y)), color);
                }
                still.dots([panel.position(*value, y)].into_iter(), 9.0, color, 0.9);
            }
            let x = panel.left + panel.width + 14.0;
            still.text(Text::new(model, x, panel.top + 14.0 + 18.0 * number as f64).color(color));
        }
        let below = panel.top + panel.height + 18.0;
        still.text(Text::new(&format!("{:.2}", panel.x.0), panel.left, below));
        still.text(Text::new("1.00", panel.left + panel.width, below).end());
        still.text(Text::new(measure.name(), panel.left + panel.width / 2.0, below + 18.0).middle().size(13));
        let summary = format!(
            "{} of {} under {} on {title}",
            measure.name(),
            count(methods.len(), "method"),
            count(models.len(), "model")
        );
        Ok(Figure::new(traces.collect(), layout, summary, still))
    }

    /// Recall of each class by each method on one data set, label and budget: means over seeds and models.
    ///
    /// # Errors
    /// When there are no such rows with scores.
    pub fn recall_figure(&self, file: &str, label: &str, per_class: Option<usize>) -> crate::Result<Figure> {
        let rows = self.at(file, label, per_class)?;
        let methods = names(&rows, |row| row.method.clone());
        let mut classes: Vec<String> = rows.iter().flat_map(|row| row.recall.keys().cloned()).collect();
        classes.sort();
        classes.dedup();
        if classes.is_empty() {
            return Err(nothing(file, label).into());
        }
        let of = |method: &String, class: &String| -> Option<f64> {
            let here = rows.iter().filter(|row| row.method == *method);
            mean(&here.filter_map(|row| row.recall.get(class).copied()).collect::<Vec<_>>())
        };
        let values: Vec<Vec<Option<f64>>> =
            methods.iter().map(|method| classes.iter().map(|class| of(method, class)).collect()).collect();
        let shown: Vec<Vec<Value>> = values
            .iter()
            .map(|row| row.iter().map(|value| value.map_or(Value::Null, |value| json!(significant(value)))).collect())
            .collect();
        let trace = json!({
            "type": "heatmap", "z": shown, "coloraxis": "coloraxis",
            "x": classes.iter().map(|class| escape(class)).collect::<Vec<_>>(),
            "y": methods.iter().map(|method| escape(method)).collect::<Vec<_>>(),
            "hovertemplate": "%{y}<br>%{x}: %{z:.3f}<extra></extra>",
        });
        let models = names(&rows, |row| row.model.clone());
        let title = format!("Recall of classes: {file}, {label}{}", budget(per_class));
        let subtitle = format!("mean over {} and seeds", count(models.len(), "model"));
        let plan = Lines::new(&methods, (26 * classes.len()).clamp(320, 1_600) as f64);
        let room = 30 + 7 * classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).min(36);
        let scale = ColorScale::Palette(ColorScalePalette::Viridis);
        let layout = plan
            .layout(&title, &subtitle, 90)
            .height(plan.size(90).1 + room)
            .x_axis(axis("").type_(AxisType::Category).tick_angle(-90.0).auto_margin(true))
            .color_axis(ColorAxis::new().cmin(0.0).cmax(1.0).color_scale(scale));
        let (width, height) = plan.size(90);
        let mut still = Still::new(&title, &subtitle, (width, height + room));
        let panel = plan.panel((0.0, 1.0));
        // The first line is at the bottom.
        let recalls: Vec<f64> = values.iter().rev().flatten().map(|value| value.unwrap_or(f64::NAN)).collect();
        still.grid(&panel, classes.len(), &recalls);
        plan.write_names(&mut still);
        for (column, class) in classes.iter().enumerate() {
            let x = panel.left + (column as f64 + 0.5) * panel.width / classes.len() as f64 + 4.0;
            still.text(Text::new(class, x, panel.top + panel.height + 8.0).end().upwards());
        }
        still.scale(panel.left + panel.width + 16.0, panel.top, panel.height.min(260.0), (0.0, 1.0), "recall");
        let summary = format!(
            "Recall of {} by {} on {file}, {label}{}",
            count(classes.len(), "class"),
            count(methods.len(), "method"),
            budget(per_class)
        );
        Ok(Figure::new(vec![trace], layout, summary, still))
    }

    /// Rows with scores of one data set, label and budget, and all training cells.
    fn at(&self, file: &str, label: &str, per_class: Option<usize>) -> Result<Vec<&BenchmarkRow>, BenchmarkError> {
        let here = |row: &&BenchmarkRow| {
            row.ok()
                && row.file == file
                && row.label == label
                && (row.per_class == per_class || row.per_class.is_none())
        };
        let rows: Vec<&BenchmarkRow> = self.rows().iter().filter(here).collect();
        if rows.is_empty() { Err(BenchmarkError::Empty) } else { Ok(rows) }
    }
}

fn nothing(file: &str, label: &str) -> VisualizeError {
    VisualizeError::Empty { what: "the list of classes", found: format!("none in {file}, {label}"), least: "1 class" }
}

/// Each name once, in the order of the rows.
fn names(rows: &[&BenchmarkRow], of: fn(&BenchmarkRow) -> String) -> Vec<String> {
    rows.iter().map(|row| of(row)).unique().collect()
}

/// Lines with a name each, from the bottom up.
struct Lines<'a> {
    names: &'a [String],
    width: f64,
    room: usize,
}

impl<'a> Lines<'a> {
    fn new(names: &'a [String], width: f64) -> Self {
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        Self { names, width, room: (longest * 7 + 24).clamp(80, 320) }
    }

    fn size(&self, right: usize) -> (usize, usize) {
        (self.room + self.width as usize + right, TOP + ROW * self.names.len() + 56)
    }

    fn panel(&self, x: (f64, f64)) -> Panel {
        let height = (ROW * self.names.len()) as f64;
        let y = (0.0, self.names.len() as f64);
        Panel { left: self.room as f64, top: TOP as f64, width: self.width, height, x, y }
    }

    fn layout(&self, title: &str, subtitle: &str, right: usize) -> Layout {
        let y = axis("").type_(AxisType::Category).auto_margin(true);
        base(title, subtitle, self.size(right), [self.room, right, 56]).y_axis(
            y.category_order(CategoryOrder::Array)
                .category_array(self.names.iter().map(|name| escape(name)).collect::<Vec<_>>()),
        )
    }

    fn write_names(&self, still: &mut Still) {
        let panel = self.panel((0.0, 1.0));
        for (line, name) in self.names.iter().enumerate() {
            let (_, y) = panel.position(0.0, line as f64 + 0.5);
            still.text(Text::new(name, panel.left - 8.0, y + 4.0).end());
        }
    }
}

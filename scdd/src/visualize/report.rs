//! The report of a benchmark as one HTML page that needs nothing else: tables with the best marked, and figures.

use std::path::Path;

use super::figure::Figure;
use super::page::{self, Plotly};
use crate::benchmark::{BenchmarkResults, Measure};
use crate::notebook::escape;

impl BenchmarkResults {
    /// Writes one page with all tables and figures. With a copy of plotly.js (`package_data/plotly.min.js` of the Python
    /// package plotly, 5 MB), which goes into the page, figures can be zoomed; without, they are still pictures. Neither needs a
    /// network.
    ///
    /// # Errors
    /// When there are no rows, plotly.js can't be read, or the page can't be written.
    pub fn write_html(&self, path: impl AsRef<Path>, plotly_js: Option<&Path>) -> crate::Result<()> {
        if self.rows().is_empty() {
            return Err(crate::benchmark::BenchmarkError::Empty.into());
        }
        let head = plotly_js.map(page::plotly_element).transpose()?.unwrap_or_default();
        let drawn = |figure: &Figure| match plotly_js {
            Some(_) => figure.fragment(Plotly::Page),
            None => format!("<div role=\"img\" aria-label=\"{}\">{}</div>", escape(figure.summary()), figure.to_svg()),
        };
        let figures: String = self.figures().iter().map(|figure| drawn(figure) + "\n").collect();
        let title = format!("Benchmark: {self:?}");
        let body = format!(
            "<h1>{}</h1>\n<p>Best of a budget bold, second best underlined; all training cells are the bound.</p>\n{}\n{figures}",
            escape(&title),
            self.html()
        );
        Ok(page::write(path.as_ref(), &title, &head, &body)?)
    }

    /// Accuracy by method and recall by class, of each data set, label and budget that has scores; then
    /// [curves](Self::curve_figures).
    pub fn figures(&self) -> Vec<Figure> {
        let mut settings: Vec<(&str, &str, Option<usize>)> = Vec::new();
        for row in self.rows().iter().filter(|row| row.ok()) {
            let setting = (row.file.as_str(), row.label.as_str(), row.per_class);
            // All training cells stand in the figures of each budget; by themselves only where there is none.
            let alone = |label: &str| !self.rows().iter().any(|row| row.label == label && row.per_class.is_some());
            if !settings.contains(&setting) && (row.per_class.is_some() || alone(&row.label)) {
                settings.push(setting);
            }
        }
        let both = |(file, label, per_class): (&str, &str, Option<usize>)| {
            let scores = self.methods_figure(file, label, per_class, Measure::Accuracy);
            [scores, self.recall_figure(file, label, per_class)]
        };
        let curves = self.curve_figures().into_iter().flatten();
        settings.into_iter().flat_map(both).flatten().chain(curves).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::BenchmarkRow;

    fn results() -> BenchmarkResults {
        let row = |method: &str, model: &str, seed: u64, accuracy: f64| -> BenchmarkRow {
            serde_json::from_value(serde_json::json!({
                "file": "cells <1>", "label": "type", "per_class": (method != "all training cells").then_some(1),
                "method": method, "model": model, "seed": seed, "status": "ok", "accuracy": accuracy, "macro_f1": accuracy,
                "balanced_accuracy": accuracy, "rare_recall": null, "recall": { "B": accuracy, "T": 1.0 }, "loss": null,
                "seconds": 1.0, "model_seconds": 1.0, "peak_mb": null, "cells": 10, "permille": 1.0, "scored": 100,
                "note": "", "row": 0, "of": 1, "config": {},
            }))
            .unwrap()
        };
        let rows = [1, 2].into_iter().flat_map(|seed| {
            let more = 0.01 * seed as f64;
            [
                row("all training cells", "MLP", seed, 0.9 + more),
                row("DC", "MLP", seed, 0.5 + more),
                row("DC", "linear head", seed, 0.8 + more),
                row("class mean", "MLP", seed, 0.7),
            ]
        });
        BenchmarkResults::new(rows.collect())
    }

    #[test]
    fn a_page_holds_tables_and_figures_and_names_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let (page, script) = (folder.path().join("report.html"), folder.path().join("plotly.js"));
        std::fs::write(&script, "window.Plotly = {}; // </script>").unwrap();
        results().write_html(&page, None).unwrap();
        let still = std::fs::read_to_string(&page).unwrap();
        assert!(!still.contains("<script") && !still.contains("https://"), "{still}");
        assert_eq!(still.matches("<svg").count(), 2);
        assert!(still.contains("cells &lt;1&gt;") && still.contains("<strong>0.700 ± 0.000</strong>"));
        results().write_html(&page, Some(&script)).unwrap();
        let page = std::fs::read_to_string(&page).unwrap();
        assert!(page.contains("window.Plotly = {}; // <\\/script>") && page.contains("newPlot"));
        assert!(!page.contains("https://"));
        assert!(BenchmarkResults::new(Vec::new()).write_html("x.html", None).is_err());
    }

    #[test]
    fn points_of_a_curve_are_drawn_as_one() {
        let results = results();
        let rows = results.rows()[1..4].iter().zip([10, 20, 50]).map(|(row, steps)| BenchmarkRow {
            method: format!("DC, {steps} steps"),
            model: "MLP".into(),
            loss: Some(1.0 / f64::from(steps)),
            config: serde_json::json!({ "method": { "steps": steps } }),
            ..row.clone()
        });
        let figures = BenchmarkResults::new(rows.collect()).curve_figures().unwrap();
        let words: Vec<&str> = figures.iter().map(|figure| figure.summary()).collect();
        assert_eq!(
            words,
            [
                "Accuracy: cells <1>, type, 1 per class, MLP: 1 curve over steps from 10 to 50",
                "Loss: cells <1>, type, 1 per class, MLP: 1 curve over steps from 10 to 50"
            ]
        );
        assert!(results.curve_figures().unwrap().is_empty());
    }

    #[test]
    fn methods_stand_in_the_order_of_their_means_and_classes_have_their_recall() {
        let figure = results().methods_figure("cells <1>", "type", Some(1), Measure::Accuracy).unwrap();
        let plot: serde_json::Value = serde_json::from_str(&figure.to_json()).unwrap();
        let order: Vec<&str> = plot["layout"]["yaxis"]["categoryarray"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|name| name.as_str())
            .collect();
        assert_eq!(order, ["DC", "class mean", "all training cells"]);
        assert_eq!(plot["data"][0]["x"], serde_json::json!([0.515, 0.7, 0.915]));
        let classes = results().recall_figure("cells <1>", "type", Some(1)).unwrap();
        let plot: serde_json::Value = serde_json::from_str(&classes.to_json()).unwrap();
        // DC under both models: (.51 + .52 + .81 + .82) / 4.
        let line = plot["data"][0]["y"].as_array().unwrap().iter().position(|name| name == "DC").unwrap();
        assert_eq!(plot["data"][0]["z"][line], serde_json::json!([0.665, 1.0]));
        assert!(results().methods_figure("cells", "type", Some(1), Measure::Accuracy).is_err());
    }
}

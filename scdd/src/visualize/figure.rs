//! A figure: plotly traces and layout, a line of words that says what is shown, and a still picture for pages without
//! plotly.js.

use std::path::Path;
use std::sync::Arc;

use plotly::{Layout, Plot};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::VisualizeError;
use super::page::{self, Plotly};
use super::still::Still;
use crate::notebook::{block, emit, escape};

/// More points than this are thinned: they hide each other, and a notebook would grow by megabytes.
pub(super) const MOST_POINTS: usize = 50_000;

/// A figure that shows itself as the last expression of a notebook cell. A clone shares everything.
///
/// ```
/// let losses: Vec<(f64, f64)> = (1..=5).map(|step| (step as f64, 1.0 / step as f64)).collect();
/// let figure = scdd::visualize::curves("Loss", "step", "loss", &[("training", losses)], false)?;
/// assert_eq!(figure.summary(), "Loss: 1 curve over step from 1 to 5");
/// let page = std::env::temp_dir().join("loss.html");
/// figure.write_html(&page)?;
/// # std::fs::remove_file(page).ok();
/// # Ok::<(), scdd::visualize::VisualizeError>(())
/// ```
#[derive(Clone)]
pub struct Figure {
    parts: Arc<Parts>,
}

struct Parts {
    traces: Vec<Value>,
    layout: Layout,
    summary: String,
    still: String,
}

/// A trace written as JSON; plotly's typed traces serialise to the same.
#[derive(Clone, Serialize)]
#[serde(transparent)]
struct JsonTrace(Value);

impl plotly::Trace for JsonTrace {
    fn to_json(&self) -> String {
        self.0.to_string()
    }
}

impl Figure {
    pub(super) fn new(traces: Vec<Value>, layout: Layout, summary: String, still: Still) -> Self {
        Self { parts: Arc::new(Parts { traces, layout, summary, still: still.svg() }) }
    }

    /// What is shown, in one line of words: the text that screen readers and terminals get.
    pub fn summary(&self) -> &str {
        &self.parts.summary
    }

    /// The figure as a plotly plot, to change or to add to.
    pub fn plot(&self) -> Plot {
        let mut plot = Plot::new();
        for trace in &self.parts.traces {
            plot.add_trace(Box::new(JsonTrace(trace.clone())));
        }
        plot.set_layout(self.parts.layout.clone());
        plot.set_configuration(plotly::Configuration::new().display_logo(false));
        plot
    }

    /// The figure as plotly JSON: `data`, `layout` and `config`.
    pub fn to_json(&self) -> String {
        self.plot().to_json()
    }

    /// A still picture of the figure as SVG, drawn without JavaScript.
    pub fn to_svg(&self) -> &str {
        &self.parts.still
    }

    /// Shows the figure in the notebook: plotly JSON, HTML that needs no extension, and the summary.
    pub fn evcxr_display(&self) {
        emit(&[
            block("application/vnd.plotly.v1+json", &self.to_json()),
            block("text/html", &self.fragment(Plotly::Server)),
            block("text/plain", &self.parts.summary),
        ]);
    }

    /// Writes a page that shows the figure, with plotly.js loaded from its public server; without a network the page shows the
    /// still picture. The file appears complete or not at all.
    ///
    /// # Errors
    /// When the page can't be written.
    pub fn write_html(&self, path: impl AsRef<Path>) -> Result<(), VisualizeError> {
        page::write(path.as_ref(), self.summary(), "", &self.fragment(Plotly::Server))
    }

    /// Writes a page with a copy of plotly.js inside (about 5 MB), which is interactive without a network. The Python package
    /// plotly brings such a copy: `package_data/plotly.min.js`.
    ///
    /// # Errors
    /// When plotly.js can't be read or the page can't be written.
    pub fn write_html_offline(
        &self,
        path: impl AsRef<Path>,
        plotly_js: impl AsRef<Path>,
    ) -> Result<(), VisualizeError> {
        let head = page::plotly_element(plotly_js.as_ref())?;
        page::write(path.as_ref(), self.summary(), &head, &self.fragment(Plotly::Page))
    }

    /// Writes the still picture as SVG, for a page or a paper. The file appears complete or not at all.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_svg(&self, path: impl AsRef<Path>) -> Result<(), VisualizeError> {
        page::write_text(path.as_ref(), self.to_svg())
    }

    /// HTML that draws with plotly.js, and keeps the still picture where there is none: in an untrusted notebook, a page without
    /// a network, a viewer without JavaScript.
    pub(super) fn fragment(&self, plotly: Plotly) -> String {
        let json = self.to_json();
        let digest = Sha256::digest(json.as_bytes());
        let class: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        // "</script>" in a name would end the script; "<!--" would hide the rest of it.
        let json = json.replace('<', "\\u003c");
        format!(
            r#"<div class="scdd-{class}" role="img" aria-label="{label}" style="overflow-x:auto">{still}</div>
<script>
(function () {{
  var figure = {json};
  function draw() {{
    document.querySelectorAll(".scdd-{class}:not([data-drawn])").forEach(function (box) {{
      box.setAttribute("data-drawn", "");
      box.innerHTML = "";
      window.Plotly.newPlot(box, figure.data, figure.layout, figure.config);
    }});
  }}
  {start}
}})();
</script>"#,
            label = escape(&self.parts.summary),
            still = self.parts.still,
            start = plotly.script(),
        )
    }
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Figure({})", self.parts.summary)
    }
}

/// Four significant digits: nobody sees more, and notebooks stay small.
pub(super) fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str) -> Figure {
        super::super::curves(name, "step", "loss", &[("a", vec![(1.0, 0.123456789), (2.0, 1.0 / 3.0)])], false).unwrap()
    }

    #[test]
    fn numbers_are_rounded_to_four_digits() {
        let json = figure("Loss").to_json();
        assert!(json.contains("0.1235") && !json.contains("0.12345"), "{json}");
        assert_eq!(significant(-123_456.0), -123_500.0);
        assert_eq!(significant(0.0), 0.0);
    }

    #[test]
    fn a_name_cannot_end_the_script() {
        let html = figure("</script><b>").fragment(Plotly::Server);
        assert_eq!(html.matches("</script>").count(), 1, "{html}");
    }

    #[test]
    fn the_page_is_complete_and_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loss.html");
        std::fs::write(&path, "old").unwrap();
        figure("Loss").write_html(&path).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
        assert!(page.contains("<svg") && page.contains("newPlot"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_offline_page_has_plotly_inside_and_names_no_server() {
        let folder = tempfile::tempdir().unwrap();
        let (path, script) = (folder.path().join("loss.html"), folder.path().join("plotly.js"));
        std::fs::write(&script, "window.Plotly = {}; // </script>").unwrap();
        figure("Loss").write_html_offline(&path, &script).unwrap();
        let page = std::fs::read_to_string(&path).unwrap();
        let (plotly, drawn) = (page.find("window.Plotly = {}; // <\\/script>"), page.find("newPlot(box, figure.data"));
        assert!(plotly.is_some() && plotly < drawn, "{page}");
        assert!(page.contains("<svg") && page.contains("\"y\":[0.1235,0.3333]"), "{page}");
        assert!(!page.contains("https://") && !page.contains("src="), "{page}");
        let error = figure("Loss").write_html_offline(&path, folder.path().join("none.js")).unwrap_err().to_string();
        assert!(error.contains("none.js") && error.contains("plotly.min.js"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_an_error_that_names_the_path() {
        let error = figure("Loss").write_html("/no/such/folder/loss.html").unwrap_err().to_string();
        assert!(error.contains("/no/such/folder/loss.html"), "{error}");
    }
}

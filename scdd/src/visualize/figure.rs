//! A figure: plotly traces and layout, a summary in one line, and a still picture for viewers without plotly.js.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use plotly::{Layout, Plot};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::VisualizeError;
use super::still::Still;
use crate::notebook::{block, emit, escape};

/// plotly.js as the `plotly` crate of this version names it.
const PLOTLY_JS: &str = "https://cdn.plot.ly/plotly-3.0.1.min.js";

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
    inner: Arc<Inner>,
}

struct Inner {
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
        Self { inner: Arc::new(Inner { traces, layout, summary, still: still.svg() }) }
    }

    /// What is shown, in one line of words: the text that screen readers and terminals get.
    pub fn summary(&self) -> &str {
        &self.inner.summary
    }

    /// The figure as a plotly plot, to change or to add to.
    pub fn plot(&self) -> Plot {
        let mut plot = Plot::new();
        for trace in &self.inner.traces {
            plot.add_trace(Box::new(JsonTrace(trace.clone())));
        }
        plot.set_layout(self.inner.layout.clone());
        plot.set_configuration(plotly::Configuration::new().display_logo(false));
        plot
    }

    /// The figure as plotly JSON: `data`, `layout` and `config`.
    pub fn to_json(&self) -> String {
        self.plot().to_json()
    }

    /// A still picture of the figure as SVG, drawn without JavaScript.
    pub fn to_svg(&self) -> &str {
        &self.inner.still
    }

    /// Shows the figure in the notebook: plotly JSON, HTML that needs no extension, and the summary.
    pub fn evcxr_display(&self) {
        let json = self.to_json();
        emit(&[
            block("application/vnd.plotly.v1+json", &json),
            block("text/html", &self.fragment(&json)),
            block("text/plain", &self.inner.summary),
        ]);
    }

    /// Writes a page that shows the figure, with plotly.js loaded from its public server; without a network the
    /// page shows the still picture. The file appears whole or not at all.
    ///
    /// # Errors
    /// When the page can't be written.
    pub fn write_html(&self, path: impl AsRef<Path>) -> Result<(), VisualizeError> {
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{}</title>\n</head>\n\
             <body style=\"margin:16px;background:#fff\">\n{}\n</body>\n</html>\n",
            escape(&self.inner.summary),
            self.fragment(&self.to_json())
        );
        write_whole(path.as_ref(), &page)
    }

    /// Writes the still picture as SVG, for a page or a paper. The file appears whole or not at all.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn write_svg(&self, path: impl AsRef<Path>) -> Result<(), VisualizeError> {
        write_whole(path.as_ref(), self.to_svg())
    }

    /// HTML that draws with the page's plotly.js, else loads it, and keeps the still picture where neither works:
    /// an untrusted notebook, a page without a network, a viewer without JavaScript.
    pub(super) fn fragment(&self, json: &str) -> String {
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
  if (window.Plotly) {{ draw(); return; }}
  window.scddPlotly = window.scddPlotly || new Promise(function (loaded, failed) {{
    var script = document.createElement("script");
    script.src = "{PLOTLY_JS}";
    script.onload = loaded;
    script.onerror = failed;
    document.head.appendChild(script);
  }});
  window.scddPlotly.then(draw, function () {{}});
}})();
</script>"#,
            label = escape(&self.inner.summary),
            still = self.inner.still,
        )
    }
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Figure({})", self.inner.summary)
    }
}

/// Writes a file that appears under its name only when it is whole.
pub(super) fn write_whole(path: &Path, content: &str) -> Result<(), VisualizeError> {
    let failed = |source| VisualizeError::Write { path: path.display().to_string(), source };
    // Beside the target, so that the rename stays on one file system.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".scdd-").tempfile_in(folder).map_err(failed)?;
    file.write_all(content.as_bytes()).map_err(failed)?;
    open_to_all(file.as_file()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Temporary files are private; a page is there to be shared.
fn open_to_all(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

/// Four significant digits: more are not seen, and notebooks stay small.
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
        let html = figure("</script><b>").fragment(&figure("</script><b>").to_json());
        assert_eq!(html.matches("</script>").count(), 1, "{html}");
    }

    #[test]
    fn the_page_is_whole_and_replaces_an_older_one() {
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
    fn a_missing_folder_is_an_error_that_names_the_path() {
        let error = figure("Loss").write_html("/no/such/folder/loss.html").unwrap_err().to_string();
        assert!(error.contains("/no/such/folder/loss.html"), "{error}");
    }
}

//! HTML pages of figures, written atomically, with a copy of plotly.js inside or without.

use std::io::Write as _;
use std::path::Path;

use super::VisualizeError;
use super::style::FONT;
use crate::atomic_file;
use crate::notebook::escape;

/// Where the script of a figure has plotly.js from.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Plotly {
    /// The page that the figure is in.
    Page,
    /// That page, or else plotly's public server.
    Server,
}

impl Plotly {
    /// JavaScript that comes after `draw` and calls it once there is plotly.js.
    pub(super) fn script(self) -> String {
        let load = match self {
            Self::Page => String::new(),
            Self::Server => format!(
                r#"
  window.scddPlotly = window.scddPlotly || new Promise(function (loaded, failed) {{
    var script = document.createElement("script");
    script.src = "{PLOTLY_JS}";
    script.onload = loaded;
    script.onerror = failed;
    document.head.appendChild(script);
  }});
  window.scddPlotly.then(draw, function () {{}});"#
            ),
        };
        format!("if (window.Plotly) {{ draw(); return; }}{load}")
    }
}

/// plotly.js as the `plotly` crate of this version names it.
const PLOTLY_JS: &str = "https://cdn.plot.ly/plotly-3.0.1.min.js";

/// A copy of plotly.js as an element of a page's head.
pub(super) fn plotly_element(file: &Path) -> Result<String, VisualizeError> {
    let script = std::fs::read_to_string(file)
        .map_err(|source| VisualizeError::Read { path: file.display().to_string(), source })?;
    Ok(format!("<script>{}</script>\n", script.replace("</script", "<\\/script")))
}

/// Writes a page with a title, elements of its head, and a body.
pub(super) fn write(path: &Path, title: &str, head: &str, body: &str) -> Result<(), VisualizeError> {
    let title = escape(title);
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n{head}</head>\n\
         <body style=\"margin:24px;background:#fff;color:#222;font-family:{FONT};font-size:14px\">\n{body}\n</body>\n</html>\n"
    );
    write_text(path, &page)
}

/// Writes a file that appears under its name only when it is complete.
pub(super) fn write_text(path: &Path, text: &str) -> Result<(), VisualizeError> {
    let written = atomic_file::write(path, ".part", |file| file.write_all(text.as_bytes()));
    written.map_err(|source| VisualizeError::Write { path: path.display().to_string(), source })
}

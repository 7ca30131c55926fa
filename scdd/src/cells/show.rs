//! Display of cells: one line of text, a summary, a small table in a notebook.

use std::fmt;

use super::Cells;
use crate::notebook::{escape, show};
use crate::text::grouped;

fn stage_name<Stage>() -> &'static str {
    std::any::type_name::<Stage>().rsplit("::").next().unwrap_or("Cells")
}

impl<Stage> fmt::Debug for Cells<Stage> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cells, genes) = (grouped(self.cells()), grouped(self.genes()));
        write!(f, "Cells<{}>({cells} cells x {genes} genes)", stage_name::<Stage>())
    }
}

impl<Stage> Cells<Stage> {
    /// Sparsity: the fraction of the `[cells, genes]` matrix that is zero, from 0 to 1.
    pub fn sparsity(&self) -> f64 {
        1.0 - self.expression.nnz() as f64 / (self.cells() as f64 * self.genes() as f64)
    }

    /// The cells in a few lines: their number, sparsity, columns of `obs`, arrays of `obsm`, provenance.
    pub fn summary(&self) -> String {
        let mut text = format!("{self:?}, {:.1}% zeros\nfrom {}\n", 100.0 * self.sparsity(), self.source());
        for (name, kind) in self.columns() {
            text.push_str(&format!("  obs {name}: {kind}\n"));
        }
        for (key, array) in self.obsm.iter() {
            text.push_str(&format!("  obsm {key}: {} dimensions\n", grouped(array.ncols())));
        }
        for step in &self.provenance.steps {
            text.push_str(&format!("  {step}\n"));
        }
        text
    }

    /// Shows the summary in a notebook.
    pub fn evcxr_display(&self) {
        let rows: String = self
            .columns()
            .iter()
            .map(|(name, kind)| format!("<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(kind)))
            .chain(self.obsm.iter().map(|(key, array)| {
                format!("<tr><td>obsm {}</td><td>{} dimensions</td></tr>", escape(key), grouped(array.ncols()))
            }))
            .collect();
        let steps: String = self.provenance.steps.iter().map(|step| format!("<li>{}</li>", escape(step))).collect();
        let html = format!(
            "<p><b>{} cells x {} genes</b>, {}, {:.1}% zeros, from {}</p>\
             <table><tr><th>obs column</th><th>holds</th></tr>{rows}</table><ul>{steps}</ul>",
            grouped(self.cells()),
            grouped(self.genes()),
            stage_name::<Stage>(),
            100.0 * self.sparsity(),
            escape(&self.source())
        );
        show(&[("text/plain", self.summary().trim_end()), ("text/html", &html)]);
    }

    fn source(&self) -> String {
        if self.provenance.source.is_empty() { "memory".to_string() } else { self.provenance.source.clone() }
    }

    /// Each `obs` column with its kind: "14 classes", "numbers, 3 missing".
    fn columns(&self) -> Vec<(String, String)> {
        self.obs
            .columns()
            .iter()
            .map(|column| {
                let missing = match column.null_count() {
                    0 => String::new(),
                    n => format!(", {} missing", grouped(n)),
                };
                let classes = column.n_unique().unwrap_or(0) - usize::from(column.null_count() > 0);
                let kind = match column.dtype() {
                    dtype if dtype.is_float() => "numbers".to_string(),
                    _ if classes > 1000 => format!("{} different values", grouped(classes)),
                    _ => format!("{} {}", grouped(classes), if classes == 1 { "class" } else { "classes" }),
                };
                (column.name().to_string(), kind + &missing)
            })
            .collect()
    }
}

//! A distilled set as cells, and as an .h5ad file with its recipe.

use std::path::Path;

use polars::prelude::{Column, DataFrame};
use serde_json::json;

use super::Distilled;
use crate::cells::{Cells, H5adContents, LogNormalized, Obsm, Provenance, write_h5ad};

/// Column of var that says which genes are markers.
pub(in crate::distill) const MARKER: &str = "marker";

impl Distilled {
    /// The synthetic cells as [`Cells`], named after their class ("acinar 1"). `obs` has the class in the label column, and each
    /// of the columns that a joint label combines; `var` has the markers, where not all genes count.
    ///
    /// # Errors
    /// When a value is not finite, or polars refuses the labels.
    pub fn cells(&self) -> crate::Result<Cells<LogNormalized>> {
        let study = self.study();
        let expression = self.sparse_expression()?;
        let classes = study.classes();
        let mut made = vec![0; classes.len()];
        let (mut names, mut labels) = (Vec::new(), Vec::new());
        for &label in self.labels() {
            made[label as usize] += 1;
            names.push(format!("{} {}", classes[label as usize], made[label as usize]));
            labels.push(classes[label as usize].as_str());
        }
        let mut columns = vec![Column::new(study.label().into(), labels)];
        columns.extend(study.parts_of_labels(self.labels().iter().map(|&label| label as usize)));
        let obs = DataFrame::new(names.len(), columns).map_err(crate::cells::CellsError::from)?;
        let provenance = Provenance {
            source: format!("distilled from {}", study.cells().provenance().source),
            sha256: None,
            steps: vec![format!("{self:?}")],
        };
        let (genes, mut var) = (study.cells().gene_names().to_vec(), study.cells().var().clone());
        if let Some(markers) = self.markers() {
            let column = Column::new(MARKER.into(), markers);
            var.with_column(column).map_err(crate::cells::CellsError::from)?;
        }
        Cells::log_normalized(expression, names, genes, obs, var, provenance)
    }

    /// Writes the synthetic cells as .h5ad for Python's anndata and scanpy, with everything that made them as JSON in
    /// `uns["scdd"]["recipe"]`, and the numbers of [`properties`](Self::properties) as JSON in
    /// `uns["scdd"]["properties"]`, real training cells first, the set second. X has all genes; models on expression are to be
    /// trained on those of `var["marker"]` where it is there, with the others 0. A file of that name is replaced only when
    /// the new one is whole.
    ///
    /// # Errors
    /// When the folder does not exist or can't be written.
    pub fn write_h5ad(&self, path: impl AsRef<Path>) -> crate::Result<()> {
        let cells = self.cells()?;
        let recipe = self.recipe();
        let properties = self.properties()?;
        let properties = json!(properties.sets().iter().take(2).collect::<Vec<_>>());
        let uns = json!({
            "scdd": {
                "recipe": recipe.to_string(),
                "properties": properties.to_string(),
                "method": recipe["method"],
                "pipeline": recipe["pipeline"],
                "objective": self.objective(),
                "per_class": self.config().per_class,
                "seed": self.config().seed,
                "source": recipe["source"],
                "version": recipe["version"],
            },
            "log1p": {},
        });
        Ok(write_h5ad(
            path.as_ref(),
            &H5adContents {
                expression: cells.expression(),
                cell_names: cells.cell_names(),
                gene_names: cells.gene_names(),
                obs: cells.obs(),
                var: cells.var(),
                obsm: &Obsm::default(),
                uns: &uns,
            },
        )?)
    }
}

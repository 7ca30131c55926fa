//! A distilled set from its file, to be judged again: a selection whose cells are those of the file.

use std::path::Path;

use ndarray::Array2;

use super::{Candidates, EvaluateError, Selected, Selection};
use crate::cells::{H5ad, read_recipe};
use crate::study::Study;

/// A set that [`write_h5ad`](crate::Distilled::write_h5ad) wrote, for `evaluate().control(set)`. It has no foundation model
/// and no budget: it gives the cells that it has, whatever is asked for.
#[derive(Clone, Debug)]
pub struct WrittenSet {
    name: String,
    per_class: Option<usize>,
    expression: Array2<f32>,
    labels: Vec<u32>,
}

impl WrittenSet {
    /// Reads a set that was distilled on the split of this study: of the same label, seed, fractions and genes. On another
    /// split it would have been made of cells that this study tests on.
    ///
    /// ```
    /// use scdd::evaluate::WrittenSet;
    /// use scdd::prelude::*;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("distilled.h5ad");
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = cells.study("cell_type").foundation_epochs(1);
    /// let study = opened.run()?;
    /// study.distill_decoder(DistributionMatching::default()).steps(2).run()?.write_h5ad(&path)?;
    /// let set = WrittenSet::read(&path, &study)?;
    /// let evaluation = study.evaluate().control(set).on_validation().run()?;
    /// assert!(evaluation.rows().iter().any(|row| row.method == "scDD+Decoder, DM"));
    /// // Another seed is another split.
    /// assert!(WrittenSet::read(&path, &opened.seed(8).run()?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file can't be read, is no distilled set, or is of another split, other classes or other genes.
    pub fn read(path: impl AsRef<Path>, study: &Study) -> crate::Result<Self> {
        let path = path.as_ref();
        let fail = |problem: String| EvaluateError::WrittenSet { path: path.display().to_string(), problem };
        let recipe = read_recipe(path)?.filter(|recipe| recipe["method"].is_string());
        let Some(recipe) = recipe else {
            return Err(fail("it is no distilled set; write one with distilled.write_h5ad(...)".to_owned()).into());
        };
        let config = study.config();
        let (here, there) = (serde_json::json!(config), &recipe["study"]);
        for (setting, value) in here.as_object().into_iter().flatten() {
            if there[setting] != *value {
                let problem = format!(
                    "it was distilled with {setting} {}, and this study has {value}; on another split it may be made of \
                     cells that are tested here: study the cells with the same settings",
                    there[setting]
                );
                return Err(fail(problem).into());
            }
        }
        let cells = H5ad::open(path).log_normalized().read()?;
        if cells.gene_names() != study.cells().gene_names() {
            let problem = format!(
                "it has {} genes that are not the {} of this study; filter the cells as they were",
                cells.genes(),
                study.cells().genes()
            );
            return Err(fail(problem).into());
        }
        let found = cells.labels(&config.label)?;
        let mut rows: Vec<(u32, usize)> = Vec::new();
        for (cell, &label) in found.of_cell.iter().enumerate() {
            let name = &found.classes[label as usize];
            let class = study.classes().iter().position(|class| class == name);
            let class = class.ok_or_else(|| fail(format!("its class '{name}' is none of this study")))?;
            rows.push((class as u32, cell));
        }
        rows.sort_unstable();
        let order: Vec<usize> = rows.iter().map(|(_, cell)| *cell).collect();
        let dense = cells.expression().dense_rows(&order);
        Ok(Self {
            name: recipe["method"].as_str().unwrap_or("distilled").to_owned(),
            per_class: recipe["distillation"]["per_class"].as_u64().map(|count| count as usize),
            // Each cell gave a row of all genes.
            expression: Array2::from_shape_vec((order.len(), cells.genes()), dense).unwrap_or_default(),
            labels: rows.iter().map(|(class, _)| *class).collect(),
        })
    }

    /// The method that made it, as tables call it.
    pub fn method(&self) -> &str {
        &self.name
    }

    /// Cells per class that it was asked for.
    pub fn per_class(&self) -> Option<usize> {
        self.per_class
    }
}

impl Selection for WrittenSet {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn select(&self, _: &Candidates<'_>, _: usize, _: u64) -> crate::Result<Selected> {
        Ok((self.expression.clone(), self.labels.clone()))
    }
}

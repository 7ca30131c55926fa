//! Reads a distilled set from its .h5ad file, on the study that it was distilled from.

use std::path::Path;

use ndarray::Array2;
use polars::prelude::DataFrame;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::distillation::Distillation;
use super::write::MARKER;
use crate::cells::{H5ad, read_recipe};
use crate::distill::{DistillError, DistillHistory, Distilled, Pipeline};
use crate::study::Study;

impl Distilled {
    /// Reads a set that [`write_h5ad`](Self::write_h5ad) wrote, to be evaluated and shown again. It must have been distilled on the
    /// split of this study, of the same label, seed, fractions and genes: on another split it would have been made of cells that
    /// this study tests on. Losses and seconds are not in the file.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("distilled.h5ad");
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let opened = cells.study("cell_type").foundation_epochs(1);
    /// let study = opened.run()?;
    /// let distilled = study.distill_decoder(DistributionMatching::default()).per_class(2).steps(2).run()?;
    /// distilled.write_h5ad(&path)?;
    /// let back = Distilled::read_h5ad(&path, &study)?;
    /// assert_eq!((back.method(), back.labels()), (distilled.method(), distilled.labels()));
    /// assert_eq!((back.expression(), back.config()), (distilled.expression(), distilled.config()));
    /// assert_eq!(back.markers(), distilled.markers());
    /// // Another seed is another split.
    /// let problem = Distilled::read_h5ad(&path, &opened.seed(8).run()?).unwrap_err().to_string();
    /// assert!(problem.contains("another split"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the file can't be read, is no distilled set, or is of another split, other classes or other genes.
    pub fn read_h5ad(path: impl AsRef<Path>, study: &Study) -> crate::Result<Self> {
        let path = path.as_ref();
        let fail = |problem: String| DistillError::File { path: path.display().to_string(), problem };
        let recipe = read_recipe(path)?.filter(|recipe| recipe["method"].is_string());
        let Some(recipe) = recipe else {
            return Err(fail("it is no distilled set; write one with distilled.write_h5ad(...)".to_owned()).into());
        };
        same_split(&recipe["study"], study).map_err(fail)?;
        let cells = H5ad::open(path).log_normalized().read()?;
        if cells.gene_names() != study.cells().gene_names() {
            let problem = format!(
                "it has {} genes, which are not the {} of this study; filter the cells as they were",
                cells.genes(),
                study.cells().genes()
            );
            return Err(fail(problem).into());
        }
        let found = cells.labels(&study.config().label)?;
        let class = |&label: &u32| -> Result<u32, DistillError> {
            let name = &found.classes[label as usize];
            let class = study.classes().iter().position(|class| class == name);
            class.map(|class| class as u32).ok_or_else(|| fail(format!("its class '{name}' is none of this study")))
        };
        let labels = found.of_cell.iter().map(class).collect::<Result<Vec<u32>, _>>()?;
        let dense = cells.expression().dense_rows(&(0..cells.cells()).collect::<Vec<_>>());
        // Each cell gave a row of all genes.
        let expression = Array2::from_shape_vec((cells.cells(), cells.genes()), dense).unwrap_or_default();
        let marker_fraction = recipe["marker_fraction"].as_f64();
        // Cells may have a column of that name of their own.
        let markers = match marker_fraction {
            Some(fraction) if fraction < 1.0 => markers(cells.var()).map_err(fail)?,
            _ => None,
        };
        let pipeline: Pipeline = part(&recipe, "pipeline").map_err(fail)?;
        let made = Distillation {
            pipeline,
            study: study.clone(),
            scdg: None,
            objective: recipe["objective"].as_str().unwrap_or("unknown").to_owned(),
            short_name: short_name(pipeline, recipe["method"].as_str().unwrap_or_default()),
            config: part(&recipe, "distillation").map_err(fail)?,
            denoising: part(&recipe, "denoising").map_err(fail)?,
            learning_rate: recipe["learning_rate"].as_f64(),
            labels,
            history: DistillHistory {
                kept_step: recipe["kept_step"].as_u64().unwrap_or(0) as usize,
                marker_fraction,
                ..DistillHistory::default()
            },
            preparation_seconds: 0.0,
        };
        Ok(Self::new(made, expression, markers))
    }
}

/// Which genes are markers, where the file says so.
fn markers(var: &DataFrame) -> Result<Option<Vec<bool>>, String> {
    let Ok(column) = var.column(MARKER) else { return Ok(None) };
    let found = column.bool().map_err(|problem| format!("var['{MARKER}'] can't be read ({problem})"))?;
    Ok(Some(found.iter().map(|marker| marker == Some(true)).collect()))
}

/// Refuses a set of a study with other settings, which decide the split and the genes.
fn same_split(there: &Value, study: &Study) -> Result<(), String> {
    let here = serde_json::to_value(study.config()).unwrap_or_default();
    for (setting, value) in here.as_object().into_iter().flatten() {
        if there[setting] != *value {
            return Err(format!(
                "it was distilled with {setting} {}, and this study has {value}; on another split it may be made of cells \
                 that are tested here: study the cells with the same settings",
                there[setting]
            ));
        }
    }
    Ok(())
}

/// A part of the recipe.
fn part<T: DeserializeOwned>(recipe: &Value, name: &str) -> Result<T, String> {
    let found = serde_json::from_value(recipe[name].clone());
    found.map_err(|problem| format!("its recipe can't be read ({name}: {problem}); it is of another version of scdd"))
}

/// The objective's short name, which the method's name ends with.
fn short_name(pipeline: Pipeline, method: &str) -> String {
    let pattern = pipeline.name("\0");
    match pattern.strip_suffix('\0').and_then(|before| method.strip_prefix(before)) {
        Some(name) => name.to_owned(),
        None => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::Column;

    use super::*;
    use crate::cells::Cells;
    use crate::distill::RidgeSurrogates;

    #[test]
    fn the_method_of_a_set_from_a_file_has_its_name() {
        let pipelines = [
            Pipeline::Expression,
            Pipeline::Decoder,
            Pipeline::Scdg,
            Pipeline::DecodedEmbeddings,
            Pipeline::Metacells,
            Pipeline::Generation,
        ];
        for pipeline in pipelines {
            let method = pipeline.name("DC (head 64)");
            assert_eq!(pipeline.name(&short_name(pipeline, &method)), method);
        }
    }

    #[test]
    fn a_column_of_the_cells_that_is_called_marker_is_not_taken_for_markers() {
        let folder = tempfile::tempdir().unwrap();
        let cells = crate::simulate().cells(200).genes(120).classes(2).run().unwrap();
        let cells = cells.preprocess().min_genes(5).run().unwrap();
        let mut var = cells.var().clone();
        var.with_column(Column::new(MARKER.into(), vec!["CD3E"; cells.genes()])).unwrap();
        let parts = (cells.expression().clone(), cells.cell_names().to_vec(), cells.gene_names().to_vec());
        let (obs, provenance) = (cells.obs().clone(), cells.provenance().clone());
        let cells = Cells::log_normalized(parts.0, parts.1, parts.2, obs, var, provenance).unwrap();
        let study = cells.study("cell_type").foundation_epochs(1).run().unwrap();
        let distil = |fractions: &[f64]| {
            let opened = study.distill_expression(RidgeSurrogates::default()).steps(1).marker_fractions(fractions);
            let (set, path) = (opened.run().unwrap(), folder.path().join("set.h5ad"));
            set.write_h5ad(&path).unwrap();
            (set.markers().map(<[bool]>::to_vec), Distilled::read_h5ad(&path, &study).unwrap())
        };
        let (without, back) = distil(&[1.0]);
        assert_eq!((without.as_deref(), back.markers()), (None, None));
        let (with, back) = distil(&[0.25]);
        assert!(with.is_some());
        assert_eq!(with.as_deref(), back.markers());
    }

    #[test]
    fn a_file_that_is_no_distilled_set_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.h5ad");
        let cells = crate::simulate().cells(100).genes(80).classes(2).run().unwrap();
        cells.write_h5ad(&path).unwrap();
        let study =
            cells.preprocess().min_genes(5).run().unwrap().study("cell_type").foundation_epochs(1).run().unwrap();
        let message = Distilled::read_h5ad(&path, &study).unwrap_err().to_string();
        assert!(message.contains("no distilled set"), "{message}");
    }
}

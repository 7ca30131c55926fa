//! Trained classifier that annotates cells: trained on a distilled set or on all training cells, kept in one file.

mod builder;
mod file;
mod train;

use std::path::Path;
use std::sync::Arc;

use ndarray::Array2;
use polars::prelude::{Column, DataFrame};

use super::AnnotateError;
use crate::cells::{Cells, CellsError, LogNormalized};
use crate::evaluate::{Attention, EvaluateError, EvaluationModel, ModelInput, Protocol, TrainedModel, load_model};
use crate::foundation::Foundation;
use crate::study::Study;
use crate::text::grouped;

pub use builder::AnnotateBuilder;

/// Fraction of a model's genes that cells must have unless set otherwise (ours).
const LEAST_GENES: f64 = 0.5;

/// A trained model with the names of its genes and classes. Cheap to clone.
#[derive(Clone)]
pub struct Annotator {
    parts: Arc<Parts>,
}

struct Parts {
    trained: Arc<dyn TrainedModel>,
    about: About,
    /// The model that embeds cells for a linear head, where it is known.
    foundation: Option<Foundation>,
}

/// What a file says beside the weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct About {
    /// What tables call the model.
    pub(super) model: String,
    /// What it was trained on.
    pub(super) set: String,
    pub(super) label: String,
    pub(super) classes: Arc<Vec<String>>,
    pub(super) genes: Vec<String>,
    /// Name and checksum of the foundation model whose latents it reads.
    pub(super) foundation: Option<(String, Option<String>)>,
}

impl Annotator {
    fn train(
        model: &dyn EvaluationModel,
        input: ModelInput,
        labels: &[u32],
        study: &Study,
        set: String,
    ) -> crate::Result<Self> {
        let input = input.with_gene_names(study.cells().gene_names());
        // One network: a file holds one model.
        let protocol = Protocol { networks: 1, seed: study.config().seed, ..Protocol::default() };
        let trained = model.train(&input, labels, study.classes().len(), &protocol)?;
        let trained = trained.into_iter().next().ok_or(EvaluateError::NoModels)?;
        let foundation = model.sees_latents().then(|| study.full_gene_foundation().clone());
        let about = About {
            model: model.name(),
            set,
            label: study.training_cells().labels().column.clone(),
            classes: Arc::new(study.classes().to_vec()),
            genes: study.cells().gene_names().to_vec(),
            foundation: foundation.as_ref().map(|model| (model.name(), model.checksum())),
        };
        Ok(Self { parts: Arc::new(Parts { trained: trained.into(), about, foundation }) })
    }

    /// Writes one .safetensors file: the weights, and in its metadata the kind of model, names of genes and classes, config and
    /// a checksum over all of it. The file appears whole or not at all.
    ///
    /// # Errors
    /// When the name does not end in .safetensors, its folder is not there, the disk is full, or the model is one of your own
    /// that does not say what it consists of.
    pub fn write(&self, path: impl AsRef<Path>) -> crate::Result<()> {
        let parts = &self.parts;
        let not_saved = || AnnotateError::NotSaved { model: parts.about.model.clone() };
        let saved = parts.trained.save().ok_or_else(not_saved)?;
        Ok(file::write(path.as_ref(), &parts.about, &saved)?)
    }

    /// Reads what [`write`](Self::write) wrote. A linear head reads latents of a foundation model, which its file does not
    /// hold: give that with [`with_foundation`](Self::with_foundation).
    ///
    /// # Errors
    /// When the file is missing, damaged, of a newer version, or holds no trained model.
    pub fn read(path: impl AsRef<Path>) -> crate::Result<Self> {
        let (about, saved) = file::read(path.as_ref())?;
        let trained = load_model(&saved).map_err(|problem| AnnotateError::ModelFile {
            path: path.as_ref().to_path_buf(),
            problem: format!("its model '{}' can't be used: {problem}", saved.kind),
        })?;
        Ok(Self { parts: Arc::new(Parts { trained: trained.into(), about, foundation: None }) })
    }

    /// The same model with the foundation model that it was trained on.
    ///
    /// # Errors
    /// When that has another checksum.
    pub fn with_foundation(&self, foundation: impl Into<Foundation>) -> crate::Result<Self> {
        let (foundation, about) = (foundation.into(), &self.parts.about);
        let found = (foundation.name(), foundation.checksum());
        if let Some(expected) = &about.foundation
            && *expected != found
        {
            return Err(self.other_foundation(format!("{} was given", identity(&found))).into());
        }
        let trained = self.parts.trained.clone();
        Ok(Self { parts: Arc::new(Parts { trained, about: about.clone(), foundation: Some(foundation) }) })
    }

    fn other_foundation(&self, found: String) -> AnnotateError {
        let about = &self.parts.about;
        let expected = about.foundation.as_ref().map(identity).unwrap_or_default();
        AnnotateError::OtherFoundation { model: about.model.clone(), expected, found }
    }

    /// What tables call the model.
    pub fn model(&self) -> &str {
        &self.parts.about.model
    }

    /// What it was trained on: "all training cells", or the method of a distilled set.
    pub fn trained_on(&self) -> &str {
        &self.parts.about.set
    }

    /// The column of obs that its classes come from.
    pub fn label(&self) -> &str {
        &self.parts.about.label
    }

    /// Its classes.
    pub fn classes(&self) -> &[String] {
        &self.parts.about.classes
    }

    /// The genes that it was trained on.
    pub fn genes(&self) -> &[String] {
        &self.parts.about.genes
    }

    /// The trained model itself.
    pub fn trained(&self) -> &dyn TrainedModel {
        &*self.parts.trained
    }

    /// Opens the annotation of cells. Genes are matched by name; genes that the model does not know are left out, and of those
    /// that the cells lack the result says how many there are.
    pub fn annotate(&self, cells: &Cells<LogNormalized>) -> AnnotateBuilder {
        AnnotateBuilder::new(self, cells)
    }

    /// How much the model attends to each gene set in each cell: a frame of `cell`, `gene_set` and `attention`, a row for each
    /// pair. None for a model that attends to none; see [`Tosica`](crate::evaluate::Tosica).
    ///
    /// # Errors
    /// As [`AnnotateBuilder::run`].
    pub fn attention(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<DataFrame>> {
        let (input, _) = self.input(cells, LEAST_GENES)?;
        let Some(Attention { gene_sets, values }) = self.parts.trained.attention(&input)? else { return Ok(None) };
        let names: Vec<&str> =
            cells.cell_names().iter().flat_map(|name| gene_sets.iter().map(|_| name.as_str())).collect();
        let sets: Vec<&str> = cells.cell_names().iter().flat_map(|_| gene_sets.iter().map(String::as_str)).collect();
        let (rows, values): (usize, Vec<f32>) = (values.len(), values.iter().copied().collect());
        let columns = vec![
            Column::new("cell".into(), names),
            Column::new("gene_set".into(), sets),
            Column::new("attention".into(), values),
        ];
        Ok(Some(DataFrame::new(rows, columns).map_err(CellsError::from)?))
    }

    /// The model's input of the cells, and the genes that they lack.
    fn input(&self, cells: &Cells<LogNormalized>, least: f64) -> crate::Result<(ModelInput, Vec<String>)> {
        let about = &self.parts.about;
        let positions: std::collections::HashMap<&str, usize> =
            about.genes.iter().enumerate().map(|(position, gene)| (gene.as_str(), position)).collect();
        let shared: Vec<(usize, usize)> = cells
            .gene_names()
            .iter()
            .enumerate()
            .filter_map(|(of_cells, gene)| Some((of_cells, *positions.get(gene.as_str())?)))
            .collect();
        let (of_cells, of_model): (Vec<usize>, Vec<usize>) = shared.into_iter().unzip();
        let needed = ((about.genes.len() as f64 * least).ceil() as usize).max(1);
        if of_cells.len() < needed {
            let some =
                |names: &[String]| names.iter().take(3).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
            return Err(AnnotateError::MissingGenes {
                model: about.model.clone(),
                found: of_cells.len(),
                expected: about.genes.len(),
                needed,
                of_cells: some(cells.gene_names()),
                of_model: some(&about.genes),
            }
            .into());
        }
        let mut there = vec![false; about.genes.len()];
        of_model.iter().for_each(|&position| there[position] = true);
        let missing: Vec<u32> =
            (0..about.genes.len()).filter(|&position| !there[position]).map(|position| position as u32).collect();
        let names = missing.iter().map(|&position| about.genes[position as usize].clone()).collect();
        if about.foundation.is_some() {
            let Some(foundation) = &self.parts.foundation else {
                return Err(self.other_foundation("none was given".to_owned()).into());
            };
            let registered = foundation.register(cells)?;
            let latents: Array2<f32> = registered.foundation.embed_cells(&registered.cells)?;
            return Ok((ModelInput::of_latents(latents), names));
        }
        let expression = cells.expression().select_genes(&of_cells).place_genes(about.genes.len(), &of_model);
        let input = ModelInput::new(expression).with_gene_names(&about.genes).with_missing_genes(missing);
        Ok((input, names))
    }
}

fn identity(model: &(String, Option<String>)) -> String {
    match &model.1 {
        Some(checksum) => format!("{} with the checksum {}", model.0, &checksum[..checksum.len().min(12)]),
        None => format!("{}, which has no checksum", model.0),
    }
}

impl std::fmt::Debug for Annotator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let about = &self.parts.about;
        let (classes, genes) = (about.classes.len(), grouped(about.genes.len()));
        write!(
            f,
            "{} of {classes} classes of '{}' by {genes} genes, trained on {}",
            about.model, about.label, about.set
        )?;
        match &about.foundation {
            Some((name, _)) => write!(f, "; it reads latents of {name}"),
            None => Ok(()),
        }
    }
}

impl Annotator {
    /// Shows what it is in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&format!("{self:?}"));
    }
}

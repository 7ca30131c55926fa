//! A study: labelled log-normalised cells, split into training, validation and test cells and embedded by a foundation model.

mod builder;
mod config;
mod decoder;
mod error;
mod label_columns;
mod model_input;

use std::sync::{Arc, OnceLock};

use burn::tensor::Device;
use ndarray::{Array2, ArrayView1, Axis};
use polars::prelude::Column;

pub use builder::StudyBuilder;
pub use config::StudyConfig;
pub use decoder::DecoderBuilder;
pub use error::StudyError;
pub(crate) use label_columns::LabelColumns;
pub use model_input::ModelInput;

use crate::cells::{Cells, Expression, LogNormalized};
use crate::foundation::{DecoderConfig, DecoderHistory, Foundation, PretrainingConfig, PretrainingHistory};
use crate::preprocess::{TestCells, TrainingCells};
use crate::text::grouped;

/// Labelled cells, split, and embedded by a foundation model. Cheap to clone.
///
/// The method names the pipeline (`distill_expression`, `distill_decoder`, `distill_embeddings`, or `train_scdg` and then
/// `distill`), so there is no plain `distill`:
///
/// ```compile_fail,E0599
/// # fn skip(study: scdd::Study) {
/// study.distill(scdd::GradientMatching::default());
/// # }
/// ```
#[derive(Clone)]
pub struct Study {
    parts: Arc<Parts>,
}

#[derive(Clone)]
struct Parts {
    cells: Cells<LogNormalized>,
    training: TrainingCells,
    test: TestCells,
    notes: Vec<String>,
    config: StudyConfig,
    label_columns: LabelColumns,
    pretraining: Option<PretrainingConfig>,
    foundation: Foundation,
    /// As it was given, with all its genes.
    full_gene_model: Foundation,
    history: PretrainingHistory,
    /// Of a decoder that was trained to replace the model's own.
    decoder: Option<(DecoderConfig, DecoderHistory)>,
    embeddings: Arc<Array2<f32>>,
    /// Expression of the training cells, made when it is first asked for.
    training_expression: Arc<OnceLock<Expression>>,
    device: Device,
}

impl std::fmt::Debug for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.summary())
    }
}

impl Study {
    /// The cells, with the genes of the study.
    pub fn cells(&self) -> &Cells<LogNormalized> {
        &self.parts.cells
    }

    /// Training and validation cells.
    pub fn training_cells(&self) -> TrainingCells {
        self.parts.training.clone()
    }

    /// Test cells, which only evaluation can read.
    pub fn test_cells(&self) -> TestCells {
        self.parts.test.clone()
    }

    /// Classes in the order of their numbers.
    pub fn classes(&self) -> &[String] {
        self.parts.training.classes()
    }

    /// Name of the labels: the label column, or the columns that joint labels combine, "cell_type | disease".
    pub fn label(&self) -> &str {
        &self.parts.training.labels().column
    }

    /// The label columns, each with the value that every class has in it: one, unless [`StudyBuilder::joint_label`] named more.
    ///
    /// ```
    /// use scdd::polars::prelude::Column;
    /// use scdd::prelude::*;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let sides: Vec<&str> = (0..cells.cells()).map(|cell| if cell % 2 == 0 { "left" } else { "right" }).collect();
    /// let cells = cells.with_obs(Column::new("side".into(), sides))?;
    /// let study = cells.study("cell_type").joint_label("side").foundation_epochs(1).run()?;
    /// assert_eq!((study.classes().len(), study.label()), (6, "cell_type | side"));
    /// assert_eq!(study.label_columns()[1].1[..2], ["left", "right"]);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn label_columns(&self) -> &[(String, Vec<String>)] {
        &self.parts.label_columns
    }

    /// A column of obs for each label column that joint labels combine, for cells of these classes; none without joint labels.
    pub(crate) fn parts_of_labels(&self, classes: impl Iterator<Item = usize>) -> Vec<Column> {
        let columns = self.label_columns();
        if columns.len() < 2 {
            return Vec::new();
        }
        let classes: Vec<usize> = classes.collect();
        let column = |(name, values): &(String, Vec<String>)| {
            Column::new(name.as_str().into(), classes.iter().map(|&class| values[class].as_str()).collect::<Vec<_>>())
        };
        columns.iter().map(column).collect()
    }

    /// The foundation model as it was given, with all its genes.
    pub(crate) fn full_gene_foundation(&self) -> &Foundation {
        &self.parts.full_gene_model
    }

    /// Classes without a validation or test cell, a line each.
    pub fn notes(&self) -> &[String] {
        &self.parts.notes
    }

    /// How the cells were split.
    pub fn config(&self) -> &StudyConfig {
        &self.parts.config
    }

    /// How the foundation model was pretrained; None when one was given.
    pub fn pretraining(&self) -> Option<&PretrainingConfig> {
        self.parts.pretraining.as_ref()
    }

    /// The frozen foundation model that embeds the cells.
    pub fn foundation(&self) -> &Foundation {
        &self.parts.foundation
    }

    /// Losses of its pretraining; empty when a model was given.
    pub fn pretraining_history(&self) -> &PretrainingHistory {
        &self.parts.history
    }

    /// Config and losses of the decoder that [`train_decoder`](Self::train_decoder) trained; None when it is the model's own.
    pub fn decoder(&self) -> Option<&(DecoderConfig, DecoderHistory)> {
        self.parts.decoder.as_ref()
    }

    /// The device that the study runs on.
    pub fn device(&self) -> &Device {
        &self.parts.device
    }

    /// Latents `[cells, latent]` of the given cells.
    pub(crate) fn embeddings_of(&self, cells: &[usize]) -> Array2<f32> {
        let embeddings = &self.parts.embeddings;
        let (Some(values), width) = (embeddings.as_slice(), embeddings.ncols()) else {
            return embeddings.select(Axis(0), cells);
        };
        let mut chosen = Vec::with_capacity(cells.len() * width);
        cells.iter().for_each(|&cell| chosen.extend_from_slice(&values[cell * width..][..width]));
        Array2::from_shape_vec((cells.len(), width), chosen).unwrap_or_else(|_| embeddings.select(Axis(0), cells))
    }

    /// Latents `[latent]` of a cell.
    pub(crate) fn embedding_of(&self, cell: usize) -> ArrayView1<'_, f32> {
        self.parts.embeddings.row(cell)
    }

    /// Expression `[cells, genes]` and labels of the training cells. The expression is copied once a study and then shared.
    pub(crate) fn training_expression(&self) -> (Expression, Vec<u32>) {
        let training = &self.parts.training;
        let select = || self.cells().expression().select_cells(training.train());
        (self.parts.training_expression.get_or_init(select).clone(), training.train_labels())
    }

    /// Whether both are one split of the same cells, embedded by one encoder; decoders may differ.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.parts.embeddings, &other.parts.embeddings)
    }

    fn summary(&self) -> String {
        let (parts, training) = (&self.parts, &self.parts.training);
        let mut text = format!(
            "Study of '{}': {} cells x {} genes, {} classes; {} to train on, {} to choose on, {} to test on",
            self.label(),
            grouped(parts.cells.cells()),
            grouped(parts.cells.genes()),
            self.classes().len(),
            grouped(training.train().len()),
            grouped(training.validation().len()),
            grouped(parts.test.count()),
        );
        if let Some(error) = parts.history.kept_error() {
            text += &format!(
                "\n{} pretrained in {:.0} s: reconstruction error {error:.3}",
                parts.foundation.name(),
                parts.history.seconds
            );
        } else {
            text += &format!("\nembedded by {}, {} dimensions", parts.foundation.name(), parts.foundation.latent());
        }
        if let Some((config, history)) = &parts.decoder {
            text += &format!(
                "\ndecoder trained anew ({}) in {:.0} s: {}",
                config.likelihood.name(),
                history.seconds,
                history.described()
            );
        }
        for note in &parts.notes {
            text += &format!("\n{note}");
        }
        text
    }

    /// Shows the study in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&self.summary());
    }
}

//! Settings of a study, and the builder that log-normalised cells open: `cells.study("cell_type")`.

use std::sync::Arc;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::{Parts, Study};
use crate::cells::{Cells, LogNormalized};
use crate::foundation::{Foundation, Pretraining, PretrainingConfig, PretrainingHistory};
use crate::preprocess::{highly_variable_genes, parts, stratified_split};
use crate::seed;

/// How labelled cells are split and seen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StudyConfig {
    /// Column of obs that holds the classes.
    pub label: String,
    /// Share of the cells of each class that only evaluation sees; 0.2 (the 8:2 split is ours).
    pub test_fraction: f64,
    /// Share of the training cells that choices are made on; 0.1 (ours).
    pub validation_fraction: f64,
    /// Most variable genes of the training cells that are kept; 2,000 (ours; None keeps all).
    pub variable_genes: Option<usize>,
    /// Seed of the split, and of the foundation model when it is pretrained here.
    pub seed: u64,
}

/// Opens a study: `cells.study("cell_type")`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct StudyBuilder {
    cells: Cells<LogNormalized>,
    config: StudyConfig,
    pretraining: PretrainingConfig,
    foundation: Option<Arc<dyn Foundation>>,
    device: Option<Device>,
}

impl Cells<LogNormalized> {
    /// Opens a study of the classes in a column of [`obs`](Cells::obs).
    ///
    /// ```
    /// let cells = scdd::simulate().cells(400).genes(300).classes(3).run()?;
    /// let cells = cells.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// assert_eq!(study.classes().len(), 3);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn study(&self, label: &str) -> StudyBuilder {
        let config = StudyConfig {
            label: label.to_owned(),
            test_fraction: 0.2,
            validation_fraction: 0.1,
            variable_genes: Some(2_000),
            seed: seed::DEFAULT_SEED,
        };
        StudyBuilder {
            cells: self.clone(),
            config,
            pretraining: PretrainingConfig::default(),
            foundation: None,
            device: None,
        }
    }
}

impl StudyBuilder {
    /// Share of the cells of each class that only evaluation sees; 0.2.
    pub fn test_fraction(mut self, fraction: f64) -> Self {
        self.config.test_fraction = fraction;
        self
    }

    /// Share of the training cells that choices are made on; 0.1.
    pub fn validation_fraction(mut self, fraction: f64) -> Self {
        self.config.validation_fraction = fraction;
        self
    }

    /// How many of the training cells' most variable genes are kept; 2,000.
    pub fn variable_genes(mut self, genes: usize) -> Self {
        self.config.variable_genes = Some(genes);
        self
    }

    /// Keeps all genes.
    pub fn all_genes(mut self) -> Self {
        self.config.variable_genes = None;
        self
    }

    /// Seed of the split and of the foundation model.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// A foundation model that exists already, instead of one pretrained on the training cells. The cells need its
    /// genes, in its order.
    pub fn foundation(mut self, foundation: Arc<dyn Foundation>) -> Self {
        self.foundation = Some(foundation);
        self
    }

    /// How the foundation model is pretrained; its seed is the study's.
    pub fn pretraining(mut self, config: PretrainingConfig) -> Self {
        self.pretraining = config;
        self
    }

    /// Passes of the pretraining over the training cells; 30.
    pub fn foundation_epochs(mut self, epochs: usize) -> Self {
        self.pretraining.epochs = epochs;
        self
    }

    /// Another device than [`default_device`](crate::default_device).
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run), for labels and split.
    pub fn plan(&self) -> crate::Result<String> {
        let labels = self.cells.labels(&self.config.label)?;
        let config = &self.config;
        let split = stratified_split(&labels, config.test_fraction, config.validation_fraction, config.seed)?;
        let genes = config.variable_genes.unwrap_or(usize::MAX).min(self.cells.genes());
        let batches = (split.train.len() / self.pretraining.batch.max(1)).max(1);
        let mut plan = format!(
            "{} cells in {} classes: {} to train on, {} to choose on, {} to test on; {genes} of {} genes",
            self.cells.cells(),
            labels.classes.len(),
            split.train.len(),
            split.validation.len(),
            split.test.len(),
            self.cells.genes()
        );
        match &self.foundation {
            Some(model) => plan += &format!("\nfoundation model: {}, as given", model.name()),
            None => {
                let steps = self.pretraining.epochs * batches;
                plan += &format!("\nfoundation model: pretrained on the training cells in {steps} steps");
            }
        }
        for note in &split.notes {
            plan += &format!("\n{note}");
        }
        Ok(plan)
    }

    /// Splits the cells, chooses genes on the training cells, pretrains the foundation model (unless one was given)
    /// and embeds every cell.
    ///
    /// # Errors
    /// When the label column is missing, has missing values or one class; when a fraction is out of range; when cells
    /// and foundation model have other genes; when pretraining does not stay finite.
    pub fn run(&self) -> crate::Result<Study> {
        let config = &self.config;
        let labels = self.cells.labels(&config.label)?;
        let split = stratified_split(&labels, config.test_fraction, config.validation_fraction, config.seed)?;
        let notes = split.notes.clone();
        let cells = match config.variable_genes {
            Some(count) if count < self.cells.genes() => {
                let train = self.cells.expression().select_cells(&split.train);
                self.cells.select_genes(highly_variable_genes(&train, count)?.selected())?
            }
            _ => self.cells.clone(),
        };
        let (training, test) = parts(cells.clone(), labels, split);
        let device = match &self.device {
            Some(device) => device.clone(),
            None => crate::default_device()?,
        };
        let (foundation, history): (Arc<dyn Foundation>, _) = match &self.foundation {
            Some(model) => (model.clone(), PretrainingHistory::default()),
            None => {
                let pretraining = PretrainingConfig { seed: config.seed, ..self.pretraining.clone() };
                let (model, history) = Pretraining::new(&training).config(pretraining).device(&device).run()?;
                (Arc::new(model), history)
            }
        };
        let embeddings = foundation.embed(cells.expression())?;
        Ok(Study {
            parts: Arc::new(Parts {
                cells,
                training,
                test,
                notes,
                config: config.clone(),
                pretraining: self.foundation.is_none().then(|| self.pretraining.clone()),
                foundation,
                history,
                embeddings,
                device,
            }),
        })
    }
}

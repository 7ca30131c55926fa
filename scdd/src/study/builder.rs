//! Sets a study up, `cells.study("cell_type")`: labels, split, genes, foundation model.

use std::collections::HashSet;
use std::sync::Arc;

use burn::tensor::Device;

use super::label_columns::labels;
use super::{Parts, Study, StudyConfig, StudyError};
use crate::cells::{Cells, Labels, LogNormalized};
use crate::device::or_default;
use crate::foundation::{EmbeddingCache, Foundation, PretrainingConfig, PretrainingHistory, Registered};
use crate::plan::Plan;
use crate::preprocess::{Split, TestCells, TrainingCells, most_variable_genes, stratified_split};
use crate::text::{count, grouped};

/// Sets a study up: `cells.study("cell_type")`.
#[derive(Clone)]
#[must_use = "call .run()"]
pub struct StudyBuilder {
    cells: Cells<LogNormalized>,
    config: StudyConfig,
    pretraining: PretrainingConfig,
    foundation: Option<Foundation>,
    genes_chosen: bool,
    cache_embeddings: bool,
    device: Option<Device>,
}

impl Cells<LogNormalized> {
    /// Opens the builder of a study of the classes in a column of [`obs`](Cells::obs).
    ///
    /// ```
    /// let cells = scdd::simulate().cells(400).genes(300).classes(3).run()?;
    /// let cells = cells.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(1).run()?;
    /// assert_eq!(study.classes().len(), 3);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn study(&self, label: &str) -> StudyBuilder {
        StudyBuilder {
            cells: self.clone(),
            config: StudyConfig::new(label),
            pretraining: PretrainingConfig::default(),
            foundation: None,
            genes_chosen: false,
            cache_embeddings: true,
            device: None,
        }
    }
}

impl StudyBuilder {
    /// One more label column. Classes are then the combinations of values that occur, such as "T cell | healthy", so that one
    /// distilled set serves several tasks. Its cells have every column in their obs, and
    /// [`evaluate().label(column)`](crate::evaluate::EvaluateBuilder::label) scores one of them.
    pub fn joint_label(mut self, label: &str) -> Self {
        self.config.joint_labels.push(label.to_owned());
        self
    }

    /// Fraction of the cells of each class that only evaluation reads; 0.2.
    pub fn test_fraction(mut self, fraction: f64) -> Self {
        self.config.test_fraction = fraction;
        self
    }

    /// Fraction of the training cells that settings are chosen on; 0.1.
    pub fn validation_fraction(mut self, fraction: f64) -> Self {
        self.config.validation_fraction = fraction;
        self
    }

    /// How many of the training cells' most variable genes are kept; 2,000.
    pub fn variable_genes(mut self, genes: usize) -> Self {
        self.config.variable_genes = Some(genes);
        self.genes_chosen = true;
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

    /// A foundation model that exists already, instead of one pretrained on the training cells. The study keeps the
    /// genes that cells and model share; see [`Foundation::register`].
    pub fn foundation(mut self, foundation: impl Into<Foundation>) -> Self {
        self.foundation = Some(foundation.into());
        if !self.genes_chosen {
            self.config.variable_genes = None;
        }
        self
    }

    /// How the foundation model is pretrained; it takes the study's seed.
    pub fn pretraining(mut self, config: PretrainingConfig) -> Self {
        self.pretraining = config;
        self
    }

    /// Epochs of the pretraining; 30.
    pub fn foundation_epochs(mut self, epochs: usize) -> Self {
        self.pretraining.epochs = epochs;
        self
    }

    /// Whether embeddings of large sets (20 million stored values and more, about 14,000 cells) are cached for the next study
    /// of the same cells with the same weights; true. The cache is the folder `embeddings` in `$SCDD_DATA`, else in
    /// `$XDG_CACHE_HOME/scdd` or `~/.cache/scdd`, 512 bytes a cell, and may be deleted at any time. The environment variable
    /// `SCDD_NO_CACHE` turns it off as well.
    pub fn cache_embeddings(mut self, cache: bool) -> Self {
        self.cache_embeddings = cache;
        self
    }

    /// Sets label, split, genes and seed at once, such as those of another [study](Study::config).
    pub fn config(mut self, config: StudyConfig) -> Self {
        self.genes_chosen = config.variable_genes.is_some();
        self.config = config;
        self
    }

    /// Another device than [`default_device`](crate::default_device). With a foundation model that was given, the study runs on
    /// that model's device.
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As [`run`](Self::run), for labels, split and settings.
    pub fn plan(&self) -> crate::Result<Plan> {
        self.check_genes()?;
        let (labels, split) = self.labels_and_split()?;
        let (train, validation, test) = (split.train.len(), split.validation.len(), split.test.len());
        let genes = match &self.foundation {
            Some(model) => shared_genes(model, &self.cells),
            None => self.config.variable_genes.unwrap_or(usize::MAX).min(self.cells.genes()),
        };
        let model = match &self.foundation {
            Some(model) => format!("{}, as given", model.name()),
            None => {
                let steps = self.pretraining.epochs * (train / self.pretraining.batch.max(1)).max(1);
                format!("pretrained on the training cells in {} steps", grouped(steps))
            }
        };
        let (train, validation, test) = (grouped(train), grouped(validation), grouped(test));
        let plan = Plan::new(format!("study of '{}'", labels.column))
            .with("cells", format!("{} in {}", grouped(self.cells.cells()), count(labels.classes.len(), "class")))
            .with("split", format!("{train} to train on, {validation} to choose on, {test} to test on"))
            .with("genes", format!("{} of {}", grouped(genes), grouped(self.cells.genes())))
            .with("foundation model", model);
        Ok(split.notes.iter().fold(plan, |plan, note| plan.with("note", note)))
    }

    /// Splits the cells, chooses genes on the training cells, pretrains the foundation model (unless one was given)
    /// and embeds every cell.
    ///
    /// # Errors
    /// When the label column is missing, has missing values or one class; when a fraction is out of range; when cells
    /// and foundation model share too few genes; when that model is on another device than was asked for; when pretraining
    /// does not stay finite.
    pub fn run(&self) -> crate::Result<Study> {
        let config = &self.config;
        let (registered, training, test) = match &self.foundation {
            Some(model) => {
                let (labels, split) = self.labels_and_split()?;
                self.check_genes()?;
                let registered = model.register(&self.cells)?;
                let (training, test) = split.apply(registered.cells.clone(), labels);
                check_unseen(&registered, &test)?;
                (Some(registered.foundation), training, test)
            }
            None => {
                let (training, test) = self.split_cells()?;
                (None, training, test)
            }
        };
        let device = self.device_for(registered.as_ref())?;
        let (foundation, history) = match registered {
            Some(model) => (model, PretrainingHistory::default()),
            None => {
                let pretraining = PretrainingConfig { seed: config.seed, ..self.pretraining.clone() };
                let model = Foundation::pretrain(&training).config(pretraining).device(&device).run()?;
                let history = model.history().cloned().unwrap_or_default();
                (model.into(), history)
            }
        };
        let cells = training.cells().clone();
        let (_, label_columns) = labels(&self.cells, config)?;
        let notes = training.notes().to_vec();
        let cache = if self.cache_embeddings { EmbeddingCache::of_user() } else { EmbeddingCache::none() };
        let embeddings = cache.embed(&foundation, &cells)?;
        Ok(Study {
            parts: Arc::new(Parts {
                cells,
                training,
                test,
                notes,
                config: config.clone(),
                label_columns,
                pretraining: self.foundation.is_none().then(|| self.pretraining.clone()),
                full_gene_model: self.foundation.clone().unwrap_or_else(|| foundation.clone()),
                foundation,
                history,
                decoder: None,
                embeddings: Arc::new(embeddings),
                training_expression: Arc::default(),
                device,
            }),
        })
    }

    /// The device of the model that was given, else the one that was asked for.
    fn device_for(&self, model: Option<&Foundation>) -> crate::Result<Device> {
        match (model, &self.device) {
            (None, asked) => or_default(asked.as_ref()),
            (Some(model), Some(asked)) if *asked != model.device() => {
                let (model, on, asked) = (model.name(), format!("{:?}", model.device()), format!("{asked:?}"));
                Err(StudyError::Device { model, on, asked }.into())
            }
            (Some(model), _) => Ok(model.device()),
        }
    }

    /// The training cells of the study: fit a foundation model on them and give it back with [`foundation`](Self::foundation).
    ///
    /// # Errors
    /// As [`run`](Self::run), for labels and split.
    pub fn training_cells(&self) -> crate::Result<TrainingCells> {
        Ok(self.split_cells()?.0)
    }

    /// Both parts, with the genes that are kept.
    fn split_cells(&self) -> crate::Result<(TrainingCells, TestCells)> {
        let (labels, split) = self.labels_and_split()?;
        let cells = match self.config.variable_genes {
            Some(count) if count < self.cells.genes() => {
                let train = self.cells.expression().select_cells(&split.train);
                self.cells.select_genes(&most_variable_genes(&train, count)?)?
            }
            _ => self.cells.clone(),
        };
        Ok(split.apply(cells, labels))
    }

    /// Refuses a number of variable genes beside a model that decides the genes.
    fn check_genes(&self) -> Result<(), StudyError> {
        match &self.foundation {
            Some(model) if self.config.variable_genes.is_some() => {
                Err(StudyError::VariableGenes { model: model.name() })
            }
            _ => Ok(()),
        }
    }

    fn labels_and_split(&self) -> crate::Result<(Labels, Split)> {
        let config = &self.config;
        let (labels, _) = labels(&self.cells, config)?;
        let split = stratified_split(&labels, config.test_fraction, config.validation_fraction, config.seed)?;
        Ok((labels, split))
    }
}

/// How many genes cells and model share; all of the cells for a model of embeddings, which has no genes.
fn shared_genes(model: &Foundation, cells: &Cells<LogNormalized>) -> usize {
    let known: HashSet<&String> = model.genes().iter().collect();
    if known.is_empty() { cells.genes() } else { cells.gene_names().iter().filter(|gene| known.contains(gene)).count() }
}

/// Refuses a model that was pretrained on test cells.
fn check_unseen(registered: &Registered, test: &TestCells) -> Result<(), StudyError> {
    let Some(known) = registered.foundation.pretraining_cells() else { return Ok(()) };
    let cells = &registered.cells;
    let pretrained_on = known.count(cells.expression(), test.test(), cells.gene_names());
    if pretrained_on * 100 > test.count() {
        return Err(StudyError::Leak { model: registered.foundation.name(), pretrained_on, test: test.count() });
    }
    Ok(())
}

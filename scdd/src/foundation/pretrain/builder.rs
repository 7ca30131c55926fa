//! The builder of a pretraining: `Foundation::pretrain(&training_cells)`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::card::Card;
use super::checkpoint;
use super::corpus::Corpus;
use super::merged::{Genes, Merged};
use super::train::Training;
use super::{Ended, PretrainingConfig, check};
use crate::device::or_default;
use crate::foundation::FoundationError;
use crate::foundation::Scimilarity;
use crate::foundation::network::NetworkConfig;
use crate::foundation::weights::Origin;
use crate::progress::Interrupt;
use crate::text::grouped;

/// Pretrains a [`Scimilarity`] on a [`Corpus`]: training cells of a study, other cells, or several sets.
///
/// ```
/// use scdd::prelude::*;
/// let cells = simulate().cells(300).genes(120).classes(3).run()?.preprocess().min_genes(5).run()?;
/// let study = cells.study("cell_type").seed(7);
/// let network = NetworkConfig { latent: 8, hidden: vec![32; 3], ..NetworkConfig::default() };
/// let model = Foundation::pretrain(&study.training_cells()?).network(network).epochs(2).run()?;
/// let study = study.foundation(model).run()?;
/// assert_eq!(study.foundation().latent(), 8);
/// # Ok::<(), scdd::Error>(())
/// ```
///
/// Test cells can't be passed in:
///
/// ```compile_fail,E0277
/// # fn leak(study: scdd::Study) -> scdd::Result<()> {
/// use scdd::Foundation;
/// let model = Foundation::pretrain(&study.test_cells()).run()?; // `Corpus: From<&TestCells>` is not satisfied
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct Pretraining {
    corpus: Corpus,
    config: PretrainingConfig,
    genes: Genes,
    device: Option<Device>,
    checkpoints: Option<PathBuf>,
    interrupt: Interrupt,
}

impl Pretraining {
    /// Pretraining with the default config.
    pub fn new(corpus: impl Into<Corpus>) -> Self {
        Self {
            corpus: corpus.into(),
            config: PretrainingConfig::default(),
            genes: Genes::All,
            device: None,
            checkpoints: None,
            interrupt: Interrupt::default(),
        }
    }

    /// Another config, seed included.
    pub fn config(mut self, config: PretrainingConfig) -> Self {
        self.config = config;
        self
    }

    /// Size and dropout of the network; three hidden layers of 512, latents of 128.
    pub fn network(mut self, network: NetworkConfig) -> Self {
        self.config.network = network;
        self
    }

    /// Passes over the training cells at most; 30.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.config.epochs = epochs;
        self
    }

    /// Stops when the validation error has not fallen for so many epochs; 5. None never stops early.
    pub fn patience(mut self, epochs: Option<usize>) -> Self {
        self.config.patience = epochs;
        self
    }

    /// Share of the triplet loss, 0.001, and its margin, 0.05.
    pub fn triplet(mut self, weight: f64, margin: f32) -> Self {
        self.config.triplet_weight = weight;
        self.config.margin = margin;
        self
    }

    /// Seed of weights, batches and dropout.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// The genes of the model, in this order. Otherwise it has all genes of all sets; the reconstruction of a gene that
    /// a cell's set did not measure is not part of the loss.
    pub fn genes(mut self, genes: &[String]) -> Self {
        self.genes = Genes::These(genes.to_vec());
        self
    }

    /// Only so many genes: those that vary most among the training cells, of the genes that every set measured.
    pub fn variable_genes(mut self, genes: usize) -> Self {
        self.genes = Genes::Variable(genes);
        self
    }

    /// Another device than [`default_device`](crate::default_device).
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// A folder that gets a checkpoint after each epoch. When it has one already, the pretraining goes on from there,
    /// with the same result as if it had never stopped.
    pub fn checkpoints(mut self, folder: impl AsRef<Path>) -> Self {
        self.checkpoints = Some(folder.as_ref().to_owned());
        self
    }

    /// Lets another thread stop it; what is best until then is kept.
    pub fn stop_on(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// What would run, and what it costs.
    ///
    /// # Errors
    /// When a setting is out of range, or the corpus has too few cells or other genes than the model is to have.
    pub fn plan(&self) -> crate::Result<String> {
        check(&self.config)?;
        let merged = Merged::new(&self.corpus, &self.genes, self.config.seed)?;
        let network = &self.config.network;
        let widths: Vec<usize> = [&[merged.genes.len()], network.hidden.as_slice(), &[network.latent]].concat();
        let weights: usize = widths.windows(2).map(|pair| 2 * pair[0] * pair[1]).sum();
        let steps = self.config.epochs * (merged.train.len() / self.config.batch).max(1);
        let labelled = merged.labels.iter().flatten().count();
        Ok(format!(
            "{}\n{} cells to train on, {} to choose on, {} with a label; {} genes\n{} weights ({:.0} MB), at most {} steps \
             of {} cells",
            self.corpus.summary(),
            grouped(merged.train.len()),
            grouped(merged.validation.len()),
            grouped(labelled),
            grouped(merged.genes.len()),
            grouped(weights),
            weights as f64 * 4e-6,
            grouped(steps),
            self.config.batch
        ))
    }

    /// Trains; gives the frozen model, which has its [`history`](Scimilarity::history) and [`card`](Scimilarity::card).
    ///
    /// # Errors
    /// When a setting is out of range; when the corpus has too few cells or other genes than the model is to have; when
    /// the checkpoints are of another pretraining or can't be written; when the loss does not stay finite.
    pub fn run(&self) -> crate::Result<Scimilarity> {
        check(&self.config)?;
        let device = or_default(self.device.as_ref())?;
        let merged = Merged::new(&self.corpus, &self.genes, self.config.seed)?;
        let checkpoints = match &self.checkpoints {
            Some(folder) => Some(checkpoint::open(folder, &self.config, &merged)?),
            None => None,
        };
        let training = Training::new(&merged, &self.config, &device, &self.interrupt);
        let (network, history) = training.run(checkpoints.as_ref())?;
        let interrupted = history.ended == Ended::Interrupted;
        let card = Card::new(&self.corpus, &merged, &self.config, history);
        if let (Some(checkpoints), false) = (&checkpoints, interrupted) {
            checkpoints.done().map_err(FoundationError::from)?;
        }
        let origin = Origin { card: Some(card), pretraining_cells: Some(merged.pretraining_cells()) };
        Ok(Scimilarity::freeze(&network, merged.genes.clone(), self.config.network.clone(), origin))
    }
}

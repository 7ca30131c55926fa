//! A frozen model of SCimilarity's form: expression -> latents of length one -> expression.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Tensor, activation::relu};
use ndarray::{Array2, Axis};
use rayon::prelude::*;
use scdd_compute::spmm;

use crate::cells::{Cells, Expression, LogNormalized};
use crate::foundation::error::check_genes;
use crate::foundation::network::{Autoencoder, FrozenStack, NetworkConfig, unit_length};
use crate::foundation::register::SharedGenes;
use crate::foundation::weights::{self, Origin, Weights};
use crate::foundation::{
    Card, DecodeEncode, EncoderLayer, Ended, FoundationError, FoundationModel, PretrainingCells, PretrainingHistory,
    Registered,
};
use crate::progress::{Progress, Stopped, stop_requested};
use crate::tensors;
use crate::text::grouped;

/// Cells that are embedded at a time.
const CHUNK: usize = 2048;

/// Cells that go through the later layers at a time: their activations stay in the second cache, and memory of this size
/// is used again instead of being asked of the system anew.
const DENSE_ROWS: usize = 256;

/// Chunks from which on embedding shows its progress: two seconds of a model of SCimilarity's size.
const SHOWN: usize = 10;

/// What tables call it; part of the checksum.
const NAME: &str = "SCimilarity";

/// SCimilarity's encoder and decoder, frozen. Cheap to clone. Made by
/// [`Foundation::pretrain`](crate::Foundation::pretrain), or read.
#[derive(Clone)]
pub struct Scimilarity {
    parts: Arc<Parts>,
}

struct Parts {
    weights: Weights,
    checksum: OnceLock<String>,
    decode_encode: OnceLock<Option<DecodeEncode>>,
}

impl std::fmt::Debug for Scimilarity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scimilarity({} genes, {:?})", self.weights().genes.len(), self.config())
    }
}

impl Scimilarity {
    /// Reads weights onto [`default_device`](crate::default_device): a model directory as SCimilarity publishes it, or a
    /// .safetensors file that [`write`](Self::write) made.
    ///
    /// A directory has encoder.ckpt, decoder.ckpt and gene_order.tsv (released: 28,231 genes, three hidden layers of 1,024,
    /// latents of 128). Any number of hidden layers from one on will do. Without decoder.ckpt the model embeds and can't
    /// decode. encoder.safetensors and decoder.safetensors with the same keys are read as well; layer_sizes.json and
    /// hyperparameters.json must agree where they are there, and so must files that SHA256SUMS lists. Nothing in a .ckpt is
    /// executed. float16, bfloat16 and float64 are converted to float32.
    ///
    /// # Errors
    /// When a file is missing, damaged, holds anything but weights, or does not fit the others; see
    /// [`WeightsError`](super::WeightsError).
    ///
    /// ```
    /// use scdd::foundation::Scimilarity;
    ///
    /// let problem = Scimilarity::read("no/such/folder").unwrap_err();
    /// assert!(problem.to_string().contains("Zenodo record 10685499"));
    /// ```
    pub fn read(path: impl AsRef<Path>) -> crate::Result<Self> {
        Self::read_on(path, &crate::default_device()?)
    }

    /// As [`read`](Self::read), onto a device.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_on(path: impl AsRef<Path>, device: &Device) -> crate::Result<Self> {
        Ok(Self::new(weights::read(path.as_ref(), device)?))
    }

    /// Writes one .safetensors file with SCimilarity's tensors under `encoder.` and `decoder.`, which PyTorch and
    /// SCimilarity's own classes load, and genes, config and [`card`](Self::card) in its metadata. The file appears whole or
    /// not at all. [`read`](Self::read) gives the same model, with the same [`checksum`](Self::checksum).
    ///
    /// # Errors
    /// When the name does not end in .safetensors, its folder is not there, or the disk is full.
    pub fn write(&self, path: impl AsRef<Path>) -> crate::Result<()> {
        Ok(weights::write(path.as_ref(), NAME, self.checksum(), self.weights())?)
    }

    /// A trained network, and where it comes from, as [`write`](Self::write) keeps it.
    pub(in crate::foundation) fn freeze(
        network: &Autoencoder,
        genes: Vec<String>,
        config: NetworkConfig,
        origin: Origin,
    ) -> Self {
        let (encoder, decoder) = (FrozenStack::freeze(&network.encoder), FrozenStack::freeze(&network.decoder));
        Self::new(Weights { genes, config, encoder, decoder: Some(decoder), origin })
    }

    fn new(weights: Weights) -> Self {
        Self { parts: Arc::new(Parts { weights, checksum: OnceLock::new(), decode_encode: OnceLock::new() }) }
    }

    fn weights(&self) -> &Weights {
        &self.parts.weights
    }

    /// What it was trained on and how; None when it was not trained here.
    pub fn card(&self) -> Option<&Card> {
        self.weights().origin.card.as_ref()
    }

    /// Losses of its pretraining; None when it was not trained here.
    pub fn history(&self) -> Option<&PretrainingHistory> {
        self.card().map(|card| &card.history)
    }

    /// What it is, what it was trained on and how that ended, in a few lines.
    pub fn summary(&self) -> String {
        let (parts, config) = (self.weights(), self.config());
        let hidden: Vec<String> = config.hidden.iter().map(usize::to_string).collect();
        let mut text = format!(
            "{}: {} genes -> {} -> latents of {}",
            self.name(),
            grouped(parts.genes.len()),
            hidden.join(" x "),
            config.latent
        );
        if let Some(card) = self.card() {
            let (history, epochs) = (&card.history, card.history.reconstruction.len());
            let ended = match history.ended {
                Ended::AllEpochs => "all epochs done",
                Ended::Early => "stopped early",
                Ended::Interrupted => "interrupted",
            };
            text += &format!(
                "\npretrained on {} cells in {epochs} epochs, {:.0} s ({ended}); kept: {}",
                grouped(card.training_cells),
                history.seconds,
                history.described()
            );
        }
        text
    }

    /// Shows the summary in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&self.summary());
    }

    /// Its size.
    pub fn config(&self) -> &NetworkConfig {
        &self.weights().config
    }

    /// SHA-256 over name, genes and weights in 64 hexadecimal digits, computed once when it is first asked for. The same for
    /// a model that was written and read again; another one for the model of fewer genes that fits cells.
    pub fn checksum(&self) -> &str {
        let Weights { genes, encoder, decoder, .. } = self.weights();
        self.parts.checksum.get_or_init(|| weights::checksum(NAME, genes, encoder, decoder.as_ref()))
    }
}

impl FoundationModel for Scimilarity {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn genes(&self) -> &[String] {
        &self.weights().genes
    }

    fn latent(&self) -> usize {
        self.config().latent
    }

    fn device(&self) -> Device {
        self.weights().encoder.device()
    }

    fn encode(&self, expression: Tensor<2>) -> Option<Tensor<2>> {
        Some(unit_length(self.weights().encoder.forward(expression)))
    }

    fn decode(&self, latents: Tensor<2>) -> Option<Tensor<2>> {
        let decoder = self.weights().decoder.as_ref()?;
        Some(relu(decoder.forward(latents)))
    }

    fn encoder_layers(&self) -> Option<Vec<EncoderLayer>> {
        Some(self.weights().encoder.layers())
    }

    fn decode_encode(&self) -> Option<DecodeEncode> {
        let Weights { encoder, decoder, .. } = self.weights();
        self.parts.decode_encode.get_or_init(|| DecodeEncode::new(encoder, decoder.as_ref()?)).clone()
    }

    fn embed(&self, expression: &Expression) -> Result<Array2<f32>, FoundationError> {
        let parts = self.weights();
        check_genes(expression, &parts.genes)?;
        let first_weights = parts.encoder.first_weights();
        let first_width = first_weights.columns();
        let mut latents = Array2::zeros((0, parts.config.latent));
        let cells = expression.cells();
        let chunks = cells.div_ceil(CHUNK);
        // A model whose training was just stopped is handed back with its embeddings.
        let listens = !stop_requested();
        let mut progress = (chunks >= SHOWN).then(|| Progress::new("embedding cells", chunks));
        for start in (0..cells).step_by(CHUNK) {
            if listens && stop_requested() {
                let done = start / CHUNK;
                return Err(Stopped { task: "embedding cells".to_owned(), done, steps: chunks }.into());
            }
            let products = spmm(expression.view().slice(start..(start + CHUNK).min(cells)), first_weights);
            let later_layers = |products: &[f32]| {
                let rows = |rows, width| tensors::from_rows(rows, width, &self.device());
                let latents = match parts.encoder.after_first_layer_in_tiles(products) {
                    Some(latents) => rows(latents, parts.config.latent),
                    None => parts.encoder.after_first_layer(rows(products.to_vec(), first_width)),
                };
                tensors::array(unit_length(latents))
            };
            let parts: Vec<_> = products.par_chunks(DENSE_ROWS * first_width).map(later_layers).collect();
            for part in parts {
                // Both have `latent` columns.
                let _ = latents.append(Axis(0), part.view());
            }
            if let Some(progress) = &mut progress {
                progress.step(|| format!("{} of {cells} cells", latents.nrows()));
            }
        }
        if let Some(progress) = progress {
            progress.finish(|| format!("{cells} cells"));
        }
        Ok(latents)
    }

    fn pretraining_cells(&self) -> Option<&PretrainingCells> {
        self.weights().origin.pretraining_cells.as_ref()
    }

    fn checksum(&self) -> Option<String> {
        Some(Scimilarity::checksum(self).to_owned())
    }

    fn for_cells(&self, cells: &Cells<LogNormalized>) -> crate::Result<Option<Registered>> {
        let (genes, parts) = (self.genes(), self.weights());
        let shared = SharedGenes::find(&self.name(), genes, cells.gene_names())?;
        if shared.are_all(genes.len(), cells.genes()) {
            return Ok(Some(Registered { cells: cells.clone(), foundation: self.clone().into() }));
        }
        let cells = cells.select_genes(&shared.of_cells)?;
        let model = Self::new(Weights {
            genes: cells.gene_names().to_vec(),
            config: parts.config.clone(),
            encoder: parts.encoder.with_inputs(&shared.of_model),
            decoder: parts.decoder.as_ref().map(|decoder| decoder.with_outputs(&shared.of_model)),
            origin: parts.origin.clone(),
        });
        Ok(Some(Registered { cells, foundation: model.into() }))
    }
}

#[cfg(test)]
#[path = "scimilarity_tests.rs"]
mod tests;

//! The training loop: epochs of batches, the best epoch by validation error, checkpoints, interruption.

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use scdd_compute::{spmm, spmm_plain};

use super::checkpoint::Checkpoints;
use super::merged::Merged;
use super::triplet::{semi_hard, triplet_loss};
use super::{Ended, PretrainingConfig, PretrainingHistory};
use crate::foundation::FoundationError;
use crate::foundation::network::FrozenStack;
use crate::foundation::network::epochs;
use crate::foundation::network::{Autoencoder, unit_length};
use crate::progress::{Interrupt, Progress};
use crate::{seed, tensors};

/// Cells that are reconstructed at a time for the validation error.
const CHUNK: usize = 512;

/// One pretraining: what stays the same over its epochs.
pub(super) struct Training<'a> {
    merged: &'a Merged,
    config: &'a PretrainingConfig,
    device: Device,
    interrupt: &'a Interrupt,
}

/// What changes: all that a checkpoint holds.
pub(super) struct State {
    pub(super) network: Autoencoder,
    pub(super) optimizer: ModuleOptimizer,
    /// The network after the epoch with the lowest validation error; None without validation cells. A record, because
    /// clones of a network share the running means of its batch normalisation.
    pub(super) best: Option<ModuleRecord>,
    /// Epochs that are done.
    pub(super) epochs: usize,
    pub(super) history: PretrainingHistory,
}

impl<'a> Training<'a> {
    pub(super) fn new(
        merged: &'a Merged,
        config: &'a PretrainingConfig,
        device: &Device,
        interrupt: &'a Interrupt,
    ) -> Self {
        Self { merged, config, device: device.clone().autodiff(), interrupt }
    }

    /// Trains to the end, or until it is early enough or interrupted; the network of the best epoch.
    pub(super) fn run(
        &self,
        checkpoints: Option<&Checkpoints>,
    ) -> Result<(Autoencoder, PretrainingHistory), FoundationError> {
        let mut state = self.fresh();
        if let Some(checkpoints) = checkpoints {
            state = state.resume(checkpoints)?;
        }
        let steps = (self.config.epochs - state.epochs.min(self.config.epochs)) * self.batches();
        let mut progress = Progress::new("pretraining the foundation model", steps);
        progress.check_stop()?;
        state.history.ended = Ended::AllEpochs;
        while state.epochs < self.config.epochs {
            if self.out_of_patience(&state.history) {
                state.history.ended = Ended::Early;
                break;
            }
            if !self.epoch(&mut state, &mut progress)? {
                state.history.ended = Ended::Interrupted;
                break;
            }
            if let Some(checkpoints) = checkpoints {
                state.write(checkpoints)?;
            }
        }
        let history = &mut state.history;
        history.seconds = progress.finish(|| history.described());
        let network = match state.best {
            Some(best) => state.network.try_load_record(best).map_err(|problem| FoundationError::Checkpoint {
                path: "best.bpk".into(),
                problem: format!("it does not fit the network ({problem}); delete the checkpoints to start anew"),
            })?,
            None => state.network,
        };
        Ok((network, state.history))
    }

    fn fresh(&self) -> State {
        let mut rng = seed::stream(self.config.seed, "foundation weights");
        State {
            network: Autoencoder::new(self.merged.genes.len(), &self.config.network, &mut rng, &self.device),
            optimizer: AdamWConfig::new().with_weight_decay(self.config.weight_decay).init(),
            best: None,
            epochs: 0,
            history: PretrainingHistory::default(),
        }
    }

    fn batch(&self) -> usize {
        self.config.batch.min(self.merged.train.len())
    }

    fn batches(&self) -> usize {
        self.merged.train.len() / self.batch()
    }

    fn out_of_patience(&self, history: &PretrainingHistory) -> bool {
        epochs::out_of_patience(self.config.patience, &history.validation, history.kept_epoch)
    }

    /// One pass over the training cells; false when it was interrupted. Its random numbers have a stream of their own, so
    /// that a resumed run draws what an uninterrupted one does.
    fn epoch(&self, state: &mut State, progress: &mut Progress) -> Result<bool, FoundationError> {
        let mut rng = seed::stream(self.config.seed, &format!("foundation epoch {}", state.epochs));
        let mut order = self.merged.train.clone();
        order.shuffle(&mut rng);
        let batches = self.batches();
        let steps = self.config.epochs * batches;
        let (mut reconstruction, mut triplet) = (0.0, 0.0);
        for (number, cells) in order.chunks_exact(self.batch()).enumerate() {
            if self.interrupt.requested() {
                return Ok(false);
            }
            let step = state.epochs * batches + number;
            let rate = epochs::annealed(self.config.learning_rate, step, steps);
            let losses = self.step(state, cells, rate, &mut rng);
            if !(losses.0.is_finite() && losses.1.is_finite()) {
                return Err(FoundationError::Diverged {
                    task: "the foundation model",
                    loss: losses.0 + losses.1,
                    step,
                    learning_rate: rate,
                });
            }
            reconstruction += losses.0;
            triplet += losses.1;
            progress.step_with_loss(losses.0, || format!("reconstruction error {:.3}", losses.0));
        }
        let history = &mut state.history;
        history.reconstruction.push(reconstruction / batches as f64);
        history.triplet.push(triplet / batches as f64);
        history.kept_epoch = state.epochs;
        if !self.merged.validation.is_empty() {
            let lowest = history.validation.iter().copied().fold(f64::INFINITY, f64::min);
            let before = history.validation.iter().position(|&error| error == lowest);
            let error = self.validation_error(&state.network.valid());
            history.validation.push(error);
            match before {
                Some(before) if error >= lowest => history.kept_epoch = before,
                _ => state.best = Some(state.network.clone().into_record()),
            }
        }
        state.epochs += 1;
        Ok(true)
    }

    /// One step on a batch: reconstruction error and triplet loss.
    fn step(&self, state: &mut State, cells: &[usize], rate: f64, rng: &mut ChaCha8Rng) -> (f64, f64) {
        let (config, merged, device) = (self.config, self.merged, &self.device);
        let keep = 1.0 - config.network.input_dropout as f32;
        let drop = |value: f32| if rng.random::<f32>() < keep { value / keep } else { 0.0 };
        let input = merged.expression.csr().select_rows_with(cells, drop);
        // The first layer's product is outside the graph: it is a leaf, and the weights' gradient is X^T dL/d(product).
        let first = &state.network.encoder.blocks[0].linear.weight;
        let [_, width] = first.val().dims();
        let product = spmm_plain(input.view(), &tensors::to_vec(first.val()), width);
        let product = tensors::from_rows(product, width, device).require_grad();
        let (latents, decoded) = state.network.forward(product.clone(), config.network.hidden_dropout, rng);
        let target = tensors::from_rows(merged.expression.dense_rows(cells), merged.genes.len(), device);
        let reconstruction = match merged.measured(cells, device) {
            Some(measured) => {
                let count = measured.clone().sum();
                ((decoded - target).powi_scalar(2) * measured).sum() / count
            }
            None => (decoded - target).powi_scalar(2).mean(),
        };
        let labels: Vec<_> = cells.iter().map(|&cell| merged.labels[cell]).collect();
        let studies: Vec<_> = cells.iter().map(|&cell| merged.studies[cell]).collect();
        let triplets = semi_hard(latents.clone(), &labels, &studies, config.margin, rng);
        let triplet = triplet_loss(latents, &triplets, config.margin);
        let losses = (tensors::scalar(reconstruction.clone()), tensors::scalar(triplet.clone()));
        let loss = reconstruction * (1.0 - config.triplet_weight) + triplet * config.triplet_weight;

        let gradients = loss.backward();
        let by_product = product.grad(&gradients).map(tensors::to_vec).unwrap_or_default();
        let first_gradient = spmm_plain(input.view().transpose().view(), &by_product, width);
        let first = first.id;
        let mut gradients = GradientsParams::from_grads(gradients, &state.network);
        gradients.register(first, tensors::from_rows(first_gradient, width, &device.clone().inner()));
        state.network = state.optimizer.step(rate, state.network.clone(), gradients);
        losses
    }

    /// Mean squared error of reconstruction on the validation cells, over the genes that their sets measured.
    fn validation_error(&self, network: &Autoencoder) -> f64 {
        let encoder = FrozenStack::freeze(&network.encoder);
        let decoder = FrozenStack::freeze(&network.decoder);
        let (weights, width) = (encoder.first_weights(), encoder.first_weights().columns());
        let (expression, device) = (&self.merged.expression, encoder.device());
        let (mut sum, mut values) = (0.0, 0.0);
        for cells in self.merged.validation.chunks(CHUNK) {
            let product = spmm(expression.csr().select_rows(cells).view(), weights);
            let latents = unit_length(encoder.after_first_layer(tensors::from_rows(product, width, &device)));
            let decoded = burn::tensor::activation::relu(decoder.forward(latents));
            let target = tensors::from_rows(expression.dense_rows(cells), expression.genes(), &device);
            let squared: Tensor<2> = (decoded - target).powi_scalar(2);
            match self.merged.measured(cells, &device) {
                Some(measured) => {
                    values += tensors::scalar(measured.clone().sum());
                    sum += tensors::scalar((squared * measured).sum());
                }
                None => {
                    values += (cells.len() * expression.genes()) as f64;
                    sum += tensors::scalar(squared.sum());
                }
            }
        }
        sum / f64::max(values, 1.0)
    }
}

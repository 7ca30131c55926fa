//! TOSICA (Chen et al. 2023, "Transformer for one stop interpretable cell type annotation"): genes are gathered into one token
//! for each gene set by a masked linear layer, and a small transformer reads the tokens. Its attention to a set shows
//! how much the set matters to a decision.
//!
//! After the description of the authors' code (MIT): tokens of 48 numbers, a class token, two blocks of four heads, a
//! perceptron of four times the width, GELU, dropout and stochastic depth of one half, SGD at 1e-3 with momentum 0.9, weight
//! decay 5e-5, half a cosine down to a hundredth. Theirs trains on 70% of the cells in batches of 8 and drops the last; a
//! set of one cell per class would not survive that, so here nothing is split off and nothing dropped.

mod embedding;
mod gene_sets;
mod network;
mod optimizer;
mod trained;

use burn::module::Module;
use burn::optim::GradientsParams;

use scdd_learn::check_training_set;
use scdd_learn::metrics::{accuracy, argmax};

use super::training::{Batches, Duration, cosine, cross_entropy, demand, demand_decay, demand_rate};
use super::{EvaluationModel, ModelInput, TrainedModel};
use crate::evaluate::{EvaluateError, Protocol};
use crate::optimizer::Optimizer;
use crate::{seed, tensors};
use embedding::Embedding;
use gene_sets::Mask;
use network::{Dropped, Network, Sizes, tokens};
use optimizer::HostOptimizer;
use trained::Trained;

pub use gene_sets::GeneSets;
pub(super) use trained::{KIND, load};

/// Last learning rate as a fraction of the first (TOSICA's `lrf`).
const LAST: f64 = 0.01;

/// A transformer on tokens of gene sets. Decision values are class probabilities.
///
/// [`Tosica::default`] is sized for the evaluation of many sets on a CPU; [`Tosica::paper`] has the original's sizes and rates.
/// Networks and seed are the protocol's, its epochs and rates are not used.
///
/// ```
/// use scdd::evaluate::{EvaluationModel, GeneSets, ModelInput, Protocol, Tosica};
/// # use scdd::cells::Expression;
/// # let cells = ModelInput::new(Expression::from_dense(4, &[3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0])?);
/// let model = Tosica { gene_sets: GeneSets::Random { sets: 6, density: 0.5 }, least_steps: 60, ..Tosica::default() };
/// let trained = model.train(&cells, &[0, 1], 2, &Protocol { networks: 1, ..Protocol::default() })?;
/// assert_eq!(trained[0].predict(&cells)?, [0, 1]);
/// // what it attended to: one number for each cell and set
/// assert_eq!(trained[0].attention(&cells)?.unwrap().values.dim(), (2, 6));
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tosica {
    /// What a token gathers: 48 random sets of a tenth of the genes (ours). TOSICA without a file has 300 of 0.015, whose
    /// attention costs 40 times as much; with a file it has the file's.
    pub gene_sets: GeneSets,
    /// Numbers of a token: 48 (TOSICA).
    pub width: usize,
    /// Blocks: 2 (TOSICA).
    pub depth: usize,
    /// Heads, which must divide the width: 4 (TOSICA).
    pub heads: usize,
    /// Hidden units of a block's perceptron for each number of a token: 4 (TOSICA).
    pub ratio: usize,
    /// Fraction of units dropped in training: 0.1 (ours; TOSICA 0.5, with which a hundred steps on a few cells learn nothing).
    pub dropout: f64,
    /// Fraction of paths dropped in the last block, growing from 0 in the first: 0.1 (ours; TOSICA 0.5).
    pub drop_path: f64,
    /// What moves the weights: Adam (ours). By TOSICA's SGD with momentum 0.9 its small weights hardly move in a few hundred
    /// steps.
    pub optimizer: Optimizer,
    /// Its rate at the start, which falls to a hundredth along half a cosine: 0.003 (ours; TOSICA 0.001 for SGD).
    pub learning_rate: f64,
    /// Weight decay: 5e-5 (TOSICA); decoupled from the gradient with Adam.
    pub weight_decay: f64,
    /// Cells a step: 32 (ours; TOSICA 8).
    pub batch: usize,
    /// Passes over the cells: 20 (ours; TOSICA 10).
    pub epochs: usize,
    /// Steps at least, however few the cells: 200 (ours).
    pub least_steps: usize,
    /// Steps at most, however many the cells: 600 (ours).
    pub most_steps: usize,
}

impl Default for Tosica {
    fn default() -> Self {
        Self {
            gene_sets: GeneSets::Random { sets: 48, density: 0.1 },
            width: 48,
            depth: 2,
            heads: 4,
            ratio: 4,
            dropout: 0.1,
            drop_path: 0.1,
            optimizer: Optimizer::Adam,
            learning_rate: 3e-3,
            weight_decay: 5e-5,
            batch: 32,
            epochs: 20,
            least_steps: 200,
            most_steps: 600,
        }
    }
}

impl Tosica {
    /// Sized for the evaluation of many sets on a CPU.
    pub fn new() -> Self {
        Self::default()
    }

    /// The original's sizes, rates and epochs, with 300 random sets of 0.015 of the genes.
    pub fn paper() -> Self {
        Self {
            gene_sets: GeneSets::Random { sets: 300, density: 0.015 },
            dropout: 0.5,
            drop_path: 0.5,
            optimizer: Optimizer::Sgd { momentum: 0.9 },
            learning_rate: 1e-3,
            batch: 8,
            epochs: 10,
            least_steps: 1,
            most_steps: usize::MAX,
            ..Self::default()
        }
    }

    /// The same with these gene sets.
    #[must_use]
    pub fn with_gene_sets(self, gene_sets: GeneSets) -> Self {
        Self { gene_sets, ..self }
    }

    fn duration(&self) -> Duration {
        let Self { batch, epochs, least_steps, most_steps, .. } = *self;
        Duration { batch, epochs, least_steps, most_steps }
    }

    fn check(&self) -> Result<(), EvaluateError> {
        self.duration().check()?;
        for (name, count) in [("width", self.width), ("depth", self.depth), ("ratio", self.ratio)] {
            demand(count > 0, name, count as f64, "1 or more")?;
        }
        let divides = self.heads > 0 && self.width.is_multiple_of(self.heads);
        demand(divides, "heads", self.heads as f64, "a divisor of the width")?;
        demand((0.0..1.0).contains(&self.dropout), "dropout", self.dropout, "0 or more, below 1")?;
        demand((0.0..1.0).contains(&self.drop_path), "drop_path", self.drop_path, "0 or more, below 1")?;
        if let Optimizer::Sgd { momentum } = self.optimizer {
            demand((0.0..1.0).contains(&momentum), "momentum", momentum, "0 or more, below 1")?;
        }
        demand_rate(self.learning_rate)?;
        demand_decay(self.weight_decay)
    }

    fn train_one(&self, cells: &ModelInput, labels: &[u32], classes: usize, seed: u64) -> crate::Result<Trained> {
        let expression = cells.expression()?;
        let mask = Mask::new(&self.gene_sets, expression.genes(), cells.gene_names(), seed)?;
        let device = crate::default_device()?;
        let graph = device.clone().autodiff();
        let mut random = seed::stream(seed, "TOSICA: weights, batches and dropout");
        let sizes = Sizes { width: self.width, depth: self.depth, heads: self.heads, ratio: self.ratio, classes };
        let mut embedding = Embedding::new(mask, self.width, &mut random);
        let mut network = Network::new(sizes, &mut random, &graph);
        let mut optimizer = self.optimizer.init_with_decay(self.weight_decay);
        let mut host = HostOptimizer::new(self.optimizer, self.weight_decay, embedding.weights.len());
        let dropped = Dropped { units: self.dropout, paths: self.drop_path };
        let (mut batches, steps) = (Batches::new(labels.len(), self.batch), self.duration().steps(labels.len()));
        for step in 0..steps {
            let batch = batches.next(&mut random).to_vec();
            let of_batch: Vec<u32> = batch.iter().map(|&cell| labels[cell]).collect();
            // The masked layer is outside the graph: its tokens are a leaf, and its gradient comes from theirs.
            let leaf = tokens(embedding.forward(expression, &batch), batch.len(), self.width, &graph).require_grad();
            let logits = network.forward(leaf.clone(), Some((&mut random, dropped)), None);
            let gradients = cross_entropy(logits, &of_batch, 0.0).backward();
            let of_tokens = leaf.grad(&gradients).map(tensors::to_vec).unwrap_or_default();
            let rate = self.learning_rate * cosine(step, steps, LAST);
            let gradients = GradientsParams::from_grads(gradients, &network);
            network = optimizer.step(rate, network, gradients);
            let gradient = embedding.backward(expression, &batch, &of_tokens);
            host.step(&mut embedding.weights, &gradient, rate);
        }
        let mut trained = Trained { embedding, network: network.valid(), sizes, device, training_accuracy: None };
        let found = trained.run(expression, None)?;
        if found.iter().any(|value| !value.is_finite()) {
            let learning_rate = self.learning_rate;
            return Err(EvaluateError::NetworkDiverged { model: "TOSICA", learning_rate }.into());
        }
        trained.training_accuracy = Some(accuracy(&argmax(&found), labels));
        Ok(trained)
    }
}

impl EvaluationModel for Tosica {
    fn name(&self) -> String {
        "TOSICA".into()
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        self.check()?;
        protocol.check()?;
        let expression = cells.expression()?;
        check_training_set(expression.cells(), expression.genes(), labels, classes)?;
        let train = |network| -> crate::Result<Box<dyn TrainedModel>> {
            let seed = seed::number(protocol.seed, &format!("TOSICA {network}"));
            Ok(Box::new(self.train_one(cells, labels, classes, seed)?))
        };
        (0..protocol.networks).map(train).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let message = |model: Tosica| model.check().unwrap_err().to_string();
        assert!(message(Tosica { heads: 5, ..Tosica::default() }).starts_with("heads is 5; expected a divisor"));
        assert!(message(Tosica { dropout: 1.0, ..Tosica::default() }).starts_with("dropout is 1"));
        assert!(message(Tosica { batch: 0, ..Tosica::default() }).starts_with("batch is 0"));
        assert!(message(Tosica { learning_rate: -1.0, ..Tosica::default() }).starts_with("learning_rate is -1"));
        assert!(Tosica::paper().check().is_ok());
    }
}

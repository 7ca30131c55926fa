//! The state of an optimisation: codes, optimiser, history and early stopping, which is all that a checkpoint holds.

use burn::module::{Module, Param};
use burn::optim::ModuleOptimizer;
use burn::tensor::Tensor;

use crate::distill::history::DistillHistory;
use crate::distill::selection::early_stopping::EarlyStopper;

/// Codes as a module, which Burn's optimisers update: those of all classes, or of one class each.
#[derive(Module, Debug)]
pub(in crate::distill) struct CodeGroups {
    pub(super) codes: Vec<Param<Tensor<2>>>,
}

impl CodeGroups {
    pub(super) fn new(groups: impl IntoIterator<Item = Tensor<2>>) -> Self {
        Self { codes: groups.into_iter().map(Param::from_tensor).collect() }
    }

    /// All codes `[rows, width]`, without a graph.
    pub(super) fn all(&self) -> Tensor<2> {
        match &self.codes[..] {
            [one] => one.val().inner(),
            many => Tensor::cat(many.iter().map(|group| group.val().inner()).collect(), 0),
        }
    }
}

pub(super) struct State {
    pub(super) groups: CodeGroups,
    pub(super) optimizer: ModuleOptimizer,
    pub(super) history: DistillHistory,
    pub(super) stopper: EarlyStopper,
}

impl State {
    /// Steps that are done.
    pub(super) fn steps(&self) -> usize {
        self.history.loss.len()
    }
}

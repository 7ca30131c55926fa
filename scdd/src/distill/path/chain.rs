//! A chain of SCDG's denoising steps in the place of one: LD3M (Moser et al., arXiv 2403.03881) on cells, to compare the
//! paper's single step with.

use serde::{Deserialize, Serialize};

use super::scdg::{Calls, ScdgPath};
use crate::distill::{DistillBuilder, Distilled, MatchingObjective};
use crate::scdg::Scdg;

/// The chain of [`scdg.distill_chain`](Scdg::distill_chain).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Network calls from the noise step to none, evenly apart; 10 (our choice; LD3M measures 10 to 50 on images).
    pub steps: usize,
    /// Whether the code is mixed into every predicted latent, with a weight that falls linearly to none; true (LD3M).
    pub skips: bool,
}

impl Default for Chain {
    fn default() -> Self {
        Self { steps: 10, skips: true }
    }
}

impl Calls for Chain {
    fn chain(self) -> Option<Chain> {
        Some(self)
    }
}

impl Scdg {
    /// Opens a distillation whose codes go through a chain of denoising steps with LD3M's skips: "LD3M, DC". The gradient
    /// goes back through all of them, so a step costs as many network calls.
    ///
    /// ```
    /// use scdd::prelude::*;
    /// use scdd::distill::Chain;
    /// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
    /// let study = cells.study("cell_type").foundation_epochs(2).run()?;
    /// let scdg = study.train_scdg().steps(20).run()?;
    /// let builder = scdg.distill_chain(DistributionMatching::default()).chain(Chain { steps: 4, skips: true });
    /// assert_eq!(builder.steps(2).run()?.method(), "LD3M, DM");
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn distill_chain(&self, objective: impl MatchingObjective) -> DistillBuilder<Distilled, ScdgPath<Chain>> {
        DistillBuilder::new(self.study(), ScdgPath::new(self, Chain::default()), objective)
    }
}

impl DistillBuilder<Distilled, ScdgPath<Chain>> {
    /// The chain of denoising steps; 10 with skips.
    pub fn chain(mut self, chain: Chain) -> Self {
        self.path.calls = chain;
        self
    }
}

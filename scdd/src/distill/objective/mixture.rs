//! A mixture: the weighted sum of several objectives.

use std::sync::Arc;

use burn::tensor::Tensor;

use super::matching::{Matching, MatchingObjective};
use crate::distill::DistillError;
use crate::error::SettingError;
use crate::study::Study;

/// A weighted sum of objectives, your own among them.
///
/// ```
/// use scdd::prelude::*;
/// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
/// let study = cells.study("cell_type").foundation_epochs(2).run()?;
/// let both = Mixture::new().with(10.0, DistributionMatching::default()).with(0.5, GradientMatching::default());
/// assert_eq!(study.distill_decoder(both).steps(2).run()?.method(), "scDD+Decoder, 10 DM + 0.5 DC");
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "add objectives with .with(weight, objective), and pass it to a distillation"]
pub struct Mixture {
    parts: Vec<(f64, Arc<dyn MatchingObjective>)>,
}

impl std::fmt::Debug for Mixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mixture({})", self.name())
    }
}

impl Mixture {
    /// An empty mixture; add at least one objective with [`with`](Self::with).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an objective's loss, times a weight above 0.
    pub fn with(mut self, weight: f64, objective: impl MatchingObjective) -> Self {
        self.parts.push((weight, Arc::new(objective)));
        self
    }

    fn joined(&self, name: impl Fn(&dyn MatchingObjective) -> String) -> String {
        let parts = self.parts.iter().map(|(weight, objective)| {
            let name = name(&**objective);
            if *weight == 1.0 { name } else { format!("{weight} {name}") }
        });
        parts.collect::<Vec<_>>().join(" + ")
    }

    /// The lowest learning rate of its parts.
    fn lowest(&self, rate: impl Fn(&dyn MatchingObjective) -> f64, none: f64) -> f64 {
        self.parts.iter().map(|(_, objective)| rate(&**objective)).reduce(f64::min).unwrap_or(none)
    }
}

impl MatchingObjective for Mixture {
    fn name(&self) -> String {
        self.joined(|objective| objective.name())
    }

    fn short_name(&self) -> String {
        self.joined(|objective| objective.short_name())
    }

    fn compares_expression(&self) -> bool {
        self.parts.iter().any(|(_, objective)| objective.compares_expression())
    }

    /// The lowest of its parts'.
    fn learning_rate(&self) -> f64 {
        self.lowest(|objective| objective.learning_rate(), 0.05)
    }

    /// The lowest of its parts'.
    fn sgd_learning_rate(&self) -> f64 {
        self.lowest(|objective| objective.sgd_learning_rate(), 1.0)
    }

    fn check(&self, study: &Study) -> crate::Result<()> {
        let fail = |found: String, expected: &str| {
            Err(DistillError::Setting(SettingError::new("mixture", found, expected)).into())
        };
        if self.parts.is_empty() {
            return fail("empty".to_owned(), "at least 1 objective: Mixture::new().with(1.0, objective)");
        }
        if let Some((weight, objective)) = self.parts.iter().find(|(weight, _)| !(weight.is_finite() && *weight > 0.0))
        {
            return fail(format!("{weight} of {}", objective.name()), "weights above 0");
        }
        self.parts.iter().try_for_each(|(_, objective)| objective.check(study))
    }

    fn loss(&self, matching: &Matching) -> Tensor<1> {
        let zero = Tensor::zeros([1], &matching.device());
        self.parts.iter().fold(zero, |sum, (weight, objective)| sum + objective.loss(matching) * *weight)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Case;
    use super::*;
    use crate::{DistributionMatching, GradientMatching};

    #[test]
    fn its_loss_and_gradient_are_the_weighted_sums_of_its_parts() {
        let case = Case::new(2);
        let parts: [&dyn MatchingObjective; 2] = [&DistributionMatching::default(), &GradientMatching::default()];
        let mixture = Mixture::new().with(3.0, DistributionMatching::default()).with(0.5, GradientMatching::default());
        let [first, second] = parts.map(|part| case.value(part));
        assert!((case.value(&mixture) - (3.0 * first + 0.5 * second)).abs() < 1e-4);
        let [first, second] = parts.map(|part| case.gradient(part));
        let found = case.gradient(&mixture);
        assert!(!found.is_empty() && found.len() == first.len() && found.len() == second.len());
        for ((found, first), second) in found.iter().zip(first).zip(second) {
            assert!((found - (3.0 * first + 0.5 * second)).abs() < 1e-4);
        }
    }

    #[test]
    fn its_name_says_what_is_in_it_and_its_rate_is_the_lowest() {
        let mixture = Mixture::new().with(1.0, DistributionMatching::default()).with(0.5, GradientMatching::default());
        assert_eq!(mixture.short_name(), "DM + 0.5 DC");
        assert_eq!(mixture.name(), "distribution matching + 0.5 gradient matching");
        assert_eq!(mixture.sgd_learning_rate(), 1.0);
        assert_eq!(format!("{mixture:?}"), "Mixture(distribution matching + 0.5 gradient matching)");
    }
}

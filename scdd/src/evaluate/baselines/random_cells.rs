//! Random real cells, the least that a distilled set must beat (the "random" rows of Yu et al. 2025, tables II and III).

use rand::seq::SliceRandom;

use super::{Baseline, Candidates, Selected};
use crate::Result;

/// Draws `per_class` training cells of each class without replacement.
///
/// A class with fewer cells gives all that it has, each once (ours): a duplicate would spend budget on nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomCells;

impl Baseline for RandomCells {
    fn name(&self) -> String {
        "random cells".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Option<Vec<usize>>> {
        let mut chosen = Vec::new();
        for (class, mut members) in cells.of_classes(per_class)?.into_iter().enumerate() {
            // A stream per class: what one class draws does not depend on the others.
            let mut random = crate::seed::stream(seed, &format!("random cells of class {class}"));
            chosen.extend_from_slice(members.partial_shuffle(&mut random, per_class).0);
        }
        Ok(Some(chosen))
    }
}

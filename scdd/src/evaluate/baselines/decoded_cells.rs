//! Random real cells, encoded and decoded by the foundation model, without any distillation (ours).

use ndarray::Axis;

use super::{Baseline, Candidates, RandomCells, Selected};
use crate::Result;

/// The foundation model's decoder applied to the latents of [`RandomCells`], the same cells as those of one seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct DecodedCells;

impl Baseline for DecodedCells {
    fn name(&self) -> String {
        "random cells, decoded".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        let chosen = RandomCells.choose(cells, per_class, seed)?.unwrap_or_default();
        let decoded = cells.decode(&cells.latents()?.select(Axis(0), &chosen), &self.name())?;
        Ok((decoded, chosen.iter().map(|&cell| cells.labels()[cell]).collect()))
    }
}

//! Decoded class means of latents: they show what the decoder costs a class mean (ours).

use super::{Baseline, Candidates, Selected, candidates::stack};
use crate::Result;

/// The foundation model's decoder applied to the mean of the latents of a class's training cells. One row per class, as
/// [`ClassMean`](super::ClassMean). The mean is not normalised to L2 norm 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassMeanLatent;

impl Baseline for ClassMeanLatent {
    fn name(&self) -> String {
        "class mean of latents, decoded".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> Result<Selected> {
        let members = cells.of_classes(per_class)?;
        let present: Vec<u32> = (0..).zip(&members).filter(|(_, of)| !of.is_empty()).map(|(class, _)| class).collect();
        let means = present.iter().map(|&class| cells.mean_latent(&members[class as usize]));
        let means: Vec<_> = means.collect::<std::result::Result<_, _>>()?;
        let means = stack(&means, cells.latents()?.ncols());
        Ok((cells.decode(&means, &self.name())?, present))
    }
}

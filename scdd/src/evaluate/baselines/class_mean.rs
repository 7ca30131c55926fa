//! Class means (pseudobulks) of expression: the baseline that is hardest to beat at one cell per class (ours).

use super::{Baseline, Candidates, Selected, candidates::stack};
use crate::Result;

/// The mean of log-normalised expression over all training cells of a class.
///
/// One row per class, also when `per_class` is more: a class has one mean, and repeating it adds nothing. The rest
/// of the budget is left unspent, so compare it by its number of cells.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassMean;

impl Baseline for ClassMean {
    fn name(&self) -> String {
        "class mean".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> Result<Selected> {
        let members = cells.of_classes(per_class)?;
        let present: Vec<u32> = (0..).zip(&members).filter(|(_, of)| !of.is_empty()).map(|(class, _)| class).collect();
        let means: Vec<_> = present.iter().map(|&class| cells.mean(&members[class as usize])).collect();
        Ok((stack(&means, cells.expression().genes()), present))
    }
}

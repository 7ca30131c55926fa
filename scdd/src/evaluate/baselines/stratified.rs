//! Stratified subsample: random real cells in the classes' proportions of the training cells.

use rand::seq::SliceRandom;

use super::{Baseline, Candidates, Selected};
use crate::Result;

/// As many training cells in all as `per_class` for each class, drawn without replacement; each class has its proportion of the
/// training cells (largest remainders), and one cell at least. [`RandomCells`](super::RandomCells) gives each class the same
/// number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stratified;

impl Baseline for Stratified {
    fn name(&self) -> String {
        "stratified cells".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Option<Vec<usize>>> {
        let mut members = cells.of_classes(per_class)?;
        let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
        let mut chosen = Vec::new();
        for (class, (members, quota)) in members.iter_mut().zip(quotas(&sizes, per_class)).enumerate() {
            let mut random = crate::seed::stream(seed, &format!("stratified cells of class {class}"));
            chosen.extend_from_slice(members.partial_shuffle(&mut random, quota).0);
        }
        Ok(Some(chosen))
    }
}

/// Cells of each class of a budget of `per_class` times the classes that have cells.
fn quotas(sizes: &[usize], per_class: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let budget = (sizes.iter().filter(|size| **size > 0).count() * per_class).min(total);
    if total == 0 {
        return vec![0; sizes.len()];
    }
    let mut quotas: Vec<usize> = sizes.iter().map(|size| size * budget / total).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&class| (std::cmp::Reverse(sizes[class] * budget % total), class));
    let missing = budget - quotas.iter().sum::<usize>();
    order.into_iter().take(missing).for_each(|class| quotas[class] += 1);
    // One for each, so that none is lost: from those that have most.
    for class in 0..sizes.len() {
        if quotas[class] == 0 && sizes[class] > 0 {
            let most = (0..sizes.len()).rev().max_by_key(|&class| quotas[class]).unwrap_or(class);
            quotas[most] -= 1;
            quotas[class] = 1;
        }
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_their_shares_none_is_lost_and_the_budget_is_kept() {
        assert_eq!(quotas(&[600, 300, 100], 10), [18, 9, 3]);
        assert_eq!(quotas(&[997, 2, 0, 1], 5), [13, 1, 0, 1]);
        assert_eq!(quotas(&[0, 0], 5), [0, 0]);
        assert_eq!(quotas(&[5, 5, 5], 1), [1, 1, 1]);
        assert_eq!(quotas(&[4, 1], 50), [4, 1]);
        for per_class in 1..12 {
            let found = quotas(&[40, 13, 7, 2], per_class);
            assert_eq!(found.iter().sum::<usize>(), (4 * per_class).min(62));
            assert!(found.iter().zip([40, 13, 7, 2]).all(|(quota, size)| *quota >= 1 && *quota <= size));
        }
    }
}

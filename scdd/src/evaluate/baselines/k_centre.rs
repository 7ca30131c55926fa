//! k-centre greedy among latents (Sener and Savarese 2018; Gonzalez 1985): no cell of a class is far from a cell taken.

use ndarray::{Array2, ArrayView1};
use rand::seq::SliceRandom;

use super::{Baseline, Candidates, Selected};
use crate::Result;
use scdd_learn::kmeans::squared_distance;

/// Real cells: the one nearest to the mean latent of its class, and then again and again the one farthest from those
/// taken (Euclidean distance of latents). Equals are decided by the seed. The largest distance of a cell to those taken
/// is at most twice the least that is possible with so many (Gonzalez 1985).
#[derive(Clone, Copy, Debug, Default)]
pub struct KCentre;

impl Baseline for KCentre {
    fn name(&self) -> String {
        "k-centre greedy".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Option<Vec<usize>>> {
        let latents = cells.latents()?;
        let mut chosen = Vec::new();
        for (class, mut members) in cells.of_classes(per_class)?.into_iter().enumerate() {
            let mean = ndarray::Array1::from(cells.mean_latent(&members)?);
            // The first of equals is taken, so their order decides.
            members.shuffle(&mut crate::seed::stream(seed, &format!("k-centre of class {class}")));
            chosen.extend(farthest_first(latents, &members, mean.view(), per_class));
        }
        Ok(Some(chosen))
    }
}

fn farthest_first(latents: &Array2<f32>, members: &[usize], mean: ArrayView1<f32>, wanted: usize) -> Vec<usize> {
    let far = |cell: usize, from: ArrayView1<f32>| squared_distance(latents.row(cell), from);
    // Distances to the nearest cell taken; below any once it is taken itself.
    let mut gaps = vec![f64::INFINITY; members.len()];
    let mut next = (0..members.len()).min_by(|&a, &b| far(members[a], mean).total_cmp(&far(members[b], mean)));
    let mut chosen = Vec::new();
    while let Some(position) = next.filter(|_| chosen.len() < wanted.min(members.len())) {
        let cell = members[position];
        chosen.push(cell);
        gaps[position] = f64::NEG_INFINITY;
        for (gap, &member) in gaps.iter_mut().zip(members) {
            *gap = gap.min(far(member, latents.row(cell)));
        }
        let first_of_largest = |best: Option<usize>, position: usize| match best {
            Some(best) if gaps[best] >= gaps[position] => Some(best),
            _ => Some(position),
        };
        next = (0..members.len()).fold(None, first_of_largest);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_first_is_nearest_to_the_mean_and_each_next_one_is_farthest_from_those_taken() {
        // The mean is 4.4: first 5, then 0 (5 away; 9 is 4 away), then 9 (4), then 2 (2 from 0; 6 is 1 from 5).
        let latents = array![[0.0], [2.0], [5.0], [6.0], [9.0]];
        let found = farthest_first(&latents, &[0, 1, 2, 3, 4], array![4.4].view(), 4);
        assert_eq!(found, [2, 0, 4, 1]);
        assert_eq!(farthest_first(&latents, &[3, 1], array![4.0].view(), 9), [3, 1]);
        assert!(farthest_first(&latents, &[], array![4.0].view(), 2).is_empty());
    }

    #[test]
    fn equal_cells_are_taken_once_each() {
        let latents = Array2::ones((4, 3));
        let mut found = farthest_first(&latents, &[2, 0, 3, 1], array![1.0, 1.0, 1.0].view(), 4);
        found.sort_unstable();
        assert_eq!(found, [0, 1, 2, 3]);
    }
}

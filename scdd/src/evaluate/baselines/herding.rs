//! Herding (Welling 2009) among latents, as iCaRL keeps exemplars (Rebuffi et al. 2017): real cells whose mean is the class's.

use ndarray::{Array1, Array2};

use super::{Baseline, Candidates, Selected};
use crate::Result;
use scdd_learn::kmeans::squared_distance;

/// Real cells, taken one after the other, each the one that brings the mean latent of those taken nearest to the mean
/// latent of the class. Of equals the first; nothing is random. The cells of a budget are the first of those of a larger one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Herding;

impl Baseline for Herding {
    fn name(&self) -> String {
        "herding".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, _seed: u64) -> Result<Option<Vec<usize>>> {
        let latents = cells.latents()?;
        let mut chosen = Vec::new();
        for members in cells.of_classes(per_class)? {
            let mean = cells.mean_latent(&members)?;
            chosen.extend(herd(latents, members, &mean, per_class));
        }
        Ok(Some(chosen))
    }
}

/// `|mean - (sum + x) / k|` is least where x is nearest to `k mean - sum`, with `sum` that of the k - 1 cells taken before.
fn herd(latents: &Array2<f32>, mut left: Vec<usize>, mean: &[f32], wanted: usize) -> Vec<usize> {
    let (mut sum, mut chosen) = (vec![0.0f64; mean.len()], Vec::new());
    while chosen.len() < wanted {
        let k = chosen.len() as f64 + 1.0;
        let target: Array1<f32> =
            mean.iter().zip(&sum).map(|(&mean, sum)| (k * f64::from(mean) - sum) as f32).collect();
        let far = |&cell: &usize| squared_distance(latents.row(cell), target.view());
        let nearest = left.iter().map(far).enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        let Some((position, _)) = nearest else { break };
        let cell = left.remove(position);
        sum.iter_mut().zip(latents.row(cell)).for_each(|(sum, &value)| *sum += f64::from(value));
        chosen.push(cell);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_cell_brings_the_mean_nearest_to_that_of_the_class() {
        // The mean is 4. First 3 (1 away; 6 is 2 away), then 6 (4.5; 0 gives 1.5, 7 gives 5), then 0 (3; 7 gives 5.33),
        // then 7, which gives 4 exactly.
        let latents = array![[0.0], [3.0], [6.0], [7.0]];
        assert_eq!(herd(&latents, vec![0, 1, 2, 3], &[4.0], 4), [1, 2, 0, 3]);
        assert_eq!(herd(&latents, vec![0, 1, 2, 3], &[4.0], 2), [1, 2]);
        assert_eq!(herd(&latents, vec![3, 0], &[3.5], 9), [3, 0], "of equals the first, and all that there are");
    }

    #[test]
    fn the_mean_of_those_taken_is_nearer_than_that_of_random_cells() {
        use rand::RngExt;
        use rand::seq::SliceRandom;
        let mut random = crate::seed::stream(3, "herding test");
        let latents = Array2::from_shape_simple_fn((200, 6), || random.random::<f32>());
        let mean = latents.mean_axis(ndarray::Axis(0)).unwrap();
        let error = |cells: &[usize]| {
            let of = latents.select(ndarray::Axis(0), cells).mean_axis(ndarray::Axis(0)).unwrap();
            squared_distance(of.view(), mean.view())
        };
        let herded = error(&herd(&latents, (0..200).collect(), &mean.to_vec(), 10));
        let mut order: Vec<usize> = (0..200).collect();
        for _ in 0..50 {
            order.shuffle(&mut random);
            assert!(herded < 0.25 * error(&order[..10]));
        }
    }
}

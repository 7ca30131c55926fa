//! Membership inference attacks (Shokri et al. 2017) with access to the set alone: was a cell among those it was made of?
//!
//! Two scores. The first is how near a cell is to the nearest synthetic cell of its class. The second is how much nearer
//! that is than the mean of as many cells of the class that had no part in the set, which leaves out that some cells are
//! far from everything (calibration by difficulty, Watson et al. 2022). A likelihood ratio (Carlini et al. 2022) would
//! need many sets, each distilled anew without some of the cells.

use rand::RngExt;

use super::distances::{cosine_distance, norm};
use super::roc::area;
use super::{Attack, Labelled};
use crate::cells::Expression;
use crate::seed;

/// Fewest cells of either kind for an AUC (ours).
const LEAST: usize = 20;

/// Both attacks, or why there are none.
pub(super) struct Attacks {
    pub(super) nearness: Attack,
    pub(super) calibrated: Attack,
}

/// Attacks a set with all cells whose class has a synthetic cell and two cells of either kind at least. Cells are compared
/// within their class, since classes may be split in other fractions.
pub(super) fn attack(
    set: &Labelled,
    training: &Labelled,
    held_out: &Labelled,
    classes: usize,
    seed: u64,
) -> Result<Attacks, String> {
    let (mut near, mut calibrated) = (Vec::new(), Vec::new());
    let mut compared = [0; 2];
    for class in 0..classes as u32 {
        let of_class = |cells: &Labelled| -> Vec<usize> {
            (0..).zip(&cells.labels).filter(|(_, label)| **label == class).map(|(cell, _)| cell).collect()
        };
        let (synthetic, inside, outside) = (of_class(set), of_class(training), of_class(held_out));
        if synthetic.is_empty() || inside.len().min(outside.len()) < 2 {
            continue;
        }
        compared[0] += inside.len();
        compared[1] += outside.len();
        let synthetic: Vec<Profile> = synthetic.iter().map(|&cell| Profile::new(&set.expression, cell)).collect();
        let reference = Reference::new(&held_out.expression, &outside);
        let mut random = seed::stream(seed, &format!("privacy: reference of class {class}"));
        let mut scores = |cells: &Labelled, members: &[usize], own: bool| -> (Vec<f64>, Vec<f64>) {
            let score = |(position, &cell): (usize, &usize)| {
                let row = cells.expression.row(cell);
                let distance = synthetic.iter().map(|profile| profile.distance(row)).fold(f32::INFINITY, f32::min);
                // A held-out cell is no part of its own reference; a training cell's lacks another one, so that both are
                // means of as many cells.
                let left_out = if own { position } else { random.random_range(0..outside.len()) };
                let beside = reference.distance(row, held_out.expression.row(outside[left_out]));
                (f64::from(-distance), beside - f64::from(distance))
            };
            members.iter().enumerate().map(score).unzip()
        };
        let (of_inside, of_outside) = (scores(training, &inside, false), scores(held_out, &outside, true));
        near.push((of_inside.0, of_outside.0));
        calibrated.push((of_inside.1, of_outside.1));
    }
    let [training_cells, held_out_cells] = compared;
    let found = |strata: &[(Vec<f64>, Vec<f64>)]| {
        let area = area(strata).filter(|_| training_cells.min(held_out_cells) >= LEAST)?;
        Some(Attack { auc: area.value, low: area.low, high: area.high, training_cells, held_out_cells })
    };
    match (found(&near), found(&calibrated)) {
        (Some(nearness), Some(calibrated)) => Ok(Attacks { nearness, calibrated }),
        _ => Err(format!(
            "membership inference needs at least {LEAST} cells of either kind, in classes with two of both and a synthetic \
             cell; there are {training_cells} training cells and {held_out_cells} held-out ones"
        )),
    }
}

/// A dense row and its norm.
struct Profile {
    dense: Vec<f32>,
    norm: f32,
}

impl Profile {
    fn new(expression: &Expression, cell: usize) -> Self {
        Self { dense: expression.dense_rows(&[cell]), norm: norm(expression.row(cell).1) }
    }

    fn distance(&self, (genes, values): (&[u32], &[f32])) -> f32 {
        let product: f64 = genes
            .iter()
            .zip(values)
            .map(|(&gene, &value)| f64::from(value) * f64::from(self.dense[gene as usize]))
            .sum();
        cosine_distance(product as f32, norm(values) * self.norm)
    }
}

/// The sum of a class's held-out cells.
struct Reference {
    sum: Vec<f64>,
    squared: f64,
}

impl Reference {
    fn new(expression: &Expression, cells: &[usize]) -> Self {
        let mut sum = vec![0.0; expression.genes()];
        for &cell in cells {
            let (genes, values) = expression.row(cell);
            genes.iter().zip(values).for_each(|(&gene, &value)| sum[gene as usize] += f64::from(value));
        }
        let squared = sum.iter().map(|value| value * value).sum();
        Self { sum, squared }
    }

    /// Cosine distance of a cell to the sum without one of its cells, which has the direction of the mean.
    fn distance(&self, cell: (&[u32], &[f32]), without: (&[u32], &[f32])) -> f64 {
        let with_sum = |(genes, values): (&[u32], &[f32])| -> f64 {
            genes.iter().zip(values).map(|(&gene, &value)| self.sum[gene as usize] * f64::from(value)).sum()
        };
        let own = f64::from(norm(without.1)).powi(2);
        let squared = (self.squared - 2.0 * with_sum(without) + own).max(0.0);
        let product = with_sum(cell) - sparse_product(cell, without);
        let norms = squared.sqrt() * f64::from(norm(cell.1));
        if norms == 0.0 { 1.0 } else { (1.0 - product / norms).max(0.0) }
    }
}

fn sparse_product(a: (&[u32], &[f32]), b: (&[u32], &[f32])) -> f64 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < a.0.len() && j < b.0.len() {
        match a.0[i].cmp(&b.0[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += f64::from(a.1[i]) * f64::from(b.1[j]);
                (i, j) = (i + 1, j + 1);
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_without_a_cell_is_the_mean_of_the_others() {
        let cells = Expression::from_dense(3, &[1.0, 0.0, 2.0, 0.0, 3.0, 4.0, 5.0, 0.0, 0.0]).unwrap();
        let reference = Reference::new(&cells, &[0, 1, 2]);
        // Without the second: [6, 0, 2]. The second is [0, 3, 4]: product 8, norms sqrt(40) and 5.
        let found = reference.distance(cells.row(1), cells.row(1));
        assert!((found - (1.0 - 8.0 / (40f64.sqrt() * 5.0))).abs() < 1e-6, "{found}");
        // Without the third, the first: [1, 3, 6] and [1, 0, 2]: 13 over sqrt(46 * 5).
        let found = reference.distance(cells.row(0), cells.row(2));
        assert!((found - (1.0 - 13.0 / 230f64.sqrt())).abs() < 1e-6, "{found}");
    }
}

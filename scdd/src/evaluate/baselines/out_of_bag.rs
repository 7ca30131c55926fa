//! The value of each cell for telling classes apart: the share of a random forest's trees that name its class among those
//! that did not see it (Data-OOB, Kwon and Zou 2023).
//!
//! Trees are scikit-learn's of default settings (Breiman 2001): grown on bootstrap samples until leaves are of one class,
//! splits by Gini impurity among the square root of the features. No tree is kept: cells outside of its sample fall
//! through it while it grows.

use ndarray::Array2;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::seed;

/// Trees (scikit-learn's and scValue's default).
const TREES: usize = 100;

/// Trees that did not see a cell, and how many of them named its class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Value {
    pub(super) right: u32,
    pub(super) asked: u32,
}

/// The value of each of the points `[cells, features]`.
pub(super) fn values(points: &Array2<f32>, labels: &[u32], classes: usize, seed: u64) -> Vec<Value> {
    let cells = labels.len();
    let tree = |mut found: Vec<Value>, number: usize| {
        let random = seed::stream(seed, &format!("out of bag: tree {number}"));
        Tree { points, labels, classes, random }.grow(&mut found);
        found
    };
    let none = || vec![Value::default(); cells];
    let both = |mut a: Vec<Value>, b: Vec<Value>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = Value { right: a.right + b.right, asked: a.asked + b.asked });
        a
    };
    (0..TREES).into_par_iter().fold(none, tree).reduce(none, both)
}

struct Tree<'a> {
    points: &'a Array2<f32>,
    labels: &'a [u32],
    classes: usize,
    random: ChaCha8Rng,
}

impl Tree<'_> {
    fn grow(mut self, found: &mut [Value]) {
        let cells = self.labels.len();
        let drawn: Vec<usize> = (0..cells).map(|_| self.random.random_range(0..cells)).collect();
        let mut seen = vec![false; cells];
        drawn.iter().for_each(|&cell| seen[cell] = true);
        // Cells of the sample in a node, and those outside that fall into it.
        let mut nodes = vec![(drawn, (0..cells).filter(|&cell| !seen[cell]).collect::<Vec<usize>>())];
        while let Some((inside, outside)) = nodes.pop() {
            if outside.is_empty() {
                continue;
            }
            if let Some((feature, threshold)) = self.best_split(&inside) {
                let part = |of: Vec<usize>| -> (Vec<usize>, Vec<usize>) {
                    of.into_iter().partition(|&cell| self.points[[cell, feature]] <= threshold)
                };
                let (inside, outside) = (part(inside), part(outside));
                nodes.extend([(inside.0, outside.0), (inside.1, outside.1)]);
                continue;
            }
            // The first of the classes with most cells.
            let counts = self.counts(&inside);
            let largest = counts.iter().max().copied().unwrap_or(0);
            let named = counts.iter().position(|&count| count == largest).unwrap_or(0) as u32;
            for cell in outside {
                found[cell].asked += 1;
                found[cell].right += u32::from(self.labels[cell] == named);
            }
        }
    }

    fn counts(&self, cells: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        cells.iter().for_each(|&cell| counts[self.labels[cell] as usize] += 1);
        counts
    }

    /// The feature and threshold after which the Gini impurity, weighted by cells, is least: there the sum of squared class
    /// counts over cells, of both sides, is largest. None for cells of one class, or without a feature that differs.
    fn best_split(&mut self, cells: &[usize]) -> Option<(usize, f32)> {
        let all = self.counts(cells);
        if all.contains(&cells.len()) {
            return None;
        }
        let wanted = (self.points.ncols() as f64).sqrt() as usize;
        let mut features: Vec<usize> = (0..self.points.ncols()).collect();
        features.shuffle(&mut self.random);
        let (mut tried, mut best, mut largest) = (0, None, f64::NEG_INFINITY);
        for feature in features {
            let mut order: Vec<(f32, u32)> =
                cells.iter().map(|&cell| (self.points[[cell, feature]], self.labels[cell])).collect();
            order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            // Constant features don't count as tried, as in scikit-learn.
            if order.first().map(|first| first.0) == order.last().map(|last| last.0) {
                continue;
            }
            let (mut left, mut right) = (vec![0usize; self.classes], all.clone());
            let (mut of_left, mut of_right) = (0usize, all.iter().map(|count| count * count).sum::<usize>());
            for (place, pair) in order.windows(2).enumerate() {
                let class = pair[0].1 as usize;
                of_left += 2 * left[class] + 1;
                of_right -= 2 * right[class] - 1;
                left[class] += 1;
                right[class] -= 1;
                if pair[0].0 == pair[1].0 {
                    continue;
                }
                let (on_left, on_right) = (place + 1, order.len() - place - 1);
                let purity = of_left as f64 / on_left as f64 + of_right as f64 / on_right as f64;
                if purity > largest {
                    largest = purity;
                    let middle = pair[0].0 + (pair[1].0 - pair[0].0) / 2.0;
                    // Rounding may bring the middle up to the right one.
                    best = Some((feature, if middle < pair[1].0 { middle } else { pair[0].0 }));
                }
            }
            tried += 1;
            if tried >= wanted.max(1) {
                break;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points, their classes, and the values that the package scValue finds, means over seeds.
    #[derive(serde::Deserialize)]
    struct Golden {
        points: Vec<Vec<f32>>,
        labels: Vec<u32>,
        values: Vec<f64>,
    }

    #[test]
    fn values_are_those_of_the_package_scvalue_up_to_the_draw_of_trees() {
        let golden: Golden = serde_json::from_str(include_str!("../../../../tests/goldens/scvalue.json")).unwrap();
        let (cells, width) = (golden.points.len(), golden.points[0].len());
        let points = Array2::from_shape_vec((cells, width), golden.points.concat()).unwrap();
        let mut ours = vec![0.0; cells];
        for seed in 0..10 {
            for (mean, value) in ours.iter_mut().zip(values(&points, &golden.labels, 3, seed)) {
                assert!((15..60).contains(&value.asked), "about 37 of 100 trees miss a cell: {value:?}");
                *mean += f64::from(value.right) / f64::from(value.asked) / 10.0;
            }
        }
        // 370 trees for each: the deviation of a value is .026 at most, and theirs deviate as much.
        let apart: Vec<f64> = ours.iter().zip(&golden.values).map(|(a, b)| a - b).collect();
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / cells as f64;
        assert!(apart.iter().all(|apart| apart.abs() < 0.15), "{apart:?}");
        assert!(mean(&mut apart.iter().map(|apart| apart.abs())) < 0.035);
        assert!(mean(&mut apart.iter().copied()).abs() < 0.015);
    }

    #[test]
    fn a_cell_under_a_wrong_label_has_no_value() {
        let points = Array2::from_shape_fn((60, 2), |(cell, _)| (cell % 2) as f32 + cell as f32 * 1e-4);
        let mut labels: Vec<u32> = (0..60).map(|cell| cell % 2).collect();
        labels[10] = 1;
        let found = values(&points, &labels, 2, 7);
        assert!(found[10].right * 5 < found[10].asked, "{:?}", found[10]);
        assert!(found[40].right == found[40].asked && found[31].right == found[31].asked);
        assert_eq!(found, values(&points, &labels, 2, 7), "one seed, one forest");
    }

    #[test]
    fn cells_that_can_not_be_told_are_named_by_the_larger_class() {
        let labels: Vec<u32> = (0..40).map(|cell| u32::from(cell % 4 == 0)).collect();
        let found = values(&Array2::ones((40, 3)), &labels, 2, 1);
        assert!((0..40).all(|cell| (found[cell].right > 0) == (labels[cell] == 0)), "{found:?}");
    }
}

//! Out-of-bag data values (Data-OOB, Kwon and Zou 2023): the fraction of a random forest's trees that predict a cell's class,
//! among the trees whose bootstrap sample lacks the cell.
//!
//! Trees are scikit-learn's of default settings (Breiman 2001): grown on bootstrap samples until leaves are of one class,
//! splits by Gini impurity among the square root of the features. No tree is kept: cells outside of its sample fall
//! through it while it grows.

use ndarray::Array2;
use rand::RngExt;
use rayon::prelude::*;

use scdd_learn::forest::Splits;

use crate::seed;

/// Trees (scikit-learn's and scValue's default).
const TREES: usize = 100;

/// Trees without a cell in their sample, and how many of them predict its class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Value {
    pub(super) right: u32,
    pub(super) votes: u32,
}

/// The value of each of the points `[cells, features]`.
pub(super) fn values(points: &Array2<f32>, labels: &[u32], classes: usize, seed: u64) -> Vec<Value> {
    let cells = labels.len();
    let tree = |mut found: Vec<Value>, number: usize| {
        let mut random = seed::stream(seed, &format!("out of bag: tree {number}"));
        let drawn = (0..cells).map(|_| random.random_range(0..cells) as u32).collect();
        grow(Splits::new(points, labels, classes, 1, random), labels, drawn, &mut found);
        found
    };
    let none = || vec![Value::default(); cells];
    let both = |mut a: Vec<Value>, b: Vec<Value>| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a = Value { right: a.right + b.right, votes: a.votes + b.votes });
        a
    };
    (0..TREES).into_par_iter().fold(none, tree).reduce(none, both)
}

/// Grows one tree that is not kept.
fn grow(mut splits: Splits<Array2<f32>>, labels: &[u32], drawn: Vec<u32>, found: &mut [Value]) {
    let cells = labels.len() as u32;
    let mut in_sample = vec![false; labels.len()];
    drawn.iter().for_each(|&cell| in_sample[cell as usize] = true);
    // Cells of the sample in a node, and those outside that fall into it.
    let mut nodes = vec![(drawn, (0..cells).filter(|&cell| !in_sample[cell as usize]).collect::<Vec<u32>>())];
    while let Some((inside, outside)) = nodes.pop() {
        if outside.is_empty() {
            continue;
        }
        if let Some((feature, threshold)) = splits.best(&inside) {
            let (inside, outside) =
                (splits.divide(feature, threshold, inside), splits.divide(feature, threshold, outside));
            nodes.extend([(inside.0, outside.0), (inside.1, outside.1)]);
            continue;
        }
        // The first of the classes with most cells.
        let counts = splits.counts(&inside);
        let largest = counts.iter().max().copied().unwrap_or(0);
        let named = counts.iter().position(|&count| count == largest).unwrap_or(0) as u32;
        for cell in outside {
            let value = &mut found[cell as usize];
            value.votes += 1;
            value.right += u32::from(labels[cell as usize] == named);
        }
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
                assert!((15..60).contains(&value.votes), "about 37 of 100 trees miss a cell: {value:?}");
                *mean += f64::from(value.right) / f64::from(value.votes) / 10.0;
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
        assert!(found[10].right * 5 < found[10].votes, "{:?}", found[10]);
        assert!(found[40].right == found[40].votes && found[31].right == found[31].votes);
        assert_eq!(found, values(&points, &labels, 2, 7), "one seed, one forest");
    }

    #[test]
    fn cells_that_can_not_be_told_are_named_by_the_larger_class() {
        let labels: Vec<u32> = (0..40).map(|cell| u32::from(cell % 4 == 0)).collect();
        let found = values(&Array2::ones((40, 3)), &labels, 2, 1);
        assert!((0..40).all(|cell| (found[cell].right > 0) == (labels[cell] == 0)), "{found:?}");
    }
}

//! Classifier two-sample tests (Lopez-Paz and Oquab 2017): classifiers that tell generated from real cells. An AUC of 0.5
//! means that they can't. Each half of the cells is scored by classifiers trained on the other.

use ndarray::{Array2, Axis, concatenate};
use rand::seq::SliceRandom;

use super::{Found, Sample, balanced, too_few};
use scdd_learn::forest::{Forest, ForestConfig};
use scdd_learn::knn::{Distance, nearest};
use scdd_learn::statistics::area_under_curve;

use crate::seed;

/// Neighbours that vote.
const NEIGHBOURS: usize = 5;
/// 100 trees (scikit-learn's default) with leaves of three cells (ours: fractions of single cells make a coarse score).
const FOREST: ForestConfig = ForestConfig { trees: 100, min_leaf: 3, max_depth: 24 };
/// Below so many cells the deviation of an area by chance is above a tenth (ours).
const LEAST: usize = 20;

pub(super) fn compare(real: &Sample, other: &Sample, seed: u64) -> [Found; 2] {
    let names = ["5 nearest neighbours, AUC", "random forest, AUC"];
    let found = |name, value| Found { name, ideal: 0.5, value };
    if let Some(reason) = too_few(LEAST, real.cells(), other.cells()) {
        return names.map(|name| found(name, Err(reason.clone())));
    }
    let (real, other) = balanced(real, other, seed);
    let halves = Halves::new(&real, &other, seed);
    let neighbours = halves.area(|train, generated, test| {
        let (order, _) = nearest(test, train, NEIGHBOURS, Distance::Euclidean);
        let votes =
            |row: ndarray::ArrayView1<u32>| row.iter().filter(|index| generated[**index as usize]).count() as f64;
        order.rows().into_iter().map(votes).collect()
    });
    let forest = halves.area(|train, generated, test| {
        let kinds: Vec<u32> = generated.iter().map(|generated| u32::from(*generated)).collect();
        let forest = Forest::train(train, &kinds, 2, FOREST, seed::number(seed, "report: forest"));
        test.rows().into_iter().map(|row| f64::from(forest.probabilities(row)[1])).collect()
    });
    let undefined = || "a half has cells of one kind only".to_owned();
    [found(names[0], neighbours.ok_or_else(undefined)), found(names[1], forest.ok_or_else(undefined))]
}

/// The points of both samples, split in two.
struct Halves {
    points: [Array2<f32>; 2],
    generated: [Vec<bool>; 2],
}

impl Halves {
    fn new(real: &Array2<f32>, other: &Array2<f32>, seed: u64) -> Self {
        let halves = |of: &Array2<f32>, what: &str| {
            let mut order: Vec<usize> = (0..of.nrows()).collect();
            order.shuffle(&mut seed::stream(seed, what));
            let (first, second) = order.split_at(order.len() / 2);
            [of.select(Axis(0), first), of.select(Axis(0), second)]
        };
        let (real, other) = (halves(real, "report: halves of real"), halves(other, "report: halves of generated"));
        let generated = std::array::from_fn(|half| {
            let count = [real[half].nrows(), other[half].nrows()];
            (0..count[0] + count[1]).map(|cell| cell >= count[0]).collect()
        });
        // Both have one width.
        let points = std::array::from_fn(|half| {
            concatenate(Axis(0), &[real[half].view(), other[half].view()]).unwrap_or_default()
        });
        Self { points, generated }
    }

    /// The mean area of both halves, `score` being given the other half, which of it is generated, and the half to score.
    fn area(&self, score: impl Fn(&Array2<f32>, &[bool], &Array2<f32>) -> Vec<f64>) -> Option<f64> {
        let of = |train: usize, test: usize| {
            let scores = score(&self.points[train], &self.generated[train], &self.points[test]);
            let kind = |wanted| {
                let of_kind =
                    scores.iter().zip(&self.generated[test]).filter(move |(_, generated)| **generated == wanted);
                of_kind.map(|(score, _)| *score).collect::<Vec<f64>>()
            };
            area_under_curve(&kind(true), &kind(false))
        };
        Some((of(0, 1)? + of(1, 0)?) / 2.0)
    }
}

//! A random forest of two kinds (Breiman 2001): trees on bootstrap samples, splits by Gini impurity among the square root of
//! the features, leaves of few cells. It is ours, since it is all that would be used of a machine learning crate.

use ndarray::{Array2, ArrayView1};
use rand::RngExt;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::seed;

/// Trees (scikit-learn's default).
const TREES: usize = 100;
/// Cells that a leaf keeps at least (ours: shares of single cells make a coarse score).
const LEAF: usize = 3;
/// Splits above a leaf at most.
const DEPTH: usize = 24;

pub(super) struct Forest {
    trees: Vec<Vec<Node>>,
}

enum Node {
    Leaf(f64),
    Split { feature: usize, threshold: f32, right: usize },
}

impl Forest {
    /// Grows trees that tell the points `[cells, features]` of which `positive` is true.
    pub(super) fn grow(points: &Array2<f32>, positive: &[bool], seed: u64) -> Self {
        let grow = |number: usize| {
            let mut random = seed::stream(seed, &format!("tree {number}"));
            let cells: Vec<usize> = (0..positive.len()).map(|_| random.random_range(0..positive.len())).collect();
            let mut tree = Tree { points, positive, nodes: Vec::new(), random };
            tree.grow(cells, 0);
            tree.nodes
        };
        Self { trees: (0..TREES).into_par_iter().map(grow).collect() }
    }

    /// Mean share of positive cells in the leaves that a point falls into.
    pub(super) fn predict(&self, point: ArrayView1<f32>) -> f64 {
        let leaf = |tree: &Vec<Node>| {
            let mut place = 0;
            loop {
                match tree[place] {
                    Node::Leaf(share) => return share,
                    // The left child stands right behind its parent.
                    Node::Split { feature, threshold, right } => {
                        place = if point[feature] <= threshold { place + 1 } else { right };
                    }
                }
            }
        };
        self.trees.iter().map(leaf).sum::<f64>() / self.trees.len() as f64
    }
}

struct Tree<'a> {
    points: &'a Array2<f32>,
    positive: &'a [bool],
    nodes: Vec<Node>,
    random: ChaCha8Rng,
}

impl Tree<'_> {
    fn grow(&mut self, cells: Vec<usize>, depth: usize) {
        let hits = cells.iter().filter(|cell| self.positive[**cell]).count();
        let split = (hits > 0 && hits < cells.len() && depth < DEPTH).then(|| self.best_split(&cells)).flatten();
        let Some((feature, threshold)) = split else {
            self.nodes.push(Node::Leaf(hits as f64 / cells.len().max(1) as f64));
            return;
        };
        let (left, right) = cells.into_iter().partition(|&cell| self.points[[cell, feature]] <= threshold);
        let place = self.nodes.len();
        self.nodes.push(Node::Leaf(0.0));
        self.grow(left, depth + 1);
        self.nodes[place] = Node::Split { feature, threshold, right: self.nodes.len() };
        self.grow(right, depth + 1);
    }

    /// The feature and threshold after which the summed Gini impurity is least.
    fn best_split(&mut self, cells: &[usize]) -> Option<(usize, f32)> {
        let features = self.points.ncols();
        let tried = (features as f64).sqrt().ceil() as usize;
        let total = cells.iter().filter(|cell| self.positive[**cell]).count() as f64;
        let (count, mut best) = (cells.len() as f64, None);
        let impurity = |hits: f64, cells: f64| hits * (cells - hits) / cells;
        let mut least = impurity(total, count) * (1.0 - 1e-9);
        for feature in sample(&mut self.random, features, tried) {
            let mut order: Vec<(f32, bool)> =
                cells.iter().map(|&cell| (self.points[[cell, feature]], self.positive[cell])).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut hits = 0.0;
            for (place, pair) in order.windows(2).enumerate() {
                hits += f64::from(u8::from(pair[0].1));
                let left = place as f64 + 1.0;
                let small = place + 1 < LEAF || order.len() - place - 1 < LEAF;
                if small || pair[0].0 == pair[1].0 {
                    continue;
                }
                let after = impurity(hits, left) + impurity(total - hits, count - left);
                if after < least {
                    least = after;
                    let middle = pair[0].0 + (pair[1].0 - pair[0].0) / 2.0;
                    // Rounding may bring the middle up to the right one.
                    best = Some((feature, if middle < pair[1].0 { middle } else { pair[0].0 }));
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forest_learns_what_no_single_feature_shows() {
        // The kind is the exclusive or of two signs.
        let mut random = seed::stream(1, "forest test");
        let draw = |random: &mut ChaCha8Rng| Array2::from_shape_simple_fn((600, 4), || random.random::<f32>() - 0.5);
        let (train, test) = (draw(&mut random), draw(&mut random));
        let kind = |points: &Array2<f32>| -> Vec<bool> {
            points.rows().into_iter().map(|row| (row[0] > 0.0) != (row[2] > 0.0)).collect()
        };
        let forest = Forest::grow(&train, &kind(&train), 5);
        let right =
            test.rows().into_iter().zip(kind(&test)).filter(|(row, kind)| (forest.predict(*row) > 0.5) == *kind);
        assert!(right.count() > 540);
        let again = Forest::grow(&train, &kind(&train), 5);
        assert!(test.rows().into_iter().all(|row| forest.predict(row) == again.predict(row)), "one seed, one forest");
    }

    #[test]
    fn cells_that_are_all_equal_give_the_share_of_their_kinds() {
        let forest = Forest::grow(&Array2::ones((40, 3)), &(0..40).map(|cell| cell < 10).collect::<Vec<_>>(), 2);
        let share = forest.predict(Array2::ones((1, 3)).row(0));
        assert!((share - 0.25).abs() < 0.05, "{share}");
    }
}

//! Random forests (Breiman 2001): trees on bootstrap samples, splits by Gini impurity among the square root of the
//! features. One forest for the evaluation model of training sets, for the generator report and for scValue.
//!
//! It is ours. smartcore 0.7 grows dense trees on one thread and gives labels without shares, of which no area under a
//! curve, no threshold and no tie can be had; linfa-ensemble 0.8 gives labels alone as well and builds on another ndarray. What is
//! here reads sparse rows, and one seed gives one forest whatever the number of threads.

use ndarray::{Array2, ArrayView1};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::cells::Expression;
use crate::seed;

/// Marks a leaf among the features of a tree's nodes.
const LEAF: u32 = u32::MAX;

/// What trees are grown on: values of a feature for some of the cells.
pub(super) trait Points: Sync {
    fn features(&self) -> usize;
    /// Values of a feature, cell by cell; the cells rise, and one may come twice.
    fn values(&self, feature: usize, cells: &[u32], values: &mut Vec<f32>);
}

impl Points for Array2<f32> {
    fn features(&self) -> usize {
        self.ncols()
    }

    fn values(&self, feature: usize, cells: &[u32], values: &mut Vec<f32>) {
        let column = self.column(feature);
        values.clear();
        values.extend(cells.iter().map(|&cell| column[cell as usize]));
    }
}

/// Sparse expression by gene: which cells express it.
pub(super) struct ByGene(Expression);

impl ByGene {
    pub(super) fn new(expression: &Expression) -> Self {
        Self(expression.transposed())
    }
}

impl Points for ByGene {
    fn features(&self) -> usize {
        self.0.cells()
    }

    fn values(&self, feature: usize, cells: &[u32], values: &mut Vec<f32>) {
        let (stored, of_stored) = self.0.row(feature);
        values.clear();
        if cells.len() * 8 < stored.len() {
            let value = |cell: &u32| stored.binary_search(cell).map_or(0.0, |place| of_stored[place]);
            values.extend(cells.iter().map(value));
            return;
        }
        // Cells of a node rise, so both are gone through once.
        let mut place = 0;
        for &cell in cells {
            while place < stored.len() && stored[place] < cell {
                place += 1;
            }
            values.push(if stored.get(place) == Some(&cell) { of_stored[place] } else { 0.0 });
        }
    }
}

/// How trees grow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    /// Trees.
    pub(super) trees: usize,
    /// Cells that a leaf keeps at least.
    pub(super) leaf: usize,
    /// Splits above a leaf at most.
    pub(super) depth: usize,
}

/// Trees, and the shares of classes in their leaves.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Forest {
    pub(super) classes: usize,
    pub(super) trees: Vec<Tree>,
}

/// Nodes in the order of their growth; a left child stands right behind its parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree {
    /// Feature of a split, or [`LEAF`].
    pub(super) features: Vec<u32>,
    pub(super) thresholds: Vec<f32>,
    /// The right child of a split, or the number of a leaf.
    pub(super) places: Vec<u32>,
    /// `[leaves, classes]`.
    pub(super) shares: Vec<f32>,
}

impl Forest {
    /// Grows trees that tell the classes of points.
    pub(super) fn grow(points: &impl Points, labels: &[u32], classes: usize, growth: Growth, seed: u64) -> Self {
        let tree = |number: usize| {
            let mut random = seed::stream(seed, &format!("tree {number}"));
            let count = labels.len();
            let mut cells: Vec<u32> = (0..count).map(|_| random.random_range(0..count) as u32).collect();
            cells.sort_unstable();
            let mut grower = Grower { splits: Splits::new(points, labels, classes, growth.leaf, random), growth };
            let mut tree = Tree::default();
            grower.grow(&mut tree, cells, 0);
            tree
        };
        Self { classes, trees: (0..growth.trees).into_par_iter().map(tree).collect() }
    }

    /// Mean shares of classes in the leaves that a point falls into.
    pub(super) fn shares(&self, point: ArrayView1<f32>) -> Vec<f32> {
        let mut sums = vec![0.0; self.classes];
        for tree in &self.trees {
            let leaf = tree.leaf(|feature| point[feature]);
            sums.iter_mut().zip(&tree.shares[leaf * self.classes..]).for_each(|(sum, share)| *sum += share);
        }
        sums.iter_mut().for_each(|sum| *sum /= self.trees.len() as f32);
        sums
    }

    /// Whether all places are inside, as those of a file may not be; `features` is how many there are.
    pub(super) fn is_whole(&self, features: usize) -> bool {
        let tree = |tree: &Tree| {
            let (nodes, leaves) = (tree.features.len(), tree.shares.len() / self.classes.max(1));
            let node = |node: usize| match tree.features[node] {
                LEAF => (tree.places[node] as usize) < leaves,
                // Children stand behind their parents, so that a walk ends.
                feature => {
                    let right = tree.places[node] as usize;
                    (feature as usize) < features && node + 1 < nodes && right > node && right < nodes
                }
            };
            nodes > 0
                && tree.thresholds.len() == nodes
                && tree.places.len() == nodes
                && tree.shares.len() == leaves * self.classes
                && (0..nodes).all(node)
        };
        !self.trees.is_empty() && self.trees.iter().all(tree)
    }
}

impl Tree {
    fn leaf(&self, value: impl Fn(usize) -> f32) -> usize {
        let mut node = 0;
        while self.features[node] != LEAF {
            let left = value(self.features[node] as usize) <= self.thresholds[node];
            node = if left { node + 1 } else { self.places[node] as usize };
        }
        self.places[node] as usize
    }
}

struct Grower<'a, P> {
    splits: Splits<'a, P>,
    growth: Growth,
}

impl<P: Points> Grower<'_, P> {
    fn grow(&mut self, tree: &mut Tree, cells: Vec<u32>, depth: usize) {
        let split = if depth < self.growth.depth { self.splits.best(&cells) } else { None };
        let node = tree.features.len();
        let Some((feature, threshold)) = split else {
            let counts = self.splits.counts(&cells);
            tree.features.push(LEAF);
            tree.thresholds.push(0.0);
            tree.places.push((tree.shares.len() / self.splits.classes.max(1)) as u32);
            tree.shares.extend(counts.iter().map(|&count| count as f32 / cells.len().max(1) as f32));
            return;
        };
        tree.features.push(feature as u32);
        tree.thresholds.push(threshold);
        tree.places.push(0);
        let (left, right) = self.splits.part(feature, threshold, cells);
        self.grow(tree, left, depth + 1);
        tree.places[node] = tree.features.len() as u32;
        self.grow(tree, right, depth + 1);
    }
}

/// Finds the best split of a node's cells.
pub(super) struct Splits<'a, P> {
    points: &'a P,
    labels: &'a [u32],
    pub(super) classes: usize,
    leaf: usize,
    random: ChaCha8Rng,
    features: Vec<usize>,
    values: Vec<f32>,
    order: Vec<(f32, u32)>,
}

impl<'a, P: Points> Splits<'a, P> {
    pub(super) fn new(points: &'a P, labels: &'a [u32], classes: usize, leaf: usize, random: ChaCha8Rng) -> Self {
        Self { points, labels, classes, leaf, random, features: Vec::new(), values: Vec::new(), order: Vec::new() }
    }

    /// Cells of each class.
    pub(super) fn counts(&self, cells: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        cells.iter().for_each(|&cell| counts[self.labels[cell as usize] as usize] += 1);
        counts
    }

    /// The cells up to the threshold, and those above.
    pub(super) fn part(&mut self, feature: usize, threshold: f32, cells: Vec<u32>) -> (Vec<u32>, Vec<u32>) {
        self.points.values(feature, &cells, &mut self.values);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (&cell, &value) in cells.iter().zip(&self.values) {
            if value <= threshold { left.push(cell) } else { right.push(cell) }
        }
        (left, right)
    }

    /// The feature and threshold after which the Gini impurity, weighted by cells, is least: there the sum of squared class
    /// counts over cells, of both sides, is largest. None for cells of one class, or without a feature that differs.
    pub(super) fn best(&mut self, cells: &[u32]) -> Option<(usize, f32)> {
        let all = self.counts(cells);
        if all.contains(&cells.len()) {
            return None;
        }
        let wanted = ((self.points.features() as f64).sqrt() as usize).max(1);
        self.features.clear();
        self.features.extend(0..self.points.features());
        self.features.shuffle(&mut self.random);
        let (mut tried, mut best, mut largest) = (0, None, f64::NEG_INFINITY);
        for &feature in &self.features {
            self.points.values(feature, cells, &mut self.values);
            // Constant features don't count as tried, as in scikit-learn.
            let first = self.values.first().copied();
            if self.values.iter().all(|value| Some(*value) == first) {
                continue;
            }
            self.order.clear();
            let labels = cells.iter().map(|&cell| self.labels[cell as usize]);
            self.order.extend(self.values.iter().copied().zip(labels));
            self.order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let (mut left, mut right) = (vec![0usize; self.classes], all.clone());
            let (mut of_left, mut of_right) = (0usize, all.iter().map(|count| count * count).sum::<usize>());
            for (place, pair) in self.order.windows(2).enumerate() {
                let class = pair[0].1 as usize;
                of_left += 2 * left[class] + 1;
                of_right -= 2 * right[class] - 1;
                left[class] += 1;
                right[class] -= 1;
                let (on_left, on_right) = (place + 1, self.order.len() - place - 1);
                if pair[0].0 == pair[1].0 || on_left < self.leaf || on_right < self.leaf {
                    continue;
                }
                let purity = of_left as f64 / on_left as f64 + of_right as f64 / on_right as f64;
                if purity > largest {
                    largest = purity;
                    let middle = pair[0].0 + (pair[1].0 - pair[0].0) / 2.0;
                    // Rounding may bring the middle up to the right one.
                    best = Some((feature, if middle < pair[1].0 { middle } else { pair[0].0 }));
                }
            }
            tried += 1;
            if tried >= wanted {
                break;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: Growth = Growth { trees: 100, leaf: 3, depth: 24 };

    #[test]
    fn a_forest_learns_what_no_single_feature_shows() {
        // The kind is the exclusive or of two signs.
        let mut random = seed::stream(1, "forest test");
        let draw = |random: &mut ChaCha8Rng| Array2::from_shape_simple_fn((600, 4), || random.random::<f32>() - 0.5);
        let (train, test) = (draw(&mut random), draw(&mut random));
        let kind = |points: &Array2<f32>| -> Vec<u32> {
            points.rows().into_iter().map(|row| u32::from((row[0] > 0.0) != (row[2] > 0.0))).collect()
        };
        let forest = Forest::grow(&train, &kind(&train), 2, GROWTH, 5);
        let right = test
            .rows()
            .into_iter()
            .zip(kind(&test))
            .filter(|(row, kind)| (forest.shares(*row)[1] > 0.5) == (*kind == 1));
        assert!(right.count() > 540);
        assert_eq!(forest, Forest::grow(&train, &kind(&train), 2, GROWTH, 5), "one seed, one forest");
        assert!(forest.is_whole(4) && !forest.is_whole(2));
    }

    #[test]
    fn cells_that_are_all_equal_give_the_share_of_their_kinds() {
        let labels: Vec<u32> = (0..40).map(|cell| u32::from(cell < 10)).collect();
        let forest = Forest::grow(&Array2::ones((40, 3)), &labels, 2, GROWTH, 2);
        let share = forest.shares(Array2::ones((1, 3)).row(0))[1];
        assert!((share - 0.25).abs() < 0.05, "{share}");
    }

    #[test]
    fn sparse_and_dense_points_give_one_forest() {
        let mut random = seed::stream(3, "sparse forest");
        let draw = || if random.random::<f32>() < 0.3 { random.random::<f32>() } else { 0.0 };
        let dense = Array2::from_shape_simple_fn((90, 12), draw);
        let labels: Vec<u32> = dense.rows().into_iter().map(|row| u32::from(row[1] + row[5] > row[7])).collect();
        let sparse = ByGene::new(&Expression::from_array(&dense).unwrap());
        let grow = Growth { trees: 8, leaf: 1, depth: usize::MAX };
        assert_eq!(Forest::grow(&dense, &labels, 2, grow, 4), Forest::grow(&sparse, &labels, 2, grow, 4));
    }
}

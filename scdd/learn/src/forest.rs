//! Random forest classifier (Breiman 2001): trees on bootstrap samples, splits by Gini impurity among the square root of the
//! features. O(trees sqrt(d) n log n depth); trees grow side by side.
//!
//! It is ours. smartcore 0.7 grows dense trees on one thread and predicts labels without probabilities, so that there is no
//! area under a curve, no threshold and no tie; linfa-ensemble 0.8 predicts labels alone as well and builds on another
//! ndarray. This one reads sparse columns, and one seed gives one forest whatever the number of threads.

use ndarray::{Array2, ArrayView1};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use scdd_compute::{Csr, CsrView};

use crate::seed;

/// The feature of a node that is a leaf.
pub const LEAF: u32 = u32::MAX;

/// Columns that trees are grown on: dense points `[n, d]` or [`SparseColumns`].
pub trait Columns: Sync {
    /// Number of features d.
    fn features(&self) -> usize;
    /// Overwrites `values` with the feature's value of each of the cells, which are sorted ascending; one may come twice.
    fn values(&self, feature: usize, cells: &[u32], values: &mut Vec<f32>);
}

impl Columns for Array2<f32> {
    fn features(&self) -> usize {
        self.ncols()
    }

    fn values(&self, feature: usize, cells: &[u32], values: &mut Vec<f32>) {
        let column = self.column(feature);
        values.clear();
        values.extend(cells.iter().map(|&cell| column[cell as usize]));
    }
}

/// A sparse matrix by columns: the rows that have a value in each.
pub struct SparseColumns(Csr);

impl SparseColumns {
    /// Of sparse rows `[n, d]`, in O(nnz + d).
    pub fn new(rows: CsrView) -> Self {
        Self(rows.transpose())
    }
}

impl Columns for SparseColumns {
    fn features(&self) -> usize {
        self.0.rows()
    }

    fn values(&self, feature: usize, cells: &[u32], values: &mut Vec<f32>) {
        let (stored, of_stored) = self.0.row(feature);
        values.clear();
        if cells.len() * 8 < stored.len() {
            let value = |cell: &u32| stored.binary_search(cell).map_or(0.0, |entry| of_stored[entry]);
            values.extend(cells.iter().map(value));
            return;
        }
        // Both are sorted, so one pass merges them.
        let mut entry = 0;
        for &cell in cells {
            while entry < stored.len() && stored[entry] < cell {
                entry += 1;
            }
            values.push(if stored.get(entry) == Some(&cell) { of_stored[entry] } else { 0.0 });
        }
    }
}

/// Settings of a forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForestConfig {
    /// Number of trees.
    pub trees: usize,
    /// Fewest cells of a leaf (scikit-learn's `min_samples_leaf`).
    pub min_leaf: usize,
    /// Most splits above a leaf (scikit-learn's `max_depth`).
    pub max_depth: usize,
}

/// Trees, and the fractions of classes in their leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// Number of classes.
    pub classes: usize,
    /// The trees.
    pub trees: Vec<Tree>,
}

/// Nodes in the order of their growth; a left child stands right after its parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Feature of each split, or [`LEAF`].
    pub features: Vec<u32>,
    /// Threshold of each split: a cell whose value is at most that goes to the left child.
    pub thresholds: Vec<f32>,
    /// The right child of each split, or the number of the leaf.
    pub targets: Vec<u32>,
    /// Fractions of classes in the leaves, `[leaves, classes]`.
    pub fractions: Vec<f32>,
}

impl Forest {
    /// Trains trees on cells with a label each, below `classes`.
    ///
    /// ```
    /// use scdd_learn::{forest::{Forest, ForestConfig}, ndarray::{Array2, array}};
    /// let cells = Array2::from_shape_fn((40, 2), |(cell, feature)| if feature == 0 { cell as f32 } else { 1.0 });
    /// let labels: Vec<u32> = (0..40).map(|cell| u32::from(cell >= 20)).collect();
    /// let config = ForestConfig { trees: 30, min_leaf: 1, max_depth: 8 };
    /// let forest = Forest::train(&cells, &labels, 2, config, 7);
    /// assert!(forest.probabilities(array![35.0, 1.0].view())[1] > 0.9);
    /// ```
    pub fn train(columns: &impl Columns, labels: &[u32], classes: usize, config: ForestConfig, seed: u64) -> Self {
        let tree = |number: usize| {
            let mut random = seed::stream(seed, &format!("tree {number}"));
            let count = labels.len();
            let mut cells: Vec<u32> = (0..count).map(|_| random.random_range(0..count) as u32).collect();
            cells.sort_unstable();
            let splits = Splits::new(columns, labels, classes, config.min_leaf, random);
            let mut grower = Grower { splits, max_depth: config.max_depth };
            let mut tree = Tree::default();
            grower.grow(&mut tree, cells, 0);
            tree
        };
        Self { classes, trees: (0..config.trees).into_par_iter().map(tree).collect() }
    }

    /// Probability of each class for a point `[d]`: the mean fraction of the class in the leaves that the point falls into.
    pub fn probabilities(&self, point: ArrayView1<f32>) -> Vec<f32> {
        let mut sums = vec![0.0; self.classes];
        for tree in &self.trees {
            let leaf = tree.leaf(|feature| point[feature]);
            let fractions = &tree.fractions[leaf * self.classes..];
            sums.iter_mut().zip(fractions).for_each(|(sum, fraction)| *sum += fraction);
        }
        sums.iter_mut().for_each(|sum| *sum /= self.trees.len() as f32);
        sums
    }

    /// Whether all indices are in bounds, as those of a file may not be, for points of so many features.
    pub fn is_valid(&self, features: usize) -> bool {
        let tree = |tree: &Tree| {
            let (nodes, leaves) = (tree.features.len(), tree.fractions.len() / self.classes.max(1));
            let node = |node: usize| match tree.features[node] {
                LEAF => (tree.targets[node] as usize) < leaves,
                // Children stand after their parents, so that a walk ends.
                feature => {
                    let right = tree.targets[node] as usize;
                    (feature as usize) < features && node + 1 < nodes && right > node && right < nodes
                }
            };
            nodes > 0
                && tree.thresholds.len() == nodes
                && tree.targets.len() == nodes
                && tree.fractions.len() == leaves * self.classes
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
            node = if left { node + 1 } else { self.targets[node] as usize };
        }
        self.targets[node] as usize
    }
}

struct Grower<'a, P> {
    splits: Splits<'a, P>,
    max_depth: usize,
}

impl<P: Columns> Grower<'_, P> {
    fn grow(&mut self, tree: &mut Tree, cells: Vec<u32>, depth: usize) {
        let split = if depth < self.max_depth { self.splits.best(&cells) } else { None };
        let node = tree.features.len();
        let Some((feature, threshold)) = split else {
            let counts = self.splits.counts(&cells);
            tree.features.push(LEAF);
            tree.thresholds.push(0.0);
            tree.targets.push((tree.fractions.len() / self.splits.classes.max(1)) as u32);
            tree.fractions.extend(counts.iter().map(|&count| count as f32 / cells.len().max(1) as f32));
            return;
        };
        tree.features.push(feature as u32);
        tree.thresholds.push(threshold);
        tree.targets.push(0);
        let (left, right) = self.splits.divide(feature, threshold, cells);
        self.grow(tree, left, depth + 1);
        tree.targets[node] = tree.features.len() as u32;
        self.grow(tree, right, depth + 1);
    }
}

/// Finds the best split of a node's cells.
pub struct Splits<'a, P> {
    columns: &'a P,
    labels: &'a [u32],
    classes: usize,
    min_leaf: usize,
    random: ChaCha8Rng,
    features: Vec<usize>,
    values: Vec<f32>,
    order: Vec<(f32, u32)>,
}

impl<'a, P: Columns> Splits<'a, P> {
    /// Splits of cells with a label each, below `classes`, that leave `min_leaf` cells on each side.
    pub fn new(columns: &'a P, labels: &'a [u32], classes: usize, min_leaf: usize, random: ChaCha8Rng) -> Self {
        Self { columns, labels, classes, min_leaf, random, features: Vec::new(), values: Vec::new(), order: Vec::new() }
    }

    /// How many of the cells each class has.
    pub fn counts(&self, cells: &[u32]) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        cells.iter().for_each(|&cell| counts[self.labels[cell as usize] as usize] += 1);
        counts
    }

    /// The cells whose value is at most the threshold, and those above.
    pub fn divide(&mut self, feature: usize, threshold: f32, cells: Vec<u32>) -> (Vec<u32>, Vec<u32>) {
        self.columns.values(feature, &cells, &mut self.values);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (&cell, &value) in cells.iter().zip(&self.values) {
            if value <= threshold { left.push(cell) } else { right.push(cell) }
        }
        (left, right)
    }

    /// The feature and threshold with the least Gini impurity, weighted by cells: there the sum of squared class counts over
    /// cells, of both sides, is largest. None for cells of one class, or without a feature that differs.
    pub fn best(&mut self, cells: &[u32]) -> Option<(usize, f32)> {
        let all = self.counts(cells);
        if all.contains(&cells.len()) {
            return None;
        }
        let wanted = ((self.columns.features() as f64).sqrt() as usize).max(1);
        self.features.clear();
        self.features.extend(0..self.columns.features());
        self.features.shuffle(&mut self.random);
        let (mut tried, mut best, mut largest) = (0, None, f64::NEG_INFINITY);
        for &feature in &self.features {
            self.columns.values(feature, cells, &mut self.values);
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
            for (position, pair) in self.order.windows(2).enumerate() {
                let class = pair[0].1 as usize;
                of_left += 2 * left[class] + 1;
                of_right -= 2 * right[class] - 1;
                left[class] += 1;
                right[class] -= 1;
                let (on_left, on_right) = (position + 1, self.order.len() - position - 1);
                if pair[0].0 == pair[1].0 || on_left < self.min_leaf || on_right < self.min_leaf {
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

    const CONFIG: ForestConfig = ForestConfig { trees: 100, min_leaf: 3, max_depth: 24 };

    #[test]
    fn a_forest_learns_what_no_single_feature_shows() {
        // The kind is the exclusive or of two signs.
        let mut random = seed::stream(1, "forest test");
        let draw = |random: &mut ChaCha8Rng| Array2::from_shape_simple_fn((600, 4), || random.random::<f32>() - 0.5);
        let (train, test) = (draw(&mut random), draw(&mut random));
        let kind = |points: &Array2<f32>| -> Vec<u32> {
            points.rows().into_iter().map(|row| u32::from((row[0] > 0.0) != (row[2] > 0.0))).collect()
        };
        let forest = Forest::train(&train, &kind(&train), 2, CONFIG, 5);
        let right = test
            .rows()
            .into_iter()
            .zip(kind(&test))
            .filter(|(row, kind)| (forest.probabilities(*row)[1] > 0.5) == (*kind == 1));
        assert!(right.count() > 540);
        assert_eq!(forest, Forest::train(&train, &kind(&train), 2, CONFIG, 5), "one seed, one forest");
        assert!(forest.is_valid(4) && !forest.is_valid(2));
    }

    #[test]
    fn cells_that_are_all_equal_give_the_fraction_of_their_kinds() {
        let labels: Vec<u32> = (0..40).map(|cell| u32::from(cell < 10)).collect();
        let forest = Forest::train(&Array2::ones((40, 3)), &labels, 2, CONFIG, 2);
        let fraction = forest.probabilities(Array2::ones((1, 3)).row(0))[1];
        assert!((fraction - 0.25).abs() < 0.05, "{fraction}");
    }

    #[test]
    fn sparse_and_dense_points_give_one_forest() {
        let mut random = seed::stream(3, "sparse forest");
        let draw = || if random.random::<f32>() < 0.3 { random.random::<f32>() } else { 0.0 };
        let dense = Array2::from_shape_simple_fn((90, 12), draw);
        let labels: Vec<u32> = dense.rows().into_iter().map(|row| u32::from(row[1] + row[5] > row[7])).collect();
        let rows = Csr::from_dense(12, dense.as_slice().unwrap()).unwrap();
        let sparse = SparseColumns::new(rows.view());
        let config = ForestConfig { trees: 8, min_leaf: 1, max_depth: usize::MAX };
        assert_eq!(Forest::train(&dense, &labels, 2, config, 4), Forest::train(&sparse, &labels, 2, config, 4));
    }
}

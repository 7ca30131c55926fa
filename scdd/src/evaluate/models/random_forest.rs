//! Random forest on expression (Breiman 2001), with scikit-learn's defaults.

use ndarray::{Array1, Array2};
use rayon::prelude::*;
use scdd_learn::check_training_set;
use scdd_learn::forest::{Forest, ForestConfig, SparseColumns, Tree};
use serde_json::json;

use super::{EvaluationModel, ModelInput, Numbers, SavedModel, TrainedModel};
use crate::error::SettingError;
use crate::evaluate::{EvaluateError, Protocol};
use crate::seed;

/// Trees on bootstrap samples of cells, each split the best among the square root of the genes, grown until leaves are of one
/// class. Decision values are the mean fractions of classes in the leaves that a cell falls into. Zeros are never stored.
///
/// ```
/// use scdd::prelude::*;
/// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
/// let study = cells.study("cell_type").foundation_epochs(1).run()?;
/// let quick = Protocol { networks: 1, ..Protocol::default() };
/// let evaluation = study.evaluate().model(RandomForest { trees: 20, ..RandomForest::default() }).protocol(quick).run()?;
/// assert!(evaluation.rows().iter().any(|row| row.model == "random forest"));
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RandomForest {
    /// Trees: 100 (scikit-learn).
    pub trees: usize,
    /// Cells that a leaf keeps at least: 1 (scikit-learn).
    pub leaf: usize,
    /// Splits above a leaf at most: 64, which leaves of one class rarely need (ours; scikit-learn has no bound).
    pub depth: usize,
}

impl Default for RandomForest {
    fn default() -> Self {
        Self { trees: 100, leaf: 1, depth: 64 }
    }
}

impl RandomForest {
    /// With 100 trees.
    pub fn new() -> Self {
        Self::default()
    }
}

impl EvaluationModel for RandomForest {
    fn name(&self) -> String {
        "random forest".into()
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        for (name, count) in [("trees", self.trees), ("leaf", self.leaf), ("depth", self.depth)] {
            if count == 0 {
                return Err(EvaluateError::Setting(SettingError::new(name, "0", "1 or more")).into());
            }
        }
        protocol.check()?;
        let expression = cells.expression()?;
        let genes = expression.genes();
        check_training_set(expression.cells(), genes, labels, classes)?;
        let columns = SparseColumns::new(expression.view());
        let config = ForestConfig { trees: self.trees, min_leaf: self.leaf, max_depth: self.depth };
        let grow = |network: usize| {
            let seed = seed::number(protocol.seed, &format!("random forest {network}"));
            Box::new(Trained { forest: Forest::train(&columns, labels, classes, config, seed), genes })
                as Box<dyn TrainedModel>
        };
        Ok((0..protocol.networks).map(grow).collect())
    }
}

struct Trained {
    forest: Forest,
    genes: usize,
}

impl TrainedModel for Trained {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        let expression = cells.expression()?;
        let (found, expected) = (expression.genes(), self.genes);
        if found != expected {
            return Err(EvaluateError::Genes { found, expected }.into());
        }
        let classes = self.forest.classes;
        let mut probabilities = vec![0.0; expression.cells() * classes];
        probabilities.par_chunks_exact_mut(classes).with_min_len(16).enumerate().for_each_init(
            || Array1::zeros(self.genes),
            |point, (cell, probabilities)| {
                let (genes, values) = expression.row(cell);
                genes.iter().zip(values).for_each(|(&gene, &value)| point[gene as usize] = value);
                probabilities.copy_from_slice(&self.forest.probabilities(point.view()));
                genes.iter().for_each(|&gene| point[gene as usize] = 0.0);
            },
        );
        // One probability for each cell and class.
        Ok(Array2::from_shape_vec((expression.cells(), classes), probabilities).unwrap_or_default())
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        self.decide(cells)
    }

    fn save(&self) -> Option<SavedModel> {
        let trees = &self.forest.trees;
        let ends = |length: fn(&Tree) -> usize| -> Vec<u64> {
            let mut end = 0;
            trees
                .iter()
                .map(|tree| {
                    end += length(tree) as u64;
                    end
                })
                .collect()
        };
        let features: Vec<u32> = trees.iter().flat_map(|tree| tree.features.iter().copied()).collect();
        let targets: Vec<u32> = trees.iter().flat_map(|tree| tree.targets.iter().copied()).collect();
        let thresholds: Vec<f32> = trees.iter().flat_map(|tree| tree.thresholds.iter().copied()).collect();
        let fractions: Vec<f32> = trees.iter().flat_map(|tree| tree.fractions.iter().copied()).collect();
        let nodes = features.len();
        Some(
            SavedModel::new(KIND, json!({ "genes": self.genes, "classes": self.forest.classes }))
                .with("node_ends", &[trees.len()], Numbers::U64(ends(|tree| tree.features.len())))
                .with("share_ends", &[trees.len()], Numbers::U64(ends(|tree| tree.fractions.len())))
                .with("features", &[nodes], Numbers::U32(features))
                .with("places", &[nodes], Numbers::U32(targets))
                .with("thresholds", &[nodes], Numbers::F32(thresholds))
                .with("shares", &[fractions.len()], Numbers::F32(fractions)),
        )
    }
}

/// Which files hold one.
pub(super) const KIND: &str = "random forest";

pub(super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let (genes, classes) = (saved.number("genes")?, saved.number("classes")?);
    let (features, targets) = (saved.u32("features")?, saved.u32("places")?);
    let (thresholds, fractions) = (saved.any_f32("thresholds")?, saved.any_f32("shares")?);
    let (mut node, mut fraction, mut trees) = (0, 0, Vec::new());
    for (node_end, fraction_end) in saved.u64("node_ends")?.into_iter().zip(saved.u64("share_ends")?) {
        let (node_end, fraction_end) = (node_end as usize, fraction_end as usize);
        let part = || {
            Some(Tree {
                features: features.get(node..node_end)?.to_vec(),
                thresholds: thresholds.get(node..node_end)?.to_vec(),
                targets: targets.get(node..node_end)?.to_vec(),
                fractions: fractions.get(fraction..fraction_end)?.to_vec(),
            })
        };
        trees.push(part().ok_or("its trees do not fit their nodes")?);
        (node, fraction) = (node_end, fraction_end);
    }
    let forest = Forest { classes, trees };
    match forest.is_valid(genes) {
        true => Ok(Box::new(Trained { forest, genes })),
        false => Err("its trees have nodes outside".into()),
    }
}

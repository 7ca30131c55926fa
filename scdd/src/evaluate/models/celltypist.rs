//! CellTypist (Dominguez Conde et al. 2022): one-vs-rest logistic regression on standardised log-normalised expression.
//!
//! As in the Python package's `train` with its defaults: genes without expression are dropped (here they are all zero, and
//! so are their weights), each gene is standardised and clipped at 10 deviations above its mean, and
//! `LogisticRegression(C=1, solver="lbfgs", max_iter=1000)` is fitted for each class against the others; with its `use_SGD`
//! it is `SGDClassifier(loss="log_loss", alpha=1e-4)`. The package requires that a cell's counts
//! sum to 10,000; here they need not, because a study may keep some of the genes only, and means of cells sum to less.

use ndarray::Array2;
use rayon::prelude::*;
use scdd_learn::check_training_set;
use scdd_learn::lbfgs::Minimum;
use scdd_learn::logistic::{Design, LogisticConfig, LogisticFit, RowSpace, one_vs_rest};
use scdd_learn::logistic_sgd::{self, SgdConfig};
use scdd_learn::metrics::{accuracy, argmax};
use scdd_learn::standardize::Standardizer;
use serde_json::json;

use super::{EvaluationModel, ModelInput, Numbers, SavedModel, TrainedModel};
use crate::cells::Expression;
use crate::error::SettingError;
use crate::evaluate::{EvaluateError, Protocol};
use crate::seed;

/// Above so many deviations a gene counts as that many (CellTypist; nothing is clipped below).
const CLIP: f64 = 10.0;
/// Up to so many cells, and when they are fewer than genes, weights are fitted in the row space of the cells.
const FEW: usize = 1_024;
/// What a pass has to lower the mean loss by (scikit-learn's `tol`).
const SGD_TOLERANCE: f64 = 1e-3;

/// Logistic regression as CellTypist trains it. Decision values are the decision function, `w z + b` of each class, and
/// probabilities its logistic function, as CellTypist's; a class without training cells has minus infinity, and 0. By L-BFGS
/// nothing is drawn, so there is one model whatever the protocol says; by SGD the order of cells is.
///
/// Genes that cells to annotate lack are left out, as CellTypist does it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellTypist {
    /// Inverse strength of the penalty: 1 (CellTypist).
    pub c: f64,
    /// Iterations of L-BFGS at most: 1,000 (CellTypist).
    pub iterations: usize,
    /// It ends when no entry of the gradient of the mean loss is above this: 1e-5. scikit-learn's 1e-4 ends earlier (ours,
    /// since the classes are minimised together).
    pub tolerance: f64,
    /// Stochastic gradient descent with this strength of the penalty instead of L-BFGS, as CellTypist's `use_SGD` with
    /// its `alpha` of 1e-4; None. Then `iterations` are passes over the cells, and a pass has to lower the mean loss by 1e-3
    /// (scikit-learn's `tol`); `c` and `tolerance` are not used.
    pub sgd: Option<f64>,
}

impl Default for CellTypist {
    fn default() -> Self {
        Self { c: 1.0, iterations: 1_000, tolerance: 1e-5, sgd: None }
    }
}

impl CellTypist {
    /// With CellTypist's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// By stochastic gradient descent, which tables call "CellTypist SGD".
    pub fn sgd() -> Self {
        Self { sgd: Some(1e-4), ..Self::default() }
    }

    fn check(&self) -> Result<(), EvaluateError> {
        let demand = |holds: bool, name, value: String, expected| {
            if holds { Ok(()) } else { Err(EvaluateError::Setting(SettingError::new(name, value, expected))) }
        };
        demand(self.c.is_finite() && self.c > 0.0, "c", self.c.to_string(), "a finite number above 0")?;
        demand(self.iterations > 0, "iterations", self.iterations.to_string(), "1 or more")?;
        let alpha = self.sgd.unwrap_or(1.0);
        demand(alpha.is_finite() && alpha > 0.0, "sgd", alpha.to_string(), "a finite number above 0")?;
        let tolerance = self.tolerance;
        demand(tolerance.is_finite() && tolerance > 0.0, "tolerance", tolerance.to_string(), "a finite number above 0")
    }

    #[cfg(test)]
    fn fit(&self, expression: &Expression, labels: &[u32], classes: usize) -> crate::Result<Trained> {
        self.fit_seeded(expression, labels, classes, 0)
    }

    fn fit_seeded(&self, expression: &Expression, labels: &[u32], classes: usize, seed: u64) -> crate::Result<Trained> {
        self.check()?;
        let (cells, genes) = (expression.cells(), expression.genes());
        check_training_set(cells, genes, labels, classes)?;
        let standardizer = Standardizer::fit(expression.view(), CLIP);
        // scikit-learn, too, knows only the classes that it has seen.
        let mut present: Vec<u32> = labels.to_vec();
        present.sort_unstable();
        present.dedup();
        let known = present.len();
        let of_known: Vec<u32> =
            labels.iter().map(|label| present.partition_point(|known| known < label) as u32).collect();
        let config = LogisticConfig { c: self.c, iterations: self.iterations, tolerance: self.tolerance };
        let solve = |design: &Design| one_vs_rest(design, &of_known, known, config);
        let fitted = if let Some(alpha) = self.sgd {
            let config = SgdConfig { alpha, passes: self.iterations, tolerance: SGD_TOLERANCE, seed };
            logistic_sgd::one_vs_rest(expression.view(), &standardizer, &of_known, known, config)
        } else if cells <= FEW.min(genes) {
            let mut rows = vec![0.0; cells * genes];
            rows.par_chunks_exact_mut(genes)
                .enumerate()
                .for_each(|(cell, row)| standardizer.dense_row(expression.view(), cell, row));
            let space = RowSpace::new(rows, genes);
            let fitted = solve(&space.design());
            LogisticFit { weights: space.unfold(&fitted.weights, known), ..fitted }
        } else {
            solve(&Design::sparse(expression.view(), &standardizer))
        };
        let Minimum { iterations, gradient } = fitted.minimum;
        let note = (gradient.is_nan() || gradient > self.tolerance).then(|| match self.sgd {
            Some(_) => format!("CellTypist SGD ended after {iterations} passes over {cells} cells and was not done"),
            None => format!(
                "CellTypist ended after {iterations} iterations on {cells} cells with a gradient of {gradient:.1e}"
            ),
        });
        let mut start = fitted.intercepts;
        for (weights, offset) in fitted.weights.chunks_exact(known).zip(standardizer.offset()) {
            start.iter_mut().zip(weights).for_each(|(start, weight)| *start -= offset * weight);
        }
        let weights = fitted.weights;
        let mut trained = Trained { standardizer, weights, start, present, classes, training_accuracy: None, note };
        trained.training_accuracy = Some(accuracy(&argmax(&trained.decisions(expression)?), labels));
        Ok(trained)
    }
}

impl EvaluationModel for CellTypist {
    fn name(&self) -> String {
        if self.sgd.is_some() { "CellTypist SGD".into() } else { "CellTypist".into() }
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        let networks = if self.sgd.is_some() { protocol.networks } else { 1 };
        let fit = |network| -> crate::Result<Box<dyn TrainedModel>> {
            let seed = seed::number(protocol.seed, &format!("CellTypist SGD {network}"));
            Ok(Box::new(self.fit_seeded(cells.expression()?, labels, classes, seed)?))
        };
        (0..networks).map(fit).collect()
    }
}

struct Trained {
    standardizer: Standardizer,
    /// `[genes, known classes]`.
    weights: Vec<f64>,
    /// The decision function of a cell without expression.
    start: Vec<f64>,
    present: Vec<u32>,
    classes: usize,
    training_accuracy: Option<f64>,
    note: Option<String>,
}

impl Trained {
    fn decisions(&self, expression: &Expression) -> Result<Array2<f32>, EvaluateError> {
        self.decisions_without(expression, &[])
    }

    /// Decisions without some genes: the contribution of their zeros is subtracted.
    fn decisions_without(&self, expression: &Expression, missing: &[u32]) -> Result<Array2<f32>, EvaluateError> {
        let (found, expected) = (expression.genes(), self.standardizer.columns());
        if found != expected {
            return Err(EvaluateError::Genes { found, expected });
        }
        let known = self.present.len();
        let mut start = self.start.clone();
        for &gene in missing {
            let (weights, offset) = (&self.weights[gene as usize * known..], self.standardizer.offset()[gene as usize]);
            start.iter_mut().zip(weights).for_each(|(start, weight)| *start += offset * weight);
        }
        let mut decisions = vec![f32::NEG_INFINITY; expression.cells() * self.classes];
        decisions.par_chunks_exact_mut(self.classes).with_min_len(64).enumerate().for_each(|(cell, row)| {
            let mut sums = start.clone();
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                let value = self.standardizer.shifted(gene, value);
                let weights = &self.weights[gene as usize * known..][..known];
                sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += value * weight);
            }
            self.present.iter().zip(sums).for_each(|(&class, sum)| row[class as usize] = sum as f32);
        });
        // One value for each cell and class.
        Ok(Array2::from_shape_vec((expression.cells(), self.classes), decisions).unwrap_or_default())
    }
}

impl TrainedModel for Trained {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.decisions_without(cells.expression()?, cells.missing_genes())?)
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.decide(cells)?.mapv(|decision| 1.0 / (1.0 + (-decision).exp())))
    }

    fn save(&self) -> Option<SavedModel> {
        let (genes, known) = (self.standardizer.columns(), self.present.len());
        let (inverse, offset) = (self.standardizer.inverse().to_vec(), self.standardizer.offset().to_vec());
        Some(
            SavedModel::new(KIND, json!({ "genes": genes, "classes": self.classes }))
                .with("inverse", &[genes], Numbers::F64(inverse))
                .with("offset", &[genes], Numbers::F64(offset))
                .with("weights", &[genes, known], Numbers::F64(self.weights.clone()))
                .with("start", &[known], Numbers::F64(self.start.clone()))
                .with("present", &[known], Numbers::U32(self.present.clone())),
        )
    }

    fn training_accuracy(&self) -> Option<f64> {
        self.training_accuracy
    }

    fn note(&self) -> Option<String> {
        self.note.clone()
    }
}

/// Which files hold one.
pub(super) const KIND: &str = "CellTypist";

pub(super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let (genes, classes) = (saved.number("genes")?, saved.number("classes")?);
    let present = saved.u32("present")?;
    if let Some(class) = present.iter().find(|class| **class as usize >= classes) {
        return Err(format!("class {class} of {classes} classes"));
    }
    let known = present.len();
    let (inverse, offset) = (saved.f64("inverse", &[genes])?, saved.f64("offset", &[genes])?);
    let standardizer = Standardizer::from_parts(inverse, offset, CLIP);
    let (weights, start) = (saved.f64("weights", &[genes, known])?, saved.f64("start", &[known])?);
    let (training_accuracy, note) = (None, None);
    Ok(Box::new(Trained { standardizer, weights, start, present, classes, training_accuracy, note }))
}

#[cfg(test)]
#[path = "celltypist_tests.rs"]
mod tests;

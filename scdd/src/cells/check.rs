//! The checked constructors of [`Cells`]: counts are integers, log-normalised values are logarithms of one sum per cell.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;

use polars::prelude::DataFrame;

use super::{Cells, CellsError, Counts, Expression, LogNormalized, Obsm, Provenance};
use crate::Result;
use crate::text::measured;

/// Row sums of expm1 closer together than this (largest over smallest) mean one target sum: f32 values of
/// log1p leave about 1e-6, a target rounded by other tools up to a few permille (our choice).
const SAME_SUM: f64 = 1.02;

/// Largest log-normalised value that is accepted: log1p of one million, all of a cell's counts in one gene
/// at the largest target sum in use, counts per million (our choice).
const LARGEST_LOG: f32 = 13.82;

impl Cells<Counts> {
    /// Cells from their parts: counts `[cells, genes]`, one name a cell, one unique symbol a gene, and one row
    /// of `obs` a cell and of `var` a gene (frames without columns must still have that height).
    ///
    /// # Errors
    /// When lengths do not fit together, the matrix is empty, gene names come twice, or values are negative or
    /// not integers; input that is already (log-)normalised is recognised by its row sums and named.
    ///
    /// ```
    /// use scdd::cells::{Expression, Provenance};
    /// use scdd::polars::prelude::{Column, DataFrame};
    /// use scdd::{Cells, Counts};
    ///
    /// let counts = Expression::from_dense(3, &[0., 5., 0., 1., 0., 2.])?;
    /// let obs = DataFrame::new(2, vec![Column::new("cell_type".into(), &["T", "B"])])?;
    /// let var = DataFrame::new(3, vec![])?;
    /// let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    /// let cells = Cells::<Counts>::new(
    ///     counts, names(&["c1", "c2"]), names(&["CD3E", "MS4A1", "ACTB"]), obs, var, Provenance::default())?;
    /// assert_eq!((cells.cells(), cells.genes()), (2, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        expression: Expression,
        cell_names: Vec<String>,
        gene_names: Vec<String>,
        obs: DataFrame,
        var: DataFrame,
        provenance: Provenance,
    ) -> Result<Self> {
        let obsm = Obsm::default();
        Ok(UncheckedCells { expression, cell_names, gene_names, obs, var, obsm, provenance }.counts()?)
    }
}

impl Cells<LogNormalized> {
    /// Cells which are log-normalised already, on purpose: log1p of counts scaled to one sum per cell.
    /// UncheckedCells as in [`Cells::new`].
    ///
    /// Row sums of expm1 near a constant prove it. When genes have been selected since, sums differ; then
    /// values between 0 and 13.82 (log1p of a million) that are not all integers are accepted, and the
    /// provenance says so (our choice).
    ///
    /// # Errors
    /// As [`Cells::new`]; and when values are negative, larger than 13.82, or all integers (counts).
    pub fn log_normalized(
        expression: Expression,
        cell_names: Vec<String>,
        gene_names: Vec<String>,
        obs: DataFrame,
        var: DataFrame,
        provenance: Provenance,
    ) -> Result<Self> {
        let obsm = Obsm::default();
        Ok(UncheckedCells { expression, cell_names, gene_names, obs, var, obsm, provenance }.log_normalized()?)
    }
}

/// The parts of cells before they are checked.
pub(super) struct UncheckedCells {
    pub(super) expression: Expression,
    pub(super) cell_names: Vec<String>,
    pub(super) gene_names: Vec<String>,
    pub(super) obs: DataFrame,
    pub(super) var: DataFrame,
    pub(super) obsm: Obsm,
    pub(super) provenance: Provenance,
}

impl UncheckedCells {
    /// Cells with counts.
    pub(super) fn counts(self) -> Result<Cells<Counts>, CellsError> {
        self.check()?;
        check_counts(&self.expression)?;
        Ok(self.assemble())
    }

    /// Cells that are log-normalised already.
    pub(super) fn log_normalized(mut self) -> Result<Cells<LogNormalized>, CellsError> {
        self.check()?;
        self.provenance.steps.push(check_log_normalized(&self.expression)?);
        Ok(self.assemble())
    }

    fn check(&self) -> Result<(), CellsError> {
        let (cells, genes) = (self.expression.cells(), self.expression.genes());
        if cells == 0 || genes == 0 {
            return Err(CellsError::Empty { cells, genes });
        }
        for (what, found, expected, unit) in [
            ("cell names", self.cell_names.len(), cells, "cells"),
            ("rows of obs", self.obs.height(), cells, "cells"),
            ("gene names", self.gene_names.len(), genes, "genes"),
            ("rows of var", self.var.height(), genes, "genes"),
        ] {
            if found != expected {
                return Err(CellsError::Count { what, found, expected, unit });
            }
        }
        let genes = duplicates(&self.gene_names);
        if genes.is_empty() { Ok(()) } else { Err(CellsError::GenesTwice { genes }) }
    }

    fn assemble<Stage>(self) -> Cells<Stage> {
        let Self { expression, cell_names, gene_names, obs, var, obsm, provenance } = self;
        let (cell_names, gene_names) = (Arc::new(cell_names), Arc::new(gene_names));
        Cells { expression, cell_names, gene_names, obs, var, obsm, provenance, stage: PhantomData }
    }
}

/// Names that come more than once, in the order in which they repeat.
fn duplicates(names: &[String]) -> Vec<String> {
    let (mut seen, mut reported) = (HashSet::with_capacity(names.len()), HashSet::new());
    names.iter().filter(|name| !seen.insert(*name)).filter(|name| reported.insert(*name)).cloned().collect()
}

/// Makes names unique as Python's anndata does: the second `X` becomes `X-1`, the third `X-2`.
pub(super) fn make_unique(names: Vec<String>) -> (Vec<String>, usize) {
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let (mut seen, mut changed) = (HashSet::with_capacity(names.len()), 0);
    let unique = names
        .into_iter()
        .map(|name| {
            if seen.insert(name.clone()) {
                return name;
            }
            changed += 1;
            let mut suffix = 1;
            loop {
                let candidate = format!("{name}-{suffix}");
                if taken.insert(candidate.clone()) {
                    return candidate;
                }
                suffix += 1;
            }
        })
        .collect();
    (unique, changed)
}

/// Smallest and largest sum of a row that has one, of some function of the values that is 0 at 0.
fn row_sums(expression: &Expression, value: impl Fn(f32) -> f64) -> (f64, f64) {
    let sums = (0..expression.cells())
        .map(|cell| expression.row(cell).1.iter().map(|&v| value(v)).sum::<f64>())
        .filter(|&sum| sum != 0.0);
    sums.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), sum| (low.min(sum), high.max(sum)))
}

fn constant((low, high): (f64, f64)) -> bool {
    low > 0.0 && high.is_finite() && high <= low * SAME_SUM
}

fn check_counts(expression: &Expression) -> Result<(), CellsError> {
    let (values, nnz) = (expression.values(), expression.nnz());
    let negative = values.iter().filter(|value| **value < 0.0).count();
    if negative > 0 {
        let smallest = values.iter().copied().fold(f32::INFINITY, f32::min);
        return Err(CellsError::Negative { negative, nnz, smallest });
    }
    let fractional = values.iter().filter(|value| value.fract() != 0.0).count();
    if fractional == 0 {
        return Ok(());
    }
    let (sums, expm1_sums) = (row_sums(expression, f64::from), row_sums(expression, |v| f64::from(v).exp_m1()));
    let several = expression.cells() > 1;
    Err(if several && constant(expm1_sums) {
        CellsError::LogNormalized { sums: expm1_sums }
    } else if several && constant(sums) {
        CellsError::Normalized { sums }
    } else {
        CellsError::NotIntegers { fractional, nnz, sums, expm1_sums }
    })
}

/// How it is known that values are log-normalised, for the provenance.
fn check_log_normalized(expression: &Expression) -> Result<String, CellsError> {
    let (values, nnz) = (expression.values(), expression.nnz());
    let (smallest, largest) =
        values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    if values.is_empty() {
        return Err(CellsError::AllZero);
    }
    if smallest < 0.0 {
        return Err(CellsError::Scaled { smallest, largest });
    }
    if values.iter().all(|value| value.fract() == 0.0) {
        return Err(CellsError::Counts { nnz, sums: row_sums(expression, f64::from) });
    }
    let expm1_sums = row_sums(expression, |v| f64::from(v).exp_m1());
    let range = format!("row sums of expm1 run from {} to {}", measured(expm1_sums.0), measured(expm1_sums.1));
    if constant(expm1_sums) {
        return Ok(format!("log-normalised as read: {range}"));
    }
    if largest > LARGEST_LOG {
        return Err(CellsError::NoLogarithms { largest, most: LARGEST_LOG, expm1_sums });
    }
    Ok(format!("log-normalised as read, genes selected before: {range}"))
}

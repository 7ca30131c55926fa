//! The checked constructors of [`Cells`]: what enters a stage is what the stage says.

use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;

use polars::prelude::DataFrame;

use super::{Cells, CellsError, Counts, Expression, LogNormalized, Obsm, Provenance};
use crate::Result;
use crate::text::{first_few, grouped, measured};

/// Row sums of expm1 closer together than this (largest over smallest) mean one target sum: f32 values of
/// log1p leave about 1e-6, a target rounded by other tools up to a few permille (ours).
const SAME_SUM: f64 = 1.02;

/// Largest log-normalised value that is believed: log1p of one million, all of a cell's counts in one gene
/// at the largest target sum in use, counts per million (ours).
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
        check_parts(&expression, &cell_names, &gene_names, &obs, &var)?;
        check_counts(&expression)?;
        Ok(assemble(expression, cell_names, gene_names, obs, var, provenance))
    }
}

impl Cells<LogNormalized> {
    /// Cells which are log-normalised already, on purpose: log1p of counts scaled to one sum per cell.
    /// Parts as in [`Cells::new`].
    ///
    /// Row sums of expm1 near a constant prove it. When genes have been selected since, sums differ; then
    /// values between 0 and 13.82 (log1p of a million) that are not all integers are accepted, and the
    /// provenance says so (ours).
    ///
    /// # Errors
    /// As [`Cells::new`]; and when values are negative, larger than 13.82, or all integers (counts).
    pub fn log_normalized(
        expression: Expression,
        cell_names: Vec<String>,
        gene_names: Vec<String>,
        obs: DataFrame,
        var: DataFrame,
        mut provenance: Provenance,
    ) -> Result<Self> {
        check_parts(&expression, &cell_names, &gene_names, &obs, &var)?;
        provenance.steps.push(check_log_normalized(&expression)?);
        Ok(assemble(expression, cell_names, gene_names, obs, var, provenance))
    }
}

fn assemble<Stage>(
    expression: Expression,
    cell_names: Vec<String>,
    gene_names: Vec<String>,
    obs: DataFrame,
    var: DataFrame,
    provenance: Provenance,
) -> Cells<Stage> {
    let (cell_names, gene_names) = (Arc::new(cell_names), Arc::new(gene_names));
    Cells { expression, cell_names, gene_names, obs, var, obsm: Obsm::default(), provenance, stage: PhantomData }
}

fn check_parts(
    expression: &Expression,
    cell_names: &[String],
    gene_names: &[String],
    obs: &DataFrame,
    var: &DataFrame,
) -> Result<(), CellsError> {
    let (cells, genes) = (expression.cells(), expression.genes());
    if cells == 0 || genes == 0 {
        return Err(CellsError::Shape(format!(
            "the matrix is empty: {cells} cells x {genes} genes; at least one of each is needed"
        )));
    }
    for (what, found, expected, unit) in [
        ("cell names", cell_names.len(), cells, "cells"),
        ("rows of obs", obs.height(), cells, "cells"),
        ("gene names", gene_names.len(), genes, "genes"),
        ("rows of var", var.height(), genes, "genes"),
    ] {
        if found != expected {
            return Err(CellsError::Shape(format!(
                "{} {what} for {} {unit} of the matrix; give one each, and rows of the matrix are cells",
                grouped(found),
                grouped(expected)
            )));
        }
    }
    let twice = duplicates(gene_names);
    if !twice.is_empty() {
        return Err(CellsError::Names(format!(
            "{} gene names come more than once: {}; sum or drop those genes, or read the file with \
             H5ad::open(path).unique_gene_names(), which appends -1, -2, ...",
            grouped(twice.len()),
            first_few(&twice)
        )));
    }
    Ok(())
}

/// Names that come more than once, in the order in which they repeat.
fn duplicates(names: &[String]) -> Vec<&str> {
    let (mut seen, mut reported) = (HashSet::with_capacity(names.len()), HashSet::new());
    names.iter().map(String::as_str).filter(|name| !seen.insert(*name)).filter(|name| reported.insert(*name)).collect()
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
    let values = expression.values();
    let wrong = |message: String| Err(CellsError::Values(message));
    let negative = values.iter().filter(|value| **value < 0.0).count();
    if negative > 0 {
        let smallest = values.iter().copied().fold(f32::INFINITY, f32::min);
        return wrong(format!(
            "{} of {} stored values are negative, the smallest {smallest}; counts are expected, scaled values \
             cannot be mended: read the counts with H5ad::open(path).raw() or .layer(\"counts\")",
            grouped(negative),
            grouped(values.len())
        ));
    }
    let fractional = values.iter().filter(|value| value.fract() != 0.0).count();
    if fractional == 0 {
        return Ok(());
    }
    let (sums, exponentials) = (row_sums(expression, f64::from), row_sums(expression, |v| f64::from(v).exp_m1()));
    let range = |(low, high): (f64, f64)| format!("from {} to {}", measured(low), measured(high));
    let mend = "read the counts with H5ad::open(path).raw() or .layer(\"counts\")";
    if expression.cells() > 1 && constant(exponentials) {
        return wrong(format!(
            "the values are already log-normalised: row sums of expm1 run {}; counts are expected: {mend}, or \
             keep them as they are with H5ad::open(path).log_normalized()",
            range(exponentials)
        ));
    }
    if expression.cells() > 1 && constant(sums) {
        return wrong(format!(
            "the values are already normalised, without the logarithm: row sums run {}; counts are expected: {mend}",
            range(sums)
        ));
    }
    wrong(format!(
        "{} of {} stored values are not integers; row sums run {}, row sums of expm1 {}; counts are expected: \
         {mend}, or .log_normalized() when they are log1p of normalised counts",
        grouped(fractional),
        grouped(values.len()),
        range(sums),
        range(exponentials)
    ))
}

fn check_log_normalized(expression: &Expression) -> Result<String, CellsError> {
    let values = expression.values();
    let wrong = |message: String| Err(CellsError::Values(message));
    let (low, high) =
        values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    if values.is_empty() {
        return wrong("every value is zero; log-normalised expression is expected".to_string());
    }
    if low < 0.0 {
        return wrong(format!(
            "values run from {low} to {high}; log-normalised expression is not negative: scaled values cannot be \
             mended, read H5ad::open(path).raw().log_normalized()"
        ));
    }
    let sums = row_sums(expression, |v| f64::from(v).exp_m1());
    let range = format!("row sums of expm1 run from {} to {}", measured(sums.0), measured(sums.1));
    if values.iter().all(|value| value.fract() == 0.0) {
        let (low, high) = row_sums(expression, f64::from);
        return wrong(format!(
            "all {} stored values are integers, row sums run from {} to {}: these are counts; read them without \
             .log_normalized() and call .preprocess()",
            grouped(values.len()),
            measured(low),
            measured(high)
        ));
    }
    if constant(sums) {
        return Ok(format!("log-normalised as read: {range}"));
    }
    if high > LARGEST_LOG {
        return wrong(format!(
            "values run up to {high} and {range}; log1p of at most a million counts per cell is at most \
             {LARGEST_LOG}: take the logarithm first, or start from counts and call .preprocess()"
        ));
    }
    Ok(format!("log-normalised as read, genes selected before: {range}"))
}

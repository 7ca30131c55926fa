//! Classes of generated cells: overlap of their marker genes with those of real cells.

use super::Sample;
use crate::cells::Expression;

/// Genes of a class that are compared (ours), or a tenth of the genes where there are fewer than 500.
const MARKERS: usize = 50;
/// Cells inside and outside of a class that a t-test needs (ours).
const LEAST: usize = 5;

/// Fraction of the top genes of a class, by Welch's t of the class against all other cells, that two samples have in common;
/// or why there is none.
pub(super) fn marker_overlap(real: &Sample, other: &Sample, class: u32) -> Result<f64, String> {
    let count = MARKERS.min(real.expression.genes() / 10).max(1);
    let of = |sample: &Sample, what: &str| {
        let inside = sample.labels.iter().filter(|label| **label == class).count();
        let outside = sample.cells() - inside;
        if inside.min(outside) < LEAST {
            return Err(format!(
                "a t-test needs at least {LEAST} cells on each side; of the {what} cells, {inside} are of the class and \
                 {outside} are not"
            ));
        }
        let mut genes: Vec<(f64, usize)> =
            welch(&sample.expression, &sample.labels, class).into_iter().zip(0..).collect();
        genes.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(genes.into_iter().take(count).filter(|(t, _)| *t > 0.0).map(|(_, gene)| gene).collect::<Vec<usize>>())
    };
    let (real, other) = (of(real, "real")?, of(other, "compared")?);
    Ok(real.iter().filter(|gene| other.contains(gene)).count() as f64 / count as f64)
}

/// t of every gene, above 0 where the class expresses it more; 0 where it does not vary.
fn welch(expression: &Expression, labels: &[u32], class: u32) -> Vec<f64> {
    let genes = expression.genes();
    let (mut sums, mut squares) = ([vec![0.0; genes], vec![0.0; genes]], [vec![0.0; genes], vec![0.0; genes]]);
    let mut cells = [0.0f64; 2];
    for (cell, &label) in labels.iter().enumerate() {
        let side = usize::from(label != class);
        cells[side] += 1.0;
        let (row_genes, values) = expression.row(cell);
        for (&gene, &value) in row_genes.iter().zip(values) {
            sums[side][gene as usize] += f64::from(value);
            squares[side][gene as usize] += f64::from(value).powi(2);
        }
    }
    let t = |gene: usize| {
        let mean = [sums[0][gene] / cells[0], sums[1][gene] / cells[1]];
        // Squares of values of a few units in f64: what cancels is far below a deviation that counts.
        let error = |side: usize| {
            let around = squares[side][gene] - cells[side] * mean[side] * mean[side];
            around.max(0.0) / (cells[side] - 1.0) / cells[side]
        };
        let error = (error(0) + error(1)).sqrt();
        if error > 1e-9 { (mean[0] - mean[1]) / error } else { 0.0 }
    };
    (0..genes).map(t).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_is_welchs() {
        // Class 0: 1, 2, 3 (mean 2, variance 1); the others: 4, 8 (mean 6, variance 8).
        let expression = Expression::from_dense(2, &[1.0, 5.0, 2.0, 5.0, 3.0, 5.0, 4.0, 5.0, 8.0, 5.0]).unwrap();
        let t = welch(&expression, &[0, 0, 0, 1, 2], 0);
        assert!((t[0] + 4.0 / (1.0f64 / 3.0 + 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(t[1], 0.0, "a constant gene marks nothing");
    }
}

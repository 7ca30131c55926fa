//! Exact copies: synthetic cells that equal a training cell.

use rayon::prelude::*;

use crate::cells::Expression;

/// Values that differ by no more are equal (log1p of counts per 1e4; a file's decimals and f32 differ by less).
const EQUAL: f32 = 1e-6;

/// How many of the cells are equal to a training cell in every gene, of whatever class.
pub(super) fn exact_copies(cells: &Expression, training: &Expression) -> usize {
    let is_copy = |&cell: &usize| {
        let dense = cells.dense_rows(&[cell]);
        (0..training.cells()).any(|other| equal(&dense, training.row(other)))
    };
    (0..cells.cells()).into_par_iter().filter(is_copy).count()
}

fn equal(dense: &[f32], (genes, values): (&[u32], &[f32])) -> bool {
    // Most pairs differ in one of the first genes that the real cell expresses.
    let stored = genes.iter().zip(values).all(|(&gene, &value)| (dense[gene as usize] - value).abs() <= EQUAL);
    if !stored {
        return false;
    }
    let mut expressed = genes.iter().peekable();
    dense.iter().enumerate().all(|(gene, &value)| {
        let is_stored = expressed.next_if(|&&next| next as usize == gene).is_some();
        is_stored || value.abs() <= EQUAL
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_equal_in_every_gene_up_to_rounding() {
        let training = Expression::from_dense(3, &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0]).unwrap();
        let count = |dense: &[f32]| exact_copies(&Expression::from_dense(3, dense).unwrap(), &training);
        assert_eq!(count(&[1.0, 0.0, 2.0]), 1);
        assert_eq!(count(&[1.0000005, 5e-7, 2.0]), 1);
        assert_eq!(count(&[1.0, 0.1, 2.0]), 0, "a gene that the real cell lacks");
        assert_eq!(count(&[1.0, 0.0, 2.001]), 0);
        assert_eq!(count(&[1.0, 0.0, 0.0]), 0);
        assert_eq!(count(&[0.0, 3.0, 0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0]), 2);
    }
}

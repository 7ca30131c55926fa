//! Class markers: the variable genes whose mean in a class exceeds that of the other classes by most.

use super::PreprocessError;
use super::dispersion::highly_variable_genes;
use crate::cells::Expression;

/// Highly variable genes that are candidates (our choice; scanpy's and Seurat's usual number).
const CANDIDATES: usize = 2_000;

/// Of each class the `per_class` highly variable genes that mark it best; no gene marks two classes.
///
/// The paper shows "the top three highly variable genes per class" (Yu et al. 2025, Fig. 5) and does not say how
/// they are found. Our choice: among the 2,000 most variable genes, those whose mean in the class exceeds the mean of the
/// other classes' means by most, in log1p of counts per 10,000; each class weighs the same whatever its size. Pairs
/// of class and gene are taken from the largest difference down, so a gene goes to the class that it marks most.
/// A class gets fewer genes when no more are higher in it than elsewhere, and none when it has no cells.
///
/// # Errors
/// As [`highly_variable_genes`], and when labels do not fit.
///
/// ```
/// use scdd::cells::Expression;
/// let expression = Expression::from_dense(3, &[2.0, 0.0, 1.0, 2.2, 0.0, 1.1, 0.0, 3.0, 1.0, 0.0, 2.5, 0.9])?;
/// let markers = scdd::preprocess::top_variable_genes_per_class(&expression, &[0, 0, 1, 1], 2, 1)?;
/// assert_eq!(markers, [vec![0], vec![1]]);
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn top_variable_genes_per_class(
    expression: &Expression,
    labels: &[u32],
    n_classes: usize,
    per_class: usize,
) -> Result<Vec<Vec<usize>>, PreprocessError> {
    if labels.len() != expression.cells() {
        return Err(PreprocessError::LabelCount { labels: labels.len(), cells: expression.cells() });
    }
    if let Some(&label) = labels.iter().find(|label| **label as usize >= n_classes) {
        return Err(PreprocessError::Label { label, classes: n_classes });
    }
    let candidates = highly_variable_genes(expression, CANDIDATES)?;
    let candidates = candidates.selected();
    let mut position = vec![usize::MAX; expression.genes()];
    candidates.iter().enumerate().for_each(|(i, &gene)| position[gene] = i);

    let mut means = vec![vec![0.0f64; candidates.len()]; n_classes];
    let mut cells = vec![0usize; n_classes];
    for (cell, &label) in labels.iter().enumerate() {
        cells[label as usize] += 1;
        let (genes, values) = expression.row(cell);
        for (&gene, &value) in genes.iter().zip(values) {
            if let Some(sum) = means[label as usize].get_mut(position[gene as usize]) {
                *sum += f64::from(value);
            }
        }
    }
    for (sums, &cells) in means.iter_mut().zip(&cells) {
        sums.iter_mut().for_each(|sum| *sum /= cells.max(1) as f64);
    }
    let present: Vec<usize> = (0..n_classes).filter(|&class| cells[class] > 0).collect();
    let others = (present.len().max(2) - 1) as f64;
    let mut pairs = Vec::new();
    for gene in 0..candidates.len() {
        let total: f64 = present.iter().map(|&class| means[class][gene]).sum();
        for &class in &present {
            let difference = means[class][gene] - (total - means[class][gene]) / others;
            if difference > 0.0 {
                pairs.push((difference, class, candidates[gene]));
            }
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(&b.2)));
    let mut taken = vec![false; expression.genes()];
    let mut chosen = vec![Vec::new(); n_classes];
    for (_, class, gene) in pairs {
        if !taken[gene] && chosen[class].len() < per_class {
            taken[gene] = true;
            chosen[class].push(gene);
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gene_marks_two_classes_and_markers_are_higher_in_their_class() {
        let cells = crate::simulate().cells(200).genes(120).classes(4).run().unwrap();
        let cells = cells.preprocess().min_genes(5).run().unwrap();
        let expression = cells.expression();
        let labels = cells.labels("cell_type").unwrap().of_cell.to_vec();
        let markers = top_variable_genes_per_class(expression, &labels, 5, 3).unwrap();
        let mut all: Vec<usize> = markers.iter().flatten().copied().collect();
        assert_eq!(all.len(), 12, "three for each of four classes, none for the class without cells");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 12);
        for (class, genes) in markers.iter().enumerate() {
            for &gene in genes {
                let mean = |own: bool| {
                    let cells: Vec<usize> =
                        (0..labels.len()).filter(|&cell| (labels[cell] as usize == class) == own).collect();
                    let sum: f32 = expression.dense_rows(&cells).iter().skip(gene).step_by(expression.genes()).sum();
                    sum / cells.len() as f32
                };
                assert!(mean(true) > mean(false), "gene {gene} of class {class}");
            }
        }
    }
}

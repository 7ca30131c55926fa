//! Cosine distances of cells to their nearest and next cells of another set, from sparse rows: nothing dense is as large as
//! the reference.

use rayon::prelude::*;

use crate::cells::Expression;

/// Queries that go through the reference together; their dense rows, gene by gene, stay in a cache.
const TOGETHER: usize = 16;
/// Cosine distances of equal rows are below this in f32.
const ROUNDING: f32 = 1e-5;

/// The two nearest cells of a reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    /// Distance to the nearest, 1 - cosine.
    pub(super) distance: f32,
    /// Distance to the next; infinite where there is none.
    pub(super) next: f32,
}

impl Near {
    const NOTHING: Self = Self { distance: f32::INFINITY, next: f32::INFINITY };

    fn with(self, distance: f32) -> Self {
        match distance {
            nearer if nearer < self.distance => Self { distance: nearer, next: self.distance },
            _ => Self { next: self.next.min(distance), ..self },
        }
    }

    fn and(self, other: Self) -> Self {
        self.with(other.distance).with(other.next)
    }

    /// Distance to the nearest over that to the next: near 1 where no single cell stands out, 0 for a copy.
    pub(super) fn ratio(&self) -> f64 {
        if self.distance < ROUNDING { 0.0 } else { f64::from(self.distance) / f64::from(self.next) }
    }
}

/// Of each query the two nearest rows of the reference.
pub(super) fn nearest(queries: &Expression, reference: &Expression) -> Vec<Near> {
    let norms = |of: &Expression| (0..of.cells()).map(|cell| norm(of.row(cell).1)).collect::<Vec<f32>>();
    let (of_queries, of_reference) = (norms(queries), norms(reference));
    let mut found = Vec::with_capacity(queries.cells());
    for start in (0..queries.cells()).step_by(TOGETHER) {
        let together = TOGETHER.min(queries.cells() - start);
        let mut genes = vec![[0.0f32; TOGETHER]; queries.genes()];
        (0..together).for_each(|query| {
            let (indices, values) = queries.row(start + query);
            indices.iter().zip(values).for_each(|(&gene, &value)| genes[gene as usize][query] = value);
        });
        let visit = |mut nearest: [Near; TOGETHER], row: usize| {
            let (indices, values) = reference.row(row);
            let mut products = [0.0f32; TOGETHER];
            for (&gene, &value) in indices.iter().zip(values) {
                products.iter_mut().zip(&genes[gene as usize]).for_each(|(sum, &other)| *sum += value * other);
            }
            for query in 0..together {
                let norms = of_queries[start + query] * of_reference[row];
                nearest[query] = nearest[query].with(cosine_distance(products[query], norms));
            }
            nearest
        };
        let nothing = || [Near::NOTHING; TOGETHER];
        let both = |a: [Near; TOGETHER], b: [Near; TOGETHER]| std::array::from_fn(|query| a[query].and(b[query]));
        let of_block = (0..reference.cells()).into_par_iter().fold(nothing, visit).reduce(nothing, both);
        found.extend_from_slice(&of_block[..together]);
    }
    found
}

/// `1 - product / norms`; a cell without expression is at 1 from every other.
pub(super) fn cosine_distance(product: f32, norms: f32) -> f32 {
    if norms == 0.0 { 1.0 } else { (1.0 - product / norms).max(0.0) }
}

pub(super) fn norm(values: &[f32]) -> f32 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;

    #[test]
    fn nearest_and_next_are_those_of_the_plain_double_loop() {
        let mut random = crate::seed::stream(3, "privacy distances");
        let mut draw = |cells: usize| {
            let value = || if random.random::<f32>() < 0.6 { 0.0 } else { random.random::<f32>() };
            let dense: Vec<f32> = std::iter::repeat_with(value).take(cells * 12).collect();
            Expression::from_dense(12, &dense).unwrap()
        };
        let (queries, reference) = (draw(37), draw(90));
        let found = nearest(&queries, &reference);
        assert_eq!(found.len(), 37);
        for (query, near) in found.into_iter().enumerate() {
            let a = queries.dense_rows(&[query]);
            let far = |row: usize| {
                let b = reference.dense_rows(&[row]);
                let product: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
                cosine_distance(product, norm(&a) * norm(&b))
            };
            let mut all: Vec<f32> = (0..90).map(far).collect();
            all.sort_by(f32::total_cmp);
            assert!((near.distance - all[0]).abs() < 1e-6 && (near.next - all[1]).abs() < 1e-6);
        }
    }

    #[test]
    fn a_copy_has_ratio_zero_and_a_cell_without_expression_is_at_one() {
        let reference = Expression::from_dense(2, &[3.0, 4.0, 0.0, 1.0]).unwrap();
        let queries = Expression::from_dense(2, &[6.0, 8.0, 0.0, 0.0]).unwrap();
        let found = nearest(&queries, &reference);
        assert!(found[0].distance < 1e-6 && (found[0].next - 0.2).abs() < 1e-6);
        assert_eq!(found[0].ratio(), 0.0);
        assert_eq!(found[1], Near { distance: 1.0, next: 1.0 });
    }
}

//! SDDMM with packed weights: v_ij = x_i . w_j at the positions (i, j) of a sparsity pattern, x dense `[rows, columns]`, w rows of
//! a [`PackedMatrix`]. It is the gradient of the sparse matrix that [`spmm`](super::spmm) multiplied.
//!
//! Weights of 64 rows in a strip of two panels stay in L1 while all dense rows use them, and a dense row's values in registers
//! while its weights are multiplied. Partial sums of a position, a register each, are loaded and stored once a strip.
//!
//! Each product is summed in one order, whatever else the pattern has: the same bits on any number of threads.
//! O(positions * columns).

use std::ops::Range;

use rayon::prelude::*;

use super::PackedMatrix;
use super::panel::{LANES, PANEL, PanelRow, Registers};
use crate::aligned::prefetch;
use crate::cpu::{Isa, PORTABLE_FMA, multiply_add};
use crate::dispatch;
use crate::mask::set_bits;

/// Weight rows that are used together, as many as bits of a u64: 32 KB in a strip.
const BLOCK: usize = 64;
/// Blocks of a task.
const BLOCKS: usize = 16;
/// Panels of a strip.
const STRIP: usize = 2;

/// Partial sums of a position, lane by lane.
type Sums = [f32; LANES];

/// A sparsity pattern: row `i` has the positions `indptr[i]..indptr[i + 1]`, their indices sorted ascending.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    /// Where rows begin and end, `rows + 1` of them, from 0.
    pub indptr: &'a [u64],
    /// Which row of the weights each position takes.
    pub indices: &'a [u32],
}

/// A block of weight rows, and the positions of the pattern in it.
struct Block<'a> {
    weights: &'a PackedMatrix,
    rows: Range<usize>,
    /// Dense rows with positions here, and how many.
    runs: Vec<(u32, u32)>,
    /// The weight row of each position within the block, run after run.
    positions: Vec<u32>,
    /// A bit for each weight row that is needed.
    needed: u64,
}

/// Dense rows `[rows, columns]` times the weight rows `[k, columns]` that the pattern names: a value for each position.
///
/// # Panics
/// When the pattern's indices reach past the weights' rows, or there are fewer dense rows than the pattern has.
///
/// ```
/// use scdd_compute::{PackedMatrix, Pattern, sddmm};
/// let weights = PackedMatrix::new(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2);
/// let pattern = Pattern { indptr: &[0, 1, 3], indices: &[1, 0, 2] };
/// assert_eq!(sddmm(&weights, &[1.0, 0.0, 0.0, 1.0], pattern), [2.0, 10.0, 30.0]);
/// ```
pub fn sddmm(weights: &PackedMatrix, rows: &[f32], pattern: Pattern) -> Vec<f32> {
    sddmm_with(Isa::detect(), weights, rows, pattern)
}

fn sddmm_with(isa: Isa, weights: &PackedMatrix, rows: &[f32], pattern: Pattern) -> Vec<f32> {
    let padded = padded(rows, weights);
    let task = BLOCK * BLOCKS;
    let parts: Vec<_> = (0..weights.rows().div_ceil(task))
        .into_par_iter()
        .map(|number| {
            let ranges: Vec<_> = ranges(pattern, number * task, (number + 1) * task).collect();
            let mut products: Vec<_> = ranges.iter().map(|range| vec![0.0; range.len()]).collect();
            let mut next = vec![0; ranges.len()];
            let (mut block, mut sums) = (Block::new(weights), Vec::new());
            for number in number * BLOCKS..(number + 1) * BLOCKS {
                block.fill(number, pattern, &ranges, &next);
                sums.clear();
                sums.resize(block.positions.len(), [0.0; LANES]);
                add_block(isa, &block, &padded, &mut sums);
                let mut sums = sums.iter().map(total);
                for &(row, count) in &block.runs {
                    let next = &mut next[row as usize];
                    let products = &mut products[row as usize][*next..][..count as usize];
                    products.iter_mut().zip(&mut sums).for_each(|(product, sum)| *product = sum);
                    *next += count as usize;
                }
            }
            (ranges, products)
        })
        .collect();
    let mut whole = vec![0.0; pattern.indices.len()];
    for (range, products) in parts.into_iter().flat_map(|(ranges, products)| ranges.into_iter().zip(products)) {
        whole[range].copy_from_slice(&products);
    }
    whole
}

/// For each row, its positions whose indices are from `begin` to `end`.
fn ranges(pattern: Pattern, begin: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
    pattern.indptr.windows(2).map(move |ends| {
        let first = ends[0] as usize;
        let indices = &pattern.indices[first..ends[1] as usize];
        let before = |bound: usize| first + indices.partition_point(|index| (*index as usize) < bound);
        before(begin)..before(end)
    })
}

/// Dense rows panel by panel, padded with zeros.
fn padded(rows: &[f32], weights: &PackedMatrix) -> Vec<PanelRow> {
    let columns = weights.columns().max(1);
    let count = rows.len() / columns;
    let mut padded = vec![[0.0; PANEL]; count * weights.panels()];
    for (number, row) in rows.chunks_exact(columns).enumerate() {
        for (panel, values) in row.chunks(PANEL).enumerate() {
            padded[panel * count + number][..values.len()].copy_from_slice(values);
        }
    }
    padded
}

impl<'a> Block<'a> {
    fn new(weights: &'a PackedMatrix) -> Self {
        Self { weights, rows: 0..0, runs: Vec::new(), positions: Vec::new(), needed: 0 }
    }

    /// Takes the positions of a block; each row's first `next` were in the blocks before.
    fn fill(&mut self, number: usize, pattern: Pattern, ranges: &[Range<usize>], next: &[usize]) {
        let rows = self.weights.rows();
        self.rows = (number * BLOCK).min(rows)..((number + 1) * BLOCK).min(rows);
        self.runs.clear();
        self.positions.clear();
        self.needed = 0;
        for (row, (range, next)) in ranges.iter().zip(next).enumerate() {
            let before = self.positions.len();
            let rest = pattern.indices[range.clone()][*next..].iter();
            let here = rest.take_while(|index| (**index as usize) < self.rows.end);
            self.positions.extend(here.map(|index| index - self.rows.start as u32));
            let count = self.positions.len() - before;
            self.needed = self.positions[before..].iter().fold(self.needed, |needed, index| needed | 1 << index);
            if count > 0 {
                self.runs.push((row as u32, count as u32));
            }
        }
    }

    /// The block's weights of a panel.
    fn panel(&self, number: usize) -> &[PanelRow] {
        &self.weights.panel(number)[self.rows.clone()]
    }
}

/// Adds the products of a block's positions over all columns.
fn add_block(isa: Isa, block: &Block, rows: &[PanelRow], sums: &mut [Sums]) {
    dispatch!(
        isa,
        (block: &Block = block, rows: &[PanelRow] = rows, sums: &mut [Sums] = sums),
        add_strips::<true>,
        add_strips::<true>,
        add_strips::<PORTABLE_FMA>
    );
}

#[inline(always)]
fn add_strips<const FUSED: bool>(block: &Block, rows: &[PanelRow], sums: &mut [Sums]) {
    let panels = block.weights.panels();
    let rows: Vec<&[PanelRow]> = rows.chunks_exact((rows.len() / panels.max(1)).max(1)).collect();
    let mut strips = rows.chunks_exact(STRIP);
    let mut first = 0;
    for strip in &mut strips {
        add_strip::<STRIP, FUSED>(block, first, std::array::from_fn(|panel| strip[panel]), sums);
        first += STRIP;
    }
    for rows in strips.remainder() {
        add_strip::<1, FUSED>(block, first, [rows], sums);
        first += 1;
    }
}

/// Adds the products over some panels; the next panels' weights are prefetched meanwhile.
#[inline(always)]
fn add_strip<const PANELS: usize, const FUSED: bool>(
    block: &Block,
    first: usize,
    rows: [&[PanelRow]; PANELS],
    mut sums: &mut [Sums],
) {
    let weights: [&[PanelRow]; PANELS] = std::array::from_fn(|panel| block.panel(first + panel));
    let needed = |panel| set_bits(block.needed).map(move |row| &block.panel(panel)[row]);
    let mut next = (first + PANELS..block.weights.panels()).take(PANELS).flat_map(needed);
    let each = (PANELS * block.needed.count_ones() as usize).div_ceil(block.runs.len().max(1));
    let mut positions = &block.positions[..];
    for &(row, count) in &block.runs {
        for weights in next.by_ref().take(each) {
            weights.as_chunks::<LANES>().0.iter().for_each(prefetch);
        }
        // A copy stays in registers.
        let mut values: [Registers; PANELS] = [[[0.0; LANES]; PANEL / LANES]; PANELS];
        for (values, rows) in values.iter_mut().zip(rows) {
            values.as_flattened_mut().copy_from_slice(&rows[row as usize]);
        }
        let (here, later) = positions.split_at(count as usize);
        let (sums_here, sums_later) = sums.split_at_mut(count as usize);
        let (pairs, single) = here.as_chunks::<2>();
        let (pair_sums, single_sums) = sums_here.as_chunks_mut::<2>();
        for (indices, sums) in pairs.iter().zip(pair_sums) {
            add_products::<PANELS, 2, FUSED>(&values, weights, *indices, sums);
        }
        for (index, sum) in single.iter().zip(single_sums) {
            add_products::<PANELS, 1, FUSED>(&values, weights, [*index], std::array::from_mut(sum));
        }
        (positions, sums) = (later, sums_later);
    }
}

#[inline(always)]
fn add_products<const PANELS: usize, const TOGETHER: usize, const FUSED: bool>(
    values: &[Registers; PANELS],
    weights: [&[PanelRow]; PANELS],
    indices: [u32; TOGETHER],
    sums: &mut [Sums; TOGETHER],
) {
    let mut added = *sums;
    for panel in 0..PANELS {
        let rows: [&PanelRow; TOGETHER] = indices.map(|index| &weights[panel][index as usize]);
        for (part, values) in values[panel].iter().enumerate() {
            for position in 0..TOGETHER {
                let row = &rows[position].as_chunks::<LANES>().0[part];
                for lane in 0..LANES {
                    added[position][lane] = multiply_add::<FUSED>(values[lane], row[lane], added[position][lane]);
                }
            }
        }
    }
    *sums = added;
}

/// Not inlined: the compiler would sum several positions together, value by value, from the start.
#[inline(never)]
fn total(sums: &Sums) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|lane| sums[lane] + sums[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::testing::{cases, draw, rng};

    #[test]
    fn products_equal_plain_sums_at_any_shape_with_every_instruction_set_and_none_depends_on_the_others() {
        let mut rng = rng(3);
        for (rows, inner, columns) in
            cases([(1, 1, 1), (3, 40, 64), (50, 2500, 70), (7, 300, 130), (0, 5, 3), (2, 0, 3)], 2)
        {
            let (values, weights) = (draw(rows * columns, &mut rng), draw(inner * columns, &mut rng));
            let (mut indptr, mut indices) = (vec![0], Vec::new());
            for row in 0..rows {
                // A row without any, rows with all, and rows with some.
                let density = [0.0, 1.0, 0.1][row % 3];
                indices.extend((0..inner as u32).filter(|_| rng.random::<f64>() < density));
                indptr.push(indices.len() as u64);
            }
            let pattern = Pattern { indptr: &indptr, indices: &indices };
            let packed = PackedMatrix::new(&weights, columns);
            for isa in Isa::available() {
                let products = sddmm_with(isa, &packed, &values, pattern);
                assert_eq!(products.len(), indices.len());
                for row in 0..rows {
                    let own = indptr[row] as usize..indptr[row + 1] as usize;
                    let values = &values[row * columns..][..columns];
                    let ends = [0, own.len() as u64];
                    let alone = Pattern { indptr: &ends, indices: &indices[own.clone()] };
                    assert_eq!(sddmm_with(isa, &packed, values, alone), products[own.clone()]);
                    for position in own {
                        let weights = &weights[indices[position] as usize * columns..][..columns];
                        let terms = values.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b));
                        let (sum, found) = (terms.sum::<f64>(), f64::from(products[position]));
                        assert!((found - sum).abs() < 1e-5, "{found} and {sum}");
                    }
                }
            }
        }
    }
}

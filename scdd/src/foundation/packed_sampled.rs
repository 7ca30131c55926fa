//! Products of rows with some rows of packed weights, `v_ij = x_i . w_j` at the places `(i, j)` that are asked for: the gradient
//! of a sparse matrix by which weights were multiplied (`packed_kernel.rs`).
//!
//! Weights of 64 genes in a strip of two column tiles stay in the first cache while all rows use them, and a row's numbers in
//! registers while its genes are multiplied. What the strips before gave each place is loaded and stored, a register of it. Each
//! product is summed in one order, whatever is asked for beside it.

use std::ops::Range;

use rayon::prelude::*;

use super::fastest::fastest;
use super::packed::PackedWeights;
use super::packed_kernel::{COLUMNS, Row};
use super::packed_order::prefetch;
use super::sides::places;
use super::sparse_kernel::fused;

/// Genes whose weights are used together, as many as bits of a number: 32 KB in a strip.
const BLOCK: usize = 64;
/// Blocks of a task.
const BLOCKS: usize = 16;
/// Column tiles of a strip.
const STRIP: usize = 2;
/// Numbers that are summed in one register at most.
const LANES: usize = 16;

/// Sums of a place, lane by lane.
type Sums = [f32; LANES];
/// Adds what a block's places have in all columns.
type Kernel = unsafe fn(&Block, &[Row], &mut [Sums]);

/// Places of compressed rows: row `i` has the genes `pointers[i]..pointers[i + 1]`, which rise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) pointers: &'a [u64],
    pub(super) genes: &'a [u32],
}

/// Some genes in a row, and which of them rows ask for.
struct Block<'a> {
    weights: &'a PackedWeights,
    genes: Range<usize>,
    /// Rows that ask for any, and for how many.
    runs: Vec<(u32, u32)>,
    /// Genes of the block, run after run.
    places: Vec<u32>,
    /// A bit for each gene that is asked for.
    asked: u64,
}

/// Products of rows `[rows, width]` with the weights of each row's genes.
pub(super) fn products_at(weights: &PackedWeights, rows: &[f32], places: Places) -> Vec<f32> {
    multiply(kernel(), weights, rows, places)
}

fn multiply(kernel: Kernel, weights: &PackedWeights, rows: &[f32], places: Places) -> Vec<f32> {
    let filled = filled(rows, weights);
    let task = BLOCK * BLOCKS;
    let parts: Vec<_> = (0..weights.genes().div_ceil(task))
        .into_par_iter()
        .map(|number| {
            let of_rows: Vec<_> = of_rows(places, number * task, (number + 1) * task).collect();
            let mut products: Vec<_> = of_rows.iter().map(|places| vec![0.0; places.len()]).collect();
            let mut next = vec![0; of_rows.len()];
            let (mut block, mut sums) = (Block::new(weights), Vec::new());
            for number in number * BLOCKS..(number + 1) * BLOCKS {
                block.ask(number, places, &of_rows, &next);
                sums.clear();
                sums.resize(block.places.len(), [0.0; LANES]);
                // SAFETY: the function `kernel` chose what the processor has; the others need nothing.
                unsafe { kernel(&block, &filled, &mut sums) };
                let mut sums = sums.iter().map(total);
                for &(row, count) in &block.runs {
                    let next = &mut next[row as usize];
                    let products = &mut products[row as usize][*next..][..count as usize];
                    products.iter_mut().zip(&mut sums).for_each(|(product, sum)| *product = sum);
                    *next += count as usize;
                }
            }
            (of_rows, products)
        })
        .collect();
    let mut whole = vec![0.0; places.genes.len()];
    for (places, products) in parts.into_iter().flat_map(|(places, products)| places.into_iter().zip(products)) {
        whole[places].copy_from_slice(&products);
    }
    whole
}

/// Where the places of each row from one gene to another are.
fn of_rows(places: Places, begin: usize, end: usize) -> impl Iterator<Item = Range<usize>> {
    places.pointers.windows(2).map(move |pointers| {
        let first = pointers[0] as usize;
        let genes = &places.genes[first..pointers[1] as usize];
        let before = |bound: usize| first + genes.partition_point(|gene| (*gene as usize) < bound);
        before(begin)..before(end)
    })
}

/// Rows with zeros up to whole tiles, tile by tile.
fn filled(rows: &[f32], weights: &PackedWeights) -> Vec<Row> {
    let width = weights.width().max(1);
    let count = rows.len() / width;
    let mut filled = vec![[0.0; COLUMNS]; count * weights.column_tiles()];
    for (number, row) in rows.chunks_exact(width).enumerate() {
        for (tile, numbers) in row.chunks(COLUMNS).enumerate() {
            filled[tile * count + number][..numbers.len()].copy_from_slice(numbers);
        }
    }
    filled
}

impl<'a> Block<'a> {
    fn new(weights: &'a PackedWeights) -> Self {
        Self { weights, genes: 0..0, runs: Vec::new(), places: Vec::new(), asked: 0 }
    }

    /// Takes the places of a block; each row's before `next` were in the blocks before.
    fn ask(&mut self, number: usize, places: Places, of_rows: &[Range<usize>], next: &[usize]) {
        let genes = self.weights.genes();
        self.genes = (number * BLOCK).min(genes)..((number + 1) * BLOCK).min(genes);
        self.runs.clear();
        self.places.clear();
        self.asked = 0;
        for (row, (of_row, next)) in of_rows.iter().zip(next).enumerate() {
            let before = self.places.len();
            let rest = places.genes[of_row.clone()][*next..].iter();
            let here = rest.take_while(|gene| (**gene as usize) < self.genes.end);
            self.places.extend(here.map(|gene| gene - self.genes.start as u32));
            let count = self.places.len() - before;
            self.asked = self.places[before..].iter().fold(self.asked, |asked, gene| asked | 1 << gene);
            if count > 0 {
                self.runs.push((row as u32, count as u32));
            }
        }
    }

    /// Weights of a column tile.
    fn tile(&self, number: usize) -> &[Row] {
        &self.weights.tile(number)[self.genes.clone()]
    }
}

/// The fastest kernel that the processor can execute.
fn kernel() -> Kernel {
    fastest!(
        (block: &Block, rows: &[Row], sums: &mut [Sums]),
        add_products::<true>,
        add_products::<true>,
        add_products::<{ cfg!(target_arch = "aarch64") }>
    )
}

#[inline(always)]
fn add_products<const FUSED: bool>(block: &Block, rows: &[Row], sums: &mut [Sums]) {
    let tiles = block.weights.column_tiles();
    let rows: Vec<&[Row]> = rows.chunks_exact((rows.len() / tiles.max(1)).max(1)).collect();
    let mut strips = rows.chunks_exact(STRIP);
    let mut first = 0;
    for strip in &mut strips {
        add_strip::<STRIP, FUSED>(block, first, std::array::from_fn(|of| strip[of]), sums);
        first += STRIP;
    }
    for rows in strips.remainder() {
        add_strip::<1, FUSED>(block, first, [rows], sums);
        first += 1;
    }
}

/// Adds what some column tiles give; the weights of the next ones are asked of memory meanwhile.
#[inline(always)]
fn add_strip<const TILES: usize, const FUSED: bool>(
    block: &Block,
    first: usize,
    rows: [&[Row]; TILES],
    mut sums: &mut [Sums],
) {
    let weights: [&[Row]; TILES] = std::array::from_fn(|of| block.tile(first + of));
    let asked = |tile| places(block.asked).map(move |gene| &block.tile(tile)[gene]);
    let mut next = (first + TILES..block.weights.column_tiles()).take(TILES).flat_map(asked);
    let share = (TILES * block.asked.count_ones() as usize).div_ceil(block.runs.len().max(1));
    let mut genes = &block.places[..];
    for &(row, count) in &block.runs {
        for weights in next.by_ref().take(share) {
            weights.as_chunks::<LANES>().0.iter().for_each(prefetch);
        }
        // A copy stays in registers.
        let mut numbers = [[[0.0; LANES]; COLUMNS / LANES]; TILES];
        for (numbers, rows) in numbers.iter_mut().zip(rows) {
            numbers.as_flattened_mut().copy_from_slice(&rows[row as usize]);
        }
        let (here, later) = genes.split_at(count as usize);
        let (sums_here, sums_later) = sums.split_at_mut(count as usize);
        let (pairs, single) = here.as_chunks::<2>();
        let (of_pairs, of_single) = sums_here.as_chunks_mut::<2>();
        for (genes, sums) in pairs.iter().zip(of_pairs) {
            add_genes::<TILES, 2, FUSED>(&numbers, weights, *genes, sums);
        }
        for (gene, sum) in single.iter().zip(of_single) {
            add_genes::<TILES, 1, FUSED>(&numbers, weights, [*gene], std::array::from_mut(sum));
        }
        (genes, sums) = (later, sums_later);
    }
}

#[inline(always)]
fn add_genes<const TILES: usize, const TOGETHER: usize, const FUSED: bool>(
    numbers: &[[[f32; LANES]; COLUMNS / LANES]; TILES],
    weights: [&[Row]; TILES],
    genes: [u32; TOGETHER],
    sums: &mut [Sums; TOGETHER],
) {
    let mut added = *sums;
    for tile in 0..TILES {
        let of_genes: [&Row; TOGETHER] = genes.map(|gene| &weights[tile][gene as usize]);
        for (part, numbers) in numbers[tile].iter().enumerate() {
            for gene in 0..TOGETHER {
                add::<FUSED>(&mut added[gene], numbers, &of_genes[gene].as_chunks::<LANES>().0[part]);
            }
        }
    }
    *sums = added;
}

/// Not in place: the compiler would sum several genes together, number by number, from the start.
#[inline(never)]
fn total(sums: &Sums) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|lane| sums[lane] + sums[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

#[inline(always)]
fn add<const FUSED: bool>(sums: &mut Sums, numbers: &[f32; LANES], weights: &[f32; LANES]) {
    for lane in 0..LANES {
        sums[lane] = fused::<FUSED>(numbers[lane], weights[lane], sums[lane]);
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    #[test]
    fn products_equal_plain_sums_at_any_shape_and_on_any_processor_and_none_depends_on_the_others() {
        let mut rng = seed::stream(3, "test");
        for (rows, genes, width) in [(1, 1, 1), (3, 40, 64), (50, 2500, 70), (7, 300, 130), (0, 5, 3), (2, 0, 3)] {
            let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (values, weights) = (draw(rows * width), draw(genes * width));
            let (mut pointers, mut found) = (vec![0], Vec::new());
            for row in 0..rows {
                // A row without any, rows with all, and rows with some.
                let share = [0.0, 1.0, 0.1][row % 3];
                found.extend((0..genes as u32).filter(|_| rng.random::<f64>() < share));
                pointers.push(found.len() as u64);
            }
            let places = Places { pointers: &pointers, genes: &found };
            let packed = PackedWeights::new(&weights, width);
            let made = products_at(&packed, &values, places);
            assert_eq!(made.len(), found.len());
            let any = multiply(add_products::<false>, &packed, &values, places);
            for row in 0..rows {
                let own = pointers[row] as usize..pointers[row + 1] as usize;
                let values = &values[row * width..][..width];
                let ends = [0, own.len() as u64];
                let alone = Places { pointers: &ends, genes: &found[own.clone()] };
                assert_eq!(products_at(&packed, values, alone), made[own.clone()]);
                for place in own {
                    let weights = &weights[found[place] as usize * width..][..width];
                    let terms = values.iter().zip(weights).map(|(a, b)| f64::from(*a) * f64::from(*b));
                    let sum: f64 = terms.sum();
                    for made in [made[place], any[place]] {
                        assert!((f64::from(made) - sum).abs() < 1e-5, "{made} and {sum}");
                    }
                }
            }
        }
    }
}

//! Products of rows with some rows of packed weights, `v_ij = x_i . w_j` at the places `(i, j)` that are asked for: the gradient
//! of a sparse matrix by which weights were multiplied (`packed_kernel.rs`).
//!
//! The weights of 128 genes stay in the second cache while all rows use them, and those of four genes are multiplied at once.
//! Each product is summed in one order, whatever is asked for beside it.

use rayon::prelude::*;

use super::packed::PackedWeights;
use super::packed_kernel::{COLUMNS, Row};
use super::sparse_kernel::fused;

/// Genes whose weights are used together, 512 KB at a width of 1,024.
const BLOCK: usize = 128;
/// Blocks of a task.
const BLOCKS: usize = 8;
/// Genes that are multiplied at once.
const TOGETHER: usize = 4;
/// Numbers that are summed in one register at most.
const LANES: usize = 16;

/// Weights, a row that is filled up to whole tiles, genes that rise, and where their products are put.
type Kernel = unsafe fn(&PackedWeights, &[[f32; COLUMNS]], &[u32], &mut [f32]);

/// Places of compressed rows: row `i` has the genes `pointers[i]..pointers[i + 1]`, which rise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) pointers: &'a [u64],
    pub(super) genes: &'a [u32],
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
            let mut products = vec![0.0; of_rows.iter().map(|places| places.len()).sum()];
            for block in 0..BLOCKS {
                let end = (number * BLOCKS + block + 1) * BLOCK;
                let rows = filled.chunks_exact(weights.column_tiles().max(1));
                let mut first = 0;
                for (row, of_row) in rows.zip(&of_rows) {
                    let genes = &places.genes[of_row.clone()];
                    let here = genes.partition_point(|gene| (*gene as usize) < end - BLOCK)
                        ..genes.partition_point(|gene| (*gene as usize) < end);
                    let products = &mut products[first + here.start..first + here.end];
                    // SAFETY: the function `kernel` chose what the processor has; the others need nothing.
                    unsafe { kernel(weights, row, &genes[here], products) };
                    first += genes.len();
                }
            }
            (of_rows, products)
        })
        .collect();
    let mut whole = vec![0.0; places.genes.len()];
    for (of_rows, products) in parts {
        let mut products = &products[..];
        for of_row in of_rows {
            let (own, others) = products.split_at(of_row.len());
            whole[of_row].copy_from_slice(own);
            products = others;
        }
    }
    whole
}

/// Where the places of each row from one gene to another are.
fn of_rows(places: Places, begin: usize, end: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    places.pointers.windows(2).map(move |pointers| {
        let first = pointers[0] as usize;
        let genes = &places.genes[first..pointers[1] as usize];
        let before = |bound: usize| first + genes.partition_point(|gene| (*gene as usize) < bound);
        before(begin)..before(end)
    })
}

/// Rows with zeros up to whole tiles.
fn filled(rows: &[f32], weights: &PackedWeights) -> Vec<[f32; COLUMNS]> {
    let width = weights.width().max(1);
    let mut filled = vec![[0.0; COLUMNS]; rows.len() / width * weights.column_tiles()];
    for (filled, row) in filled.chunks_exact_mut(weights.column_tiles().max(1)).zip(rows.chunks_exact(width)) {
        filled.as_flattened_mut()[..width].copy_from_slice(row);
    }
    filled
}

/// The fastest kernel that the processor can execute.
fn kernel() -> Kernel {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return row_products_avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return row_products_avx2;
        }
    }
    row_products::<{ cfg!(target_arch = "aarch64") }>
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn row_products_avx512(weights: &PackedWeights, row: &[[f32; COLUMNS]], genes: &[u32], products: &mut [f32]) {
    row_products::<true>(weights, row, genes, products);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn row_products_avx2(weights: &PackedWeights, row: &[[f32; COLUMNS]], genes: &[u32], products: &mut [f32]) {
    row_products::<true>(weights, row, genes, products);
}

#[inline(always)]
fn row_products<const FUSED: bool>(
    weights: &PackedWeights,
    row: &[[f32; COLUMNS]],
    genes: &[u32],
    products: &mut [f32],
) {
    let (groups, singles) = genes.as_chunks::<TOGETHER>();
    let (of_groups, of_singles) = products.as_chunks_mut::<TOGETHER>();
    for (genes, products) in groups.iter().zip(of_groups) {
        *products = gene_products::<TOGETHER, FUSED>(weights, row, genes);
    }
    for (gene, product) in singles.iter().zip(of_singles) {
        [*product] = gene_products::<1, FUSED>(weights, row, &[*gene]);
    }
}

#[inline(always)]
fn gene_products<const TOGETHER: usize, const FUSED: bool>(
    weights: &PackedWeights,
    row: &[[f32; COLUMNS]],
    genes: &[u32; TOGETHER],
) -> [f32; TOGETHER] {
    let mut sums = [[0.0; LANES]; TOGETHER];
    for (tile, numbers) in row.iter().enumerate() {
        let tile = weights.tile(tile);
        let of_genes: [&Row; TOGETHER] = genes.map(|gene| &tile[gene as usize]);
        for (part, numbers) in numbers.as_chunks::<LANES>().0.iter().enumerate() {
            for gene in 0..TOGETHER {
                add::<FUSED>(&mut sums[gene], numbers, &of_genes[gene].as_chunks::<LANES>().0[part]);
            }
        }
    }
    sums.each_ref().map(total)
}

/// Not in place: the compiler would sum four genes together, number by number, from the start.
#[inline(never)]
fn total(sums: &[f32; LANES]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|lane| sums[lane] + sums[lane + 8]);
    let four: [f32; 4] = std::array::from_fn(|lane| eight[lane] + eight[lane + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

#[inline(always)]
fn add<const FUSED: bool>(sums: &mut [f32; LANES], numbers: &[f32; LANES], weights: &[f32; LANES]) {
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
            let any = multiply(row_products::<false>, &packed, &values, places);
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

//! Weights that change no more, packed for products with sparse rows.
//!
//! A column tile, 64 of the columns, lies together: `[column tile][gene][64]`, 256 bytes a gene. So the weights of 128
//! genes fit the first cache (32 KB) and lie in all of its sets; taken out of whole rows, 4 KB apart, they would share a
//! few. The last tile is filled up with zeros.

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::dense_tiles::TiledWeights;
use super::packed_kernel::{COLUMNS, Row, products};
use super::sparse::Aligned;
use super::sparse_kernel::Rows;
use crate::cells::Expression;

/// Most rows of a task: each task reads all weights once, and its sums of a column tile (256 KB) stay in the second cache.
const TASK: usize = 1024;
/// Up to so many rows are one task, and threads share its columns: reading all weights takes more time than using them.
const FEW: usize = 256;
/// Genes that are transposed together: 64 KB.
const GENES: usize = 256;

/// Weights `[genes, width]`, packed.
#[derive(Debug)]
pub(crate) struct PackedWeights {
    tiles: Aligned,
    genes: usize,
    width: usize,
    /// Of each gene's weights, once they are asked for.
    lengths: OnceLock<Vec<f32>>,
    /// The same weights, once they are asked for.
    #[cfg(target_arch = "x86_64")]
    tiled: OnceLock<TiledWeights>,
}

impl PackedWeights {
    /// Packs weights `[genes, width]`, given row by row.
    pub(crate) fn new(weights: &[f32], width: usize) -> Self {
        let genes = weights.len() / width.max(1);
        Self::gather(genes, width, |gene, columns| &weights[gene * width..][columns])
    }

    /// Packs weights `[width, genes]`, such as a decoder's, as `[genes, width]`; some of their rows are asked for at a time.
    pub(crate) fn transposed(genes: usize, width: usize, rows: impl Fn(Range<usize>) -> Vec<f32>) -> Self {
        let mut tiles = Aligned::zeros(width.div_ceil(COLUMNS) * genes * COLUMNS);
        for (number, tile) in tiles.numbers().chunks_exact_mut((genes * COLUMNS).max(1)).enumerate() {
            let part = rows(number * COLUMNS..((number + 1) * COLUMNS).min(width));
            // As many genes at a time as stay in the cache until all columns are there.
            for (block, tile) in tile.chunks_mut(GENES * COLUMNS).enumerate() {
                for (column, weights) in part.chunks_exact(genes.max(1)).enumerate() {
                    for (row, weight) in tile.chunks_exact_mut(COLUMNS).zip(&weights[block * GENES..]) {
                        row[column] = *weight;
                    }
                }
            }
        }
        Self::of(tiles, genes, width)
    }

    /// Those of some genes, in the given order.
    pub(crate) fn select(&self, genes: &[usize]) -> Self {
        Self::gather(genes.len(), self.width, |gene, columns| self.part(genes[gene], columns))
    }

    fn gather<'a>(genes: usize, width: usize, part: impl Fn(usize, Range<usize>) -> &'a [f32]) -> Self {
        let mut tiles = Aligned::zeros(width.div_ceil(COLUMNS) * genes * COLUMNS);
        for (number, tile) in tiles.numbers().chunks_exact_mut((genes * COLUMNS).max(1)).enumerate() {
            let columns = number * COLUMNS..((number + 1) * COLUMNS).min(width);
            for (gene, row) in tile.chunks_exact_mut(COLUMNS).enumerate() {
                row[..columns.len()].copy_from_slice(part(gene, columns.clone()));
            }
        }
        Self::of(tiles, genes, width)
    }

    fn of(tiles: Aligned, genes: usize, width: usize) -> Self {
        Self {
            tiles,
            genes,
            width,
            lengths: OnceLock::new(),
            #[cfg(target_arch = "x86_64")]
            tiled: OnceLock::new(),
        }
    }

    /// Columns of one tile, of one gene.
    fn part(&self, gene: usize, columns: Range<usize>) -> &[f32] {
        let row = (columns.start / COLUMNS * self.genes + gene) * COLUMNS;
        &self.tiles[row..row + columns.len()]
    }

    pub(crate) fn genes(&self) -> usize {
        self.genes
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Tiles of columns.
    pub(super) fn column_tiles(&self) -> usize {
        self.width.div_ceil(COLUMNS)
    }

    /// All genes of a column tile.
    pub(super) fn tile(&self, number: usize) -> &[Row] {
        &self.tiles.as_chunks().0[number * self.genes..][..self.genes]
    }

    #[cfg(test)]
    pub(super) fn tiles(&self) -> &[f32] {
        &self.tiles
    }

    /// How long each gene's row of weights is.
    pub(super) fn lengths(&self) -> &[f32] {
        self.lengths.get_or_init(|| {
            let squares = |gene: usize| {
                let rows = (0..self.column_tiles()).flat_map(|tile| &self.tile(tile)[gene]);
                rows.map(|weight| weight * weight).sum::<f32>()
            };
            (0..self.genes).into_par_iter().map(|gene| squares(gene).sqrt()).collect()
        })
    }

    /// In halves, for products `[rows, width]` to `[rows, genes]` in tiles: as many bytes once more. Only where the processor has
    /// tiles.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn tiled(&self) -> &TiledWeights {
        self.tiled.get_or_init(|| {
            TiledWeights::new(self.width, self.genes, |column, gene| {
                self.tile(column / COLUMNS)[gene][column % COLUMNS]
            })
        })
    }

    /// A row `[width]` times the weights of one gene.
    pub(super) fn times_gene(&self, row: &[f32], gene: usize) -> f32 {
        let mut sums = [0.0; 16];
        for (tile, values) in row.chunks(COLUMNS).enumerate() {
            for (weights, values) in self.tile(tile)[gene].chunks(16).zip(values.chunks(16)) {
                sums.iter_mut()
                    .zip(weights.iter().zip(values))
                    .for_each(|(sum, (weight, value))| *sum += weight * value);
            }
        }
        sums.iter().sum()
    }

    /// Row by row again.
    pub(crate) fn to_rows(&self) -> Vec<f32> {
        self.rows(0..self.genes)
    }

    /// Of some genes, row by row.
    pub(super) fn rows(&self, genes: impl ExactSizeIterator<Item = usize>) -> Vec<f32> {
        let mut rows = Vec::with_capacity(genes.len() * self.width);
        for gene in genes {
            for column in (0..self.width).step_by(COLUMNS) {
                rows.extend_from_slice(self.part(gene, column..(column + COLUMNS).min(self.width)));
            }
        }
        rows
    }

    /// Contiguous cells times the weights: `[cells, width]`. Nothing of the expression is copied as a whole.
    pub(crate) fn times_cells(&self, expression: &Expression, cells: Range<usize>) -> Vec<f32> {
        let pointers = &expression.indptr()[cells.start..=cells.end];
        self.times(Rows { pointers, indices: expression.indices(), values: expression.values() })
    }

    /// Sparse rows times the weights: `[rows, width]`. A row's sums are the same bits whatever rows are beside it.
    pub(super) fn times(&self, rows: Rows) -> Vec<f32> {
        let count = rows.pointers.len() - 1;
        let threads = rayon::current_num_threads();
        let tasks = count.div_ceil(TASK).max(threads.min(count.div_ceil(FEW)));
        let task = count.div_ceil(tasks.max(1)).max(1);
        let strip = self.column_tiles().div_ceil(threads.div_ceil(count.div_ceil(task).max(1))).max(1) * COLUMNS;
        let mut sums = vec![0.0; count * self.width];
        sums.par_chunks_mut((task * self.width).max(1)).enumerate().for_each(|(number, sums)| {
            let first = number * task;
            let rows = Rows { pointers: &rows.pointers[first..=(first + task).min(count)], ..rows };
            let columns = (0..self.width).into_par_iter().step_by(strip);
            let parts: Vec<_> =
                columns.map(|column| self.columns_of(rows, column..(column + strip).min(self.width))).collect();
            put_beside(&parts, sums, self.width);
        });
        sums
    }

    /// Some columns of the product; the first is the first of a tile.
    fn columns_of(&self, rows: Rows, columns: Range<usize>) -> Vec<f32> {
        let mut sums = vec![0.0; (rows.pointers.len() - 1) * columns.len()];
        let tiles =
            columns.start / COLUMNS * self.genes * COLUMNS..columns.end.div_ceil(COLUMNS) * self.genes * COLUMNS;
        products(rows, &self.tiles[tiles], self.genes, columns.len(), &mut sums);
        sums
    }
}

/// Puts matrices of as many rows as there are of `width` beside one another.
pub(super) fn put_beside(parts: &[Vec<f32>], whole: &mut [f32], width: usize) {
    let rows = whole.len() / width.max(1);
    for (number, mut row) in whole.chunks_exact_mut(width.max(1)).enumerate() {
        for part in parts {
            let width = part.len() / rows;
            let (own, others) = row.split_at_mut(width);
            own.copy_from_slice(&part[number * width..][..width]);
            row = others;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    fn random(count: usize, rng: &mut impl RngExt) -> Vec<f32> {
        (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
    }

    #[test]
    fn packed_weights_are_the_same_when_unpacked() {
        let mut rng = seed::stream(3, "test");
        for (genes, width) in [(1, 1), (5, 64), (7, 65), (3, 200), (0, 10), (4, 0)] {
            let rows = random(genes * width, &mut rng);
            assert_eq!(PackedWeights::new(&rows, width).to_rows(), rows, "{genes} x {width}");
            let columns: Vec<f32> =
                (0..width).flat_map(|column| rows.iter().skip(column).step_by(width)).copied().collect();
            assert_eq!(
                PackedWeights::transposed(genes, width, |part| columns[part.start * genes..part.end * genes].to_vec())
                    .to_rows(),
                rows,
                "{genes} x {width}, transposed"
            );
        }
    }

    #[test]
    fn selected_genes_are_rows_in_the_given_order() {
        let rows = random(6 * 70, &mut seed::stream(3, "test"));
        let selected = PackedWeights::new(&rows, 70).select(&[4, 0]).to_rows();
        assert_eq!(selected, [&rows[4 * 70..5 * 70], &rows[..70]].concat());
    }

    #[test]
    fn products_equal_dense_ones() {
        let dense = [0.0, 2.0, 0.0, 1.0, 0.0, 3.0]; // two cells, three genes
        let expression = Expression::from_dense(3, &dense).unwrap();
        let packed = PackedWeights::new(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2);
        assert_eq!(packed.times_cells(&expression, 0..2), [4.0, 40.0, 10.0, 100.0]);
        assert_eq!(packed.times_cells(&expression, 1..2), [10.0, 100.0]);
        assert_eq!(packed.times_cells(&expression, 1..1), [0.0; 0]);
    }

    #[test]
    fn a_cell_alone_gets_the_same_bits_as_among_others() {
        let (cells, genes, width) = (2500, 700, 100); // more cells than a task has, more genes than a tile
        let mut rng = seed::stream(3, "test");
        // From cells that express nearly nothing to cells that express nearly all.
        let shares: Vec<f64> = (0..cells).map(|_| rng.random::<f64>().powi(3)).collect();
        let dense: Vec<f32> = shares
            .iter()
            .flat_map(|&share| vec![share; genes])
            .map(|share| if rng.random::<f64>() < share { rng.random_range(0.1..4.0) } else { 0.0 })
            .collect();
        let expression = Expression::from_dense(genes, &dense).unwrap();
        let packed = PackedWeights::new(&random(genes * width, &mut rng), width);
        let whole = packed.times_cells(&expression, 0..cells);
        for cell in (0..cells).step_by(97) {
            let alone = packed.times_cells(&expression, cell..cell + 1);
            assert_eq!(alone, whole[cell * width..][..width]);
        }
    }
}

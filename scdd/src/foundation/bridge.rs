//! From a frozen decoder's last hidden layer over the genes to a frozen encoder's first sums, and back:
//!
//! x = relu(h W_d + b),  s = x W_e;   dL/dh = ((dL/ds W_e^T) * (x > 0)) W_d^T.
//!
//! At 28,231 genes and 44 rows nearly all of a step's time is here. As four products of matrices, with what lies between,
//! expression `[rows, genes]` and its gradient go to memory and come back several times. Here they never exist: genes are
//! crossed in blocks, each pass reads each matrix once, and of x only its signs are kept.

use std::ops::Range;

use rayon::prelude::*;

use super::bridge_kernel::{GENES, Kernel, Lanes, REGISTERS, block_rows, cross_any, keep, near_zero, rectify};
#[cfg(target_arch = "x86_64")]
use super::bridge_kernel::{cross_avx2, cross_avx512};
#[cfg(target_arch = "x86_64")]
use super::bridge_tiles::cross_tiles;
use super::packed::PackedWeights;
use super::packed_kernel::COLUMNS;
#[cfg(target_arch = "x86_64")]
use super::tiles::{HALVES, has_tiles};

/// Parts of the genes that threads take, about. Their sums are added in order, so that results don't depend on the number of
/// threads.
const PARTS: usize = 16;

/// Both matrices `[genes, units]`, and what is added at each gene.
pub(crate) struct Bridge<'a> {
    pub(crate) decoder: &'a PackedWeights,
    pub(crate) bias: &'a [f32],
    pub(crate) encoder: &'a PackedWeights,
}

/// Which genes of which rows were above zero: what the way back needs. One number for a gene and a block of rows, one bit
/// for a row.
#[derive(Clone, Debug)]
pub(crate) struct Signs {
    rows: usize,
    bits: Vec<u64>,
}

impl Bridge<'_> {
    /// Hidden units `[rows, units]` to the encoder's first sums, without bias.
    pub(crate) fn forward(&self, hidden: &[f32]) -> (Vec<f32>, Signs) {
        #[cfg(target_arch = "x86_64")]
        {
            if has_tiles() {
                return self.forward_with(cross_tiles, HALVES, hidden);
            }
            if is_x86_feature_detected!("avx512f") {
                return self.forward_with(cross_avx512, 0.0, hidden);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return self.forward_with(cross_avx2, 0.0, hidden);
            }
        }
        self.forward_with(cross_any, 0.0, hidden)
    }

    /// Gradients by the encoder's first sums `[rows, units]` to those by the decoder's hidden units.
    pub(crate) fn backward(&self, signs: &Signs, gradient: &[f32]) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        {
            if has_tiles() {
                return self.backward_with(cross_tiles, signs, gradient);
            }
            if is_x86_feature_detected!("avx512f") {
                return self.backward_with(cross_avx512, signs, gradient);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return self.backward_with(cross_avx2, signs, gradient);
            }
        }
        self.backward_with(cross_any, signs, gradient)
    }

    /// With a kernel whose sums are within `slack` times the lengths of both factors.
    fn forward_with<const WIDTH: usize>(&self, kernel: Kernel<WIDTH>, slack: f32, hidden: &[f32]) -> (Vec<f32>, Signs) {
        let rows = hidden.len() / self.decoder.width().max(1);
        let blocks = rows.div_ceil(block_rows(WIDTH));
        let units = lanes::<WIDTH>(hidden, self.decoder);
        let mut bits = vec![0; self.genes() * blocks];
        let (part, each) = self.part(blocks);
        let doubt = (slack > 0.0).then(|| Doubt::new(slack, hidden, self.decoder, blocks));
        let parts = bits.par_chunks_mut(each).enumerate().map(|(number, bits)| {
            let genes = self.genes_of(number, part);
            let mut sums = zeros::<WIDTH>(self.encoder, blocks);
            let first = genes.start;
            let mut at_gene = |gene: usize, block: usize, value: &mut Lanes<WIDTH>| {
                if let Some(doubt) = &doubt {
                    doubt.settle(gene, block, self.bias[gene], value);
                }
                bits[(gene - first) * blocks + block] = rectify(value, self.bias[gene]);
            };
            // SAFETY: the caller chose a kernel that the processor can execute.
            unsafe { kernel(self.decoder, self.encoder, genes, &units, &mut sums, &mut at_gene) };
            sums
        });
        let sums = added(parts.collect(), zeros::<WIDTH>(self.encoder, blocks));
        (rows_of(&sums, self.encoder, rows), Signs { rows, bits })
    }

    fn backward_with<const WIDTH: usize>(&self, kernel: Kernel<WIDTH>, signs: &Signs, gradient: &[f32]) -> Vec<f32> {
        let blocks = signs.rows.div_ceil(block_rows(WIDTH));
        let units = lanes::<WIDTH>(gradient, self.encoder);
        let (part, each) = self.part(blocks);
        let parts = signs.bits.par_chunks(each).enumerate().map(|(number, bits)| {
            let genes = self.genes_of(number, part);
            let mut sums = zeros::<WIDTH>(self.decoder, blocks);
            let first = genes.start;
            let mut at_gene = |gene: usize, block: usize, value: &mut Lanes<WIDTH>| {
                keep(value, bits[(gene - first) * blocks + block]);
            };
            // SAFETY: the caller chose a kernel that the processor can execute.
            unsafe { kernel(self.encoder, self.decoder, genes, &units, &mut sums, &mut at_gene) };
            sums
        });
        let sums = added(parts.collect(), zeros::<WIDTH>(self.decoder, blocks));
        rows_of(&sums, self.decoder, signs.rows)
    }

    fn genes(&self) -> usize {
        self.encoder.genes()
    }

    /// Genes of a part, whole blocks of them, and how many numbers of bits they have.
    fn part(&self, blocks: usize) -> (usize, usize) {
        let part = self.genes().div_ceil(PARTS).next_multiple_of(GENES).max(GENES);
        (part, (part * blocks).max(1))
    }

    fn genes_of(&self, number: usize, part: usize) -> Range<usize> {
        number * part..((number + 1) * part).min(self.genes())
    }
}

/// Sums that are as near to zero as they may be wrong are computed again in f32: a slope of ReLU is one or nothing, and must
/// not depend on the kernel.
struct Doubt<'a, const WIDTH: usize> {
    hidden: &'a [f32],
    weights: &'a PackedWeights,
    /// How much each row's sums may be wrong, for weights of length one: block by block.
    slack: Vec<Lanes<WIDTH>>,
}

impl<'a, const WIDTH: usize> Doubt<'a, WIDTH> {
    fn new(slack: f32, hidden: &'a [f32], weights: &'a PackedWeights, blocks: usize) -> Self {
        let mut slacks = vec![[[0.0; WIDTH]; REGISTERS]; blocks];
        let rows = hidden.chunks_exact(weights.width().max(1));
        for (own, row) in slacks.as_flattened_mut().as_flattened_mut().iter_mut().zip(rows) {
            *own = slack * row.iter().map(|value| value * value).sum::<f32>().sqrt();
        }
        Self { hidden, weights, slack: slacks }
    }

    fn settle(&self, gene: usize, block: usize, bias: f32, value: &mut Lanes<WIDTH>) {
        let mut doubtful = near_zero(value, bias, &self.slack[block], self.weights.lengths()[gene]);
        while doubtful != 0 {
            let place = doubtful.trailing_zeros() as usize;
            doubtful &= doubtful - 1;
            let row = (block * block_rows(WIDTH) + place) * self.weights.width();
            if let Some(hidden) = self.hidden.get(row..row + self.weights.width()) {
                value.as_flattened_mut()[place] = self.weights.times_gene(hidden, gene);
            }
        }
    }
}

fn zeros<const WIDTH: usize>(weights: &PackedWeights, blocks: usize) -> Vec<Lanes<WIDTH>> {
    vec![[[0.0; WIDTH]; REGISTERS]; blocks * weights.column_tiles() * COLUMNS]
}

/// Rows `[rows, units]` as blocks of lanes; units and rows that fill up tiles and blocks are zero.
fn lanes<const WIDTH: usize>(rows: &[f32], weights: &PackedWeights) -> Vec<Lanes<WIDTH>> {
    let count = rows.len() / weights.width().max(1);
    let units = weights.column_tiles() * COLUMNS;
    let mut lanes = zeros::<WIDTH>(weights, count.div_ceil(block_rows(WIDTH)));
    for (row, values) in rows.chunks_exact(weights.width().max(1)).enumerate() {
        let block = &mut lanes[row / block_rows(WIDTH) * units..][..units];
        for (lanes, value) in block.iter_mut().zip(values) {
            lanes.as_flattened_mut()[row % block_rows(WIDTH)] = *value;
        }
    }
    lanes
}

/// The way back from [`lanes`].
fn rows_of<const WIDTH: usize>(lanes: &[Lanes<WIDTH>], weights: &PackedWeights, rows: usize) -> Vec<f32> {
    let units = weights.column_tiles() * COLUMNS;
    let mut values = Vec::with_capacity(rows * weights.width());
    for row in 0..rows {
        let block = &lanes[row / block_rows(WIDTH) * units..][..weights.width()];
        values.extend(block.iter().map(|lanes| lanes.as_flattened()[row % block_rows(WIDTH)]));
    }
    values
}

/// The sum of all parts, each number in the order of the parts.
fn added<const WIDTH: usize>(parts: Vec<Vec<Lanes<WIDTH>>>, mut sum: Vec<Lanes<WIDTH>>) -> Vec<Lanes<WIDTH>> {
    sum.par_chunks_mut(COLUMNS).enumerate().for_each(|(number, sum)| {
        for part in &parts {
            let part = part[number * COLUMNS..][..sum.len()].as_flattened().as_flattened();
            sum.as_flattened_mut().as_flattened_mut().iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    });
    sum
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::seed;

    /// `[rows, inner]` times `[inner, columns]`, in f64.
    fn product(a: &[f64], b: &[f64], inner: usize, columns: usize) -> Vec<f64> {
        let row = |row: &[f64], column: usize| (0..inner).map(|k| row[k] * b[k * columns + column]).sum();
        a.chunks_exact(inner).flat_map(|values| (0..columns).map(move |column| row(values, column))).collect()
    }

    fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
        (0..columns).flat_map(|column| a.iter().skip(column).step_by(columns).copied().collect::<Vec<_>>()).collect()
    }

    fn decoder(weights: &[f32], genes: usize, hidden: usize) -> PackedWeights {
        PackedWeights::transposed(genes, hidden, |part| weights[part.start * genes..part.end * genes].to_vec())
    }

    fn assert_near(found: &[f32], expected: &[f64], what: &str) {
        let length = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
        let apart = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
        assert!(found.len() == expected.len() && apart <= 1e-5 * length + 1e-9, "{what}: {apart} of {length}");
    }

    #[test]
    fn both_ways_equal_plain_products_at_any_shape_and_on_any_processor() {
        let mut rng = seed::stream(3, "test");
        for (rows, hidden, genes, units) in [(1, 1, 1, 1), (44, 70, 300, 130), (49, 64, 17, 5), (130, 20, 2100, 64)] {
            let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
            let (h, wd, b, we, gs) =
                (draw(rows * hidden), draw(hidden * genes), draw(genes), draw(genes * units), draw(rows * units));
            let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
            let before = product(&wide(&h), &wide(&wd), hidden, genes);
            let x: Vec<f64> = before.iter().zip(wide(&b).iter().cycle()).map(|(x, b)| (x + b).max(0.0)).collect();
            let s = product(&x, &wide(&we), genes, units);
            let gx = product(&wide(&gs), &transposed(&wide(&we), units), units, genes);
            let gx: Vec<f64> = gx.iter().zip(&x).map(|(g, x)| if *x > 0.0 { *g } else { 0.0 }).collect();
            let gh = product(&gx, &transposed(&wide(&wd), genes), genes, hidden);

            let (decoder, encoder) = (decoder(&wd, genes, hidden), PackedWeights::new(&we, units));
            let bridge = Bridge { decoder: &decoder, bias: &b, encoder: &encoder };
            let (found, signs) = bridge.forward(&h);
            assert_near(&found, &s, "forward");
            assert_near(&bridge.backward(&signs, &gs), &gh, "backward");
            let (found, signs) = bridge.forward_with(cross_any, 0.0, &h);
            assert_near(&found, &s, "forward on any processor");
            assert_near(&bridge.backward_with(cross_any, &signs, &gs), &gh, "backward on any processor");
            #[cfg(target_arch = "x86_64")]
            if is_x86_feature_detected!("avx512f") {
                let (found, signs) = bridge.forward_with(cross_avx512, 0.0, &h);
                assert_near(&found, &s, "forward with AVX-512");
                assert_near(&bridge.backward_with(cross_avx512, &signs, &gs), &gh, "backward with AVX-512");
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn tiles_of_halves_find_the_signs_that_f32_has() {
        if !has_tiles() {
            println!("skipped: this processor has no tiles");
            return;
        }
        let mut rng = seed::stream(5, "test");
        let (rows, genes, units) = (100, 3000, 64);
        let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
        let (h, wd) = (draw(rows * units), draw(units * genes));
        let weights = decoder(&wd, genes, units);
        let sum = |row: usize, gene: usize| weights.times_gene(&h[row * units..][..units], gene);
        // Of each gene one row has next to nothing.
        let bias: Vec<f32> = (0..genes).map(|gene| 3e-7 - sum(gene % rows, gene)).collect();
        let bridge = Bridge { decoder: &weights, bias: &bias, encoder: &weights };
        let wrong = |slack| {
            let (_, signs) = bridge.forward_with(cross_tiles, slack, &h);
            let bit = |row: usize, gene: usize| signs.bits[gene * rows.div_ceil(48) + row / 48] >> (row % 48) & 1 == 1;
            let wrong =
                |gene: usize| (0..rows).filter(|&row| bit(row, gene) != (sum(row, gene) + bias[gene] > 0.0)).count();
            (0..genes).map(wrong).sum::<usize>()
        };
        assert_eq!(wrong(HALVES), 0);
        assert!(wrong(0.0) > 100, "without another look they are wrong");
    }

    #[test]
    fn a_row_alone_gets_the_same_bits_as_among_others() {
        let mut rng = seed::stream(3, "test");
        let (rows, hidden, genes, units) = (60, 30, 500, 40);
        let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
        let (h, wd, b, we) = (draw(rows * hidden), draw(hidden * genes), draw(genes), draw(genes * units));
        let (decoder, encoder) = (decoder(&wd, genes, hidden), PackedWeights::new(&we, units));
        let bridge = Bridge { decoder: &decoder, bias: &b, encoder: &encoder };
        let (whole, signs) = bridge.forward(&h);
        let back = bridge.backward(&signs, &whole);
        for row in [0, 47, 48, 59] {
            let (alone, signs) = bridge.forward(&h[row * hidden..][..hidden]);
            assert_eq!(alone, whole[row * units..][..units]);
            assert_eq!(bridge.backward(&signs, &alone), back[row * hidden..][..hidden]);
        }
    }
}

//! Packed GEMM: Z = X W^T, X dense `[rows, inputs]`, W frozen `[outputs, inputs]`.
//!
//! The processor decides how: in bf16 x 3 tiles (AMX, `amx/gemm.rs`) or in f32 (`simd.rs`). Outputs can be taken a block at a
//! time, so that a product with 28,231 outputs is never in memory as a whole. A row gets the same bits alone and among others, on
//! any number of threads. O(rows * inputs * outputs).

mod simd;

use std::ops::Range;
#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use crate::amx::{Amx, SplitTile, TiledWeights};
use crate::cpu::Isa;
use crate::gemm_block::{BLOCK_OUTPUTS, OnOutput};
use crate::packed::PackedMatrix;
use crate::packed::panel::concatenate_columns;
use simd::BlockedRows;

/// Frozen weights `[outputs, inputs]` of a packed GEMM, and their copy in AMX tiles once a product needs it.
#[derive(Debug)]
pub struct GemmWeights {
    packed: PackedMatrix,
    #[cfg(target_arch = "x86_64")]
    tiled: OnceLock<TiledWeights<Amx>>,
}

impl GemmWeights {
    /// Of packed weights `[outputs, inputs]`.
    ///
    /// ```
    /// use scdd_compute::{GemmWeights, PackedMatrix};
    /// let weights = GemmWeights::new(PackedMatrix::new(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2));
    /// assert_eq!(weights.times(&[1.0, 1.0]), [11.0, 22.0, 33.0]);
    /// ```
    pub fn new(packed: PackedMatrix) -> Self {
        Self {
            packed,
            #[cfg(target_arch = "x86_64")]
            tiled: OnceLock::new(),
        }
    }

    /// The weights in panels.
    pub fn packed(&self) -> &PackedMatrix {
        &self.packed
    }

    /// Rows `[rows, inputs]` times the transposed weights: `[rows, outputs]`, in threads.
    pub fn times(&self, rows: &[f32]) -> Vec<f32> {
        PackedGemm::new(self, rows).all_outputs()
    }

    /// The same on this thread; None where the processor has no AMX.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn times_in_tiles(&self, rows: &[f32]) -> Option<Vec<f32>> {
        self.tiled().map(|tiled| tiled.times(rows))
    }

    #[cfg(target_arch = "x86_64")]
    fn tiled(&self) -> Option<&TiledWeights<Amx>> {
        let amx = Amx::detect()?;
        Some(self.tiled.get_or_init(|| tiled(amx, &self.packed)))
    }
}

/// A copy of weights as many bytes large, in bf16 high/low tiles.
#[cfg(target_arch = "x86_64")]
fn tiled<Unit: crate::amx::TileUnit>(unit: Unit, weights: &PackedMatrix) -> TiledWeights<Unit> {
    TiledWeights::new(unit, weights.columns(), weights.rows(), |input, output| weights.value(output, input))
}

/// Weights, and rows in the order in which a kernel reads them.
pub(crate) struct PackedGemm<'a> {
    rows: Rows<'a>,
    count: usize,
    outputs: usize,
}

enum Rows<'a> {
    #[cfg(target_arch = "x86_64")]
    Amx(&'a TiledWeights<Amx>, Vec<SplitTile>),
    #[cfg(all(test, target_arch = "x86_64"))]
    Emulated(TiledWeights<crate::amx::Emulated>, Vec<SplitTile>),
    InF32(&'a PackedMatrix, BlockedRows),
}

impl<'a> PackedGemm<'a> {
    /// Rows `[rows, inputs]` for the fastest kernel that the processor has.
    pub(crate) fn new(weights: &'a GemmWeights, rows: &[f32]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(tiled) = weights.tiled() {
            return Self::of(weights, Rows::Amx(tiled, tiled.split(rows)), rows);
        }
        Self::in_f32(Isa::detect(), weights, rows)
    }

    /// Rows for an f32 kernel.
    pub(crate) fn in_f32(isa: Isa, weights: &'a GemmWeights, rows: &[f32]) -> Self {
        let packed = &weights.packed;
        Self::of(weights, Rows::InF32(packed, BlockedRows::new(isa, rows, packed)), rows)
    }

    fn of(weights: &GemmWeights, prepared: Rows<'a>, rows: &[f32]) -> Self {
        let count = rows.len() / weights.packed.columns().max(1);
        Self { rows: prepared, count, outputs: weights.packed.rows() }
    }

    /// How far results may be from f32's, times the L2 norms of both factors.
    pub(crate) fn error_bound(&self) -> f32 {
        match self.rows {
            #[cfg(target_arch = "x86_64")]
            Rows::Amx(..) => crate::amx::ERROR_BOUND,
            #[cfg(all(test, target_arch = "x86_64"))]
            Rows::Emulated(..) => crate::amx::ERROR_BOUND,
            Rows::InF32(..) => 0.0,
        }
    }

    /// Some outputs of all rows, on this thread; the first is the first of a block of [`BLOCK_OUTPUTS`]. For each row outputs come
    /// in ascending order.
    pub(crate) fn outputs(&self, outputs: Range<usize>, on_output: &mut OnOutput) {
        match &self.rows {
            #[cfg(target_arch = "x86_64")]
            Rows::Amx(tiled, rows) => tiled.outputs(rows, outputs, on_output),
            #[cfg(all(test, target_arch = "x86_64"))]
            Rows::Emulated(tiled, rows) => tiled.outputs(rows, outputs, on_output),
            Rows::InF32(weights, rows) => rows.outputs(weights, outputs, on_output),
        }
    }

    /// All outputs `[rows, outputs]`, in threads.
    pub(crate) fn all_outputs(&self) -> Vec<f32> {
        let outputs = self.outputs;
        let blocks = (0..outputs.div_ceil(BLOCK_OUTPUTS)).into_par_iter();
        let parts: Vec<_> =
            blocks.map(|block| self.block(block * BLOCK_OUTPUTS..((block + 1) * BLOCK_OUTPUTS).min(outputs))).collect();
        let mut whole = vec![0.0; self.count * outputs];
        concatenate_columns(&parts, &mut whole, outputs);
        whole
    }

    /// A block of outputs `[rows, outputs]`.
    fn block(&self, outputs: Range<usize>) -> Vec<f32> {
        #[cfg(target_arch = "x86_64")]
        if let Rows::Amx(tiled, split) = &self.rows {
            return tiled.rows_of(split, self.count, outputs);
        }
        let mut dense = vec![0.0; self.count * outputs.len()];
        self.outputs(outputs.clone(), &mut |output, first, values| {
            let rows = dense.chunks_exact_mut(outputs.len()).skip(first);
            rows.zip(values).for_each(|(row, value)| row[output - outputs.start] = *value);
        });
        dense
    }
}

#[cfg(test)]
impl<'a> PackedGemm<'a> {
    /// One for each kernel that this processor has, and the emulated AMX unit; with its name.
    pub(crate) fn of_every_kernel(weights: &'a GemmWeights, rows: &[f32]) -> Vec<(Self, String)> {
        let mut all: Vec<_> =
            Isa::available().map(|isa| (Self::in_f32(isa, weights, rows), format!("{:?}", isa.level()))).collect();
        all.push((Self::new(weights, rows), "the fastest".to_owned()));
        #[cfg(target_arch = "x86_64")]
        all.push((Self::emulated(weights, rows), "emulated tiles".to_owned()));
        all
    }

    #[cfg(target_arch = "x86_64")]
    pub(crate) fn emulated(weights: &'a GemmWeights, rows: &[f32]) -> Self {
        let tiled = tiled(crate::amx::Emulated, &weights.packed);
        let split = tiled.split(rows);
        Self::of(weights, Rows::Emulated(tiled, split), rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{cases, draw, rng};

    #[test]
    fn every_kernel_gives_plain_sums_and_no_row_depends_on_the_others_or_on_threads() {
        let mut rng = rng(3);
        for (count, inputs, outputs) in
            cases([(1, 1, 1), (48, 32, 32), (50, 70, 33), (130, 256, 100), (44, 40, 300)], 1)
        {
            let (rows, values) = (draw(count * inputs, &mut rng), draw(inputs * outputs, &mut rng));
            let weights = GemmWeights::new(PackedMatrix::new(&values, inputs));
            for (whole, name) in PackedGemm::of_every_kernel(&weights, &rows) {
                let found = whole.all_outputs();
                assert_eq!(found.len(), count * outputs);
                let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
                assert_eq!(pool.install(|| whole.all_outputs()), found);
                for (number, row) in rows.chunks_exact(inputs).enumerate() {
                    for (output, weights) in values.chunks_exact(inputs).enumerate() {
                        let terms = row.iter().zip(weights).map(|(x, weight)| f64::from(*x) * f64::from(*weight));
                        let (sum, size) = terms.fold((0.0, 1e-3), |(sum, size), term| (sum + term, size + term.abs()));
                        let found = found[number * outputs + output];
                        assert!((f64::from(found) - sum).abs() < 1e-5 * size, "{name}: {found} and {sum}");
                    }
                }
                let alone = PackedGemm::of_every_kernel(&weights, &rows[..inputs]);
                let (alone, _) = alone.iter().find(|(_, other)| *other == name).unwrap();
                assert_eq!(alone.all_outputs(), found[..outputs]);
            }
        }
    }
}

//! Loss and gradient of softmax regression on a minibatch, in closed form: for inputs `h`, probabilities `p` and
//! one-hot labels `y` the gradient of the mean cross-entropy is `(1/n) sum_i h_i (p_i - y_i)^T`.
//!
//! The matrices are small (256 x 129 x 14) and come hundreds of thousands of times, so a general matrix product
//! spends its time on packing. Here panels of 4 rows x 16 classes stay in vector registers, and 32 cells at a time go
//! forward and backward while they are in L1. The bias is one more input that is always 1.

use ndarray::Array2;
use scdd_compute::{Isa, Level, PORTABLE_FMA, dispatch, multiply_add};

use crate::LearnError;

/// Classes per panel: two AVX2 registers.
const LANES: usize = 16;
/// Inputs, or cells, per panel.
const GROUP: usize = 4;
/// Cells of one forward and backward pass.
const BLOCK: usize = 32;

type Lanes = [f32; LANES];
type Group = [f32; GROUP];

/// Scaled inputs `[cells, features + 1]`, the last one 1, zeros up to whole groups.
pub(super) struct Inputs {
    values: Vec<Group>,
    groups: usize,
    cells: usize,
    features: usize,
}

impl Inputs {
    /// Scales features and appends the bias input.
    pub(super) fn new(features: &Array2<f32>, scale: f32) -> Result<Self, LearnError> {
        let (cells, width) = features.dim();
        let groups = (width + 1).div_ceil(GROUP);
        let mut values = vec![[0.0; GROUP]; cells * groups];
        for (cell, (row, source)) in values.chunks_exact_mut(groups).zip(features.rows()).enumerate() {
            for (feature, (input, &value)) in row.as_flattened_mut().iter_mut().zip(source).enumerate() {
                let scaled = value * scale;
                if !scaled.is_finite() {
                    return Err(LearnError::NotFinite { cell, feature, value });
                }
                *input = scaled;
            }
            row.as_flattened_mut()[width] = 1.0;
        }
        Ok(Self { values, groups, cells, features: width })
    }

    pub(super) fn cells(&self) -> usize {
        self.cells
    }

    pub(super) fn features(&self) -> usize {
        self.features
    }

    fn row(&self, cell: u32) -> &[Group] {
        &self.values[cell as usize * self.groups..][..self.groups]
    }
}

/// Weights, velocities or gradient of a linear layer: for each panel of classes one [`Lanes`] per input.
#[derive(Clone)]
pub(super) struct Layer {
    pub(super) values: Vec<Lanes>,
    inputs: usize,
    classes: usize,
}

impl Layer {
    /// All zero, for inputs of this many features.
    pub(super) fn zeros(features: usize, classes: usize) -> Self {
        let inputs = (features + 1).next_multiple_of(GROUP);
        Self { values: vec![[0.0; LANES]; classes.div_ceil(LANES) * inputs], inputs, classes }
    }

    /// From weights `[classes, features]` and one bias per class.
    pub(super) fn pack(weights: &Array2<f32>, bias: &[f32]) -> Self {
        let (classes, features) = weights.dim();
        let mut layer = Self::zeros(features, classes);
        for ((class, feature), &weight) in weights.indexed_iter() {
            *layer.at(class, feature) = weight;
        }
        for (class, &bias) in bias.iter().enumerate() {
            *layer.at(class, features) = bias;
        }
        layer
    }

    /// Weights `[classes, features]` and biases.
    pub(super) fn unpack(&mut self, features: usize) -> (Array2<f32>, Vec<f32>) {
        let classes = self.classes;
        let weights = Array2::from_shape_fn((classes, features), |(class, feature)| *self.at(class, feature));
        (weights, (0..classes).map(|class| *self.at(class, features)).collect())
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    fn at(&mut self, class: usize, input: usize) -> &mut f32 {
        &mut self.values[class / LANES * self.inputs + input][class % LANES]
    }
}

/// Scratch space of one block of cells: `[classes / 16, 32]` panels of logits, then of `p - y`.
pub(super) struct Scratch(Vec<Lanes>);

impl Scratch {
    pub(super) fn new(classes: usize) -> Self {
        Self(vec![[0.0; LANES]; classes.div_ceil(LANES) * BLOCK])
    }
}

/// What one pass over some cells found.
#[derive(Clone, Copy, Default)]
pub(super) struct Pass {
    /// Summed cross-entropy.
    pub(super) loss: f64,
    /// Cells whose most probable class is their label; of equals the first counts.
    pub(super) hits: usize,
}

/// Writes the gradient of the mean cross-entropy over `cells` into `gradient`.
pub(super) fn gradient(
    inputs: &Inputs,
    labels: &[u32],
    cells: &[u32],
    layer: &Layer,
    scratch: &mut Scratch,
    gradient: &mut Layer,
) -> Pass {
    // Four sums of 16 lanes keep an AVX-512 unit waiting; eight of 8 lanes are a tenth faster.
    gradient_by(Isa::detect().at_most(Level::Avx2), inputs, labels, cells, layer, scratch, gradient)
}

/// The same with a given instruction set.
pub(super) fn gradient_by(
    isa: Isa,
    inputs: &Inputs,
    labels: &[u32],
    cells: &[u32],
    layer: &Layer,
    scratch: &mut Scratch,
    gradient: &mut Layer,
) -> Pass {
    let mut pass = Pass::default();
    dispatch!(
        isa,
        (inputs: &Inputs = inputs, labels: &[u32] = labels, cells: &[u32] = cells, layer: &Layer = layer,
         scratch: &mut Scratch = scratch, gradient: &mut Layer = gradient, pass: &mut Pass = &mut pass),
        gradient_any::<true>,
        gradient_any::<true>,
        gradient_any::<PORTABLE_FMA>
    );
    pass
}

/// The loop itself; `FUSED` rounds once per multiplication and addition.
#[inline(always)]
fn gradient_any<const FUSED: bool>(
    inputs: &Inputs,
    labels: &[u32],
    cells: &[u32],
    layer: &Layer,
    scratch: &mut Scratch,
    gradient: &mut Layer,
    pass: &mut Pass,
) {
    gradient.values.fill([0.0; LANES]);
    let weight = 1.0 / cells.len() as f32;
    for block in cells.chunks(BLOCK) {
        forward::<FUSED>(inputs, block, layer, scratch);
        for (position, &cell) in block.iter().enumerate() {
            softmax_error(scratch, position, layer.classes, labels[cell as usize] as usize, weight, pass);
        }
        let panels = gradient.values.chunks_exact_mut(layer.inputs).zip(scratch.0.chunks_exact(BLOCK));
        for (gradient, errors) in panels {
            for (group, stored) in gradient.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
                // Loaded and stored as a whole, or the compiler keeps 64 scalars instead of 8 vectors (8 times slower).
                let mut sums = *stored;
                for (&cell, error) in block.iter().zip(errors) {
                    let input = inputs.values[cell as usize * inputs.groups + group];
                    add_outer::<FUSED>(&mut sums, input, error);
                }
                *stored = sums;
            }
        }
    }
}

/// Logits of at most 32 cells into the scratch.
#[inline(always)]
fn forward<const FUSED: bool>(inputs: &Inputs, block: &[u32], layer: &Layer, scratch: &mut Scratch) {
    for (weights, logits) in layer.values.chunks_exact(layer.inputs).zip(scratch.0.chunks_exact_mut(BLOCK)) {
        for (group, cells) in block.chunks(GROUP).enumerate() {
            // A last group that is not full repeats its first cell; what that gives is never read.
            let [a, b, c, d] = std::array::from_fn(|i| inputs.row(*cells.get(i).unwrap_or(&cells[0])).as_flattened());
            let mut sums = [[0.0; LANES]; GROUP];
            for ((((a, b), c), d), weights) in a.iter().zip(b).zip(c).zip(d).zip(weights) {
                add_outer::<FUSED>(&mut sums, [*a, *b, *c, *d], weights);
            }
            logits[group * GROUP..][..GROUP].copy_from_slice(&sums);
        }
    }
}

/// Adds the outer product of four numbers and sixteen.
#[inline(always)]
fn add_outer<const FUSED: bool>(sums: &mut [Lanes; GROUP], group: Group, lanes: &Lanes) {
    for (sums, scale) in sums.iter_mut().zip(group) {
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum = multiply_add::<FUSED>(scale, *lane, *sum);
        }
    }
}

/// Replaces the logits of one cell by `weight (p - y)`; lanes past the classes become 0.
#[inline(always)]
fn softmax_error(scratch: &mut Scratch, position: usize, classes: usize, label: usize, weight: f32, pass: &mut Pass) {
    let panels = classes.div_ceil(LANES);
    let used = |panel: usize| LANES.min(classes - panel * LANES);
    let (mut highest, mut best) = (f32::NEG_INFINITY, 0);
    for panel in 0..panels {
        for (lane, &logit) in scratch.0[panel * BLOCK + position][..used(panel)].iter().enumerate() {
            if logit > highest {
                (highest, best) = (logit, panel * LANES + lane);
            }
        }
    }
    let own = scratch.0[label / LANES * BLOCK + position][label % LANES];
    let mut sum = 0.0;
    for panel in 0..panels {
        let lanes = &mut scratch.0[panel * BLOCK + position];
        for lane in &mut lanes[..used(panel)] {
            *lane = (*lane - highest).exp();
            sum += *lane;
        }
        lanes[used(panel)..].fill(0.0);
    }
    for panel in 0..panels {
        for lane in &mut scratch.0[panel * BLOCK + position] {
            *lane *= weight / sum;
        }
    }
    scratch.0[label / LANES * BLOCK + position][label % LANES] -= weight;
    pass.loss += f64::from(sum.ln() - (own - highest));
    pass.hits += usize::from(best == label);
}

/// Probabilities `[cells, classes]`.
pub(super) fn probabilities(inputs: &Inputs, layer: &Layer) -> Array2<f32> {
    let mut scratch = Scratch::new(layer.classes);
    let mut result = Array2::zeros((inputs.cells, layer.classes));
    let cells: Vec<u32> = (0..inputs.cells as u32).collect();
    for block in cells.chunks(BLOCK) {
        forward::<PORTABLE_FMA>(inputs, block, layer, &mut scratch);
        for (position, &cell) in block.iter().enumerate() {
            let mut row = result.row_mut(cell as usize);
            for (class, logit) in row.iter_mut().enumerate() {
                *logit = scratch.0[class / LANES * BLOCK + position][class % LANES];
            }
            let highest = row.fold(f32::NEG_INFINITY, |highest, logit| highest.max(*logit));
            row.mapv_inplace(|logit| (logit - highest).exp());
            let sum = row.sum();
            row /= sum;
        }
    }
    result
}

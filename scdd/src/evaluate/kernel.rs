//! Loss and gradient of softmax regression on a minibatch, in closed form: for inputs `h`, probabilities `p` and
//! one-hot labels `y` the gradient of the mean cross-entropy is `(1/n) sum_i h_i (p_i - y_i)^T`.
//!
//! The matrices are small (256 x 129 x 14) and come hundreds of thousands of times, so a general matrix product
//! spends its time on packing. Here tiles of 4 rows x 16 classes stay in vector registers, and 32 cells at a time go
//! forward and back while they are in the first cache. The bias is one more input that is always 1.

use ndarray::Array2;

use super::EvaluateError;

/// Classes per tile: two AVX2 registers.
pub(super) const LANES: usize = 16;
/// Inputs, or cells, per tile.
const GROUP: usize = 4;
/// Cells that go forward and back together.
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
    pub(super) fn new(features: &Array2<f32>, scale: f32) -> Result<Self, EvaluateError> {
        let (cells, width) = features.dim();
        let groups = (width + 1).div_ceil(GROUP);
        let mut values = vec![[0.0; GROUP]; cells * groups];
        for (cell, (row, source)) in values.chunks_exact_mut(groups).zip(features.rows()).enumerate() {
            for (feature, (place, &value)) in row.as_flattened_mut().iter_mut().zip(source).enumerate() {
                let scaled = value * scale;
                if !scaled.is_finite() {
                    return Err(EvaluateError::NotFinite { cell, feature, value });
                }
                *place = scaled;
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

/// Weights, momentum or gradient of a linear layer: for each tile of classes one [`Lanes`] per input.
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

/// Room for one block of cells: `[classes / 16, 32]` tiles of logits, then of `p - y`.
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
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has both features, as was just asked.
        return unsafe { gradient_avx2(inputs, labels, cells, layer, scratch, gradient) };
    }
    gradient_any::<{ cfg!(target_arch = "aarch64") }>(inputs, labels, cells, layer, scratch, gradient)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn gradient_avx2(
    inputs: &Inputs,
    labels: &[u32],
    cells: &[u32],
    layer: &Layer,
    scratch: &mut Scratch,
    gradient: &mut Layer,
) -> Pass {
    gradient_any::<true>(inputs, labels, cells, layer, scratch, gradient)
}

/// The same for any processor; `FUSED` rounds once per multiplication and addition.
#[inline(always)]
pub(super) fn gradient_any<const FUSED: bool>(
    inputs: &Inputs,
    labels: &[u32],
    cells: &[u32],
    layer: &Layer,
    scratch: &mut Scratch,
    gradient: &mut Layer,
) -> Pass {
    gradient.values.fill([0.0; LANES]);
    let share = 1.0 / cells.len() as f32;
    let mut pass = Pass::default();
    for block in cells.chunks(BLOCK) {
        forward::<FUSED>(inputs, block, layer, scratch);
        for (position, &cell) in block.iter().enumerate() {
            softmax_error(scratch, position, layer.classes, labels[cell as usize] as usize, share, &mut pass);
        }
        let tiles = gradient.values.chunks_exact_mut(layer.inputs).zip(scratch.0.chunks_exact(BLOCK));
        for (gradient, errors) in tiles {
            for (group, places) in gradient.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
                // Loaded and stored as a whole, or the compiler keeps 64 scalars instead of 8 vectors (8 times slower).
                let mut sums = *places;
                for (&cell, error) in block.iter().zip(errors) {
                    let input = inputs.values[cell as usize * inputs.groups + group];
                    add_outer::<FUSED>(&mut sums, input, error);
                }
                *places = sums;
            }
        }
    }
    pass
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
            *sum = if FUSED { scale.mul_add(*lane, *sum) } else { scale * lane + *sum };
        }
    }
}

/// Replaces the logits of one cell by its share of `p - y`; lanes past the classes become 0.
#[inline(always)]
fn softmax_error(scratch: &mut Scratch, position: usize, classes: usize, label: usize, share: f32, pass: &mut Pass) {
    let tiles = classes.div_ceil(LANES);
    let used = |tile: usize| LANES.min(classes - tile * LANES);
    let (mut highest, mut best) = (f32::NEG_INFINITY, 0);
    for tile in 0..tiles {
        for (lane, &logit) in scratch.0[tile * BLOCK + position][..used(tile)].iter().enumerate() {
            if logit > highest {
                (highest, best) = (logit, tile * LANES + lane);
            }
        }
    }
    let own = scratch.0[label / LANES * BLOCK + position][label % LANES];
    let mut sum = 0.0;
    for tile in 0..tiles {
        let lanes = &mut scratch.0[tile * BLOCK + position];
        for lane in &mut lanes[..used(tile)] {
            *lane = (*lane - highest).exp();
            sum += *lane;
        }
        lanes[used(tile)..].fill(0.0);
    }
    for tile in 0..tiles {
        for lane in &mut scratch.0[tile * BLOCK + position] {
            *lane *= share / sum;
        }
    }
    scratch.0[label / LANES * BLOCK + position][label % LANES] -= share;
    pass.loss += f64::from(sum.ln() - (own - highest));
    pass.hits += usize::from(best == label);
}

/// Probabilities `[cells, classes]`.
pub(super) fn probabilities(inputs: &Inputs, layer: &Layer) -> Array2<f32> {
    let mut scratch = Scratch::new(layer.classes);
    let mut result = Array2::zeros((inputs.cells, layer.classes));
    let cells: Vec<u32> = (0..inputs.cells as u32).collect();
    for block in cells.chunks(BLOCK) {
        forward::<{ cfg!(target_arch = "aarch64") }>(inputs, block, layer, &mut scratch);
        for (position, &cell) in block.iter().enumerate() {
            let mut row = result.row_mut(cell as usize);
            for (class, place) in row.iter_mut().enumerate() {
                *place = scratch.0[class / LANES * BLOCK + position][class % LANES];
            }
            let highest = row.fold(f32::NEG_INFINITY, |highest, logit| highest.max(*logit));
            row.mapv_inplace(|logit| (logit - highest).exp());
            let sum = row.sum();
            row /= sum;
        }
    }
    result
}

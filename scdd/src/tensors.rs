//! Between host arrays and tensors, and weights that one seed decides.
//!
//! Random numbers are drawn on the host, from [`crate::seed`]'s streams: a device's own generator is shared by
//! everything that runs beside it, so its draws would not repeat.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use ndarray::Array2;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

pub(crate) fn tensor(array: &Array2<f32>, device: &Device) -> Tensor<2> {
    let values = array.as_slice().map_or_else(|| array.iter().copied().collect(), <[f32]>::to_vec);
    from_rows(values, array.ncols(), device)
}

/// A tensor `[values / width, width]` of row-major values.
pub(crate) fn from_rows(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / width.max(1);
    Tensor::from_data(TensorData::new(values, [rows, width]), device)
}

pub(crate) fn array(tensor: Tensor<2>) -> Array2<f32> {
    let [rows, width] = tensor.dims();
    let values = to_vec(tensor);
    // The tensor's own dimensions say how many values there are.
    Array2::from_shape_vec((rows, width), values).unwrap_or_else(|_| Array2::zeros((rows, width)))
}

pub(crate) fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let tensor = tensor.inner();
    tensor.try_into_vec_as::<f32>().unwrap_or_else(|error| panic!("a device lost its data: {error:?}"))
}

pub(crate) fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(tensor.inner().into_scalar::<f32>())
}

pub(crate) fn indices(values: impl IntoIterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.into_iter().map(|value| value as i64).collect();
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

/// The numbers of indices, on the host.
pub(crate) fn numbers(indices: Tensor<1, Int>) -> Vec<usize> {
    let values = indices.into_data().convert::<i64>().try_into_vec::<i64>();
    let values = values.unwrap_or_else(|error| panic!("a device lost its data: {error:?}"));
    values.into_iter().map(|value| value as usize).collect()
}

pub(crate) fn normal(rows: usize, width: usize, rng: &mut ChaCha8Rng, device: &Device) -> Tensor<2> {
    let values = (0..rows * width).map(|_| StandardNormal.sample(rng)).collect();
    from_rows(values, width, device)
}

/// Dropout's mask `[rows, width]`: 0 with the given rate, else 1 / (1 - rate).
pub(crate) fn dropout_mask(rows: usize, width: usize, rate: f64, rng: &mut ChaCha8Rng, device: &Device) -> Tensor<2> {
    let keep = (1.0 / (1.0 - rate)) as f32;
    let threshold = (rate * f64::from(u32::MAX)) as u32;
    let values = (0..rows * width).map(|_| if rng.random::<u32>() < threshold { 0.0 } else { keep }).collect();
    from_rows(values, width, device)
}

fn uniform(rows: usize, width: usize, bound: f32, rng: &mut ChaCha8Rng, device: &Device) -> Tensor<2> {
    let values = (0..rows * width).map(|_| rng.random_range(-bound..bound)).collect();
    from_rows(values, width, device)
}

/// A linear layer as PyTorch draws it: uniform within 1 / sqrt(inputs).
pub(crate) fn linear(inputs: usize, outputs: usize, rng: &mut ChaCha8Rng, device: &Device) -> Linear {
    let bound = 1.0 / (inputs as f32).sqrt();
    Linear {
        weight: Param::from_tensor(uniform(inputs, outputs, bound, rng, device)),
        bias: Some(Param::from_tensor(uniform(1, outputs, bound, rng, device).reshape([outputs]))),
    }
}

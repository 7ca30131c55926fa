//! The trained denoiser on the host, without an autodiff graph: noised latents to clean ones, and gradients by clean latents to
//! gradients by noised ones (`forward_backward.rs`).
//!
//! A distillation step goes through it with a few dozen rows. In tensors most of that time is the overhead of two hundred small
//! operations.

use rayon::prelude::*;

use super::denoiser::{Denoiser, time_embeddings};
use super::forward_backward::{Batch, Trace};
use super::layout::{Layout, flat_weights};

/// Rows that a thread takes from the first layer to the last one and back.
const ROWS: usize = 24;

/// Frozen weights of a denoiser.
#[derive(Debug)]
pub(in crate::scdg) struct FrozenDenoiser {
    layout: Layout,
    weights: Vec<f32>,
}

impl FrozenDenoiser {
    pub(in crate::scdg) fn new(network: &Denoiser) -> Self {
        Self { layout: Layout::of(network), weights: flat_weights(network) }
    }

    /// Clean latents `[rows, latent]` of noised ones at a step of the schedule, and what the backward pass needs. For each
    /// embedding table (class, then conditions) `numbers` has the entry of each row.
    pub(in crate::scdg) fn forward(
        &self,
        noised: &[f32],
        step: usize,
        numbers: &[Vec<usize>],
    ) -> (Vec<f32>, Vec<Trace>) {
        let layout = &self.layout;
        let latent = layout.output.outputs;
        let time = time_embeddings(std::iter::once(step), layout.embedding);
        let parts = noised.par_chunks((ROWS * latent).max(1)).enumerate().map(|(part, noised)| {
            let rows = part * ROWS..part * ROWS + noised.len() / latent;
            let mut trace = Trace::sized(layout, rows.len());
            trace.batch = Batch {
                noised: noised.to_vec(),
                time: time.repeat(rows.len()),
                numbers: numbers.iter().map(|numbers| numbers[rows.clone()].to_vec()).collect(),
                ..Batch::default()
            };
            trace.forward(layout, &self.weights);
            trace.drop_inputs();
            trace
        });
        let traces: Vec<Trace> = parts.collect();
        (traces.iter().flat_map(|trace| trace.predicted.iter().copied()).collect(), traces)
    }

    /// Gradients by clean latents `[rows, latent]` to those by noised ones.
    pub(in crate::scdg) fn backward(&self, traces: Vec<Trace>, gradient: &[f32]) -> Vec<f32> {
        let parts = gradient.par_chunks((ROWS * self.layout.output.outputs).max(1));
        let back = |(mut trace, gradient): (Trace, &[f32])| {
            trace.predicted.copy_from_slice(gradient);
            trace.backward_to_latents(&self.layout, &self.weights)
        };
        let back: Vec<Vec<f32>> = traces.into_par_iter().zip(parts).map(back).collect();
        back.concat()
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::super::denoiser::{Conditioned, DenoiserConfig, time_embedding};
    use super::*;
    use crate::{seed, tensors};

    #[test]
    fn forward_and_backward_are_those_of_the_network_in_tensors_on_any_number_of_threads() {
        let (device, latent, embedding) = (Device::flex(), 5, 6);
        for (widths, rows) in [(vec![16], 1), (vec![20, 7], 30), (vec![33, 24, 17], 60)] {
            let mut rng = seed::stream(5, "test");
            let conditioned = Conditioned { classes: 4, conditions: vec![("site", 2)], dropped: true, seed: 1 };
            let config = DenoiserConfig { widths, embedding };
            let network = Denoiser::new(latent, &conditioned, &config, &mut rng, &device);
            let noised = tensors::normal(rows, latent, &mut rng, &device);
            let upstream = tensors::normal(rows, latent, &mut rng, &device);
            let numbers = [4, 2].map(|count| (0..rows).map(|row| row % count).collect::<Vec<_>>());
            let [classes, sites] = numbers.clone().map(|numbers| tensors::indices(numbers, &device));
            let leaf = noised.clone().autodiff().require_grad();
            let time = time_embedding(&vec![400; rows], embedding, &device);
            let expected = network.forward(leaf.clone(), time, network.tau(classes, vec![sites]));
            let slope = leaf.grad(&(expected.clone() * upstream.clone()).sum().backward()).unwrap();

            let frozen = FrozenDenoiser::new(&network);
            let both = || {
                let (found, traces) = frozen.forward(&tensors::to_vec(noised.clone()), 400, &numbers);
                (found, frozen.backward(traces, &tensors::to_vec(upstream.clone())))
            };
            let (found, back) = both();
            for (found, expected) in [(&found, tensors::to_vec(expected)), (&back, tensors::to_vec(slope))] {
                let length = expected.iter().map(|value| value * value).sum::<f32>().sqrt();
                let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
                assert!(found.len() == expected.len() && apart <= 2e-6 * length, "{apart} of {length}");
            }
            let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
            assert_eq!(pool.install(both), (found, back));
        }
    }
}

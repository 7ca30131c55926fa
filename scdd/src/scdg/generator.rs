//! Using the generator: G(z, c) = ReLU(De(D_theta(noised(z), t, tau(c)))).

use std::sync::{Arc, OnceLock};

use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

use super::conditions::Condition;
use super::config::ScdgConfig;
use super::network::denoiser::{Denoiser, time_embedding};
use super::network::frozen::FrozenDenoiser;
use crate::foundation::Foundation;
use crate::study::Study;
use crate::{seed, tensors};

/// Which noise a latent gets before it is denoised. The paper does not say; this is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Noise {
    /// Drawn once for each code and kept.
    Fixed,
    /// Drawn anew in every step.
    Fresh,
    /// None: the latent is scaled by sqrt(alpha_bar) only.
    None,
}

/// The trained denoiser and the frozen decoder after it. Cheap to clone.
#[derive(Clone)]
pub struct Generator {
    denoiser: Arc<Denoiser>,
    /// The same without a graph, made when it is asked for.
    frozen: Arc<OnceLock<Arc<FrozenDenoiser>>>,
    foundation: Foundation,
    alpha_bars: Arc<Vec<f64>>,
    embedding: usize,
    /// tau(c) of each class alone `[classes, embedding]`, with its most frequent value of each further condition.
    tau_of_classes: Tensor<2>,
    /// Of each further condition the most frequent value of each class.
    usual: Arc<Vec<Vec<usize>>>,
    guidance: f64,
}

impl Generator {
    pub(super) fn new(denoiser: Denoiser, study: &Study, config: &ScdgConfig, conditions: &[Condition]) -> Self {
        let device = study.device();
        let usual = conditions.iter().map(|condition| tensors::indices(condition.usual.iter().copied(), device));
        let tau_of_classes = denoiser.tau(tensors::indices(0..study.classes().len(), device), usual.collect());
        Self {
            denoiser: Arc::new(denoiser),
            frozen: Arc::default(),
            foundation: study.foundation().clone(),
            alpha_bars: Arc::new(config.schedule.alpha_bars()),
            embedding: config.denoiser.embedding,
            tau_of_classes,
            usual: Arc::new(conditions.iter().map(|condition| condition.usual.clone()).collect()),
            guidance: 0.0,
        }
    }

    /// The same with guidance w: D = D_null + (1 + w) (D_c - D_null) (Ho and Salimans 2022, written for z0). It does
    /// nothing in a network that was trained without dropping its conditions.
    pub(crate) fn guided(&self, guidance: f64) -> Self {
        Self { guidance, ..self.clone() }
    }

    /// Whether guidance can do anything.
    pub(crate) fn can_be_guided(&self) -> bool {
        self.denoiser.null().is_some()
    }

    /// tau(c) `[rows, embedding]` of classes `[rows]` alone: each with the most frequent value that the further
    /// conditions have among its training cells.
    pub(crate) fn tau_of_classes(&self, classes: Tensor<1, Int>) -> Tensor<2> {
        self.tau_of_classes.clone().select(0, classes)
    }

    /// tau(c) `[rows, embedding]` of classes `[rows]` and values `[rows]` of every further condition.
    pub(crate) fn tau(&self, classes: Tensor<1, Int>, conditions: Vec<Tensor<1, Int>>) -> Tensor<2> {
        self.denoiser.tau(classes, conditions)
    }

    /// alpha_bar of every step from 0 to T.
    pub(crate) fn alpha_bars(&self) -> &[f64] {
        &self.alpha_bars
    }

    /// alpha_bar of one step; of the last one for later steps.
    fn alpha_bar(&self, step: usize) -> f64 {
        self.alpha_bars[step.min(self.alpha_bars.len() - 1)]
    }

    /// Latents `[rows, latent]` at step t = 0 as the network predicts them from those at step t, both at scale
    /// sqrt(latent), for conditions' embeddings `[rows, embedding]`.
    pub(crate) fn predict(&self, noised: Tensor<2>, tau: Tensor<2>, step: usize) -> Tensor<2> {
        let rows = noised.dims()[0];
        let time = time_embedding(&vec![step; rows], self.embedding, &noised.device());
        match self.denoiser.null() {
            Some(null) if self.guidance != 0.0 => {
                let null = null.expand(tau.dims());
                let without = self.denoiser.forward(noised.clone(), time.clone(), null);
                let with = self.denoiser.forward(noised, time, tau);
                without.clone() + (with - without) * (1.0 + self.guidance)
            }
            _ => self.denoiser.forward(noised, time, tau),
        }
    }

    /// The codes `[rows, latent]` at scale sqrt(latent), noised to a step of the schedule (equation 1).
    pub(crate) fn noised(&self, codes: Tensor<2>, noise: Tensor<2>, step: usize) -> Tensor<2> {
        let alpha_bar = self.alpha_bar(step);
        codes * alpha_bar.sqrt() + noise * (1.0 - alpha_bar).sqrt()
    }

    /// Clean latents `[rows, latent]` of about unit norm, from codes `[rows, latent]` at scale sqrt(latent).
    pub(crate) fn denoise(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        step: usize,
        noise: Tensor<2>,
    ) -> Tensor<2> {
        let latent = codes.dims()[1];
        let tau = self.tau_of_classes(classes);
        self.predict(self.noised(codes, noise, step), tau, step) / (latent as f64).sqrt()
    }

    /// The clean latents of [`denoise`](Self::denoise) without an autodiff graph, and their vector-Jacobian product: gradients by
    /// them to gradients by the codes. None with guidance, which calls the network twice, and on devices other than the CPU.
    pub(crate) fn denoise_with_vjp(
        &self,
        codes: Tensor<2>,
        classes: Tensor<1, Int>,
        step: usize,
        noise: Tensor<2>,
    ) -> Option<(Tensor<2>, impl FnOnce(Tensor<2>) -> Tensor<2> + use<>)> {
        let ([_, latent], device) = (codes.dims(), codes.device());
        if device != Device::flex() || (self.guidance != 0.0 && self.can_be_guided()) {
            return None;
        }
        let classes = tensors::numbers(classes);
        let usual = self.usual.iter().map(|usual| classes.iter().map(|&class| usual[class]).collect());
        let numbers: Vec<Vec<usize>> = std::iter::once(classes.clone()).chain(usual).collect();
        let frozen = self.frozen.get_or_init(|| Arc::new(FrozenDenoiser::new(&self.denoiser))).clone();
        let noised = tensors::to_vec(self.noised(codes, noise, step));
        let (clean, traces) = frozen.forward(&noised, step, &numbers);
        let (scale, kept) = ((latent as f64).sqrt(), self.alpha_bar(step).sqrt());
        let clean = tensors::from_rows(clean, latent, &device) / scale;
        let back = move |gradient: Tensor<2>| {
            let by_noised = frozen.backward(traces, &tensors::to_vec(gradient / scale));
            tensors::from_rows(by_noised, latent, &device) * kept
        };
        Some((clean, back))
    }

    /// Expression `[rows, genes]` of latents `[rows, latent]` of about unit norm.
    pub(crate) fn decode(&self, latents: Tensor<2>) -> Tensor<2> {
        // That there is a decoder was checked when the generator was trained.
        self.foundation.decode(latents.clone()).unwrap_or(latents)
    }

    /// Noise `[rows, latent]` of a kind, for a step of an optimisation.
    pub(crate) fn noise(&self, noise: Noise, rows: usize, seed: u64, step: usize, device: &Device) -> Tensor<2> {
        let latent = self.foundation.latent();
        let purpose = match noise {
            Noise::None => return Tensor::zeros([rows, latent], device),
            Noise::Fixed => "generator noise".to_owned(),
            Noise::Fresh => format!("generator noise {step}"),
        };
        tensors::normal(rows, latent, &mut seed::stream(seed, &purpose), device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foundation::{NetworkConfig, PretrainingConfig};
    use crate::scdg::{DenoiserConfig, Scdg};

    /// Two classes, of which "type_1" is mostly in the first batch and "type_2" in the second.
    fn scdg() -> Scdg {
        crate::progress::quiet(true);
        let cells = crate::simulate().cells(120).genes(60).classes(2).smallest_class(40).seed(2).run().unwrap();
        let cells = cells.preprocess().min_genes(1).run().unwrap();
        let labels = cells.labels("cell_type").unwrap();
        let site = |cell: usize| if cell.is_multiple_of(5) == (labels.of_cell[cell] == 0) { "b" } else { "a" };
        let sites: Vec<&str> = (0..cells.cells()).map(site).collect();
        let cells = cells.with_obs(polars::prelude::Column::new("site".into(), sites)).unwrap();
        let network = NetworkConfig { latent: 6, hidden: vec![16; 3], ..NetworkConfig::default() };
        let pretraining = PretrainingConfig { network, epochs: 1, batch: 32, ..PretrainingConfig::default() };
        let study = cells.study("cell_type").pretraining(pretraining).run().unwrap();
        let denoiser = DenoiserConfig { widths: vec![16, 8], embedding: 8 };
        let config = ScdgConfig { denoiser, steps: 30, batch: 32, condition_dropout: 0.3, ..ScdgConfig::default() };
        study.train_scdg().config(config).condition("site").run().unwrap()
    }

    #[test]
    fn a_class_alone_is_seen_with_its_most_frequent_condition() {
        let (scdg, device) = (scdg(), Device::flex());
        let generator = scdg.generator();
        let classes = || tensors::indices([0, 1], &device);
        let alone = tensors::to_vec(generator.tau_of_classes(classes()));
        let with = |sites| tensors::to_vec(generator.tau(classes(), vec![tensors::indices(sites, &device)]));
        assert_eq!(scdg.condition_values("site").unwrap(), ["a", "b"]);
        assert_eq!(alone, with([0, 1]));
        assert_ne!(alone, with([1, 0]));
    }

    #[test]
    fn guidance_goes_from_no_condition_through_the_condition_and_beyond() {
        let (scdg, device) = (scdg(), Device::flex());
        let noised = tensors::normal(2, 6, &mut seed::stream(1, "test"), &device);
        let with = |guidance: f64, classes: [usize; 2]| {
            let generator = scdg.generator().guided(guidance);
            let tau = generator.tau_of_classes(tensors::indices(classes, &device));
            tensors::to_vec(generator.predict(noised.clone(), tau, 700))
        };
        let (none, plain, beyond) = (with(-1.0, [0, 1]), with(0.0, [0, 1]), with(0.5, [0, 1]));
        assert_ne!(none, plain);
        assert!([&none, &plain, &beyond].iter().all(|found| found.len() == 2 * 6));
        for ((none, plain), beyond) in none.iter().zip(&plain).zip(&beyond) {
            assert!((none + 1.5 * (plain - none) - beyond).abs() < 1e-4);
        }
        let other = with(-1.0, [1, 0]);
        assert!(none.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-5), "without conditions the class is nothing");
    }
}

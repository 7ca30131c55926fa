//! SCDG, the single-step conditional diffusion generator (Yu et al. 2025): noise a latent, predict the clean one in a
//! single network call, conditioned on the class and on any other columns of obs.
//!
//! The denoiser predicts z0 itself (equation 3), so generation is one forward and one reverse step, never a chain, and
//! the gradient of a distillation loss passes through one network. [`Sampler`] has the chains of other diffusion models
//! too, over the same network.

mod adamw;
mod builder;
mod chain;
mod checkpoint;
mod conditions;
mod config;
mod draw;
mod error;
mod generate;
mod generator;
mod network;
mod sampler;
mod schedule;
mod train;
mod trained;

pub use builder::ScdgBuilder;
pub use config::{ScdgConfig, ScdgHistory};
pub use error::ScdgError;
pub use generate::GenerateBuilder;
pub use generator::{Generator, Noise};
pub use network::denoiser::DenoiserConfig;
pub use sampler::Sampler;
pub use schedule::{Curve, LossWeights, Schedule};
pub use trained::Scdg;

pub(crate) use sampler::usual_step;

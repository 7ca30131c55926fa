//! SCDG, the single-step conditional diffusion generator (Yu et al. 2025): noise a latent, predict the clean one in a
//! single network call, conditioned on the class.
//!
//! The denoiser predicts z0 itself (equation 3), so generation is one forward and one reverse step, never a chain, and
//! the gradient of a distillation loss passes through one network.

mod builder;
mod denoiser;
mod error;
mod generator;
mod schedule;
mod train;
mod trained;

pub use builder::{ScdgBuilder, ScdgConfig, ScdgHistory};
pub use denoiser::DenoiserConfig;
pub use error::ScdgError;
pub use generator::{Generator, Noise};
pub use schedule::Schedule;
pub use trained::Scdg;

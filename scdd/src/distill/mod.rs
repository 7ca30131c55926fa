//! Distillation: codes are moved until what is made of them matches real cells (Yu et al. 2025, algorithm 1).
//!
//! 1. Codes start at real training cells, `per_class` of each class, or at another [`Start`].
//! 2. In each step a generator path makes expression of the codes without a graph, an objective compares it with a batch
//!    of real cells, and the gradient goes back to the codes in chunks.
//! 3. The last expression, or the best on validation cells, with its labels, is the distilled set.
//!
//! Each pipeline of the paper is a run of the same engine:
//!
//! | paper | call | codes |
//! |---|---|---|
//! | DC, DM | `study.distill_expression(objective)` | expression |
//! | scDD+Decoder | `study.distill_decoder(objective)` | latents, decoded |
//! | scDD+SCDG | `scdg.distill(objective)` | latents, denoised and decoded |
//! | LD3M, to compare with | `scdg.distill_chain(objective)` | latents, denoised in a chain of steps and decoded |
//! | FeatDistill | `study.distill_features(objective)` | features; no expression |
//! | TextDistill | `study.distill_features(objective).run()?.decoded()` | features, decoded once |
//! | SDXL-Turbo's counterpart | `scdg.sample()` | latents drawn from SCDG, not moved |

mod as_cells;
mod builder;
mod checkpoint;
mod choice;
mod codes;
mod config;
mod distillation;
mod distilled;
mod distilled_features;
mod distribution;
mod engine;
mod error;
mod gradient;
mod kmeans;
mod matching;
mod optimizer;
mod passes;
mod path;
mod start;
mod validation;

pub use builder::DistillBuilder;
pub use codes::SmallClasses;
pub use config::{DistillConfig, DistillHistory, RateTried};
pub use distillation::Distillation;
pub use distilled::Distilled;
pub use distilled_features::DistilledFeatures;
pub use distribution::DistributionMatching;
pub use error::DistillError;
pub use gradient::GradientMatching;
pub use matching::{Matching, MatchingObjective};
pub use optimizer::{Optimizer, Steps};
pub use path::{Chain, Pipeline, SampleBuilder};
pub use start::Start;
pub use validation::{EarlyStopping, ValidationScore};

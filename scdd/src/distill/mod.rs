//! Distillation: codes are optimised until the cells that are made of them match real cells (Yu et al. 2025, algorithm 1).
//!
//! 1. Codes are initialised at real training cells, `per_class` of each class, or by another [`Init`].
//! 2. In each step a generator path makes expression of the codes, an objective compares it with a batch of real cells, and
//!    the gradient goes back to the codes in chunks.
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
//! | FeatDistill | `study.distill_embeddings(objective)` | embeddings; no expression |
//! | our own | `study.metacells().run()?.distill(objective)` | weights of metacells of the class |
//! | TextDistill | `study.distill_embeddings(objective).run()?.decoded()` | embeddings, decoded once |
//! | SDXL-Turbo's counterpart | `scdg.sample()` | latents drawn from SCDG, not optimised |
//!
//! Where to read: `builder` and `run` open and run it; `engine` takes the steps; `path` has a file for each pipeline and
//! `objective` one for each objective; `selection` scores on validation cells; `set` is what is delivered.

mod builder;
mod codes;
mod config;
mod engine;
mod error;
mod gene_subsets;
mod history;
mod init;
mod markers;
mod metacells;
mod objective;
mod path;
mod plan;
mod run;
mod selection;
mod set;
mod step_order;

pub use crate::optimizer::Optimizer;
pub use builder::DistillBuilder;
pub use codes::SmallClasses;
pub use config::DistillConfig;
pub use error::DistillError;
pub use history::{DistillHistory, RunTried};
pub use init::Init;
pub use metacells::{Metacells, MetacellsBuilder};
pub use objective::{
    ClassWeights, CovarianceMatching, DistributionMatching, GradientMatching, KernelMatching, Matching,
    MatchingObjective, Mixture, RidgeSurrogate, RidgeSurrogates, Surrogate, Surrogates, TrajectoryMatching, loops,
};
pub use path::{AnyPath, Chain, Denoising, OneCall, Pipeline, SampleBuilder, ScdgPath};
pub use selection::{EarlyStopping, ValidationModels, ValidationScore};
pub use set::{Distillation, Distilled, DistilledEmbeddings};
pub use step_order::StepOrder;

//! Distillation: codes are moved until what the generator makes of them matches real cells (Yu et al. 2025,
//! algorithm 1).
//!
//! 1. Codes start at latents of real training cells, `per_class` of each class.
//! 2. In each step the generator makes expression of the codes without a graph, an objective compares it with a batch of
//!    real cells, and the gradient goes back to the codes in chunks.
//! 3. The last expression, with its labels, is the distilled set.

mod as_cells;
mod builder;
mod codes;
mod distilled;
mod distribution;
mod engine;
mod error;
mod gradient;
mod matching;

pub use builder::{DistillBuilder, DistillConfig, DistillHistory};
pub use codes::SmallClasses;
pub use distilled::Distilled;
pub use distribution::DistributionMatching;
pub use error::DistillError;
pub use gradient::GradientMatching;
pub use matching::{Matching, MatchingObjective};

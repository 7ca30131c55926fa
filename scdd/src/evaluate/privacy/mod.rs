//! Privacy of training cells in a distilled set: `distilled.privacy()`.
//!
//! | question | method | file |
//! |---|---|---|
//! | are there copies? | synthetic cells equal to a training cell in every gene | `copies.rs` |
//! | are single cells behind synthetic ones? | distances to the nearest and the next training cell, beside those of held-out cells | `distances.rs` |
//! | can one tell who was in it? | membership inference: AUC of training cells against held-out ones of their class | `membership.rs`, `roc.rs` |
//!
//! All of it is measured on log-normalised expression by cosine distance. Latents and principal components would be the
//! usual space, but both were fitted on training cells, which therefore differ from held-out cells before any set has
//! been made; nothing is fitted to expression. The cosine leaves a cell's sequencing depth out.

mod builder;
mod copies;
mod distances;
mod membership;
mod report;
mod roc;

use crate::cells::Expression;

pub use builder::PrivacyBuilder;
pub use report::{Attack, Privacy, SetPrivacy};

/// Cells with their classes.
struct Labelled {
    expression: Expression,
    labels: Vec<u32>,
}

#[cfg(test)]
mod tests;

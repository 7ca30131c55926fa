//! Generator paths: what a code is, and how codes become cells or embeddings.
//!
//! The engine knows codes `[rows, width]`, an objective and an optimiser. The pipelines of Yu et al. 2025, section 5, differ
//! only in their path.

mod any_path;
mod chain;
mod decoder;
mod embeddings;
mod expression;
mod generation;
mod generator_path;
mod latents;
mod metacells;
mod pipeline;
mod scdg;

pub use any_path::AnyPath;
pub use chain::Chain;
pub use generation::SampleBuilder;
pub use pipeline::Pipeline;
pub(super) use scdg::Calls;
pub use scdg::{Denoising, OneCall, ScdgPath};

pub(super) use generator_path::{GeneratorPath, Space};
pub(super) use latents::{Latents, decode, decode_embeddings};

/// One path of each pipeline that optimises codes, SCDG's last.
#[cfg(test)]
pub(super) fn test_paths(scdg: &crate::scdg::Scdg, chain: Chain) -> Vec<Box<dyn GeneratorPath>> {
    let study = || scdg.study().clone();
    vec![
        Box::new(expression::ExpressionPath { study: study() }),
        Box::new(decoder::DecoderPath { study: study() }),
        Box::new(embeddings::EmbeddingsPath { study: study() }),
        Box::new(metacells::MetacellPath { metacells: study().metacells().max_per_class(4).run().unwrap() }),
        Box::new(ScdgPath::new(scdg, chain)),
        Box::new(ScdgPath::new(scdg, OneCall)),
    ]
}

//! The pipelines by name.

use serde::{Deserialize, Serialize};

/// A pipeline of the paper, or one that it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pipeline {
    /// Expression itself is optimised: "DC" and "DM".
    Expression,
    /// Latents are optimised and decoded, as GLaD does (Cazenavette et al. 2023): "scDD+Decoder".
    Decoder,
    /// Latents are optimised, denoised by SCDG and decoded: "scDD+SCDG".
    Scdg,
    /// Latents are optimised, denoised by SCDG in a chain of steps and decoded: "LD3M" (Moser et al.).
    DiffusionChain,
    /// Embeddings, which the classifier takes, are optimised; there is no expression: "FeatDistill".
    Embeddings,
    /// Those embeddings, decoded once at the end: "TextDistill".
    DecodedEmbeddings,
    /// Weights of a class's metacells are optimised (a pipeline of our own): "scDD+Metacells".
    Metacells,
    /// SCDG is sampled; nothing is optimised (the counterpart of the paper's SDXL-Turbo).
    Generation,
}

impl Pipeline {
    /// The paper's name with an objective's short one: "scDD+SCDG, DC".
    ///
    /// ```
    /// use scdd::distill::Pipeline;
    /// assert_eq!(Pipeline::Decoder.name("DM"), "scDD+Decoder, DM");
    /// assert_eq!(Pipeline::Embeddings.name("DC"), "FeatDistill+DC");
    /// ```
    pub fn name(self, objective: &str) -> String {
        match self {
            Self::Expression => objective.to_owned(),
            Self::Decoder => format!("scDD+Decoder, {objective}"),
            Self::Scdg => format!("scDD+SCDG, {objective}"),
            Self::DiffusionChain => format!("LD3M, {objective}"),
            Self::Embeddings => format!("FeatDistill+{objective}"),
            Self::DecodedEmbeddings => format!("TextDistill+{objective}"),
            Self::Metacells => format!("scDD+Metacells, {objective}"),
            Self::Generation => "generation only".to_owned(),
        }
    }
}

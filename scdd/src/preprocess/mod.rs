//! From counts to log-normalised cells, and their split.

mod error;
mod normalize;
mod split;

pub use error::PreprocessError;
pub use normalize::{Preprocess, PreprocessConfig, PreprocessPlan};
pub use split::{Split, stratified_split};

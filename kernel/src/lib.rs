//! The Jupyter kernel of this clone: what runs cells, behind [`engine::Engine`].
#![warn(missing_docs)]

pub mod engine;
pub mod evaluator;
pub mod links;
pub mod outputs;

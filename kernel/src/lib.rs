//! The Jupyter kernel of this clone: the protocol's side ([`jupyter`]), and what runs cells behind [`engine::Engine`].
#![warn(missing_docs)]

pub mod command;
pub mod complete;
pub mod completeness;
pub mod engine;
pub mod evaluator;
#[cfg(feature = "evcxr")]
pub mod evcxr_engine;
pub mod hard_links;
pub mod install;
pub mod jupyter;
pub mod outputs;

//! The distill stage.

//! The visualize stage.

//! The foundation stage.

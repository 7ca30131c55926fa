//! The scdg stage.

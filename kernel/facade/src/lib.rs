//! x
pub use scdd::*;

//! The whole of scdd as one shared object, which notebook cells link to.
//!
//! Linked statically, every cell would carry a copy of Burn's autodiff graph, of rayon's pools and of HDF5's tables, and
//! what one cell makes would break in the next. Nothing but the re-export belongs here: a dylib is linked anew at every
//! change, in which an own crate of a line costs seconds.
pub use scdd::*;

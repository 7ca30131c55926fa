//! What every compiled cell is linked to: the kept variables, the way a cell runs and fails, and how a value shows itself.
//!
//! This crate is no member of the workspace. The kernel compiles it once, by the very compiler that built the library's
//! shared object, into a shared object of its own: so there is one store of variables, not one per cell. Two unstable
//! features save every cell a second compilation: `?` of any error at the top of a cell ([`control_flow`]), and choosing between
//! Display, Debug and nothing for a type that isn't known here ([`show`]).
#![feature(specialization, try_trait_v2)]
#![allow(incomplete_features)]
// The workspace's lints, which reach its members only.
#![warn(missing_docs, clippy::all)]
#![deny(unused_must_use, clippy::undocumented_unsafe_blocks)]

mod child;
pub mod control_flow;
mod describe;
mod protocol;
pub mod shape;
pub mod show;
pub mod store;

pub use control_flow::{Flow, failed, finish, guard, level, run};
pub use store::{again, inside, place, place_local, take, taken};

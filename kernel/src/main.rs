//! `scdd-kernel`: the Jupyter kernel of this clone.
#![warn(missing_docs)]

use std::process::ExitCode;

use anyhow::{Result, bail};
use scdd_kernel::command;

fn main() -> ExitCode {
    command::main("scdd", "scdd (Rust)", engine)
}

/// The kernel's own evaluator.
fn engine() -> Result<scdd_kernel::jupyter::MakeEngine> {
    bail!("this build has no evaluator; `cargo xtask lab --engine evcxr` has one")
}

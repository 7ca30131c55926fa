//! `scdd-kernel`: the Jupyter kernel of this clone.
#![warn(missing_docs)]

use std::process::ExitCode;

use anyhow::Result;
use scdd_kernel::command;
use scdd_kernel::evaluator::{Evaluator, child};
use scdd_kernel::jupyter::MakeEngine;

fn main() -> ExitCode {
    // The evaluator starts this program again as the process that runs the cells.
    if child::is_child() {
        child::main();
    }
    command::main("scdd", "scdd (Rust)", engine)
}

/// The kernel's own evaluator.
fn engine() -> Result<MakeEngine> {
    Ok(Box::new(|| Ok(Box::new(Evaluator::open()?))))
}

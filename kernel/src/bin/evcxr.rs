//! `scdd-kernel-evcxr`: the same kernel with evcxr as its engine.
#![warn(missing_docs)]

use std::process::ExitCode;

use anyhow::Result;
use scdd_kernel::command;
use scdd_kernel::evcxr_engine::{self, EvcxrEngine};
use scdd_kernel::jupyter::MakeEngine;

fn main() -> ExitCode {
    // evcxr starts this binary again as its helpers.
    if let Err(error) = evcxr_engine::serve_if_helper() {
        eprintln!("error: {error:#}");
        return ExitCode::FAILURE;
    }
    command::main("scdd-evcxr", "scdd on evcxr (Rust)", engine)
}

fn engine() -> Result<MakeEngine> {
    // SAFETY: main has started no thread.
    let session = unsafe { evcxr_engine::prepare() }?;
    Ok(Box::new(|| Ok(Box::new(EvcxrEngine::new(session)?))))
}

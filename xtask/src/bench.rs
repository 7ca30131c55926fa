//! `cargo xtask bench demo`: the figures of the demo and of the kernel, and `cargo xtask bench foundation`: those of
//! embedding cells, beside PyTorch; as JSON lines.
//!
//! ```text
//! {"bench": "demo", "case": "...", "figure": "...", "value": 1.0, "unit": "s"}
//! ```
//!
//! What the library measures itself it appends to the file that SCDD_BENCH_FILE names, as
//! `{"task": "...", "steps": 1500, "seconds": 51.6}`; seconds per step come from there.

use crate::command::run;
use crate::notebook::QUICK_START;
use crate::place::Place;
use crate::{data, needs, python, setup};
use anyhow::Result;

/// The program that embeds; scdd/examples.
const FOUNDATION: &str = "bench_foundation";

/// Sets up, then measures. Only lines that begin with `{` are figures.
pub fn demo(place: &Place) -> Result<()> {
    setup(place)?;
    data::fetch(place)?;
    let scratch = place.target.join("bench-demo");
    std::fs::create_dir_all(&scratch)?;
    let mut command = place.command(place.venv_bin("python"));
    command.arg(place.script("bench_demo.py")).arg(QUICK_START).arg(&scratch);
    run(&mut command)
}

/// Sets up what builds the library, and PyTorch in an environment of its own; then measures.
pub fn foundation(place: &Place) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    let python = python::torch(place)?;
    run(place.command("cargo").args(["build", "--package", "scdd", "--example", FOUNDATION]))?;
    let scratch = place.target.join("bench-foundation");
    std::fs::create_dir_all(&scratch)?;
    let program = place.built().join("examples").join(FOUNDATION);
    run(place.command(python).arg(place.script("bench_foundation.py")).arg(program).arg(&scratch))
}

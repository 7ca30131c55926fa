//! `cargo xtask bench demo`: the figures of the demo and of the kernel; `cargo xtask bench foundation` and `distill`: those of
//! embedding cells and of distilling them, beside PyTorch; `kernel`: what a cell costs beyond its work; as JSON lines.
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
use crate::{build, data, needs, python, setup};
use anyhow::Result;

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

/// Embedding cells.
pub fn foundation(place: &Place) -> Result<()> {
    beside_pytorch(place, "bench_foundation", "bench-foundation")
}

/// Steps of distilling and of SCDG's training.
pub fn distill(place: &Place) -> Result<()> {
    beside_pytorch(place, "bench_distill", "bench-distill")
}

/// What each of a fixed list of cells costs in the kernel's evaluator: split, rustc, link, load, run.
pub fn kernel(place: &Place) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    build::library_and_kernel(place)?;
    run(place.command(place.built().join("scdd-kernel-cells")).args(["bench", "kernel/bench/cells.txt"]))
}

/// Sets up what builds the library, and PyTorch in an environment of its own; then a script in xtask/py measures an example
/// of scdd of the same name.
fn beside_pytorch(place: &Place, name: &str, scratch: &str) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    let python = python::torch(place)?;
    run(place.command("cargo").args(["build", "--package", "scdd", "--example", name]))?;
    let scratch = place.target.join(scratch);
    std::fs::create_dir_all(&scratch)?;
    let program = place.built().join("examples").join(name);
    run(place.command(python).arg(place.script(&format!("{name}.py"))).arg(program).arg(&scratch))
}

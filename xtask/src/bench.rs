//! `cargo xtask bench demo`: the figures of the demo and of the kernel, as JSON lines.
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
use crate::{data, setup};
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

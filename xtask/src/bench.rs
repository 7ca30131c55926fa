//! `cargo xtask bench`: benchmarks, printed as JSON lines.
//!
//! | command | measures | beside |
//! |---|---|---|
//! | `demo` | the quick start and the kernel: seconds and memory | |
//! | `foundation` | embedding cells | PyTorch |
//! | `distill` | a step of distilling, a step of SCDG's training | PyTorch |
//! | `evaluate` | training and prediction of evaluation models; table II of the paper on Baron in one process | scikit-learn |
//! | `kernel` | what a cell costs beyond its work | evcxr |
//!
//! ```text
//! {"bench": "demo", "case": "...", "figure": "...", "value": 1.0, "unit": "s"}
//! ```
//!
//! The library appends what it measures to the file that SCDD_BENCH_FILE names, as
//! `{"task": "...", "steps": 1500, "seconds": 51.6}`; seconds per step come from there.

use crate::command::run;
use crate::notebook::QUICK_START;
use crate::place::Place;
use crate::{build, data, needs, python, setup};
use anyhow::{Result, bail};
use std::time::Instant;

/// The quick start and the kernel. Only lines that begin with `{` are figures.
pub fn demo(place: &Place) -> Result<()> {
    setup(place)?;
    data::fetch(place)?;
    let scratch = place.target.join("bench-demo");
    std::fs::create_dir_all(&scratch)?;
    let mut command = place.command(place.venv_bin("python"));
    run(place.command("cargo").args(["build", "--package", "scdd", "--example", "whole_path"]))?;
    command.arg(place.script("bench_demo.py")).arg(QUICK_START).arg(&scratch);
    run(command.arg(place.built().join("examples/whole_path")))
}

/// Embedding cells.
pub fn foundation(place: &Place) -> Result<()> {
    beside_pytorch(place, "bench_foundation", "bench-foundation")
}

/// Steps of distilling and of SCDG's training.
pub fn distill(place: &Place) -> Result<()> {
    beside_pytorch(place, "bench_distill", "bench-distill")
}

/// Training and prediction of evaluation models, and table II of Yu et al. 2025 on Baron, one seed, in one process.
pub fn evaluate(place: &Place) -> Result<()> {
    beside_pytorch(place, "bench_evaluate", "bench-evaluate")?;
    table_two(place)
}

fn table_two(place: &Place) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    if !data::fetch(place)? {
        bail!("the bench is of the Baron pancreas, which couldn't be downloaded; `cargo xtask data` tries again");
    }
    run(place.command("cargo").args(["build", "--package", "scdd-shell"]))?;
    let scratch = place.target.join("bench-evaluate");
    std::fs::create_dir_all(&scratch)?;
    let rows = scratch.join("rows.jsonl");
    // Rows that are there would not be made again.
    let _ = std::fs::remove_file(&rows);
    let mut command = place.command(place.built().join("scdd"));
    command.arg("benchmark").arg(place.cache()?.join("baron_human.h5ad"));
    command.args(["--label", "cell_type1", "--table", "2", "--seeds", "1", "--out"]).arg(&rows);
    let began = Instant::now();
    run(command.stdout(std::process::Stdio::null()))?;
    let seconds = began.elapsed().as_secs_f64();
    let lines: Vec<serde_json::Value> =
        std::fs::read_to_string(&rows)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let figure = |case: &str, figure: &str, value: f64, unit: &str| {
        println!(
            "{}",
            serde_json::json!({ "bench": "evaluate", "case": case, "figure": figure, "value": value, "unit": unit })
        );
    };
    figure("table 2", "whole", seconds, "s");
    figure("table 2", "rows", lines.len() as f64, "rows");
    figure("table 2", "rows without scores", lines.iter().filter(|row| row["status"] != "ok").count() as f64, "rows");
    figure("table 2", "peak memory", lines.iter().filter_map(|row| row["peak_mb"].as_f64()).fold(0.0, f64::max), "MB");
    let mut models: Vec<&str> = lines.iter().filter_map(|row| row["model"].as_str()).collect();
    models.sort_unstable();
    models.dedup();
    for model in models {
        let all = |row: &&serde_json::Value| row["model"] == model && row["method"] == "all training cells";
        let of_sets = |row: &&serde_json::Value| row["model"] == model && row["method"] != "all training cells";
        let seconds = |row: &serde_json::Value| row["model_seconds"].as_f64();
        figure(model, "all training cells", lines.iter().filter(all).filter_map(seconds).sum(), "s");
        figure(model, "all sets", lines.iter().filter(of_sets).filter_map(seconds).sum(), "s");
    }
    Ok(())
}

/// The seconds of each of a fixed list of cells in the kernel (split, rustc, link, load, run) and in evcxr, and the memory of
/// their processes.
pub fn kernel(place: &Place) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    build::library_and_kernel(place, build::Engine::Own)?;
    build::library_and_kernel(place, build::Engine::Evcxr)?;
    let scratch = place.target.join("bench-kernel");
    std::fs::create_dir_all(&scratch)?;
    let mut command = place.command(place.venv_bin("python"));
    command.arg(place.script("bench_kernel.py")).arg("kernel/bench/cells.txt").arg(place.built()).arg(&scratch);
    run(&mut command)?;
    run(place.command("cargo").args(["build", "--package", "scdd-kernel", "--bin", "scdd-kernel-cells"]))?;
    run(place.command(place.built().join("scdd-kernel-cells")).args(["many", "1000"]))
}

/// Builds an example of scdd, sets up PyTorch with scikit-learn in an environment of its own, and runs the script of the
/// same name in xtask/py, which measures both.
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

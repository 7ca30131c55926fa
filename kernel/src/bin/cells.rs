//! `scdd-kernel-cells`: runs cells from a file through the kernel's evaluator, without Jupyter.
//!
//! ```text
//! scdd-kernel-cells bench kernel/bench/cells.txt    what each cell cost, as JSON lines
//! scdd-kernel-cells many 1000                       what grows with the number of cells, as JSON lines
//! scdd-kernel-cells run notebook.txt                what the cells print and show
//! scdd-kernel-cells clippy CLIPPY-DRIVER            Clippy on the crate that cells are linked to
//! ```
#![warn(missing_docs)]

use anyhow::{Context, Result, bail};
use scdd_kernel::engine::{Engine, Outcome, Output};
use scdd_kernel::evaluator::paths::Built;
use scdd_kernel::evaluator::{Evaluator, bench, child, prepare};

fn main() -> Result<()> {
    if child::is_child() {
        child::main();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [verb, what] = arguments.as_slice() else {
        bail!("expected `bench FILE`, `many CELLS`, `run FILE` or `clippy CLIPPY-DRIVER`")
    };
    let list = || std::fs::read_to_string(what).with_context(|| format!("reading {what}"));
    match verb.as_str() {
        "bench" => bench::run(&list()?),
        "many" => bench::many(what.parse().with_context(|| format!("found `{what}`, expected a number of cells"))?),
        "run" => run(&list()?),
        "clippy" => prepare::clippy(&Built::beside(&std::env::current_exe()?)?, what.as_ref()),
        other => bail!("found `{other}`, expected `bench`, `many`, `run` or `clippy`"),
    }
}

fn run(list: &str) -> Result<()> {
    let mut evaluator = Evaluator::open()?;
    for (title, code) in bench::cells(list) {
        println!("--- {title}");
        let outcome = evaluator.execute(&code, &mut |output| match output {
            Output::Stdout(text) => print!("{text}"),
            Output::Stderr(text) => print!("[stderr] {text}"),
            other => println!("{other:?}"),
        })?;
        match outcome {
            Outcome::Done { result: None } => {}
            Outcome::Done { result: Some(result) } => println!("=> {result:?}"),
            Outcome::Failed { name, traceback, .. } => println!("[{name}] {}", traceback.join("\n")),
        }
        println!("    {}", evaluator.times().in_words().trim_end());
    }
    Ok(())
}

//! The commands of README and CI: `cargo xtask demo`, `test`, `lab`, `data`, `setup`, `bench demo`.
//!
//! Each may be run again at any time and does only what is still to be done.
#![warn(missing_docs)]

mod bench;
mod build;
mod command;
mod data;
mod needs;
mod notebook;
mod place;
mod python;
mod skips;
mod steps;
mod test;

use anyhow::Result;
use build::Engine;
use clap::{Parser, Subcommand};
use place::Place;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of scdd's clone")]
struct Asked {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Sets up what is needed and runs notebooks/quick_start.ipynb from top to bottom.
    Demo,
    /// Sets up what is needed and passes every test.
    Test,
    /// Opens JupyterLab with the kernel ready.
    Lab {
        /// What runs cells. With evcxr JupyterLab has it as a second kernel, "scdd on evcxr".
        #[arg(long, value_enum, default_value_t)]
        engine: Engine,
        /// What JupyterLab gets, for example `-- --no-browser --port 8899`.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Fetches the demo's data set into the cache folder.
    Data,
    /// Only sets up: Python environment, build, kernel spec.
    Setup {
        /// What runs cells; evcxr comes beside the kernel's own evaluator.
        #[arg(long, value_enum, default_value_t)]
        engine: Engine,
    },
    /// Executes one notebook in place, for example one that was edited.
    Run {
        /// The notebook's path.
        notebook: std::path::PathBuf,
    },
    /// Measures, as JSON lines.
    Bench {
        /// What is measured.
        #[command(subcommand)]
        what: Bench,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// The demo notebook and the kernel.
    Demo,
    /// Embedding cells through a foundation model, beside PyTorch (which is installed into .venv-torch).
    Foundation,
    /// A step of distilling and one of SCDG's training, beside PyTorch.
    Distill,
    /// Evaluation models: logistic regression beside scikit-learn's, and the seconds of each; the paper's table II of Baron in one process.
    Evaluate,
    /// The kernel's evaluator over a fixed list of cells (kernel/bench/cells.txt).
    Kernel,
}

fn main() -> ExitCode {
    match obey(Asked::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn obey(asked: Asked) -> Result<()> {
    let place = Place::find()?;
    match asked.verb {
        Verb::Demo => notebook::demo(&place),
        Verb::Test => test::test(&place),
        Verb::Lab { engine, rest } => notebook::lab(&place, engine, &rest),
        Verb::Data => {
            needs::check(&place)?;
            python::ready(&place)?;
            data::fetch(&place).map(drop)
        }
        Verb::Setup { engine } => {
            setup(&place)?;
            set_up_engine(&place, engine)
        }
        Verb::Run { notebook } => {
            let notebook = std::path::absolute(notebook)?;
            setup(&place)?;
            notebook::execute(&place, Engine::Own, &notebook, &notebook, None)
        }
        Verb::Bench { what: Bench::Demo } => bench::demo(&place),
        Verb::Bench { what: Bench::Foundation } => bench::foundation(&place),
        Verb::Bench { what: Bench::Distill } => bench::distill(&place),
        Verb::Bench { what: Bench::Evaluate } => bench::evaluate(&place),
        Verb::Bench { what: Bench::Kernel } => bench::kernel(&place),
    }
}

/// What every command that runs a notebook needs first.
pub fn setup(place: &Place) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    build::library_and_kernel(place, Engine::Own)?;
    build::install_kernel(place, Engine::Own)
}

/// Adds another engine to what [`setup`] made.
pub fn set_up_engine(place: &Place, engine: Engine) -> Result<()> {
    if engine == Engine::Own {
        return Ok(());
    }
    build::library_and_kernel(place, engine)?;
    build::install_kernel(place, engine)
}

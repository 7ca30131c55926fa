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
mod steps;
mod test;

use anyhow::Result;
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
        /// What JupyterLab gets, for example `-- --no-browser --port 8899`.
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Fetches the demo's data set into the cache folder.
    Data,
    /// Only sets up: Python environment, build, kernel spec.
    Setup,
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
        Verb::Lab { rest } => notebook::lab(&place, &rest),
        Verb::Data => {
            needs::check(&place)?;
            python::ready(&place)?;
            data::fetch(&place).map(drop)
        }
        Verb::Setup => setup(&place),
        Verb::Run { notebook } => {
            let notebook = std::path::absolute(notebook)?;
            setup(&place)?;
            notebook::execute(&place, &notebook, &notebook, None)
        }
        Verb::Bench { what: Bench::Demo } => bench::demo(&place),
        Verb::Bench { what: Bench::Foundation } => bench::foundation(&place),
        Verb::Bench { what: Bench::Distill } => bench::distill(&place),
        Verb::Bench { what: Bench::Kernel } => bench::kernel(&place),
    }
}

/// What every command that runs a notebook needs first.
pub fn setup(place: &Place) -> Result<()> {
    needs::check(place)?;
    python::ready(place)?;
    build::library_and_kernel(place)?;
    build::install_kernel(place)
}

//! Building the library and the kernel, and telling Jupyter where the kernel is.
//!
//! The library and the kernel are built by two commands on purpose: in one, Cargo would unite the features that evcxr
//! and polars ask of the crates which they share, and everything above those would be compiled a second time.

use crate::command::{run, say};
use crate::place::Place;
use anyhow::Result;

/// What runs cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    /// The kernel's own evaluator.
    #[default]
    Own,
    /// evcxr, with rust-analyzer: some ten minutes of building.
    Evcxr,
}

impl Engine {
    /// The program.
    fn program(self) -> &'static str {
        match self {
            Engine::Own => "scdd-kernel",
            Engine::Evcxr => "scdd-kernel-evcxr",
        }
    }

    /// What Jupyter calls the kernel.
    pub fn kernel(self) -> &'static str {
        match self {
            Engine::Own => "scdd",
            Engine::Evcxr => "scdd-evcxr",
        }
    }
}

/// Compiles the facade (with it the library) and the kernel.
pub fn library_and_kernel(place: &Place, engine: Engine) -> Result<()> {
    say("build (the first time all dependencies: 10 to 15 minutes on 2 cores)");
    run(place.command("cargo").args(["build", "--package", "scdd-facade"]))?;
    let mut kernel = place.command("cargo");
    kernel.args(["build", "--package", "scdd-kernel", "--bin", engine.program()]);
    if engine == Engine::Evcxr {
        kernel.args(["--features", "evcxr"]);
    }
    run(&mut kernel)?;
    if engine == Engine::Own {
        // The crate that cells link to: some seconds now, or at the first start of the kernel.
        run(place.command(place.built().join("scdd-kernel")).arg("prepare"))?;
    }
    Ok(())
}

/// Writes the kernel spec into the clone's Python environment, where its JupyterLab looks first.
pub fn install_kernel(place: &Place, engine: Engine) -> Result<()> {
    let mut kernel = place.command(place.built().join(engine.program()));
    run(kernel.args(["install", "--prefix"]).arg(place.venv()))
}

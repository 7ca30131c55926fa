//! Building the library and the kernel, and telling Jupyter where the kernel is.
//!
//! The library and the kernel are built by two commands on purpose: in one, Cargo would unite the features that evcxr
//! and polars ask of the crates which they share, and everything above those would be compiled a second time.

use crate::command::{run, say};
use crate::place::Place;
use anyhow::{Context, Result};
use serde_json::json;
use std::fs;

/// Compiles the facade (with it the library) and the kernel.
pub fn library_and_kernel(place: &Place) -> Result<()> {
    say("build (the first time all dependencies: 10 to 15 minutes on 2 cores)");
    for package in ["scdd-facade", "scdd-kernel"] {
        run(place.command("cargo").args(["build", "--package", package]))?;
    }
    // What cells are linked to: some seconds now, or at the first start of the kernel.
    run(place.command(place.built().join("scdd-kernel-cells")).arg("prepare"))
}

/// Writes the kernel spec into the clone's Python environment, where its JupyterLab looks first.
pub fn install_kernel(place: &Place) -> Result<()> {
    let folder = place.venv().join("share/jupyter/kernels/scdd");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let spec = json!({
        "argv": [place.built().join("scdd-kernel"), "--control_file", "{connection_file}"],
        "display_name": "scdd (Rust)",
        "language": "rust",
        "interrupt_mode": "message",
        // A JupyterLab started from a desktop may not see Cargo otherwise.
        "env": { "PATH": place.path().to_string_lossy() },
    });
    let text = serde_json::to_string_pretty(&spec)? + "\n";
    fs::write(folder.join("kernel.json"), text).with_context(|| format!("writing {}", folder.display()))
}

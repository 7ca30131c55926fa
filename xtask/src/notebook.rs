//! Notebooks: the demo executed from top to bottom, JupyterLab opened.

use crate::build::Engine;
use crate::command::{run, say};
use crate::place::Place;
use crate::{data, set_up_engine, setup};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The demo's notebook.
pub const QUICK_START: &str = "notebooks/quick_start.ipynb";

/// Every notebook and tutorial, sorted by name.
pub fn all(place: &Place) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in ["notebooks", "tutorials"].map(|name| place.root.join(name)) {
        let entries = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        found.extend(entries.flatten().map(|entry| entry.path()));
    }
    found.retain(|path| path.extension().is_some_and(|extension| extension == "ipynb"));
    found.sort();
    Ok(found)
}

/// Sets up, executes the quick start in place, and says how to open it.
pub fn demo(place: &Place) -> Result<()> {
    setup(place)?;
    data::fetch(place)?;
    let page = Path::new(QUICK_START).with_extension("html");
    execute(place, Engine::Own, QUICK_START.as_ref(), QUICK_START.as_ref(), Some(&page))?;
    println!();
    println!("{QUICK_START} is executed; its outputs are in it and in {}.", page.display());
    println!("Open it in JupyterLab, with the kernel ready:");
    println!("    cargo xtask lab");
    Ok(())
}

/// Executes a notebook through the kernel; `out` is written when every cell succeeded.
pub fn execute(place: &Place, engine: Engine, notebook: &Path, out: &Path, page: Option<&Path>) -> Result<()> {
    say(&format!("{} through the kernel {}", notebook.display(), engine.kernel()));
    let mut command = place.command(place.venv_bin("python"));
    command.arg(place.script("run_notebook.py")).arg(notebook).arg("--out").arg(out);
    command.args(["--kernel", engine.kernel()]);
    if let Some(page) = page {
        command.arg("--html").arg(page);
    }
    run(&mut command)
}

/// Opens JupyterLab in the clone.
pub fn lab(place: &Place, engine: Engine, rest: &[String]) -> Result<()> {
    setup(place)?;
    set_up_engine(place, engine)?;
    data::fetch(place)?;
    say("JupyterLab (end it with Ctrl-C twice)");
    let mut command = place.command(place.venv_bin("jupyter"));
    command.args(["lab", "--notebook-dir", "."]);
    // The kernel's first answer may take a minute on a slow machine: Jupyter's own limit is one minute.
    command.args(["--MappingKernelManager.kernel_info_timeout=900", "--KernelManager.shutdown_wait_time=20"]);
    if rest.is_empty() {
        command.args(["--LabApp.default_url", "/lab/tree/notebooks/quick_start.ipynb"]);
    }
    run(command.args(rest))
}

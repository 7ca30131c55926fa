//! The Python environments in the clone: JupyterLab, what executes notebooks, CMake (requirements.txt); PyTorch for one
//! bench (xtask/py/torch-requirements.txt).

use crate::command::{run, say};
use crate::place::Place;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes the environment, or leaves it when it is what requirements.txt asks for.
pub fn ready(place: &Place) -> Result<()> {
    environment(&place.venv())?;
    install(place, &place.venv(), "requirements.txt")
}

/// Adds what only the tests need.
pub fn ready_for_tests(place: &Place) -> Result<()> {
    install(place, &place.venv(), "tests/requirements.txt")
}

/// PyTorch, in an environment that building and testing never need; gives its Python.
pub fn torch(place: &Place) -> Result<PathBuf> {
    let folder = place.root.join(".venv-torch");
    environment(&folder)?;
    install(place, &folder, "xtask/py/torch-requirements.txt")?;
    Ok(folder.join("bin/python"))
}

fn environment(folder: &Path) -> Result<()> {
    if !folder.join("bin/python").exists() {
        say(&format!("Python environment in {}", folder.display()));
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    }
    Ok(())
}

fn install(place: &Place, folder: &Path, requirements: &str) -> Result<()> {
    let asked = fs::read_to_string(place.root.join(requirements)).with_context(|| format!("reading {requirements}"))?;
    let stamp = folder.join(requirements.replace('/', "-"));
    // The stamp is a copy of the file that was installed.
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == asked) {
        return Ok(());
    }
    say(&format!("Python packages of {requirements}"));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    run(place.command(folder.join("bin/python")).args(pip)).with_context(|| {
        format!("the packages of {requirements} couldn't be installed; pip says why above (is there a network?)")
    })?;
    fs::write(&stamp, asked).with_context(|| format!("writing {}", stamp.display()))
}

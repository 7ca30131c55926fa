//! The Python environment in the clone: JupyterLab, what executes notebooks, CMake. Versions are in requirements.txt.

use crate::command::{run, say};
use crate::place::Place;
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

/// Makes the environment, or leaves it when it is what requirements.txt asks for.
pub fn ready(place: &Place) -> Result<()> {
    if !place.venv_bin("python").exists() {
        say("Python environment in .venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(place.venv()))?;
    }
    install(place, "requirements.txt")
}

/// Adds what only the tests need.
pub fn ready_for_tests(place: &Place) -> Result<()> {
    install(place, "tests/requirements.txt")
}

fn install(place: &Place, requirements: &str) -> Result<()> {
    let asked = fs::read_to_string(place.root.join(requirements)).with_context(|| format!("reading {requirements}"))?;
    let stamp = place.venv().join(requirements.replace('/', "-"));
    // The stamp is a copy of the file that was installed.
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == asked) {
        return Ok(());
    }
    say(&format!("Python packages of {requirements}"));
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
    run(place.command(place.venv_bin("python")).args(pip)).with_context(|| {
        format!("the packages of {requirements} couldn't be installed; pip says why above (is there a network?)")
    })?;
    fs::write(&stamp, asked).with_context(|| format!("writing {}", stamp.display()))
}

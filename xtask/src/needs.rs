//! What must be on the machine before anything else: a C compiler, Python with venv, the sources of Rust's std.

use crate::command::output;
use crate::place::Place;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// Checks all of it; what rustup can add is added.
pub fn check(place: &Place) -> Result<()> {
    compiler()?;
    if !place.venv_bin("python").exists() {
        python()?;
    }
    std_sources()
}

fn compiler() -> Result<()> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    output(Command::new(&compiler).arg("--version")).map(drop).with_context(|| {
        format!(
            "found no C compiler (tried `{compiler} --version`), expected one: HDF5 is built from its C sources. \
             On Debian or Ubuntu: apt install build-essential. On macOS: xcode-select --install."
        )
    })
}

fn python() -> Result<()> {
    let found = output(Command::new("python3").args(["-c", "import sys; print(*sys.version_info[:2])"]));
    let found = found.context(
        "found no python3, expected Python 3.11 or later (JupyterLab and CMake come through it). \
         On Debian or Ubuntu: apt install python3 python3-venv.",
    )?;
    let parts: Vec<u32> = found.split_whitespace().filter_map(|part| part.parse().ok()).collect();
    let [major, minor] = parts[..] else { bail!("`python3` says its version is {found:?}") };
    if (major, minor) < OLDEST_PYTHON {
        bail!("found Python {major}.{minor}, expected 3.11 or later: put a newer python3 first on PATH");
    }
    output(Command::new("python3").args(["-c", "import venv, ensurepip"]))
        .map(drop)
        .context("found python3 without its venv module, expected it. On Debian or Ubuntu: apt install python3-venv.")
}

/// evcxr infers the types of variables with rust-analyzer, which reads std's sources.
fn std_sources() -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if library.exists() {
        return Ok(());
    }
    let added = output(Command::new("rustup").args(["component", "add", "rust-src"]));
    if added.is_ok() && library.exists() {
        return Ok(());
    }
    bail!(
        "found no {}, expected the sources of Rust's standard library (the kernel infers the types of variables with \
         them), and `rustup component add rust-src` didn't bring them{}. Run it with a network, or install your \
         distribution's rust-src of the same version as rustc.",
        library.display(),
        added.err().map(|error| format!(": {error}")).unwrap_or_default()
    )
}

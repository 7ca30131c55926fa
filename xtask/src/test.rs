//! `cargo xtask test`: everything that must hold, in the order in which it fails fastest.
//!
//! No command names packages of both worlds (library: scdd-compute, scdd-learn, scdd, scdd-facade,
//! scdd-tests, scdd-shell; tools: scdd-kernel; xtask), see
//! build.rs. Clippy on the library runs once, with the `cuda` feature, so that it type-checks that as well.

use crate::build::Engine;
use crate::command::{output, run};
use crate::notebook;
use crate::place::Place;
use crate::steps::{Count, Steps, counted};
use crate::{data, python, set_up_engine, setup};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Sets up and passes every test.
pub fn test(place: &Place) -> Result<()> {
    setup(place)?;
    python::ready_for_tests(place)?;
    let fetched = data::fetch(place)?;

    let mut steps = Steps::default();
    steps.step("format", || one(place.command("cargo").args(["fmt", "--all", "--check"])));
    steps.step("clippy: tools", || clippy_on_built(place, &["scdd-kernel", "xtask"]));
    steps.step("tests: tools", || counted(&mut cargo_test(place, &["--quiet", "--package", "scdd-kernel"])));
    steps.step("tests: xtask", || counted(&mut cargo_test(place, &["--quiet", "--package", "xtask"])));
    steps.step("tests: library, stories, docs", || {
        let packages = ["scdd-compute", "scdd-learn", "scdd", "scdd-tests", "scdd-shell"];
        let asked = packages.iter().flat_map(|package| ["--package", package]).chain(["--no-fail-fast"]);
        counted(&mut cargo_test(place, &asked.collect::<Vec<_>>()))
    });
    steps.step("tests: narrower instruction sets", || {
        let mut count = Count::default();
        for isa in ["avx2", "portable"] {
            let mut command = cargo_test(place, &["--quiet", "--package", "scdd-compute", "--lib"]);
            count.passed += counted(command.env("SCDD_ISA", isa))?.passed;
        }
        Ok(count)
    });
    steps.step("tests: kernel", || counted(&mut python_tests(place, "tests/kernel")));
    steps.step("notebooks", || notebooks(place, fetched));
    steps.step("quick start on evcxr", || quick_start_on_evcxr(place));
    // After the notebook, which writes one.
    steps.step("tests: Python reads our files", || counted(&mut python_tests(place, "tests/python")));
    steps.step("clippy: library, with cuda's types", || clippy_with_cuda(place));
    steps.close()
}

/// Outputs of tests that passed are shown, since a test that was skipped says so there.
fn cargo_test(place: &Place, arguments: &[&str]) -> Command {
    let mut command = place.command("cargo");
    command.arg("test").args(arguments).args(["--", "--show-output"]);
    command
}

fn one(command: &mut Command) -> Result<Count> {
    run(command).map(|()| Count::one())
}

/// Clippy with what was built: it is rustc with lints, and put in rustc's place for our packages it needs no second,
/// check-only compilation of evcxr's 340 crates.
fn clippy_on_built(place: &Place, packages: &[&str]) -> Result<Count> {
    let driver = clippy_driver()?;
    for package in packages {
        let mut command = place.command("cargo");
        command.args(["build", "--all-targets", "--package", package]);
        run(command.env("RUSTC_WORKSPACE_WRAPPER", &driver).env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings"))?;
    }
    // Cells are linked to a crate that isn't in the workspace.
    run(place.command(place.built().join("scdd-kernel-cells")).arg("clippy").arg(&driver))?;
    Ok(Count::one())
}

/// Where this toolchain keeps its clippy-driver.
fn clippy_driver() -> Result<std::path::PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let driver = Path::new(sysroot.trim()).join("bin/clippy-driver");
    if !driver.exists() {
        anyhow::bail!("found no {}, expected clippy: rustup component add clippy", driver.display());
    }
    Ok(driver)
}

/// DOCS_RS keeps burn-cuda's build script from downloading LLVM; nothing is linked.
fn clippy_with_cuda(place: &Place) -> Result<Count> {
    let mut command = place.command("cargo");
    command.args(["clippy", "--package", "scdd-compute", "--package", "scdd-learn", "--package", "scdd"]);
    command.args(["--package", "scdd-facade", "--package", "scdd-tests", "--package", "scdd-shell"]);
    command.args(["--all-targets", "--features", "scdd/cuda", "--", "-D", "warnings"]);
    one(command.env("DOCS_RS", "1"))
}

fn python_tests(place: &Place, folder: &str) -> Command {
    let mut command = place.command(place.venv_bin("python"));
    command.arg(place.root.join("tests/python/run.py")).arg(folder);
    command.env("SCDD_BUILT", place.built());
    command
}

/// The notebooks are of evcxr's language too.
fn quick_start_on_evcxr(place: &Place) -> Result<Count> {
    set_up_engine(place, Engine::Evcxr)?;
    let out = place.target.join("quick_start.evcxr.ipynb");
    notebook::execute(place, Engine::Evcxr, notebook::QUICK_START.as_ref(), &out, None)?;
    Ok(Count::one())
}

/// Executed into the target folder, so that a test leaves the clone's notebooks as they were.
fn notebooks(place: &Place, fetched: bool) -> Result<Count> {
    let mut count = Count::default();
    for path in notebook::all(place)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(".ipynb", ".executed.ipynb");
        let out = place.target.join(name);
        notebook::execute(place, Engine::Own, &path, &out, Some(&out.with_extension("html")))?;
        count.passed += 1;
    }
    if !fetched {
        println!("without a network: the notebooks ran on simulated cells");
    }
    Ok(count)
}

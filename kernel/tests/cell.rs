//! Tests of `kernel/cell`, the crate that cells are linked to: how it handles memory, compiled and under Miri. It belongs to
//! no Cargo package, so the compiler is called here.

use std::path::{Path, PathBuf};
use std::process::Command;

use scdd_kernel::evaluator::paths::Compiler;

const CELL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cell");

/// Runs a command; what it wrote to standard output.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?} doesn't start: {error}"));
    let said = String::from_utf8_lossy(&done.stderr);
    let written = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{command:?}\n{written}\n{said}");
    written
}

fn tests_of_memory() -> PathBuf {
    Path::new(CELL).join("tests/memory.rs")
}

/// Asserts that a test program has run tests, and all of them well.
fn assert_passed(said: &str) {
    assert!(said.contains("test result: ok.") && !said.contains("running 0 tests"), "{said}");
}

#[test]
fn values_are_moved_and_dropped_once() {
    let out = tempfile::tempdir().unwrap();
    let program = out.path().join("memory");
    let compiler = Compiler::find().unwrap();
    run(Command::new(compiler.program)
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--edition=2024", "--test", "-o"])
        .arg(&program)
        .arg(tests_of_memory()));
    assert_passed(&run(&mut Command::new(program)));
}

#[test]
fn miri_finds_no_undefined_behaviour() {
    let nightly = |program: &str| {
        let mut command = Command::new("rustup");
        // This test's own toolchain is in its environment.
        command
            .args(["run", "nightly", program])
            .env_remove("RUSTC")
            .env_remove("CARGO")
            .env_remove("RUSTUP_TOOLCHAIN");
        command
    };
    if !nightly("cargo").args(["miri", "--version"]).output().is_ok_and(|done| done.status.success()) {
        println!("skipped: Miri isn't installed (rustup component add miri rust-src --toolchain nightly)");
        return;
    }
    let sysroot = run(nightly("cargo").args(["miri", "setup", "--print-sysroot"]));
    let said = run(nightly("miri")
        .args(["--edition=2024", "-Zmiri-strict-provenance", "--sysroot", sysroot.trim(), "--test"])
        .arg(tests_of_memory()));
    assert_passed(&said);
}

//! Builds what cells need before they run: the crate that they are linked to, once per compiler and build of the library; and
//! the library itself, when it is missing or another compiler built it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::paths::{self, Built, CLONE, Compiler, library_name};

/// Its files.
const FILES: [(&str, &str); 8] = [
    ("lib.rs", include_str!("../../cell/src/lib.rs")),
    ("child.rs", include_str!("../../cell/src/child.rs")),
    ("control_flow.rs", include_str!("../../cell/src/control_flow.rs")),
    ("shape.rs", include_str!("../../cell/src/shape.rs")),
    ("show.rs", include_str!("../../cell/src/show.rs")),
    ("store.rs", include_str!("../../cell/src/store.rs")),
    ("protocol.rs", include_str!("../../cell/src/protocol.rs")),
    ("describe.rs", include_str!("../../cell/src/describe.rs")),
];

/// What keeps the library from being used as it is.
pub fn unfit(built: &Built, compiler: &Compiler) -> Option<String> {
    let facade = built.facade();
    if !facade.exists() {
        return Some(format!("the library isn't built yet ({} isn't there)", facade.display()));
    }
    match built.compiler() {
        Some(by) if by != compiler.version => {
            Some(format!("the library was built by {by}, and the compiler now is {}", compiler.version))
        }
        _ => None,
    }
}

/// Builds the library; `say` gets what Cargo says.
///
/// # Errors
/// When the clone is gone, or it doesn't compile.
pub fn build_library(built: &Built, say: &mut dyn FnMut(&str)) -> Result<()> {
    if !Path::new(CLONE).join("scdd/Cargo.toml").exists() {
        bail!(
            "the library can't be built: this kernel was made in the clone {CLONE}, which isn't there any more. \
             Run `cargo xtask lab` in the clone that you use now."
        );
    }
    let started = Instant::now();
    let mut command = cargo();
    command.current_dir(CLONE).env("CARGO_TARGET_DIR", &built.target).args(["build", "--package", "scdd-facade"]);
    let answer = command.output().context("running cargo")?;
    if !answer.status.success() {
        bail!("the library doesn't compile:\n{}", String::from_utf8_lossy(&answer.stderr));
    }
    say(&format!("The library is built, in {:.0} s.\n", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Cargo, without what a `cargo run` around this process has told it: build scripts would run again for that.
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && !["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// The shared object that cells are linked to, compiled if this compiler and build of the library haven't got it yet.
///
/// # Errors
/// When it doesn't compile.
pub fn cell_library(built: &Built, compiler: &Compiler, deps: &Path) -> Result<PathBuf> {
    let facade = deps.join(library_name("scdd_facade"));
    let found = fs::metadata(&facade).with_context(|| format!("looking at {}", facade.display()))?;
    let mut hasher = DefaultHasher::new();
    (FILES, &compiler.version, found.len()).hash(&mut hasher);
    found.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().hash(&mut hasher);
    let all = built.target.join("scdd-kernel");
    let folder = all.join(format!("cell-{:016x}", hasher.finish()));
    let library = folder.join(library_name("scdd_cell"));
    let gate = paths::hold(&all.join("gate"))?;
    if library.exists() {
        return Ok(library);
    }
    clear_old(&all);
    let making = all.join(format!("making-{}", std::process::id()));
    fs::create_dir_all(&making)?;
    for (name, text) in FILES {
        fs::write(making.join(name), text).with_context(|| format!("writing {}", making.display()))?;
    }
    let answer = compile(&compiler.program, &making.join("lib.rs"), &facade, deps)
        .arg("-o")
        .arg(making.join(library_name("scdd_cell")))
        .output()
        .context("running rustc")?;
    if !answer.status.success() {
        let _ = fs::remove_dir_all(&making);
        bail!("the crate that cells are linked to doesn't compile:\n{}", String::from_utf8_lossy(&answer.stderr));
    }
    fs::rename(&making, &folder).with_context(|| format!("making {}", folder.display()))?;
    drop(gate);
    Ok(library)
}

/// The compiler on the crate's sources.
fn compile(program: &Path, lib: &Path, facade: &Path, deps: &Path) -> Command {
    let mut command = Command::new(program);
    command
        // For the two unstable features of this crate; cells need none.
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["--edition=2024", "--crate-name=scdd_cell", "--crate-type=dylib", "-Cprefer-dynamic", "-Copt-level=1"])
        .args(["-Cstrip=debuginfo", "--extern"])
        .arg(format!("scdd={}", facade.display()))
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg(lib);
    command
}

/// Clippy on the crate's sources in the clone: `driver` is clippy-driver, which takes rustc's arguments. The workspace's
/// Clippy doesn't reach this crate, as it is no member.
///
/// # Errors
/// When the library isn't built, or with what Clippy says.
pub fn clippy(built: &Built, driver: &Path) -> Result<()> {
    let made = std::env::temp_dir().join(format!("scdd-cell-clippy-{}.rmeta", std::process::id()));
    let lib = Path::new(CLONE).join("kernel/cell/src/lib.rs");
    let answer = compile(driver, &lib, &built.facade(), &built.folder().join("deps"))
        // Macros are programs of the host.
        .arg("-L")
        .arg(format!("dependency={}", built.target.join(&built.profile).join("deps").display()))
        .args(["-Dwarnings", "--emit=metadata", "-o"])
        .arg(&made)
        .output()
        .with_context(|| format!("running {}", driver.display()))?;
    let _ = fs::remove_file(&made);
    if !answer.status.success() {
        bail!("{}", String::from_utf8_lossy(&answer.stderr));
    }
    Ok(())
}

/// Removes those of builds that are gone, but for the newest few: another session may use one.
fn clear_old(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("cell-"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort();
    for (_, path) in found.iter().rev().skip(4) {
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_missing_or_of_another_compiler_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let built = Built { target: folder.path().to_owned(), triple: "triple".into(), profile: "debug".into() };
        let compiler =
            Compiler { program: "rustc".into(), sysroot: "/".into(), version: "rustc 1.95.0 (5980 2026-04-14)".into() };
        fs::create_dir_all(built.folder()).unwrap();
        assert!(unfit(&built, &compiler).unwrap().contains("isn't built yet"));
        fs::write(built.facade(), "").unwrap();
        fs::write(
            built.folder().join("libscdd_facade.rlib"),
            b"!<arch>\x00\x01#rustc 1.95.0 (5980 2026-04-14)\x00more",
        )
        .unwrap();
        assert_eq!(unfit(&built, &compiler), None);
        let newer = Compiler { version: "rustc 1.96.0 (1234 2026-06-01)".into(), ..compiler };
        let why = unfit(&built, &newer).unwrap();
        assert!(why.contains("1.95.0") && why.contains("1.96.0"), "{why}");
    }
}

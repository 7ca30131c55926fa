//! Compiles a crate's text to a shared object: one call of rustc for an object file, and one of the linker.
//!
//! The linker gets the object file alone. What it needs is in the child already (the library's shared object, std), and is
//! found when the cell is loaded; with the library's 450 MB on the command line every link would read its symbols.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::environment::EnvironmentError;
use super::paths::{Compiler, library_name};

/// A crate that cells may name.
#[derive(Clone, Debug)]
pub struct Extern {
    /// Its name in cells.
    pub name: String,
    /// Its shared object or metadata.
    pub path: PathBuf,
}

/// Removes what a cell that went wrong has left, as the disk may be full for it: rustc has names of its own for parts of
/// what it makes.
fn clear(folder: &Path, number: usize) {
    let begins = [format!("cell_{number}."), library_name(&format!("cell_{number}"))];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if begins.iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Compiles cells.
#[derive(Clone, Debug)]
pub struct Build {
    /// The compiler.
    pub compiler: Compiler,
    /// The host's triple.
    pub triple: String,
    /// Folders with the crates behind the named ones.
    pub search: Vec<PathBuf>,
    /// The crates that cells may name.
    pub externs: Vec<Extern>,
    /// Optimisation of cells, 0 to 3.
    pub optimise: String,
}

/// What came of it.
#[derive(Debug)]
pub struct Compiled {
    /// The shared object; none when the crate has errors.
    pub library: Option<PathBuf>,
    /// rustc's lines of JSON.
    pub said: String,
    /// How long rustc took.
    pub rustc: Duration,
    /// How long the linker took.
    pub link: Duration,
}

impl Build {
    /// Compiles the text of cell `number` in `folder`. Types with the same `epoch` are the same types in all cells.
    ///
    /// # Errors
    /// When rustc can't be run or the linker fails: what is wrong with the text is in `said`.
    pub fn compile(&self, text: &str, folder: &Path, number: usize, epoch: usize) -> Result<Compiled> {
        let source = folder.join(format!("cell_{number}.rs"));
        let object = folder.join(format!("cell_{number}.o"));
        let compiled = self.to_library(text, folder, number, epoch, (&source, &object));
        if std::env::var_os("SCDD_KEEP_SESSION").is_none() {
            let _ = fs::remove_file(&source);
        }
        let _ = fs::remove_file(&object);
        if compiled.is_err() {
            clear(folder, number);
        }
        compiled
    }

    fn to_library(
        &self,
        text: &str,
        folder: &Path,
        number: usize,
        epoch: usize,
        (source, object): (&Path, &Path),
    ) -> Result<Compiled> {
        fs::write(source, text).with_context(|| format!("writing {}", source.display()))?;
        let started = Instant::now();
        let mut rustc = Command::new(&self.compiler.program);
        rustc
            // For types with whole paths and whatever their length.
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["--edition=2024", "--crate-name=cells", "--crate-type=cdylib", "--emit=obj", "-Ccodegen-units=1"])
            .args(["-Cprefer-dynamic", "-Cpanic=unwind", "-Cdebug-assertions=off", "-Coverflow-checks=on"])
            .args([
                "--error-format=json",
                "-Wtrivial-casts",
                "-Ztrim-diagnostic-paths=no",
                "-Zwrite-long-types-to-disk=no",
            ])
            .arg(format!("-Copt-level={}", self.optimise))
            .arg(format!("-Cmetadata=scdd-{epoch}"));
        for folder in &self.search {
            rustc.arg("-L").arg(format!("dependency={}", folder.display()));
        }
        for found in &self.externs {
            rustc.arg("--extern").arg(format!("{}={}", found.name, found.path.display()));
        }
        let answer = rustc.arg("-o").arg(object).arg(source).stdin(Stdio::null()).output().context("running rustc")?;
        let took = started.elapsed();
        let mut said = String::from_utf8_lossy(&answer.stderr).into_owned();
        if !answer.status.success() {
            if let Some(obstacle) = EnvironmentError::from_rustc(&said, &self.compiler, folder) {
                return Err(obstacle.into());
            }
            if !said.contains("\"level\":\"error\"") && !said.contains("internal compiler error") {
                bail!("rustc ended with {} and said: {}", answer.status, said.trim());
            }
            return Ok(Compiled { library: None, said, rustc: took, link: Duration::ZERO });
        }
        let started = Instant::now();
        let library = folder.join(library_name(&format!("cell_{number}")));
        let linked = self.linker(folder, object, &library)?.output().context("running the linker")?;
        if !linked.status.success() {
            said = String::from_utf8_lossy(&linked.stderr).into_owned();
            bail!("the cell can't be linked: {}", said.trim());
        }
        Ok(Compiled { library: Some(library), said, rustc: took, link: started.elapsed() })
    }

    fn linker(&self, folder: &Path, object: &Path, library: &Path) -> Result<Command> {
        if cfg!(target_os = "macos") {
            let mut command = Command::new("cc");
            command.args(["-dynamiclib", "-undefined", "dynamic_lookup", "-o"]).args([library, object]);
            return Ok(command);
        }
        // Functions of cells have the same symbols in all of them and must not be taken for each other.
        let map = folder.join("symbols.map");
        if !map.exists() {
            fs::write(&map, "{ global: scdd_cell_*; scdd_static_*; local: *; };\n")?;
        }
        let mut command = match self.compiler.lld(&self.triple) {
            Some(lld) => {
                let mut command = Command::new(lld);
                command.args(["-flavor", "gnu"]);
                command
            }
            None => Command::new("ld"),
        };
        command
            .args(["-shared", "--hash-style=gnu", "--eh-frame-hdr", "--version-script"])
            .arg(map)
            .arg("-o")
            .args([library, object]);
        Ok(command)
    }
}

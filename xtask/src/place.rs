//! Where things are: the clone, its Python environment, the target folder, the cache of data sets.

use crate::command::output;
use anyhow::{Context, Result};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders that the commands work in.
pub struct Place {
    /// The clone.
    pub root: PathBuf,
    /// Cargo's target folder, wherever the user has put it.
    pub target: PathBuf,
    /// The machine, as rustc names it.
    pub triple: String,
}

impl Place {
    /// Asks Cargo and rustc.
    pub fn find() -> Result<Place> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the clone")?.to_owned();
        let metadata =
            output(Command::new("cargo").current_dir(&root).args(["metadata", "--no-deps", "--format-version", "1"]))?;
        let metadata: serde_json::Value = serde_json::from_str(&metadata).context("reading cargo metadata")?;
        let target = metadata["target_directory"].as_str().context("cargo metadata names no target folder")?.into();
        let version = output(Command::new("rustc").arg("-vV"))?;
        let triple = version.lines().find_map(|line| line.strip_prefix("host: "));
        let triple = triple.with_context(|| format!("found no host line in `rustc -vV`:\n{version}"))?.to_owned();
        Ok(Place { root, target, triple })
    }

    /// The Python environment of this clone.
    pub fn venv(&self) -> PathBuf {
        self.root.join(".venv")
    }

    /// A program of the Python environment.
    pub fn venv_bin(&self, program: &str) -> PathBuf {
        self.venv().join("bin").join(program)
    }

    /// Where compiled programs and libraries lie.
    pub fn built(&self) -> PathBuf {
        self.target.join(&self.triple).join("debug")
    }

    /// A Python script of ours.
    pub fn script(&self, name: &str) -> PathBuf {
        self.root.join("xtask/py").join(name)
    }

    /// Where data sets are kept; the library looks at the same places.
    pub fn cache(&self) -> Result<PathBuf> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        folder("SCDD_DATA")
            .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("scdd")))
            .or_else(|| env::home_dir().map(|home| home.join(".cache/scdd")))
            .context("found none of SCDD_DATA, XDG_CACHE_HOME and HOME, expected one to say where data sets are kept")
    }

    /// A command that sees the environment's programs first (CMake for HDF5's sources), and nothing of what `cargo run`
    /// says to xtask about itself: the build script of `ring` runs again when CARGO_PKG_NAME differs, and then polars
    /// and all else above it is compiled again, at every change between `cargo build` and `cargo xtask`.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in env::vars_os() {
            let name_text = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|begin| name_text.starts_with(begin)) || name == "OUT_DIR" {
                command.env_remove(&name);
            }
        }
        command.current_dir(&self.root).env("PATH", self.path());
        match self.library_path() {
            Some(path) => command.env("LD_LIBRARY_PATH", path),
            None => command.env_remove("LD_LIBRARY_PATH"),
        };
        command
    }

    /// PATH with the environment's programs first.
    pub fn path(&self) -> OsString {
        let before = env::var_os("PATH").unwrap_or_default();
        let venv = self.venv().join("bin");
        let rest: Vec<_> = env::split_paths(&before).filter(|folder| *folder != venv).collect();
        env::join_paths(std::iter::once(venv).chain(rest)).unwrap_or(before)
    }

    /// LD_LIBRARY_PATH without what Cargo added to it.
    fn library_path(&self) -> Option<OsString> {
        let all = env::var_os("LD_LIBRARY_PATH")?;
        let of_cargo = |folder: &Path| {
            folder.starts_with(&self.target) || folder.components().any(|part| part.as_os_str() == "rustlib")
        };
        let kept: Vec<_> = env::split_paths(&all).filter(|folder| !of_cargo(folder)).collect();
        (!kept.is_empty()).then(|| env::join_paths(kept).ok()).flatten()
    }
}

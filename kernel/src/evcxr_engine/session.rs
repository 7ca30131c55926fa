//! One folder per running kernel, in which evcxr writes, builds and loads the cells.
//!
//! ```text
//! <target>/scdd-kernel-evcxr/session-<pid>/
//!     lock             held while the kernel runs; a folder whose lock is free is left over and is removed
//!     Cargo.toml       the clone's, with the members `ctx`, `kernel/facade`, `scdd`
//!     Cargo.lock       the clone's: the same versions as everywhere else
//!     .cargo/config.toml  the clone's: the same profile
//!     scdd/ kernel/    copies with their times, so that an edit in the clone doesn't change a running session
//!     docs/ data/ ...  links to the rest of the clone, for `include_str!`
//!     config/          evcxr's start-up commands
//!     cargo-home/      links to the real one, and our `cargo` for rust-analyzer
//!     ctx/             evcxr's crate; ctx/target holds hard links to what is compiled
//! ```
//!
//! Cargo names a compiled crate by its path relative to the workspace, its features, its profile and its flags. All of
//! them are those of the clone, so nothing is compiled again, not even the library.

use super::{analysed, manifest};
use crate::hard_links;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The clone that this kernel was built in.
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Copied, not linked: what is compiled in the session.
const COPIED: [&str; 2] = ["scdd", "kernel"];
/// Neither copied nor linked: written anew, or of no use to a build.
const LEFT_OUT: [&str; 3] = ["Cargo.toml", "Cargo.lock", "target"];

/// A session's folder; removed when dropped.
pub struct Session {
    folder: PathBuf,
    _lock: File,
}

impl Session {
    /// Makes the folder for this process and removes those of kernels that are gone.
    pub fn open() -> Result<Session> {
        let built = Built::locate()?;
        let all = built.target.join("scdd-kernel-evcxr");
        fs::create_dir_all(&all).with_context(|| format!("making {}", all.display()))?;
        let folder = all.join(format!("session-{}", std::process::id()));
        // Held while folders come and go, so that no other kernel takes one that isn't locked yet for a left over one.
        let gate = hold(&all.join("gate"))?;
        sweep(&all);
        let lock = fresh_folder(&folder)?;
        drop(gate);
        let session = Session { folder, _lock: lock };
        session.fill(&built).with_context(|| format!("preparing {}", session.folder.display()))?;
        Ok(session)
    }

    /// What evcxr and its rust-analyzer read from the environment.
    pub fn environment(&self) -> Result<Vec<(&'static str, OsString)>> {
        let mut environment = vec![
            ("EVCXR_TMPDIR", self.folder.join("ctx").into()),
            ("EVCXR_CONFIG_DIR", self.folder.join("config").into()),
            // evcxr_jupyter "updates" the spec of a stock evcxr that it finds in here, with our binary; it finds none.
            ("JUPYTER_PATH", self.folder.join("config").into()),
        ];
        environment.extend(analysed::make_home(&self.folder.join("cargo-home"))?);
        Ok(environment)
    }

    fn fill(&self, built: &Built) -> Result<()> {
        let clone = fs::canonicalize(CLONE)?;
        for entry in fs::read_dir(&clone)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(text) = name.to_str() else { continue };
            let here = self.folder.join(text);
            if text.starts_with('.') || LEFT_OUT.contains(&text) {
                continue;
            } else if COPIED.contains(&text) {
                hard_links::copy_tree(&entry.path(), &here)?;
            } else {
                std::os::unix::fs::symlink(entry.path(), &here)?;
            }
        }
        let config = self.folder.join(".cargo");
        fs::create_dir_all(&config)?;
        manifest::write_config(&clone.join(".cargo/config.toml"), &config.join("config.toml"), &built.triple)?;
        manifest::write_root(&clone.join("Cargo.toml"), &self.folder.join("Cargo.toml"))?;
        fs::copy(clone.join("Cargo.lock"), self.folder.join("Cargo.lock")).context("copying Cargo.lock")?;

        let context = self.folder.join("ctx");
        let profile = Path::new(&built.profile);
        for part in [profile.to_owned(), Path::new(&built.triple).join(profile)] {
            hard_links::link_build(&built.target.join(&part), &context.join("target").join(&part))?;
        }
        manifest::write_first_crate(&context)?;
        manifest::write_start_up(
            &self.folder.join("config"),
            &self.folder.join("kernel/facade"),
            &analysed::real_home()?,
        )
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Kept for a look when something went wrong in it.
        if std::env::var_os("SCDD_KEEP_SESSION").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Where this binary lies says where everything else was built: `<target>/<triple>/<profile>/scdd-kernel`.
struct Built {
    target: PathBuf,
    triple: String,
    profile: String,
}

impl Built {
    fn locate() -> Result<Built> {
        if !Path::new(CLONE).join("scdd/Cargo.toml").exists() {
            bail!(
                "this kernel was built in the clone {CLONE}, which isn't there any more. \
                 Run `cargo xtask lab` in the clone that you use now."
            );
        }
        let exe = fs::canonicalize(std::env::current_exe()?)?;
        let mut above = exe.ancestors().skip(1);
        let mut next = || above.next().filter(|folder| folder.file_name().is_some());
        let (Some(profile), Some(triple), Some(target)) = (next(), next(), next()) else {
            bail!(
                "found the kernel at {}, expected it at <target folder>/<triple>/<profile>/scdd-kernel. \
                 Run it from where `cargo xtask lab` built it.",
                exe.display()
            );
        };
        let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Built { target: target.to_owned(), triple: name(triple), profile: name(profile) })
    }
}

/// Removes the folders of kernels that were killed.
fn sweep(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for folder in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let held = File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if !held {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// Makes the folder and holds its lock.
fn fresh_folder(folder: &Path) -> Result<File> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing the left over {}", folder.display()))?;
    }
    fs::create_dir_all(folder)?;
    hold(&folder.join("lock"))
}

fn hold(path: &Path) -> Result<File> {
    let lock = File::create(path).with_context(|| format!("making {}", path.display()))?;
    lock.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(lock)
}

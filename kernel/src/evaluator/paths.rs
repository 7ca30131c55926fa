//! Paths of the built library and its compiler, and the folder of this session.
//!
//! ```text
//! <target>/scdd-kernel/
//!     cell-<checksum>/       the crate that cells are linked to, compiled once for a compiler and a build of the library
//!     cells-<pid>-<n>/       a session: `lock`, the crates of cells, and hard links to what they are compiled against, so
//!                            that a build of the library doesn't change a running session
//!     deps-<checksum>/       what `:dep` lines asked for, kept over sessions
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};

/// The clone that this kernel was built in.
pub const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A build of the library.
#[derive(Clone, Debug)]
pub struct Built {
    /// The target folder.
    pub target: PathBuf,
    /// The host's triple.
    pub triple: String,
    /// The profile's folder, "debug".
    pub profile: String,
}

impl Built {
    /// The build that lies beside a program: `<target>/<triple>/<profile>/<program>`.
    ///
    /// # Errors
    /// When the program lies elsewhere.
    pub fn beside(program: &Path) -> Result<Built> {
        let program = fs::canonicalize(program).with_context(|| format!("looking for {}", program.display()))?;
        let mut above = program.ancestors().skip(1);
        let mut next = || above.next().filter(|folder| folder.file_name().is_some());
        let (Some(profile), Some(triple), Some(target)) = (next(), next(), next()) else {
            bail!(
                "found the kernel at {}, expected it at <target folder>/<triple>/<profile>/scdd-kernel. \
                 Run it from where `cargo xtask lab` built it.",
                program.display()
            );
        };
        let name = |folder: &Path| folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Built { target: target.to_owned(), triple: name(triple), profile: name(profile) })
    }

    /// Where the library's shared object lies.
    pub fn folder(&self) -> PathBuf {
        self.target.join(&self.triple).join(&self.profile)
    }

    /// The library's shared object.
    pub fn facade(&self) -> PathBuf {
        self.folder().join(library_name("scdd_facade"))
    }

    /// The compiler that built the library, as it names itself: "rustc 1.95.0 (59807616e 2026-04-14)".
    pub fn compiler(&self) -> Option<String> {
        // A few kB beside the shared object, of the same build.
        let bytes = fs::read(self.folder().join("libscdd_facade.rlib")).ok()?;
        let at = bytes.windows(6).position(|window| window == b"rustc ")?;
        let text: Vec<u8> = bytes[at..].iter().copied().take_while(|byte| (b' '..=b'~').contains(byte)).collect();
        let text = String::from_utf8(text).ok()?;
        Some(text.split_inclusive(')').next()?.to_owned())
    }
}

/// The name of a shared object here.
pub fn library_name(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

/// The compiler.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Its program, without rustup between.
    pub program: PathBuf,
    /// Its folder.
    pub sysroot: PathBuf,
    /// As it names itself.
    pub version: String,
}

impl Compiler {
    /// The one that Cargo uses in the clone.
    ///
    /// # Errors
    /// When there is none.
    pub fn find() -> Result<Compiler> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let ask = |program: &Path, argument: &[&str]| -> Result<String> {
            let mut command = Command::new(program);
            command.args(argument);
            if Path::new(CLONE).exists() {
                command.current_dir(CLONE);
            }
            let answer = command
                .output()
                .context("found no rustc, expected one on PATH: install Rust from https://rustup.rs")?;
            if !answer.status.success() {
                bail!("rustc doesn't run: {}", String::from_utf8_lossy(&answer.stderr).trim());
            }
            Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
        };
        let sysroot = PathBuf::from(ask(Path::new(&rustc), &["--print", "sysroot"])?);
        let inside = sysroot.join("bin/rustc");
        let program = if inside.exists() { inside } else { rustc.into() };
        let version = Compiler::version_of(&program)?;
        Ok(Compiler { program, sysroot, version })
    }

    /// What a compiler calls itself.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn version_of(program: &Path) -> Result<String> {
        let answer = Command::new(program).arg("--version").output().context("running rustc")?;
        if !answer.status.success() {
            bail!("rustc doesn't run: {}", String::from_utf8_lossy(&answer.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    }

    /// What the compiler says about an error's code; empty where it knows none.
    ///
    /// # Errors
    /// When it doesn't run.
    pub fn explain(&self, code: &str) -> Result<String> {
        let answer = Command::new(&self.program).args(["--explain", code]).output().context("running rustc")?;
        Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
    }

    /// The linker that comes with the compiler, where it does.
    pub fn lld(&self, triple: &str) -> Option<PathBuf> {
        let path = self.sysroot.join("lib/rustlib").join(triple).join("bin/rust-lld");
        path.exists().then_some(path)
    }
}

/// A session's folder; removed when dropped.
#[derive(Debug)]
pub struct SessionFolder {
    /// Where cells are written.
    pub folder: PathBuf,
    _lock: File,
}

impl SessionFolder {
    /// Makes a folder for this process, and removes those of kernels that are gone.
    ///
    /// # Errors
    /// When the disk is full, or the target folder can't be written.
    pub fn open(built: &Built) -> Result<SessionFolder> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let all = built.target.join("scdd-kernel");
        fs::create_dir_all(&all).with_context(|| format!("making {}", all.display()))?;
        // Held while folders come and go, so that no other kernel takes one that isn't locked yet for a left over one.
        let gate = hold(&all.join("gate"))?;
        sweep(&all);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = all.join(format!("cells-{}-{number}", std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing the left over {}", folder.display()))?;
        }
        fs::create_dir_all(folder.join("deps")).with_context(|| format!("making {}", folder.display()))?;
        let lock = hold(&folder.join("lock"))?;
        drop(gate);
        Ok(SessionFolder { folder, _lock: lock })
    }

    /// What cells are compiled against.
    pub fn deps(&self) -> PathBuf {
        self.folder.join("deps")
    }

    /// Links what cells are compiled against into the session.
    ///
    /// # Errors
    /// When there is no build.
    pub fn link(&self, built: &Built) -> Result<()> {
        let to = self.deps();
        let facade = built.facade();
        link_over(&facade, &to.join(library_name("scdd_facade"))).with_context(|| {
            format!("found no {}, expected the built library: run `cargo xtask setup`", facade.display())
        })?;
        // Of crates in the library the metadata is enough: their code is in its shared object. Macros are host's programs.
        link_all(&built.folder().join("deps"), &to, &["rmeta"])?;
        link_all(&built.target.join(&built.profile).join("deps"), &to, &[std::env::consts::DLL_EXTENSION])
    }
}

impl Drop for SessionFolder {
    fn drop(&mut self) {
        // Kept for a look when something went wrong in it.
        if std::env::var_os("SCDD_KEEP_SESSION").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Hard links to the files of some kinds in a folder; where the disk has no links, copies.
///
/// # Errors
/// When one can't be made.
pub fn link_all(from: &Path, to: &Path, kinds: &[&str]) -> Result<()> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let kind = path.extension().unwrap_or_default();
        if let (true, Some(name)) = (kinds.iter().any(|wanted| kind == *wanted), path.file_name()) {
            // One that a build takes away at this moment isn't needed.
            if let Err(error) = link_over(&path, &to.join(name))
                && path.exists()
            {
                return Err(error).with_context(|| format!("linking {}", path.display()));
            }
        }
    }
    Ok(())
}

fn link_over(from: &Path, to: &Path) -> std::io::Result<()> {
    let _ = fs::remove_file(to);
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ()))
}

/// Removes the folders of kernels that were killed.
fn sweep(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for folder in entries.flatten().map(|entry| entry.path()) {
        let is_session = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("cells-"));
        let held = || File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_err());
        if is_session && !held() {
            let _ = fs::remove_dir_all(&folder);
        }
    }
}

/// Holds a lock until the file is dropped.
///
/// # Errors
/// When the file can't be made.
pub fn hold(path: &Path) -> Result<File> {
    let lock = File::create(path).with_context(|| format!("making {}", path.display()))?;
    lock.lock().with_context(|| format!("locking {}", path.display()))?;
    Ok(lock)
}

//! Makes the table: rustdoc describes the library and the crates in its interface, against what is compiled already.
//!
//! rustdoc's JSON is an unstable option of a stable compiler, hence `RUSTC_BOOTSTRAP`. A crate is described once for each of
//! its versions; ours whenever its sources are newer. Where a crate can't be described, suggestions lack its names and
//! nothing else.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::table::Piece;
use super::{rustdoc, user};

/// The crates whose types a cell meets, the most important first.
const CRATES: [&str; 14] = [
    "scdd",
    "burn-tensor",
    "burn-core",
    "burn-nn",
    "burn-optim",
    "burn",
    "polars-core",
    "polars-plan",
    "polars-lazy",
    "polars-io",
    "polars-ops",
    "polars",
    "plotly",
    "ndarray",
];
/// Of std, whose sources come as a component of the toolchain.
const STD: [&str; 3] = ["alloc", "core", "std"];
/// Compiled crates of the toolchain that std's source doesn't use.
const ABOVE_STD: [&str; 5] = ["std", "test", "proc_macro", "sysroot", "getopts"];

/// Held by the process that makes the table.
const LOCK: &str = "lock";
/// Written when the table is whole.
const MADE: &str = "made";
/// Counts up when what is written changes.
const FORMAT: u32 = 3;

/// The clone that this kernel was built in.
const CLONE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The folder of the table beside a program.
///
/// # Errors
/// When the program has no place.
pub fn folder() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("scdd-names"))
}

/// Describes what is not described yet; `say` hears of each crate.
///
/// # Errors
/// When the library isn't built or Cargo can't tell how.
pub fn make(folder: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    // Another kernel may be at it.
    let lock = std::fs::File::create(folder.join(LOCK)).with_context(|| format!("making {}", folder.display()))?;
    lock.lock().with_context(|| format!("locking {}", folder.display()))?;
    // An index that was ended early leaves it.
    let scratch = folder.join("rustdoc");
    let _ = std::fs::remove_dir_all(&scratch);
    let built = Built::ask(folder.ancestors().nth(3).context("the table lies in no target folder")?, scratch)?;
    let mut kept = HashSet::from([LOCK.to_owned(), MADE.to_owned()]);
    for name in CRATES {
        let Some(package) = built.package(name) else { continue };
        let file = format!("{name}-{}.{FORMAT}.json", package["version"].as_str().unwrap_or_default());
        kept.insert(file.clone());
        let path = folder.join(file);
        if is_current(&path, package) {
            continue;
        }
        say(name);
        if let Err(error) = built.describe(package).and_then(|json| write(&path, &rustdoc::piece(&json))) {
            say(&format!("{name} is left out: {error:#}"));
        }
    }
    for name in STD {
        let file = format!("{name}-{}.{FORMAT}.json", built.compiler);
        kept.insert(file.clone());
        let path = folder.join(file);
        if !path.exists() {
            say(name);
            if let Err(error) = built.describe_std(name).and_then(|piece| write(&path, &piece)) {
                say(&format!("{name} is left out: {error:#}"));
            }
        }
    }
    for entry in std::fs::read_dir(folder)?.flatten() {
        if !kept.contains(&*entry.file_name().to_string_lossy()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    std::fs::write(folder.join(MADE), "").with_context(|| format!("writing in {}", folder.display()))
}

/// When the table was made last; none before it is whole.
pub fn made(folder: &Path) -> Option<SystemTime> {
    std::fs::metadata(folder.join(MADE)).and_then(|found| found.modified()).ok()
}

/// What Cargo knows of the compiled library.
struct Built {
    packages: HashMap<String, Value>,
    /// Packages that a package uses: the name that it uses, and the package's id.
    uses: HashMap<String, Vec<(String, String)>>,
    /// Compiled files of a package, its features, its root.
    artifacts: HashMap<String, Vec<Value>>,
    out_dirs: HashMap<String, String>,
    compiler: String,
    host: String,
    sysroot: PathBuf,
    /// Where rustdoc writes.
    scratch: PathBuf,
}

impl Built {
    fn ask(target: &Path, scratch: PathBuf) -> Result<Built> {
        let cargo = || cargo(target);
        let version = output(Command::new("rustc").arg("-vV"))?;
        let line =
            |begin: &str| version.lines().find_map(|line| line.strip_prefix(begin)).unwrap_or_default().to_owned();
        let (host, compiler) = (line("host: "), line("release: "));
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?.trim().into();
        let metadata = output(cargo().args(["metadata", "--format-version", "1", "--filter-platform", &host]))?;
        let metadata: Value = serde_json::from_str(&metadata).context("reading cargo metadata")?;
        let mut built = Built {
            packages: HashMap::new(),
            uses: HashMap::new(),
            artifacts: HashMap::new(),
            out_dirs: HashMap::new(),
            compiler,
            host,
            sysroot,
            scratch,
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            built.packages.insert(text(&package["id"]), package.clone());
        }
        for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
            let one = |dependency: &Value| (text(&dependency["name"]), text(&dependency["pkg"]));
            let uses = node["deps"].as_array().into_iter().flatten().map(one).collect();
            built.uses.insert(text(&node["id"]), uses);
        }
        // Everything is there, so this only tells where.
        let told = output(cargo().args(["build", "--quiet", "--package", "scdd-facade", "--message-format=json"]))?;
        for line in told.lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let id = text(&message["package_id"]);
            match message["reason"].as_str() {
                Some("compiler-artifact") => built.artifacts.entry(id).or_default().push(message),
                Some("build-script-executed") => {
                    built.out_dirs.insert(id, text(&message["out_dir"]));
                }
                _ => {}
            }
        }
        Ok(built)
    }

    fn package(&self, name: &str) -> Option<&Value> {
        let is = |package: &&Value| {
            package["name"] == name && self.artifacts.contains_key(package["id"].as_str().unwrap_or(""))
        };
        self.packages.values().find(is)
    }

    /// What rustdoc says of a package.
    fn describe(&self, package: &Value) -> Result<Value> {
        let id = package["id"].as_str().unwrap_or_default();
        let artifacts = self.artifacts.get(id).map_or(&[][..], Vec::as_slice);
        let of_library = |artifact: &&Value| kinds(artifact).any(|kind| kind == "lib" || kind == "rlib");
        let Some(library) = artifacts.iter().find(of_library) else { bail!("it has no library") };
        let target = &library["target"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut command =
            rustdoc_command(&text(&target["name"]), &text(&target["edition"]), &text(&target["src_path"]));
        for feature in library["features"].as_array().into_iter().flatten() {
            command.arg("--cfg").arg(format!("feature={feature}"));
        }
        let mut folders = HashSet::new();
        for file in self.artifacts.values().flatten().flat_map(files) {
            folders.extend(file.parent().map(Path::to_owned));
        }
        for folder in folders {
            command.arg("-L").arg(format!("dependency={}", folder.display()));
        }
        for (name, used) in self.uses.get(id).into_iter().flatten() {
            let all = self.artifacts.get(used).into_iter().flatten();
            let found: Vec<PathBuf> =
                all.filter(|artifact| !kinds(artifact).any(|kind| kind == "custom-build")).flat_map(files).collect();
            let ends = |file: &&PathBuf, end: &str| file.extension().is_some_and(|extension| extension == end);
            // Of two compilations that for the machine that runs it, in a folder of its own, and not that for macros.
            let rlib = found.iter().filter(|file| ends(file, "rlib")).max_by_key(|file| file.components().count());
            let library = rlib.or_else(|| found.iter().find(|file| ends(file, std::env::consts::DLL_EXTENSION)));
            if let Some(library) = library {
                command.arg("--extern").arg(format!("{name}={}", library.display()));
            }
        }
        let root = PathBuf::from(text(&package["manifest_path"]));
        let root = root.parent().unwrap_or(Path::new(".")).to_owned();
        command.current_dir(&root).env("CARGO_MANIFEST_DIR", &root);
        command.env("CARGO_PKG_NAME", text(&package["name"])).env("CARGO_PKG_VERSION", text(&package["version"]));
        if let Some(folder) = self.out_dirs.get(id) {
            command.env("OUT_DIR", folder);
        }
        self.run(command, &text(&target["name"]))
    }

    fn describe_std(&self, name: &str) -> Result<Piece> {
        let source = self.sysroot.join("lib/rustlib/src/rust/library").join(name).join("src/lib.rs");
        if !source.exists() {
            bail!("found no {}; `rustup component add rust-src` brings it", source.display());
        }
        let mut command = rustdoc_command(name, "2024", &source.to_string_lossy());
        if name == "std" {
            self.below_std(&mut command)?;
        }
        let mut piece = rustdoc::piece(&self.run(command, name)?);
        if name == "alloc" {
            // rustdoc leaves out what a crate adds to slices, as `sort` and `join`; the source says it too.
            let source = std::fs::read_to_string(source.with_file_name("slice.rs")).context("reading about slices")?;
            if let Some(mut found) = user::items(&[source], "").remove("slice") {
                (found.kind, found.params) = ("primitive".to_owned(), vec!["T".to_owned()]);
                piece.items.insert("alloc::slice".to_owned(), found);
            }
        }
        Ok(piece)
    }

    /// Runs rustdoc and reads what it wrote.
    fn run(&self, mut command: Command, name: &str) -> Result<Value> {
        command.arg("-o").arg(&self.scratch).stdout(Stdio::null()).stderr(Stdio::piped());
        let done = command.output().context("starting rustdoc; `rustup component add rust-docs` may bring it");
        let read = done.and_then(|done| {
            if !done.status.success() {
                let said = String::from_utf8_lossy(&done.stderr);
                let first = said.lines().find(|line| line.starts_with("error")).unwrap_or("rustdoc failed").to_owned();
                bail!(first);
            }
            let bytes =
                std::fs::read(self.scratch.join(format!("{name}.json"))).context("reading what rustdoc wrote")?;
            serde_json::from_slice(&bytes).context("reading what rustdoc wrote")
        });
        let _ = std::fs::remove_dir_all(&self.scratch);
        read
    }

    /// What std's source is compiled with: the toolchain's own compiled crates, and what its build script would say.
    fn below_std(&self, command: &mut Command) -> Result<()> {
        let folder = self.sysroot.join("lib/rustlib").join(&self.host).join("lib");
        let entries = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for file in entries.flatten().map(|entry| entry.path()) {
            let kind = file.extension().unwrap_or_default();
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            // The metadata of an rlib lies beside it.
            let name = stem.strip_prefix("lib").and_then(|stem| stem.rsplit_once('-')).map(|(name, _)| name);
            let Some(name) = name.filter(|name| (kind == "rmeta" || kind == "rlib") && !ABOVE_STD.contains(name))
            else {
                continue;
            };
            command.arg("--extern").arg(format!("{name}={}", file.display()));
        }
        command.args(["--cfg", "backtrace_in_libstd", "-Zforce-unstable-if-unmarked"]);
        command.env("STD_ENV_ARCH", self.host.split('-').next().unwrap_or_default());
        Ok(())
    }
}

/// Cargo in the clone, with the target folder that has the built library: Jupyter's environment may name none.
fn cargo(target: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(CLONE).env("CARGO_TARGET_DIR", target);
    command
}

fn rustdoc_command(name: &str, edition: &str, source: &str) -> Command {
    let mut command = Command::new("rustdoc");
    command.args(["--crate-name", name, "--edition", edition, source, "--cap-lints", "allow"]);
    command.args(["-Zunstable-options", "--output-format", "json"]).env("RUSTC_BOOTSTRAP", "1");
    command
}

fn write(path: &Path, piece: &Piece) -> Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, serde_json::to_vec(piece)?)?;
    std::fs::rename(&beside, path).with_context(|| format!("writing {}", path.display()))
}

/// A package of a registry never changes; ours does.
fn is_current(path: &Path, package: &Value) -> bool {
    let Ok(written) = std::fs::metadata(path).and_then(|found| found.modified()) else { return false };
    if !package["source"].is_null() {
        return true;
    }
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
    manifest.parent().is_some_and(|root| newest(&root.join("src")) <= written)
}

/// When a file of the folder was changed last.
fn newest(folder: &Path) -> SystemTime {
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => newest(&entry.path()),
        Ok(found) => found.modified().unwrap_or(SystemTime::UNIX_EPOCH),
        Err(_) => SystemTime::UNIX_EPOCH,
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(of).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn kinds(artifact: &Value) -> impl Iterator<Item = &str> {
    artifact["target"]["kind"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn files(artifact: &Value) -> Vec<PathBuf> {
    let names = artifact["filenames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(PathBuf::from).collect()
}

fn output(command: &mut Command) -> Result<String> {
    let done = command.stderr(Stdio::piped()).output().with_context(|| format!("starting {command:?}"))?;
    if !done.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

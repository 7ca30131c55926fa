//! `:dep` lines: Cargo builds the crates that they ask for beside the library, before any cell is compiled.
//!
//! The crates go into one shared object, `scdd_deps`, whose workspace has our lock file, our profile and the library as a
//! member, so that what both use is one crate and nothing is compiled twice. The folder is kept: the same `:dep` lines are
//! there at once in the next session.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::compile::Extern;
use super::paths::{self, Built, CLONE, library_name};
use super::protocol::{Reply, Request};
use super::{Evaluator, prepare};
use crate::engine::Output;
use crate::hard_links;

/// What the `:dep` lines of a session asked for.
#[derive(Clone, Debug, Default)]
pub struct Deps {
    /// Name in cells to Cargo's words: `"0.10"` or `{ path = "..." }`.
    pub wanted: BTreeMap<String, String>,
    /// Their shared object.
    library: Option<PathBuf>,
}

impl Deps {
    /// What a cell's entry does first: with tokio among the crates, `.await` at the top of a cell runs in a runtime of it.
    pub fn entry(&self) -> &'static str {
        if self.wanted.contains_key("tokio") { "let _tokio = ::scdd_deps::__enter();" } else { "" }
    }
}

/// Reads `rand = "0.10"`, `rand = { ... }` or `rand`.
///
/// # Errors
/// What is wrong, with an example.
pub fn parse(argument: &str) -> Result<(String, String)> {
    let (name, value) = argument.split_once('=').unwrap_or((argument, "\"*\""));
    let (name, value) = (name.trim(), value.trim());
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    let is_value = value.starts_with('{') && value.ends_with('}')
        || value.starts_with('"') && value.ends_with('"') && value.len() > 2;
    if !is_name || !is_value {
        bail!(
            "found `:dep {argument}`, expected a line as in Cargo.toml: `:dep rand = \"0.10\"` or `:dep mine = {{ path = \"/home/me/mine\" }}`"
        );
    }
    Ok((name.to_owned(), absolute(value)))
}

/// A path in a cell is from where the notebook runs.
fn absolute(value: &str) -> String {
    let Some((before, after)) = value.split_once("path") else { return value.to_owned() };
    let Some((quote, rest)) = after.split_once('"') else { return value.to_owned() };
    let Some((path, rest)) = rest.split_once('"') else { return value.to_owned() };
    let path = std::env::current_dir().map_or_else(|_| PathBuf::from(path), |here| here.join(path));
    format!("{before}path{quote}{:?}{rest}", path.to_string_lossy())
}

impl Evaluator {
    /// Adds crates; the words tell how it went.
    ///
    /// # Errors
    /// What Cargo says.
    pub(super) fn add_deps(&mut self, new: Vec<(String, String)>, out: &mut dyn FnMut(Output)) -> Result<()> {
        self.make_ready(out)?;
        let mut wanted = self.deps.wanted.clone();
        wanted.extend(new);
        if wanted == self.deps.wanted {
            return Ok(());
        }
        let started = Instant::now();
        let all = self.built.target.join("scdd-kernel");
        let mut hasher = DefaultHasher::new();
        (&wanted, &self.build.compiler.version).hash(&mut hasher);
        let folder = all.join(format!("deps-{:016x}", hasher.finish()));
        let gate = paths::hold(&all.join(format!("deps-{:016x}.lock", hasher.finish())))?;
        let list = wanted
            .iter()
            .map(|(name, value)| format!("{name} {}", value.trim_matches('"')))
            .collect::<Vec<_>>()
            .join(", ");
        let first = !folder.join("externs").exists();
        let time =
            if first { "seconds for a small crate, minutes for a large one" } else { "a few seconds: built before" };
        out(Output::Stdout(format!("Building {list} ({time}) ...\n")));
        let made = write_workspace(&folder, &wanted, &self.built).and_then(|()| build(&folder, &self.built, out));
        if made.is_err() && first {
            let _ = fs::remove_dir_all(&folder);
        }
        let compiled = made?;
        drop(gate);

        let target = Built { target: folder.join("target"), ..self.built.clone() };
        let externs = read_externs(&folder.join("externs"))?;
        // A crate with more features than before makes another library.
        let session = fs::metadata(self.session.deps().join(library_name("scdd_facade")))?;
        let now = fs::metadata(target.facade())?;
        let same = (session.len(), session.modified()?) == (now.len(), now.modified()?);
        self.session.link(&target)?;
        if !same {
            let went: Vec<String> = self.variables.keys().cloned().collect();
            self.child = None;
            self.variables.clear();
            let deps = self.session.deps();
            let library = prepare::cell_library(&target, &self.build.compiler, &deps)?;
            if let Some(start) = &mut self.start {
                start.library.clone_from(&library);
            }
            self.build
                .externs
                .iter_mut()
                .filter(|found| found.name == "scdd_cell")
                .for_each(|found| found.path.clone_from(&library));
            if !went.is_empty() {
                out(Output::Stderr(format!(
                    "The crate changes how the library is built, so the process that holds variables was started again. These went with it: {}.\n",
                    went.join(", ")
                )));
            }
            for name in went {
                self.lost
                    .insert(name.clone(), format!("`{name}` went when a `:dep` line changed the library's build."));
            }
        }
        self.build.search =
            vec![self.session.deps(), target.folder().join("deps"), target.target.join(&target.profile).join("deps")];
        self.build.externs.retain(|found| ["scdd", "scdd_facade", "scdd_cell"].contains(&found.name.as_str()));
        self.build.externs.extend(externs);
        let library = target.folder().join(library_name("scdd_deps"));
        self.build.externs.push(Extern { name: "scdd_deps".to_owned(), path: library.clone() });
        self.deps = Deps { wanted, library: Some(library) };
        if same && self.child.is_some() {
            self.load_deps(out)?;
        } else {
            self.make_ready(out)?;
        }
        out(Output::Stdout(format!(
            "Ready in {:.1} s, {compiled} crates compiled.\n",
            started.elapsed().as_secs_f64()
        )));
        Ok(())
    }

    /// Loads the crates' shared object into the child.
    pub(super) fn load_deps(&mut self, out: &mut dyn FnMut(Output)) -> Result<()> {
        let (Some(library), Some(child)) = (&self.deps.library, &mut self.child) else { return Ok(()) };
        match child.ask(&Request::Load { library: library.to_string_lossy().into_owned() }, out) {
            Ok(Reply::NotLoaded { reason }) => bail!("the crates can't be loaded: {reason}"),
            Ok(_) => Ok(()),
            Err(dead) => bail!("the crates can't be loaded: {}", dead.0),
        }
    }
}

/// The workspace: the clone's, with the crate `deps` in it.
fn write_workspace(folder: &Path, wanted: &BTreeMap<String, String>, built: &Built) -> Result<()> {
    let clone = fs::canonicalize(CLONE)
        .with_context(|| format!("looking for the clone {CLONE}, from which crates are built"))?;
    if !folder.join("Cargo.lock").exists() {
        for part in ["scdd", "kernel/facade"] {
            let to = folder.join(part);
            fs::create_dir_all(&to)?;
            hard_links::copy_tree(&clone.join(part), &to)?;
        }
        for entry in fs::read_dir(&clone)? {
            // What `include_str!` and the like reach for.
            let (entry, skip) = (entry?, ["scdd", "kernel", "target", "Cargo.toml", "Cargo.lock"]);
            let name = entry.file_name();
            let text = name.to_string_lossy();
            if !text.starts_with('.') && !skip.contains(&&*text) && !folder.join(&name).exists() {
                std::os::unix::fs::symlink(entry.path(), folder.join(&name))?;
            }
        }
        // Below the clone, Cargo finds the clone's, and would join the flags of both.
        if !fs::canonicalize(folder)?.starts_with(&clone) {
            fs::create_dir_all(folder.join(".cargo"))?;
            fs::copy(clone.join(".cargo/config.toml"), folder.join(".cargo/config.toml"))
                .context("copying the profile")?;
        }
        for part in [PathBuf::from(&built.profile), Path::new(&built.triple).join(&built.profile)] {
            hard_links::link_build(&built.target.join(&part), &folder.join("target").join(&part))?;
        }
        fs::copy(clone.join("Cargo.lock"), folder.join("Cargo.lock")).context("copying Cargo.lock")?;
    }
    let root = fs::read_to_string(clone.join("Cargo.toml")).context("reading the clone's Cargo.toml")?;
    let members = |line: &str| match line.split_once('=').map(|(key, _)| key.trim()) {
        Some("members") => "members = [\"deps\", \"kernel/facade\", \"scdd\"]\n".to_owned(),
        Some("default-members") => String::new(),
        _ => format!("{line}\n"),
    };
    write_if_new(&folder.join("Cargo.toml"), &root.lines().map(members).collect::<String>())?;
    let lines: String = wanted.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    let manifest = format!(
        "[package]\nname = \"scdd-deps\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"dylib\"]\n\n\
         [dependencies]\nscdd-facade = {{ path = \"../kernel/facade\" }}\n{lines}"
    );
    write_if_new(&folder.join("deps/Cargo.toml"), &manifest)?;
    let names = wanted.keys().map(|name| format!("pub use {};\n", name.replace('-', "_"))).collect::<String>();
    let runtime = if wanted.contains_key("tokio") { TOKIO } else { "" };
    write_if_new(&folder.join("deps/src/lib.rs"), &format!("pub use scdd_facade;\n{names}{runtime}"))
}

/// One runtime for all cells; the library has tokio with these features too.
const TOKIO: &str = "
pub fn __enter() -> tokio::runtime::EnterGuard<'static> {
    static RUNTIME: std::sync::LazyLock<tokio::runtime::Runtime> = std::sync::LazyLock::new(|| {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect(\"no threads for a runtime of tokio\")
    });
    RUNTIME.enter()
}
";

fn write_if_new(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// Runs Cargo; gives the number of crates that it compiled.
fn build(folder: &Path, built: &Built, out: &mut dyn FnMut(Output)) -> Result<usize> {
    let mut command = prepare::cargo();
    command
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .args(["build", "--verbose", "--package", "scdd-deps", "--target", &built.triple])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut cargo = command.spawn().context("running cargo")?;
    let (mut compiled, mut said) = (0, Vec::new());
    for line in cargo.stderr.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()).map_while(Result::ok) {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix("Compiling ") {
            compiled += 1;
            let name = name.split(" (").next().unwrap_or(name);
            out(Output::Stdout(format!("\r\x1b[K  compiling {name}")));
        }
        if trimmed.starts_with("Running `") {
            if trimmed.contains("--crate-name scdd_deps ") {
                write_if_new(&folder.join("externs"), &externs_of(trimmed))?;
            }
        } else if !["Fresh", "Dirty", "Compiling"].iter().any(|word| trimmed.starts_with(word)) {
            said.push(line);
        }
    }
    if compiled > 0 {
        out(Output::Stdout("\r\x1b[K".to_owned()));
    }
    if !cargo.wait()?.success() {
        let _ = fs::remove_file(folder.join("externs"));
        bail!("{}", said.join("\n"));
    }
    Ok(compiled)
}

/// `name=path` lines of a call of rustc.
fn externs_of(call: &str) -> String {
    let words: Vec<&str> = call.split_whitespace().collect();
    let named = words.windows(2).filter(|pair| pair[0] == "--extern").map(|pair| pair[1].trim_matches(['\'', '`']));
    named.filter(|name| !name.starts_with("scdd_facade=")).map(|name| format!("{name}\n")).collect()
}

fn read_externs(path: &Path) -> Result<Vec<Extern>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let parts = text.lines().filter_map(|line| line.split_once('='));
    Ok(parts.map(|(name, path)| Extern { name: name.to_owned(), path: path.into() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_in_a_manifest() {
        assert_eq!(parse("rand = \"0.10\"").unwrap(), ("rand".into(), "\"0.10\"".into()));
        assert_eq!(parse("rand").unwrap(), ("rand".into(), "\"*\"".into()));
        assert_eq!(
            parse("a-b = { version = \"1\", features = [\"x\"] }").unwrap().1,
            "{ version = \"1\", features = [\"x\"] }"
        );
        let (_, value) = parse("mine = { path = \"relative/mine\" }").unwrap();
        assert!(value.starts_with("{ path = \"/") && value.ends_with("/relative/mine\" }"), "{value}");
        for wrong in ["= \"1\"", "a b = \"1\"", "rand = 0.10", "rand = \"\""] {
            assert!(parse(wrong).unwrap_err().to_string().contains("expected a line as in Cargo.toml"), "{wrong}");
        }
    }

    #[test]
    fn the_crates_of_a_call_of_rustc_are_found() {
        let call = "Running `rustc --crate-name scdd_deps --extern rand=/t/librand-1.rlib --extern scdd_facade=/t/libscdd_facade.so --extern 'ab=/t/libab.rlib'`";
        assert_eq!(externs_of(call), "rand=/t/librand-1.rlib\nab=/t/libab.rlib\n");
    }
}

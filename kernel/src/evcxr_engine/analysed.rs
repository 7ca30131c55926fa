//! What evcxr's rust-analyzer gets to read.
//!
//! It infers the types of a cell's variables, and for that it reads and expands every package that `cargo metadata`
//! names: 778 of them, most never built, for 55 s at start, 30 s at the first `let` and 7 GB. But a user's variable
//! has a type of the library's interface, so only the packages which that interface is made of are needed.
//!
//! rust-analyzer calls `$CARGO_HOME/bin/cargo`. A session has a CARGO_HOME in which everything is a link to the real
//! one, apart from `bin/cargo`: that is this binary, which passes every call on and shortens the answer to `metadata`.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::{fs::symlink, process::CommandExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The real CARGO_HOME, for the wrapper.
const REAL_HOME: &str = "SCDD_CARGO_HOME";
/// Set, evcxr's rust-analyzer reads all packages, as in a stock evcxr: for `cargo xtask bench kernel`.
const STOCK: &str = "SCDD_EVCXR_STOCK";
/// The package through which cells see the library.
const FACADE: &str = "scdd-facade";
/// Behind the facade: names of packages (or their beginnings) that types of the interface come from.
const INTERFACE: [&str; 15] = [
    "scdd",
    "burn",
    "polars",
    "plotly",
    "ndarray",
    "serde",
    "half",
    "bytemuck",
    "num-traits",
    "num-complex",
    "either",
    "itertools",
    "rand",
    "indexmap",
    "hashbrown",
];
/// Of those, what computes behind the interface and has no type in it.
const BEHIND: [&str; 4] = ["burn-flex", "burn-fusion", "burn-cubecl", "serde_derive"];

/// Whether this process was called as `cargo`.
pub fn called_as_cargo() -> bool {
    std::env::args_os().next().is_some_and(|name| Path::new(&name).file_name() == Some(OsStr::new("cargo")))
}

/// The CARGO_HOME of whoever started the kernel.
pub fn real_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    match home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))) {
        Some(home) => Ok(home),
        None => bail!("found neither CARGO_HOME nor HOME, expected one to say where Cargo keeps its crates"),
    }
}

/// Makes a session's CARGO_HOME and returns what must be in the environment for it.
pub fn make_home(folder: &Path) -> Result<[(&'static str, OsString); 2]> {
    let real = real_home()?;
    std::fs::create_dir_all(folder.join("bin"))?;
    for entry in std::fs::read_dir(&real).with_context(|| format!("reading {}", real.display()))? {
        let entry = entry?;
        if entry.file_name() != "bin" {
            symlink(entry.path(), folder.join(entry.file_name()))?;
        }
    }
    symlink(std::env::current_exe()?, folder.join("bin/cargo"))?;
    Ok([("CARGO_HOME", folder.into()), (REAL_HOME, real.into())])
}

/// Runs the real Cargo, and shortens what it says about the packages of a session.
pub fn main() -> Result<()> {
    let home = PathBuf::from(std::env::var_os(REAL_HOME).with_context(|| format!("{REAL_HOME} isn't set"))?);
    let beside = home.join("bin/cargo");
    let mut cargo = Command::new(if beside.exists() { beside } else { "cargo".into() });
    cargo.args(std::env::args_os().skip(1)).env("CARGO_HOME", home);

    let is = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    if !is("metadata") || is("--no-deps") {
        return Err(cargo.exec().into());
    }
    let answer = cargo.output().context("running cargo metadata")?;
    std::io::stderr().write_all(&answer.stderr)?;
    if !answer.status.success() {
        std::process::exit(answer.status.code().unwrap_or(1));
    }
    let mut metadata = serde_json::from_slice(&answer.stdout)?;
    if std::env::var_os(STOCK).is_none() {
        shorten(&mut metadata);
    }
    serde_json::to_writer(std::io::stdout().lock(), &metadata)?;
    Ok(())
}

/// Leaves what evcxr's crate uses by itself, and behind the facade what the interface is made of.
fn shorten(metadata: &mut Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names: HashMap<String, String> =
        list(&metadata["packages"]).iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
    // In any other workspace (that of the standard library) there is no facade, and nothing is left out.
    let Some(facade) = names.iter().find(|(_, name)| *name == FACADE).map(|(id, _)| id.clone()) else { return };
    let uses: HashMap<String, Vec<String>> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), list(&node["dependencies"]).iter().map(text).collect()))
        .collect();
    let reach = |start: &str, enters: &dyn Fn(&str) -> bool| {
        let mut found = HashSet::from([start.to_owned()]);
        let mut open = vec![start.to_owned()];
        while let Some(id) = open.pop() {
            for next in uses.get(&id).into_iter().flatten() {
                if enters(next) && found.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        found
    };
    let own = text(&metadata["workspace_members"][0]);
    let mut kept = reach(&own, &|id| id != facade);
    if uses.get(&own).is_some_and(|direct| direct.contains(&facade)) {
        kept.extend(reach(&facade, &|id| names.get(id).is_some_and(|name| is_interface(name))));
    }
    let retain = |list: &mut Value, key: &dyn Fn(&Value) -> String| {
        if let Some(list) = list.as_array_mut() {
            list.retain(|item| kept.contains(&key(item)));
        }
    };
    let id = |item: &Value| text(&item["id"]);
    retain(&mut metadata["packages"], &id);
    retain(&mut metadata["workspace_members"], &text);
    retain(&mut metadata["workspace_default_members"], &text);
    retain(&mut metadata["resolve"]["nodes"], &id);
    for node in metadata["resolve"]["nodes"].as_array_mut().into_iter().flatten() {
        retain(&mut node["dependencies"], &text);
        retain(&mut node["deps"], &|dependency| text(&dependency["pkg"]));
    }
}

fn is_interface(name: &str) -> bool {
    let begins = |list: &[&str]| list.iter().any(|begin| name.starts_with(begin));
    begins(&INTERFACE) && !begins(&BEHIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_the_users_own_dependencies_and_the_interface() {
        let package = |name: &str| json!({"id": name, "name": name});
        let node = |name: &str, uses: &[&str]| json!({"id": name, "dependencies": uses, "deps": uses.iter().map(|id| json!({"pkg": id})).collect::<Vec<_>>()});
        let mut metadata = json!({
            "packages": (["ctx", "scdd-facade", "scdd", "tokio", "burn", "mine", "left-pad"].map(package)),
            "workspace_members": ["ctx", "scdd-facade", "scdd"],
            "workspace_default_members": ["ctx"],
            "resolve": {"nodes": [
                node("ctx", &["scdd-facade", "mine"]), node("mine", &["left-pad"]), node("scdd-facade", &["scdd"]),
                node("scdd", &["tokio", "burn"]), node("burn", &[]), node("tokio", &[]), node("left-pad", &[]),
            ]},
        });
        shorten(&mut metadata);
        let names: Vec<_> =
            metadata["packages"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["ctx", "scdd-facade", "scdd", "burn", "mine", "left-pad"]);
        assert_eq!(metadata["resolve"]["nodes"][3]["dependencies"], json!(["burn"]));
    }
}

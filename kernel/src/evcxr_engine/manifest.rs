//! The text files of a session: the workspace around evcxr's crate, its profile, and evcxr's start-up commands.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// evcxr's own first Cargo.toml, up to what follows; Cargo wants one there before evcxr has written it.
const FIRST_CRATE: &str = "[package]\nname = \"ctx\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\n\
                           [lib]\ncrate-type = [\"cdylib\"]\npath = \"src/lib.rs\"\n";

/// The clone's workspace with other members.
///
/// `kernel/facade` and `scdd` are members, not only dependencies, because evcxr's first build has no dependencies yet:
/// without other members Cargo would strike everything from Cargo.lock, and resolve it anew a moment later.
pub fn write_root(from: &Path, to: &Path) -> Result<()> {
    let mut root = read(from)?;
    let Some(workspace) = root.get_mut("workspace").and_then(Value::as_table_mut) else {
        bail!("found no [workspace] in {}, expected the clone's Cargo.toml", from.display());
    };
    // `ctx` comes first: evcxr takes the first member for its own.
    let members = ["ctx", "kernel/facade", "scdd"].map(Value::from).to_vec();
    workspace.insert("members".into(), Value::Array(members));
    workspace.remove("default-members");
    write(to, &root.to_string())
}

/// The clone's Cargo settings with the target named, so that rust-analyzer leaves out what other platforms need.
pub fn write_config(from: &Path, to: &Path, triple: &str) -> Result<()> {
    let mut config = read(from)?;
    if let Some(build) = config.get_mut("build").and_then(Value::as_table_mut) {
        build.insert("target".into(), Value::from(triple));
    }
    write(to, &config.to_string())
}

/// evcxr's crate as it begins.
pub fn write_first_crate(folder: &Path) -> Result<()> {
    write(&folder.join("Cargo.toml"), FIRST_CRATE)?;
    write(&folder.join("src/lib.rs"), "")
}

/// What evcxr runs before the first cell.
///
/// evcxr chooses lld where it is installed and adds a flag for it, with which everything would be compiled again: the
/// linker is set back first. Builds use the real CARGO_HOME (see [`super::analysed`]), for the same reason.
pub fn write_start_up(folder: &Path, facade: &Path, cargo_home: &Path) -> Result<()> {
    let dependency = Value::from(facade.display().to_string());
    let home = cargo_home.display();
    write(
        &folder.join("init.evcxr"),
        &format!(
            ":linker system\n:build_env CARGO_HOME={home}\n:dep scdd = {{ package = \"scdd-facade\", path = {dependency} }}\n"
        ),
    )
}
fn read(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    text.parse().with_context(|| format!("{} isn't valid TOML", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

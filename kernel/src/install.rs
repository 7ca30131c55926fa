//! Installs and removes the kernel spec: a folder with `kernel.json`, which is all that Jupyter needs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const LOGO: &str = include_str!("logo.svg");

/// For whom the kernel is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Every Jupyter of this user.
    User,
    /// The Python environment in a folder.
    Prefix(PathBuf),
    /// The Python environment that is active.
    SysPrefix,
}

impl Place {
    /// The folder of kernels, as Jupyter looks for it.
    fn kernels(&self) -> Result<PathBuf> {
        let of_prefix = |prefix: &Path| prefix.join("share/jupyter/kernels");
        match self {
            Place::Prefix(prefix) => Ok(of_prefix(&std::path::absolute(prefix)?)),
            Place::SysPrefix => {
                let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().find_map(env::var_os).map(PathBuf::from);
                Ok(of_prefix(&match active {
                    Some(prefix) => prefix,
                    None => python_prefix()?,
                }))
            }
            Place::User => {
                if let Some(data) = env::var_os("JUPYTER_DATA_DIR") {
                    return Ok(PathBuf::from(data).join("kernels"));
                }
                let home = env::home_dir().context("found no HOME, expected one; or name a folder with --prefix")?;
                let data = match env::var_os("XDG_DATA_HOME") {
                    _ if cfg!(target_os = "macos") => home.join("Library/Jupyter"),
                    Some(data) => PathBuf::from(data).join("jupyter"),
                    None => home.join(".local/share/jupyter"),
                };
                Ok(data.join("kernels"))
            }
        }
    }
}

fn python_prefix() -> Result<PathBuf> {
    let asked = Command::new("python3").args(["-c", "import sys; print(sys.prefix)"]).output();
    let asked =
        asked.context("found neither VIRTUAL_ENV nor CONDA_PREFIX nor a python3; name a folder with --prefix")?;
    Ok(PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim()))
}

/// Writes the folder and returns it. What an earlier installation wrote is replaced.
///
/// # Errors
/// When the name can't be one, or the folder can't be written.
pub fn install(place: &Place, name: &str, shown: &str) -> Result<PathBuf> {
    install_program(&fs::canonicalize(env::current_exe()?)?, place, name, shown)
}

fn install_program(program: &Path, place: &Place, name: &str, shown: &str) -> Result<PathBuf> {
    let folder = place.kernels()?.join(checked(name)?);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let spec = json!({
        "argv": [program, "-f", "{connection_file}"],
        "display_name": shown,
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": { "debugger": false },
        // A Jupyter started from a desktop may not see Cargo otherwise.
        "env": { "PATH": path()?.to_string_lossy() },
    });
    write(&folder.join("logo-svg.svg"), LOGO)?;
    write(&folder.join("kernel.json"), &(serde_json::to_string_pretty(&spec)? + "\n"))?;
    Ok(folder)
}

/// Removes the folder and returns where it was.
///
/// # Errors
/// When there is none, or one that is not ours.
pub fn uninstall(place: &Place, name: &str) -> Result<PathBuf> {
    let folder = place.kernels()?.join(checked(name)?);
    let spec = folder.join("kernel.json");
    let text = fs::read_to_string(&spec).with_context(|| format!("found no {}", spec.display()))?;
    let spec: Value = serde_json::from_str(&text).with_context(|| format!("{} isn't JSON", spec.display()))?;
    let program = spec["argv"][0].as_str().unwrap_or_default();
    let ours = Path::new(program).file_name().is_some_and(|file| file.to_string_lossy().starts_with("scdd-kernel"));
    if !ours {
        bail!("found a kernel that starts {program:?} in {}, expected ours; it is left alone", folder.display());
    }
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    Ok(folder)
}

/// Jupyter takes letters, digits, `.`, `-` and `_`.
fn checked(name: &str) -> Result<&str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        bail!("found the name {name:?}, expected letters, digits, '.', '-' and '_'");
    }
    Ok(name)
}

/// PATH with Cargo's folder.
fn path() -> Result<std::ffi::OsString> {
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    if let Some(cargo) = home.map(|home| home.join("bin"))
        && !folders.contains(&cargo)
    {
        folders.push(cargo);
    }
    Ok(env::join_paths(folders)?)
}

/// Whole or not at all.
fn write(path: &Path, text: &str) -> Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, text).with_context(|| format!("writing {}", beside.display()))?;
    fs::rename(&beside, path).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty_folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("scdd-kernel-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn installed_for_an_environment_and_removed_again() {
        let prefix = empty_folder("install");
        let place = Place::Prefix(prefix.clone());
        let program = Path::new("/opt/scdd-kernel");
        let folder = install_program(program, &place, "scdd-test", "scdd (test)").unwrap();
        assert_eq!(folder, prefix.join("share/jupyter/kernels/scdd-test"));
        let spec: Value = serde_json::from_str(&fs::read_to_string(folder.join("kernel.json")).unwrap()).unwrap();
        assert_eq!(spec["argv"], json!(["/opt/scdd-kernel", "-f", "{connection_file}"]));
        assert_eq!(spec["interrupt_mode"], "message");
        assert_eq!(uninstall(&place, "scdd-test").unwrap(), folder);
        assert!(!folder.exists());
        let _ = fs::remove_dir_all(prefix);
    }

    #[test]
    fn a_kernel_that_is_not_ours_stays() {
        let prefix = empty_folder("foreign");
        let folder = prefix.join("share/jupyter/kernels/python3");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("kernel.json"), r#"{"argv": ["/usr/bin/python3"]}"#).unwrap();
        let error = uninstall(&Place::Prefix(prefix.clone()), "python3").unwrap_err().to_string();
        assert!(error.contains("/usr/bin/python3") && folder.exists(), "{error}");
        let _ = fs::remove_dir_all(prefix);
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in ["", "../python3", "a b", ".hidden", "a/b"] {
            assert!(checked(name).is_err(), "{name}");
        }
    }
}

//! Hard-linked copies of folders for one session, which cost neither time nor space.
//!
//! Compiled files are hard links: rustc, ar and the linker write a new file and never into an old one. What Cargo
//! writes into (fingerprints, the records of build scripts) is copied. Times are kept: Cargo compares them.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Copies `from` with all that is in it.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    walk(from, to, &mut copy)
}

/// Links one profile's folder of a target folder: crates, build scripts with their results, fingerprints.
pub fn link_build(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for (part, transfer) in [("deps", link as Transfer), (".fingerprint", copy)] {
        let part_from = from.join(part);
        if part_from.exists() {
            walk(&part_from, &to.join(part), &mut { transfer })?;
        }
    }
    let build = from.join("build");
    if build.exists() {
        // `<crate>/output`, `root-output` and the like are Cargo's; `<crate>/out/` is the script's.
        walk(&build, &to.join("build"), &mut |from, to| {
            let is_record = from.parent().and_then(Path::parent) == Some(&build) && !is_program(from);
            if is_record { copy(from, to) } else { link(from, to) }
        })?;
    }
    // The facade's shared object, which Cargo puts beside `deps` as well.
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name().to_string_lossy().starts_with("libscdd") {
            link(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

type Transfer = fn(&Path, &Path) -> io::Result<()>;

fn walk(from: &Path, to: &Path, transfer: &mut dyn FnMut(&Path, &Path) -> io::Result<()>) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&from, &to, transfer)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
        } else {
            match transfer(&from, &to) {
                // A build that runs at the same time took it away: Cargo makes it again where it is needed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done.with_context(|| format!("{} to {}", from.display(), to.display()))?,
            }
        }
    }
    Ok(())
}

fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let modified = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    File::options().write(true).open(to)?.set_modified(modified)
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
}

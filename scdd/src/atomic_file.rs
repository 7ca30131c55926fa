//! Atomic writes: a file is written to a temporary one in the same folder, which is renamed when it is complete.

use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// The folder of a file; the current one where its path names none.
fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses a path at which no file can be written, and says how to fix it.
pub(crate) fn check_path(path: &Path) -> Result<(), String> {
    let folder = folder(path);
    if !folder.is_dir() {
        return Err(format!("there is no folder {}; make it first", folder.display()));
    }
    if path.is_dir() {
        return Err("it is a folder; name a file".to_owned());
    }
    Ok(())
}

/// Writes a file by `fill`, under a hidden name that ends in `ending` until it is complete.
pub(crate) fn write(
    path: &Path,
    ending: &str,
    fill: impl FnOnce(&mut NamedTempFile) -> io::Result<()>,
) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".scdd-").suffix(ending);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // the umask decides, as for any file; tempfile's default would hide results from other users
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.tempfile_in(folder(path))?;
    fill(&mut temporary)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

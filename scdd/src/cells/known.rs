//! The data set of the demonstration: human pancreas of Baron et al. 2016, as it comes with the Python package
//! `came` 0.1.13; `cargo xtask data` fetches it.

use std::path::{Path, PathBuf};

use super::h5ad::{read_h5ad, sha256};
use super::{Cells, CellsError, Counts, FileProblem, simulate};
use crate::Result;

const FILE: &str = "baron_human.h5ad";
const SHA256: &str = "c0fca7f46d5ae82d8b5753ed5ce246cded66e2e870face389bd11084aab17700";

/// Cells to try things on: the human pancreas of Baron et al. 2016 (2,142 cells, 20,125 genes, 14 types of 623 to 2
/// cells in `obs["cell_type"]`, 4 donors in `obs["donor"]`) when `baron_human.h5ad` is in the folder that `SCDD_DATA` names,
/// else in `$XDG_CACHE_HOME/scdd` or `~/.cache/scdd`. When it is not, says so and gives
/// [simulated](crate::simulate) cells with the same columns `cell_type` and `donor`.
///
/// # Errors
/// When the file is there but is not the known one (its SHA-256 differs), or cannot be read.
///
/// ```no_run
/// let cells = scdd::demo_cells()?;
/// cells.labels("cell_type")?;
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn demo_cells() -> Result<Cells<Counts>> {
    demo_cells_from(cache_folder().as_deref())
}

/// The folder of data sets and cached embeddings, if the environment names one.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    data_folder(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

/// `$SCDD_DATA`, else `$XDG_CACHE_HOME/scdd`, else `~/.cache/scdd`.
fn data_folder(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let cache = || variable("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || variable("HOME").map(|home| Path::new(&home).join(".cache"));
    variable("SCDD_DATA").map(PathBuf::from).or_else(|| cache().or_else(home).map(|cache| cache.join("scdd")))
}

fn demo_cells_from(folder: Option<&Path>) -> Result<Cells<Counts>> {
    let Some(path) = folder.map(|folder| folder.join(FILE)).filter(|path| path.is_file()) else {
        let searched = folder.map_or_else(|| "any known folder".to_string(), |folder| folder.display().to_string());
        println!("{FILE} is not in {searched}: going on with simulated cells; `cargo xtask data` fetches it");
        return simulate().run()?.rename_obs("batch", "donor");
    };
    let found = sha256(&path).map_err(|problem| CellsError::file(&path, problem))?;
    if found != SHA256 {
        return Err(CellsError::file(&path, FileProblem::OtherFile { found, expected: SHA256 }).into());
    }
    read_h5ad(&path)?.rename_obs("cell_type1", "cell_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_file_the_cells_are_simulated_and_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let cells = demo_cells_from(Some(folder.path())).unwrap();
        assert_eq!(cells.provenance().source, "simulated");
        assert!(cells.labels("cell_type").is_ok());
    }

    #[test]
    fn a_file_of_that_name_that_is_another_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), b"something else").unwrap();
        let error = demo_cells_from(Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains("c0fca7f4") && error.contains("cargo xtask data"), "{error}");
    }

    #[test]
    fn the_folder_is_the_named_one_before_the_cache() {
        let with = |names: &'static [(&str, &str)]| {
            data_folder(move |name| names.iter().find(|entry| entry.0 == name).map(|entry| entry.1.into()))
        };
        assert_eq!(with(&[("SCDD_DATA", "/d"), ("HOME", "/h")]), Some("/d".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/scdd".into()));
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.cache/scdd".into()));
        assert_eq!(with(&[]), None);
    }
}

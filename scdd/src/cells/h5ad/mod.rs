//! Reading and writing .h5ad files. Elements are read one by one, so that one that can't be read (in `obsm`, ...) doesn't keep
//! the others from being read; only the matrix, `obs`, `var` and `obsm` are.

mod annotations;
mod error;
mod hdf5;
mod matrix;
mod obsm;
mod scan;
mod write;

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::check::{UncheckedCells, make_unique};
use super::{Cells, CellsError, Counts, LogNormalized, Provenance};
use crate::Result;
use crate::text::grouped;

pub use error::FileProblem;
pub(crate) use scan::sha256;
pub(crate) use write::{H5adContents, write_h5ad};

/// Reads counts `[cells, genes]` from `X` of an .h5ad file, with `obs` and `var`. Short for
/// [`H5ad::open`]`(path).read()`; counts in `raw` or in a layer are read with that builder.
///
/// # Errors
/// See [`H5ad::read`].
///
/// ```no_run
/// let cells = scdd::read_h5ad("baron_human.h5ad")?;
/// println!("{}", cells.summary());
/// # Ok::<(), scdd::Error>(())
/// ```
pub fn read_h5ad(path: impl AsRef<Path>) -> Result<Cells<Counts>> {
    H5ad::open(path).read()
}

/// What made a file that this crate wrote: the JSON in `uns["scdd"]["recipe"]`; None in other files.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("cells.h5ad");
/// scdd::simulate().cells(50).genes(40).classes(2).run()?.write_h5ad(&path)?;
/// let recipe = scdd::cells::read_recipe(&path)?.unwrap();
/// assert_eq!(recipe["stage"], "Counts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the file is no HDF5 file, or is damaged.
pub fn read_recipe(path: impl AsRef<Path>) -> Result<Option<serde_json::Value>> {
    let path = path.as_ref();
    let read = || -> Result<Option<serde_json::Value>, FileProblem> {
        hdf5::check_signature(path)?;
        let file = hdf5::open(path)?;
        let recipe = ["uns", "scdd"].into_iter().try_fold((*file).clone(), |group, name| {
            if group.link_exists(name) { group.group(name).ok() } else { None }
        });
        let Some(group) = recipe.filter(|group| group.link_exists("recipe")) else { return Ok(None) };
        let text = hdf5::strings(&*hdf5::dataset(&group, "recipe")?)?;
        Ok(text.first().and_then(|text| serde_json::from_str(text).ok()))
    };
    Ok(read().map_err(|problem| CellsError::file(path, problem))?)
}

/// Which matrix of a file, and how it is read. `Stage` is what the matrix holds: [`Counts`], or
/// [`LogNormalized`] after [`log_normalized`](H5ad::log_normalized).
///
/// Compressed rows and columns and dense matrices of any kind of number are read, from files of anndata 0.7 and
/// later.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("cells.h5ad");
/// scdd::simulate().cells(50).genes(40).classes(2).run()?.write_h5ad(&path)?;
/// let cells = scdd::H5ad::open(&path).unique_gene_names().read()?;
/// assert_eq!(cells.cells(), 50);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is read before .read()"]
pub struct H5ad<Stage = Counts> {
    path: PathBuf,
    part: Part,
    unique_gene_names: bool,
    every_column: bool,
    stage: PhantomData<Stage>,
}

#[derive(Clone, Debug)]
enum Part {
    X,
    Raw,
    Layer(String),
}

impl H5ad<Counts> {
    /// Names the file; nothing is opened before `.read()`.
    pub fn open(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_path_buf(),
            part: Part::X,
            unique_gene_names: false,
            every_column: false,
            stage: PhantomData,
        }
    }

    /// The matrix is log-normalised already, on purpose: `.read()` gives `Cells<LogNormalized>`.
    pub fn log_normalized(self) -> H5ad<LogNormalized> {
        let Self { path, part, unique_gene_names, every_column, .. } = self;
        H5ad { path, part, unique_gene_names, every_column, stage: PhantomData }
    }

    /// Reads and checks.
    ///
    /// # Errors
    /// When the file is not HDF5, is cut off or damaged, has no such matrix, or the matrix is empty, has values
    /// that are not finite or two for one gene of a cell; and when [`Cells::new`] refuses the parts: gene names
    /// that come twice, negative or fractional values, log-normalised input. Each says what was found and how to fix it.
    pub fn read(&self) -> Result<Cells<Counts>> {
        let cells = self.read_unchecked().and_then(|cells| Ok(cells.counts()?));
        Ok(cells.map_err(|problem| CellsError::file(&self.path, problem))?)
    }
}

impl H5ad<LogNormalized> {
    /// Reads and checks; errors as for counts, with the checks of [`Cells::log_normalized`].
    ///
    /// # Errors
    /// As for counts; and when the values are counts, negative or too large to be logarithms.
    pub fn read(&self) -> Result<Cells<LogNormalized>> {
        let cells = self.read_unchecked().and_then(|cells| Ok(cells.log_normalized()?));
        Ok(cells.map_err(|problem| CellsError::file(&self.path, problem))?)
    }
}

impl<Stage> H5ad<Stage> {
    /// Reads `layers/<name>` instead of `X`.
    pub fn layer(mut self, name: &str) -> Self {
        self.part = Part::Layer(name.to_string());
        self
    }

    /// Reads `raw/X` and `raw/var` instead of `X` and `var`: where scanpy's users keep values before selection
    /// and scaling.
    pub fn raw(mut self) -> Self {
        self.part = Part::Raw;
        self
    }

    /// Appends -1, -2, ... to gene names that come again, as Python's `var_names_make_unique`; without it they
    /// are an error.
    pub fn unique_gene_names(mut self) -> Self {
        self.unique_gene_names = true;
        self
    }

    /// Makes a column of `obs` or `var` that cannot be read an error; without it the column is left out, and the
    /// provenance says so.
    pub fn every_column(mut self) -> Self {
        self.every_column = true;
        self
    }

    fn read_unchecked(&self) -> Result<UncheckedCells, FileProblem> {
        hdf5::check_signature(&self.path)?;
        let sha256 = Some(scan::check(&self.path)?);
        let file = hdf5::open(&self.path)?;
        // before the matrix, because its error is the clearest for a file from before anndata 0.7
        let obs = annotations::read(&file, "obs")?;
        let (matrix_group, matrix, var_group) = match &self.part {
            Part::X => ((*file).clone(), "X", (*file).clone()),
            Part::Raw => {
                let raw = file.group("raw").map_err(|_| self.no_matrix(&file, "raw"))?;
                (raw.clone(), "X", raw)
            }
            Part::Layer(name) => {
                let layers = file.group("layers").map_err(|_| self.no_matrix(&file, &format!("layer '{name}'")))?;
                (layers, name.as_str(), (*file).clone())
            }
        };
        if !matrix_group.link_exists(matrix) {
            return Err(self.no_matrix(&file, &format!("{}/{matrix}", matrix_group.name().trim_end_matches('/'))));
        }
        let expression = matrix::read(&matrix_group, matrix)?;
        let var = annotations::read(&var_group, "var")?;
        let mut steps: Vec<String> = [obs.skipped, var.skipped].concat();
        if self.every_column && !steps.is_empty() {
            return Err(FileProblem::Columns { skipped: steps });
        }
        let mut gene_names = var.names;
        if self.unique_gene_names {
            let (unique, changed) = make_unique(gene_names);
            gene_names = unique;
            steps.push(format!("{} repeated gene names made unique", grouped(changed)));
        }
        let provenance = Provenance { source: self.path.display().to_string(), sha256, steps };
        let obsm = obsm::read(&file, obs.names.len());
        let (cell_names, obs, var) = (obs.names, obs.frame, var.frame);
        Ok(UncheckedCells { expression, cell_names, gene_names, obs, var, obsm, provenance })
    }

    fn no_matrix(&self, file: &hdf5_metno::File, wanted: &str) -> FileProblem {
        let mut matrices: Vec<String> =
            ["X", "raw/X"].into_iter().filter(|name| file.link_exists(name)).map(String::from).collect();
        let layers = file.group("layers").and_then(|layers| layers.member_names()).unwrap_or_default();
        matrices.extend(layers.into_iter().map(|name| format!("layer '{name}'")));
        FileProblem::NoMatrix { wanted: wanted.to_owned(), matrices }
    }
}

#[cfg(test)]
mod tests;

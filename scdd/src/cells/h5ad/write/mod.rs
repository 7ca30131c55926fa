//! Writes cells to an .h5ad file, through anndata-rs's backend: gzip instead of its default blosc, which plain h5py cannot
//! read; text columns as categoricals. The file appears under its name only when it is complete.

mod frame;
mod uns;

use std::ops::Range;
use std::path::Path;

use anndata::backend::{AttributeOp, Backend, BackendData, Compression, DatasetOp, GroupOp, StoreOp, WriteConfig};
use anndata::data::SelectInfoElem;
use anndata_hdf5::H5;
use ndarray::{Array1, Array2, ArrayView1};
use polars::prelude::DataFrame;
use serde_json::{Value, json};

use frame::write_frame;
use uns::write_value;

use crate::Result;
use crate::atomic_file;
use crate::cells::{Cells, CellsError, Expression, FileProblem, Obsm};

type Group = <H5 as Backend>::Group;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Elements of a compressed chunk: 512 KiB of f32.
const CHUNK: usize = 1 << 17;

/// What is written into a file.
pub(crate) struct H5adContents<'a> {
    pub(crate) expression: &'a Expression,
    pub(crate) cell_names: &'a [String],
    pub(crate) gene_names: &'a [String],
    pub(crate) obs: &'a DataFrame,
    pub(crate) var: &'a DataFrame,
    pub(crate) obsm: &'a Obsm,
    /// An object: objects become groups, null is left out.
    pub(crate) uns: &'a Value,
}

impl<Stage> Cells<Stage> {
    /// Writes the cells as .h5ad, readable by Python's anndata and scanpy without plugins: `X` as compressed rows
    /// of float32, text columns as categoricals, and the provenance as JSON in `uns["scdd"]["recipe"]`. Everything
    /// but the matrix is small; a file of that name is replaced only when the new one is complete.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written, and when a name holds a NUL character.
    pub fn write_h5ad(&self, path: impl AsRef<Path>) -> Result<()> {
        let stage = std::any::type_name::<Stage>().rsplit("::").next().unwrap_or_default();
        let recipe = json!({ "stage": stage, "provenance": self.provenance });
        let mut uns = json!({ "scdd": {
            "recipe": recipe.to_string(),
            "version": env!("CARGO_PKG_VERSION"),
            "stage": stage,
            "source": self.provenance.source,
        }});
        if stage == "LogNormalized" {
            // how scanpy knows that the logarithm has been taken
            uns["log1p"] = json!({});
        }
        Ok(write_h5ad(
            path.as_ref(),
            &H5adContents {
                expression: &self.expression,
                cell_names: &self.cell_names,
                gene_names: &self.gene_names,
                obs: &self.obs,
                var: &self.var,
                obsm: &self.obsm,
                uns: &uns,
            },
        )?)
    }
}

/// Writes beside the target, then renames: nobody ever sees half a file.
pub(crate) fn write_h5ad(path: &Path, parts: &H5adContents) -> Result<(), CellsError> {
    let failed = |problem: &dyn std::fmt::Display| CellsError::file(path, FileProblem::NotWritten(problem.to_string()));
    atomic_file::check_path(path).map_err(|problem| failed(&problem))?;
    let fill = |temporary: &mut tempfile::NamedTempFile| {
        write_file(temporary.path(), parts).map_err(|problem| std::io::Error::other(problem.to_string()))
    };
    atomic_file::write(path, ".h5ad.part", fill).map_err(|problem| failed(&problem))
}

fn write_file(path: &Path, parts: &H5adContents) -> Result<(), Failure> {
    let file = H5::new(path)?;
    {
        // the file's own root group, which carries attributes as groups do
        let mut root = file.open_group("/")?;
        encoding(&mut root, "anndata", "0.1.0")?;
        write_matrix(&root, parts.expression)?;
        write_frame(&root, "obs", parts.cell_names, parts.obs)?;
        write_frame(&root, "var", parts.gene_names, parts.var)?;
        for name in ["layers", "obsp", "varm", "varp"] {
            encoding(&mut root.new_group(name)?, "dict", "0.1.0")?;
        }
        let mut obsm = root.new_group("obsm")?;
        encoding(&mut obsm, "dict", "0.1.0")?;
        parts.obsm.iter().try_for_each(|(key, array)| write_embedding(&obsm, key, array))?;
        write_value(&root, "uns", parts.uns)?;
    }
    file.close()?;
    Ok(())
}

fn encoding(location: &mut impl AttributeOp<H5>, kind: &str, version: &str) -> Result<(), Failure> {
    location.new_attr("encoding-type", kind)?;
    location.new_attr("encoding-version", version)?;
    Ok(())
}

fn write_matrix(root: &Group, expression: &Expression) -> Result<(), Failure> {
    let mut matrix = root.new_group("X")?;
    encoding(&mut matrix, "csr_matrix", "0.1.0")?;
    matrix.new_attr("shape", vec![expression.cells(), expression.genes()])?;
    let (indptr, indices) = (expression.indptr(), expression.indices());
    write_pieces(&matrix, "data", expression.nnz(), |range| expression.values()[range].to_vec())?;
    // scipy keeps both in one type and would convert when they differ
    if i32::try_from(expression.nnz()).is_ok() {
        let narrow = |range: Range<usize>| indices[range].iter().map(|&gene| gene as i32).collect::<Vec<_>>();
        write_pieces(&matrix, "indices", indices.len(), narrow)?;
        write_pieces(&matrix, "indptr", indptr.len(), |range| {
            indptr[range].iter().map(|&end| end as i32).collect::<Vec<_>>()
        })
    } else {
        let wide = |range: Range<usize>| indices[range].iter().map(|&gene| i64::from(gene)).collect::<Vec<_>>();
        write_pieces(&matrix, "indices", indices.len(), wide)?;
        write_pieces(&matrix, "indptr", indptr.len(), |range| {
            indptr[range].iter().map(|&end| end as i64).collect::<Vec<_>>()
        })
    }
}

fn config(length: usize) -> WriteConfig {
    let compression = (length > 128).then_some(Compression::Gzip(4));
    WriteConfig { compression, block_size: Some(length.clamp(1, CHUNK).into()) }
}

/// Writes a long array piece by piece, so that conversion needs no second copy of it.
fn write_pieces<T: BackendData>(
    group: &Group,
    name: &str,
    length: usize,
    piece: impl Fn(Range<usize>) -> Vec<T>,
) -> Result<(), Failure> {
    let array = group.new_empty_dataset::<T>(name, &length.into(), config(length))?;
    for start in (0..length).step_by(CHUNK * 8) {
        let range = start..(start + CHUNK * 8).min(length);
        let values = Array1::from_vec(piece(range.clone()));
        array.write_array_slice(values.view().into(), &[SelectInfoElem::from(range)])?;
    }
    Ok(())
}

fn write_array<T: BackendData>(group: &Group, name: &str, values: &[T], kind: &str) -> Result<(), Failure> {
    let view = ArrayView1::from(values);
    let mut array = group.new_array_dataset(name, view.into(), config(values.len()))?;
    encoding(&mut array, kind, "0.2.0")
}

fn write_embedding(group: &Group, key: &str, values: &Array2<f32>) -> Result<(), Failure> {
    if key.is_empty() || key.contains(['/', '\0']) {
        return Err(format!("obsm key '{key}' cannot be a name in HDF5; choose another").into());
    }
    let (cells, dimensions) = values.dim();
    let rows = (CHUNK / dimensions.max(1)).clamp(1, cells.max(1));
    let compression = (values.len() > 128).then_some(Compression::Gzip(4));
    let config = WriteConfig { compression, block_size: Some([rows, dimensions].as_slice().into()) };
    let mut array = group.new_array_dataset(key, values.view().into(), config)?;
    encoding(&mut array, "array", "0.2.0")
}

fn write_strings(group: &Group, name: &str, values: &[String]) -> Result<(), Failure> {
    if let Some(text) = values.iter().find(|text| text.contains('\0')) {
        return Err(format!("{text:?} in '{name}' holds a NUL character, which HDF5's text cannot; rename it").into());
    }
    write_array(group, name, values, "string-array")
}

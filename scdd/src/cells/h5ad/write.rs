//! Writes cells to an .h5ad file in anndata's on-disk format 0.1.0: gzip, which plain h5py reads; text columns as categoricals.
//! The file appears under its name only when it is complete.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use hdf5_metno::types::VarLenUnicode;
use hdf5_metno::{Dataset, File, Group, H5Type, Location, SimpleExtents};
use ndarray::{Array2, ArrayView, ArrayView1, Dimension};
use polars::prelude::{Column, DataFrame, DataType};
use serde_json::{Value, json};

use crate::Result;
use crate::atomic_file;
use crate::cells::{Cells, CellsError, Expression, FileProblem, Obsm};

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
    let file = File::create(path)?;
    {
        // the file's own root group, which carries attributes as groups do
        let root = file.group("/")?;
        encoding(&root, "anndata", "0.1.0")?;
        write_matrix(&root, parts.expression)?;
        write_frame(&root, "obs", parts.cell_names, parts.obs)?;
        write_frame(&root, "var", parts.gene_names, parts.var)?;
        for name in ["layers", "obsp", "varm", "varp"] {
            let group = root.create_group(name)?;
            encoding(&group, "dict", "0.1.0")?;
        }
        let obsm = root.create_group("obsm")?;
        encoding(&obsm, "dict", "0.1.0")?;
        parts.obsm.iter().try_for_each(|(key, array)| write_embedding(&obsm, key, array))?;
        write_value(&root, "uns", parts.uns)?;
    }
    file.close()?;
    Ok(())
}

fn attribute<T: H5Type>(location: &Location, name: &str, value: &T) -> Result<(), Failure> {
    Ok(location.new_attr::<T>().create(name)?.write_scalar(value)?)
}

fn encoding(location: &Location, kind: &str, version: &str) -> Result<(), Failure> {
    attribute(location, "encoding-type", &text(kind)?)?;
    attribute(location, "encoding-version", &text(version)?)
}

/// HDF5's text ends at a NUL character.
fn text(value: &str) -> Result<VarLenUnicode, Failure> {
    value.parse().map_err(|_| format!("{value:?} holds a NUL character, which HDF5's text cannot; rename it").into())
}

fn write_matrix(root: &Group, expression: &Expression) -> Result<(), Failure> {
    let matrix = root.create_group("X")?;
    encoding(&matrix, "csr_matrix", "0.1.0")?;
    let shape = [expression.cells() as i64, expression.genes() as i64];
    matrix.new_attr_builder().with_data(&shape).create("shape")?;
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

/// An array without values yet, in chunks; compressed where that pays.
fn create<T: H5Type>(group: &Group, name: &str, shape: &[usize], chunk: &[usize]) -> Result<Dataset, Failure> {
    let builder = group.new_dataset::<T>();
    let builder = if shape.iter().product::<usize>() > 128 { builder.deflate(4) } else { builder };
    Ok(builder.chunk(chunk).shape(SimpleExtents::resizable(shape)).create(name)?)
}

/// Writes a long array piece by piece, so that conversion needs no second copy of it.
fn write_pieces<T: H5Type>(
    group: &Group,
    name: &str,
    length: usize,
    piece: impl Fn(Range<usize>) -> Vec<T>,
) -> Result<(), Failure> {
    let array = create::<T>(group, name, &[length], &[length.clamp(1, CHUNK)])?;
    for start in (0..length).step_by(CHUNK * 8) {
        let range = start..(start + CHUNK * 8).min(length);
        array.write_slice(&piece(range.clone()), range)?;
    }
    Ok(())
}

fn write_array<T: H5Type>(group: &Group, name: &str, values: &[T], kind: &str) -> Result<(), Failure> {
    write_whole(group, name, ArrayView1::from(values), &[values.len().clamp(1, CHUNK)], kind)
}

fn write_whole<T: H5Type, D: Dimension>(
    group: &Group,
    name: &str,
    values: ArrayView<T, D>,
    chunk: &[usize],
    kind: &str,
) -> Result<(), Failure> {
    let array = create::<T>(group, name, values.shape(), chunk)?;
    array.write(values)?;
    encoding(&array, kind, "0.2.0")
}

fn write_embedding(group: &Group, key: &str, values: &Array2<f32>) -> Result<(), Failure> {
    if key.is_empty() || key.contains(['/', '\0']) {
        return Err(format!("obsm key '{key}' cannot be a name in HDF5; choose another").into());
    }
    let (cells, dimensions) = values.dim();
    let rows = (CHUNK / dimensions.max(1)).clamp(1, cells.max(1));
    let values = values.as_standard_layout();
    write_whole(group, key, values.view(), &[rows, dimensions.max(1)], "array")
}

fn write_strings(group: &Group, name: &str, values: &[String]) -> Result<(), Failure> {
    let texts = values.iter().map(|value| text(value).map_err(|problem| format!("in '{name}': {problem}").into()));
    write_array(group, name, &texts.collect::<Result<Vec<_>, Failure>>()?, "string-array")
}

fn write_frame(root: &Group, name: &str, index: &[String], frame: &DataFrame) -> Result<(), Failure> {
    let group = root.create_group(name)?;
    encoding(&group, "dataframe", "0.2.0")?;
    let order: Vec<&str> = frame.get_column_names().into_iter().map(|column| column.as_str()).collect();
    if let Some(wrong) =
        order.iter().find(|column| column.is_empty() || **column == "_index" || column.contains(['/', '\0']))
    {
        return Err(format!("column '{wrong}' of {name} cannot be a name in HDF5; rename it").into());
    }
    attribute(&group, "_index", &text("_index")?)?;
    let order = order.into_iter().map(text).collect::<Result<Vec<_>, Failure>>()?;
    group.new_attr_builder().with_data(&order).create("column-order")?;
    write_strings(&group, "_index", index)?;
    frame.columns().iter().try_for_each(|column| write_column(&group, column))
}

fn write_column(frame: &Group, column: &Column) -> Result<(), Failure> {
    let (name, missing) = (column.name().as_str(), column.null_count() > 0);
    match column.dtype() {
        DataType::Boolean if missing => {
            let values: Vec<bool> = column.bool()?.iter().map(|value| value.unwrap_or(false)).collect();
            write_nullable(frame, column, "nullable-boolean", &values)
        }
        DataType::Boolean => {
            let values: Vec<bool> = column.bool()?.iter().flatten().collect();
            write_array(frame, name, &values, "array")
        }
        DataType::Float32 => {
            let values: Vec<f32> = column.f32()?.iter().map(|value| value.unwrap_or(f32::NAN)).collect();
            write_array(frame, name, &values, "array")
        }
        DataType::Float64 => {
            let values: Vec<f64> = column.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect();
            write_array(frame, name, &values, "array")
        }
        kind if kind.is_integer() => {
            let numbers = column.cast(&DataType::Int64)?;
            let values: Vec<i64> = numbers.i64()?.iter().map(|value| value.unwrap_or(0)).collect();
            if missing {
                return write_nullable(frame, column, "nullable-integer", &values);
            }
            write_array(frame, name, &values, "array")
        }
        _ => write_categorical(frame, column),
    }
}

fn write_nullable<T: H5Type>(frame: &Group, column: &Column, kind: &str, values: &[T]) -> Result<(), Failure> {
    let group = frame.create_group(column.name())?;
    encoding(&group, kind, "0.1.0")?;
    let mask: Vec<bool> = column.is_null().iter().map(|missing| missing.unwrap_or(true)).collect();
    write_array(&group, "values", values, "array")?;
    write_array(&group, "mask", &mask, "array")
}

/// Text as codes into sorted categories; a null is the code -1, so that no null string is ever written.
fn write_categorical(frame: &Group, column: &Column) -> Result<(), Failure> {
    let text = column.cast(&DataType::String)?;
    let text = text.str()?;
    let mut code_of: BTreeMap<&str, i32> = text.iter().flatten().map(|value| (value, 0)).collect();
    for (code, entry) in code_of.values_mut().enumerate() {
        *entry = i32::try_from(code)?;
    }
    let codes: Vec<i32> = text.iter().map(|value| value.map_or(-1, |value| code_of[value])).collect();
    let categories: Vec<String> = code_of.keys().map(|category| category.to_string()).collect();
    let group = frame.create_group(column.name())?;
    encoding(&group, "categorical", "0.2.0")?;
    attribute(&group, "ordered", &false)?;
    write_strings(&group, "categories", &categories)?;
    // pandas takes the narrowest type
    match (i8::try_from(categories.len()), i16::try_from(categories.len())) {
        (Ok(_), _) => write_array(&group, "codes", &codes.iter().map(|&code| code as i8).collect::<Vec<_>>(), "array"),
        (_, Ok(_)) => write_array(&group, "codes", &codes.iter().map(|&code| code as i16).collect::<Vec<_>>(), "array"),
        _ => write_array(&group, "codes", &codes, "array"),
    }
}

/// JSON to `uns`: objects are groups, lists of one kind are arrays, any other list is its JSON text.
fn write_value(parent: &Group, name: &str, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Null => Ok(()),
        Value::Bool(truth) => write_scalar(parent, name, truth, "numeric-scalar"),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => write_scalar(parent, name, &whole, "numeric-scalar"),
            None => write_scalar(parent, name, &number.as_f64().unwrap_or(f64::NAN), "numeric-scalar"),
        },
        Value::String(value) => write_scalar(parent, name, &text(&value.replace('\0', ""))?, "string"),
        Value::Array(values) => {
            if let Some(whole) = values.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>() {
                write_array(parent, name, &whole, "array")
            } else if let Some(numbers) = values.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>() {
                write_array(parent, name, &numbers, "array")
            } else if values.iter().all(Value::is_string) {
                let texts: Vec<String> = values.iter().flat_map(Value::as_str).map(String::from).collect();
                write_strings(parent, name, &texts)
            } else {
                write_scalar(parent, name, &text(&value.to_string())?, "string")
            }
        }
        Value::Object(entries) => {
            let group = parent.create_group(name)?;
            encoding(&group, "dict", "0.1.0")?;
            entries.iter().try_for_each(|(key, value)| write_value(&group, &key.replace('/', "_"), value))
        }
    }
}

fn write_scalar<T: H5Type>(parent: &Group, name: &str, value: &T, kind: &str) -> Result<(), Failure> {
    let array = parent.new_dataset::<T>().create(name)?;
    array.write_scalar(value)?;
    encoding(&array, kind, "0.2.0")
}

//! `obs` and `var` from an .h5ad file: anndata's dataframe encoding 0.2.0, and that of anndata 0.7 (0.1.0), where
//! categories live in `__categories/<column>` beside the codes.

use hdf5_metno::types::{FloatSize, TypeDescriptor};
use hdf5_metno::{Dataset, Group};
use polars::prelude::{Column, DataFrame, DataType, NamedFrom, Series};

use super::FileProblem;
use super::hdf5::{dataset, group, length_1d, numbers, strings, text_attribute, texts_attribute};
use crate::cells::CellsError;

/// Encodings of a column that is a group.
const COLUMN_KINDS: &str = "categorical, nullable-integer, nullable-boolean or nullable-string-array";

/// A frame as read: the index, the columns, and which columns could not be read and why.
pub(super) struct Annotations {
    pub(super) names: Vec<String>,
    pub(super) frame: DataFrame,
    pub(super) skipped: Vec<String>,
}

/// Reads the frame `name` of a group.
pub(super) fn read(parent: &Group, name: &'static str) -> Result<Annotations, FileProblem> {
    if parent.dataset(name).is_ok() {
        return Err(FileProblem::BeforeAnndata07 { name });
    }
    let frame = group(parent, name)?;
    let members = frame.member_names().map_err(|problem| {
        let (array, problem) = (frame.name(), problem.to_string());
        FileProblem::Unreadable { array, problem }
    })?;
    let index = text_attribute(&frame, "_index").or_else(|| {
        ["_index", "index"].into_iter().find(|index| members.iter().any(|member| member == index)).map(String::from)
    });
    let Some(index) = index else { return Err(FileProblem::NoIndex { name, members }) };
    let names = as_names(read_column(&frame, &index)?)?;

    let listed = texts_attribute(&frame, "column-order").unwrap_or_else(|| members.clone());
    let (mut columns, mut skipped): (Vec<Column>, Vec<String>) = (Vec::new(), Vec::new());
    for column in listed.iter().filter(|column| **column != index && *column != "__categories") {
        if columns.iter().any(|known| known.name() == column) {
            continue;
        }
        match read_column(&frame, column) {
            Ok(series) if series.len() == names.len() => columns.push(series.with_name(column.into()).into()),
            Ok(series) => {
                skipped.push(format!("{name} column '{column}' skipped: {} values, not {}", series.len(), names.len()))
            }
            Err(problem) => skipped.push(format!("{name} column '{column}' skipped: {problem}")),
        }
    }
    let frame = DataFrame::new(names.len(), columns).map_err(CellsError::from)?;
    Ok(Annotations { names, frame, skipped })
}

fn as_names(index: Series) -> Result<Vec<String>, FileProblem> {
    let text = index.cast(&DataType::String).map_err(CellsError::from)?;
    let text = text.str().map_err(CellsError::from)?;
    Ok(text.iter().map(|name| name.unwrap_or("").to_string()).collect())
}

fn read_column(frame: &Group, name: &str) -> Result<Series, FileProblem> {
    if let Ok(array) = frame.dataset(name) {
        if let Ok(categories) = frame.dataset(&format!("__categories/{name}")) {
            return categorical(&array, &read_array(&categories)?);
        }
        if array.attr("categories").is_ok() {
            return Err(FileProblem::Damaged(format!("the categories of '{name}' are not in '__categories'")));
        }
        return read_array(&array);
    }
    let column = group(frame, name)?;
    match text_attribute(&column, "encoding-type").as_deref() {
        Some("categorical") => categorical(&dataset(&column, "codes")?, &read_column(&column, "categories")?),
        Some("nullable-integer" | "nullable-boolean" | "nullable-string-array") => {
            nullable(&read_array(&dataset(&column, "values")?)?, &dataset(&column, "mask")?)
        }
        other => {
            Err(FileProblem::Kind { name: column.name(), found: other.map(str::to_owned), expected: COLUMN_KINDS })
        }
    }
}

fn read_array(array: &Dataset) -> Result<Series, FileProblem> {
    length_1d(array)?;
    let kind = array.dtype().and_then(|dtype| dtype.to_descriptor());
    Ok(match kind {
        Ok(TypeDescriptor::Boolean) => Series::new("".into(), numbers::<bool>(array)?),
        Ok(TypeDescriptor::Integer(_) | TypeDescriptor::Unsigned(_)) => Series::new("".into(), numbers::<i64>(array)?),
        Ok(TypeDescriptor::Float(FloatSize::U8)) => Series::new("".into(), numbers::<f64>(array)?),
        Ok(TypeDescriptor::Float(_)) => Series::new("".into(), numbers::<f32>(array)?),
        Ok(
            TypeDescriptor::VarLenUnicode
            | TypeDescriptor::VarLenAscii
            | TypeDescriptor::FixedUnicode(_)
            | TypeDescriptor::FixedAscii(_),
        ) => Series::new("".into(), strings(array)?),
        Ok(other) => {
            let (name, found) = (array.name(), Some(other.to_string()));
            return Err(FileProblem::Kind { name, found, expected: "an array of numbers, booleans or text" });
        }
        // float16 has no Rust type here, but HDF5 converts it
        Err(_) => Series::new("".into(), numbers::<f32>(array)?),
    })
}

/// Codes into categories; pandas marks a missing value by -1. Categories become text, whatever they are.
fn categorical(codes: &Dataset, categories: &Series) -> Result<Series, FileProblem> {
    let categories = as_names(categories.clone())?;
    let value = |code: i64| match usize::try_from(code) {
        Ok(position) => match categories.get(position) {
            Some(category) => Ok(Some(category.as_str())),
            None => {
                let found = format!("'{}' has category code {code} of {} categories", codes.name(), categories.len());
                Err(FileProblem::Damaged(found))
            }
        },
        Err(_) => Ok(None),
    };
    let values: Vec<Option<&str>> = numbers::<i64>(codes)?.into_iter().map(value).collect::<Result<_, _>>()?;
    Ok(Series::new("".into(), values))
}

fn nullable(values: &Series, mask: &Dataset) -> Result<Series, FileProblem> {
    let missing = numbers::<bool>(mask)?;
    if missing.len() != values.len() {
        let found = format!("'{}' is a mask of {} for {} values", mask.name(), missing.len(), values.len());
        return Err(FileProblem::Damaged(found));
    }
    let present = Series::new("".into(), missing.iter().map(|missing| !missing).collect::<Vec<_>>());
    let present = present.bool().map_err(CellsError::from)?;
    let nothing = Series::full_null("".into(), values.len(), values.dtype());
    Ok(values.zip_with(present, &nothing).map_err(CellsError::from)?)
}

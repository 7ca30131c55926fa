//! `obs` and `var` from an .h5ad file: anndata's dataframe encoding 0.2.0, and that of anndata 0.7 (0.1.0), where
//! categories live in `__categories/<column>` beside the codes.

use hdf5_metno::types::{FloatSize, TypeDescriptor};
use hdf5_metno::{Dataset, Group};
use polars::prelude::{Column, DataFrame, DataType, NamedFrom, Series};

use super::hdf5::{Problem, dataset, group, length_1d, numbers, strings, text_attribute, texts_attribute};

/// A frame as read: the index, the columns, and which columns could not be read and why.
pub(super) struct Annotations {
    pub(super) names: Vec<String>,
    pub(super) frame: DataFrame,
    pub(super) skipped: Vec<String>,
}

/// Reads the frame `name` of a group.
pub(super) fn read(parent: &Group, name: &str) -> Result<Annotations, Problem> {
    if parent.dataset(name).is_ok() {
        return Err(format!(
            "'{name}' is one array instead of a group, as anndata wrote before 0.7; open and save the file once with Python's \
             anndata: anndata.read_h5ad(path).write_h5ad(path)"
        ));
    }
    let frame = group(parent, name)?;
    let members = frame.member_names().map_err(|problem| format!("'{name}' cannot be listed ({problem})"))?;
    let index = text_attribute(&frame, "_index").or_else(|| {
        ["_index", "index"].into_iter().find(|index| members.iter().any(|member| member == index)).map(String::from)
    });
    let index = index.ok_or_else(|| format!("'{name}' has no index; its members are {}", members.join(", ")))?;
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
    let frame = DataFrame::new(names.len(), columns).map_err(|problem| format!("'{name}': {problem}"))?;
    Ok(Annotations { names, frame, skipped })
}

fn as_names(index: Series) -> Result<Vec<String>, Problem> {
    let text = index.cast(&DataType::String).map_err(|problem| problem.to_string())?;
    let text = text.str().map_err(|problem| problem.to_string())?;
    Ok(text.iter().map(|name| name.unwrap_or("").to_string()).collect())
}

fn read_column(frame: &Group, name: &str) -> Result<Series, Problem> {
    if let Ok(array) = frame.dataset(name) {
        if let Ok(categories) = frame.dataset(&format!("__categories/{name}")) {
            return categorical(&array, &read_array(&categories)?);
        }
        if array.attr("categories").is_ok() {
            return Err("its categories are not in '__categories'".to_string());
        }
        return read_array(&array);
    }
    let column = group(frame, name)?;
    match text_attribute(&column, "encoding-type").as_deref() {
        Some("categorical") => categorical(&dataset(&column, "codes")?, &read_column(&column, "categories")?),
        Some("nullable-integer" | "nullable-boolean" | "nullable-string-array") => {
            nullable(&read_array(&dataset(&column, "values")?)?, &dataset(&column, "mask")?)
        }
        other => Err(format!("its encoding '{}' is not known", other.unwrap_or("(none given)"))),
    }
}

fn read_array(array: &Dataset) -> Result<Series, Problem> {
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
        Ok(other) => return Err(format!("it holds {other}")),
        // float16 has no Rust type here, but HDF5 converts it
        Err(_) => Series::new("".into(), numbers::<f32>(array)?),
    })
}

/// Codes into categories; pandas marks a missing value by -1. Categories become text, whatever they are.
fn categorical(codes: &Dataset, categories: &Series) -> Result<Series, Problem> {
    let categories = as_names(categories.clone())?;
    let codes = numbers::<i64>(codes)?;
    let value = |code: i64| match usize::try_from(code) {
        Ok(place) => match categories.get(place) {
            Some(category) => Ok(Some(category.as_str())),
            None => Err(format!("it has category code {code} of {} categories", categories.len())),
        },
        Err(_) => Ok(None),
    };
    let values: Vec<Option<&str>> = codes.into_iter().map(value).collect::<Result<_, _>>()?;
    Ok(Series::new("".into(), values))
}

fn nullable(values: &Series, mask: &Dataset) -> Result<Series, Problem> {
    let missing = numbers::<bool>(mask)?;
    if missing.len() != values.len() {
        return Err(format!("it has {} values and a mask of {}", values.len(), missing.len()));
    }
    let present = Series::new("".into(), missing.iter().map(|missing| !missing).collect::<Vec<_>>());
    let present = present.bool().map_err(|problem| problem.to_string())?;
    let nothing = Series::full_null("".into(), values.len(), values.dtype());
    values.zip_with(present, &nothing).map_err(|problem| problem.to_string())
}

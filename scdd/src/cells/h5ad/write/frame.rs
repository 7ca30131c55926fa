//! Writes `obs` and `var` in anndata's dataframe encoding 0.2.0: text as categoricals, missing numbers as nullable columns.

use std::collections::BTreeMap;

use anndata::backend::{AttributeOp, BackendData, GroupOp};
use polars::prelude::{Column, DataFrame, DataType};

use super::{Failure, Group, encoding, write_array, write_strings};

/// Writes `obs` or `var`: the index and each column.
pub(super) fn write_frame(root: &Group, name: &str, index: &[String], frame: &DataFrame) -> Result<(), Failure> {
    let mut group = root.new_group(name)?;
    encoding(&mut group, "dataframe", "0.2.0")?;
    let order: Vec<&str> = frame.get_column_names().into_iter().map(|column| column.as_str()).collect();
    if let Some(wrong) =
        order.iter().find(|column| column.is_empty() || **column == "_index" || column.contains(['/', '\0']))
    {
        return Err(format!("column '{wrong}' of {name} cannot be a name in HDF5; rename it").into());
    }
    group.new_attr("_index", "_index")?;
    group.new_attr("column-order", order)?;
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

fn write_nullable<T: BackendData>(frame: &Group, column: &Column, kind: &str, values: &[T]) -> Result<(), Failure> {
    let mut group = frame.new_group(column.name())?;
    encoding(&mut group, kind, "0.1.0")?;
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
    let mut group = frame.new_group(column.name())?;
    encoding(&mut group, "categorical", "0.2.0")?;
    group.new_attr("ordered", false)?;
    write_strings(&group, "categories", &categories)?;
    // pandas takes the narrowest type
    match (i8::try_from(categories.len()), i16::try_from(categories.len())) {
        (Ok(_), _) => write_array(&group, "codes", &codes.iter().map(|&code| code as i8).collect::<Vec<_>>(), "array"),
        (_, Ok(_)) => write_array(&group, "codes", &codes.iter().map(|&code| code as i16).collect::<Vec<_>>(), "array"),
        _ => write_array(&group, "codes", &codes, "array"),
    }
}

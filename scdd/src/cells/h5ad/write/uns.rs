//! Writes JSON as `uns`.

use anndata::backend::{BackendData, GroupOp};
use serde_json::Value;

use super::{Failure, Group, encoding, write_array, write_strings};

/// Writes JSON: objects are groups, lists of one kind are arrays, any other list is its JSON text.
pub(super) fn write_value(parent: &Group, name: &str, value: &Value) -> Result<(), Failure> {
    match value {
        Value::Null => Ok(()),
        Value::Bool(truth) => write_scalar(parent, name, truth, "numeric-scalar"),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => write_scalar(parent, name, &whole, "numeric-scalar"),
            None => write_scalar(parent, name, &number.as_f64().unwrap_or(f64::NAN), "numeric-scalar"),
        },
        Value::String(text) => write_scalar(parent, name, &text.replace('\0', ""), "string"),
        Value::Array(values) => {
            if let Some(whole) = values.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>() {
                write_array(parent, name, &whole, "array")
            } else if let Some(numbers) = values.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>() {
                write_array(parent, name, &numbers, "array")
            } else if values.iter().all(Value::is_string) {
                let texts: Vec<String> = values.iter().flat_map(Value::as_str).map(String::from).collect();
                write_strings(parent, name, &texts)
            } else {
                write_scalar(parent, name, &value.to_string(), "string")
            }
        }
        Value::Object(entries) => {
            let mut group = parent.new_group(name)?;
            encoding(&mut group, "dict", "0.1.0")?;
            entries.iter().try_for_each(|(key, value)| write_value(&group, &key.replace('/', "_"), value))
        }
    }
}

fn write_scalar<T: BackendData>(parent: &Group, name: &str, value: &T, kind: &str) -> Result<(), Failure> {
    let mut array = parent.new_scalar_dataset(name, value)?;
    encoding(&mut array, kind, "0.2.0")
}

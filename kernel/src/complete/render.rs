//! Types of rustdoc's JSON as a cell would write them, by their last names.

use serde_json::Value;

/// A type.
pub fn of_type(value: &Value) -> String {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else {
        return "_".to_owned();
    };
    let text = |value: &Value| value.as_str().unwrap_or("_").to_owned();
    match kind.as_str() {
        "resolved_path" => format!("{}{}", last(inner["path"].as_str().unwrap_or("_")), arguments(&inner["args"])),
        "generic" | "primitive" => text(inner),
        "borrowed_ref" => {
            let mutable = if inner["is_mutable"].as_bool() == Some(true) { "mut " } else { "" };
            format!("&{mutable}{}", of_type(&inner["type"]))
        }
        "raw_pointer" => format!("*const {}", of_type(&inner["type"])),
        "tuple" => format!("({})", joined(inner, of_type)),
        "slice" => format!("[{}]", of_type(inner)),
        "array" => format!("[{}; {}]", of_type(&inner["type"]), text(&inner["len"])),
        "impl_trait" => format!("impl {}", bounds(inner)),
        "dyn_trait" => {
            let one = |one: &Value| of_trait(&one["trait"]);
            format!("dyn {}", list(&inner["traits"]).iter().map(one).collect::<Vec<_>>().join(" + "))
        }
        "qualified_path" => format!("{}::{}", of_type(&inner["self_type"]), text(&inner["name"])),
        "function_pointer" => format!("fn({})", joined(&inner["sig"]["inputs"], |input| of_type(&input[1]))),
        _ => "_".to_owned(),
    }
}

/// `Trait<Arguments>`.
pub fn of_trait(value: &Value) -> String {
    format!("{}{}", last(value["path"].as_str().unwrap_or("_")), arguments(&value["args"]))
}

/// `name(&self, steps: usize) -> Builder`, and what it gives.
pub fn of_function(name: &str, function: &Value) -> (String, String) {
    let sig = &function["sig"];
    let input = |input: &Value| {
        let (name, of) = (input[0].as_str().unwrap_or("_"), of_type(&input[1]));
        match (name, of.as_str()) {
            ("self", "Self") => "self".to_owned(),
            ("self", "&Self") => "&self".to_owned(),
            ("self", "&mut Self") => "&mut self".to_owned(),
            _ => format!("{name}: {of}"),
        }
    };
    let given = generics(&function["generics"]);
    let inputs = joined(&sig["inputs"], input);
    let returns = if sig["output"].is_null() { String::new() } else { of_type(&sig["output"]) };
    let arrow = if returns.is_empty() { String::new() } else { format!(" -> {returns}") };
    let is_async = if function["header"]["is_async"].as_bool() == Some(true) { "async " } else { "" };
    (format!("{is_async}fn {name}{given}({inputs}){arrow}"), returns)
}

/// `<T: Bound, const N: usize>`, without lifetimes and what `impl Trait` stands for.
pub fn generics(value: &Value) -> String {
    let one = |param: &Value| {
        let (name, kind) = (param["name"].as_str()?, &param["kind"]);
        if let Some(of) = kind.get("type") {
            let bounds = bounds(&of["bounds"]);
            let named = if bounds.is_empty() { name.to_owned() } else { format!("{name}: {bounds}") };
            return (of["is_synthetic"].as_bool() != Some(true)).then_some(named);
        }
        kind.get("const").map(|of| format!("const {name}: {}", of_type(&of["type"])))
    };
    let found: Vec<String> = list(&value["params"]).iter().filter_map(one).collect();
    if found.is_empty() { String::new() } else { format!("<{}>", found.join(", ")) }
}

fn bounds(value: &Value) -> String {
    let one = |bound: &Value| bound.get("trait_bound").map(|bound| of_trait(&bound["trait"]));
    list(value).iter().filter_map(one).collect::<Vec<_>>().join(" + ")
}

fn arguments(value: &Value) -> String {
    if let Some(inner) = value.get("angle_bracketed") {
        let argument = |argument: &Value| {
            let of_const = |value: &Value| value["expr"].as_str().unwrap_or("_").to_owned();
            argument.get("type").map(of_type).or_else(|| argument.get("const").map(of_const))
        };
        let mut found: Vec<String> = list(&inner["args"]).iter().filter_map(argument).collect();
        found.extend(list(&inner["constraints"]).iter().filter_map(|constraint| {
            let of = constraint["binding"]["equality"].get("type")?;
            Some(format!("{} = {}", constraint["name"].as_str()?, of_type(of)))
        }));
        return if found.is_empty() { String::new() } else { format!("<{}>", found.join(", ")) };
    }
    if let Some(inner) = value.get("parenthesized") {
        let output =
            if inner["output"].is_null() { String::new() } else { format!(" -> {}", of_type(&inner["output"])) };
        return format!("({}){output}", joined(&inner["inputs"], of_type));
    }
    String::new()
}

fn joined(values: &Value, one: impl Fn(&Value) -> String) -> String {
    list(values).iter().map(one).collect::<Vec<_>>().join(", ")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn last(path: &str) -> &str {
    path.rsplit("::").next().unwrap_or(path)
}

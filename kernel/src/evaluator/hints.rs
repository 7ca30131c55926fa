//! Hints for the errors that notebooks meet most often, added to what rustc says.

const UNKNOWN_TYPE: &str = "rustc can't tell the type: write it, as in `let n: i32 = ...` or `.collect::<Vec<f32>>()`.";

/// Notes that speak of the crate around the cell or are of no use in a notebook.
pub fn is_noise(note: &str) -> bool {
    [
        "for more information about this error",
        "the following other types implement",
        "run with `RUST_BACKTRACE",
        "required by a bound in",
        "the full name for the type",
        "consider using `--verbose`",
        "this error originates in the macro",
        "the lint level is defined here",
    ]
    .iter()
    .any(|noise| note.to_lowercase().contains(&noise.to_lowercase()))
        || note.contains("scdd_cell")
        || note.starts_with("`#[deny(")
}

/// A hint for an error: its code, all that was said, the line of the cell; `lost` says why a variable isn't there.
pub fn of(code: &str, said: &str, line: &str, lost: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let quoted = said.split('`').nth(1).unwrap_or_default();
    match code {
        "E0425" => lost(quoted).or_else(|| missing_use(quoted)),
        "E0433" | "E0412" | "E0405" => missing_use(quoted),
        "E0382" | "E0505" | "E0507" => Some(format!(
            "a value can be used up once. Write `{}.clone()` where it is used first, or lend it with `&`.",
            if quoted.is_empty() { "value" } else { quoted }
        )),
        "E0599" | "E0609" | "E0614" if said.contains("Result<") || said.contains("Option<") => {
            Some("the value is inside a Result or an Option: put `?` behind the call that made it.".to_owned())
        }
        "E0599" if said.contains("trait") && said.contains("in scope") => {
            Some("the method belongs to a trait that isn't imported: add the `use` line that is named above.".to_owned())
        }
        "E0599" if said.contains("lazy") || line.contains(".collect()") && said.contains("LazyFrame") => {
            Some("a LazyFrame does nothing yet: `.collect()?` makes a DataFrame of it.".to_owned())
        }
        "E0277" if said.contains("couldn't convert the error") => Some(
            "the function returns another kind of error: let it return `Result<T, Box<dyn std::error::Error>>`, which takes any, or \
             change the error with `.map_err(...)`."
                .to_owned(),
        ),
        "E0277" if said.contains("`?`") => {
            Some("`?` takes a Result or an Option; this is neither. Leave it out.".to_owned())
        }
        // rustc takes `!` for a type that nothing tells.
        "E0277" if said.contains("`!: ") || said.contains("`!`") => Some(UNKNOWN_TYPE.to_owned()),
        "E0277" if said.contains("f32") && (said.contains("f64") || said.contains("float")) => Some(f32_for_f64()),
        "E0277" if said.contains("cannot add") || said.contains("cannot multiply") || said.contains("cannot subtract") || said.contains("cannot divide") => {
            Some("both sides must be of one type: write `as f32`, `as f64` or `as usize` behind one of them, or `3.0` for `3`.".to_owned())
        }
        "E0282" | "E0283" | "E0284" => Some(UNKNOWN_TYPE.to_owned()),
        "E0384" | "E0596" => Some(format!("write `let mut {quoted}` where it is made.")),
        "E0308" => mismatched(said),
        "E0514" => Some("Rust was updated after the library was built: restart the kernel, which builds it anew.".to_owned()),
        "E0434" => lost(line.split('`').nth(1).unwrap_or_default())
            .or_else(|| Some("a function doesn't see variables: give it them as arguments, or make it a closure.".to_owned())),
        "E0728" => Some("`.await` stands at the top of a cell, or in an `async fn`.".to_owned()),
        "" if said.contains("expected `;`") || said.contains("expected one of") => {
            Some("a semicolon or an operator is missing before this place.".to_owned())
        }
        _ => None,
    }
}

fn f32_for_f64() -> String {
    "the library computes in f32: write `1.0_f32`, or `x as f32`.".to_owned()
}

fn mismatched(said: &str) -> Option<String> {
    let has = |text: &str| said.contains(text);
    if has("expected `f32`, found `f64`") || has("expected `f64`, found `f32`") {
        Some(f32_for_f64())
    } else if has("found enum `Result") || has("found `Result") || has("found enum `Option") || has("found `Option") {
        Some("the value is inside a Result or an Option: put `?` behind the call that made it.".to_owned())
    } else if has("expected `()`") || has("found `()`") {
        Some("a semicolon makes a value `()`: one is missing after a statement, or one too many stands at the end of a block.".to_owned())
    } else if has("expected `String`, found `&str`") {
        Some("`.to_owned()` makes a String of a text in quotes.".to_owned())
    } else if has("usize") && (has("i32") || has("u32") || has("i64")) {
        Some("counts and indices are usize: write `as usize`.".to_owned())
    } else {
        None
    }
}

/// Where names that are often forgotten are from.
fn missing_use(name: &str) -> Option<String> {
    let path = match name {
        "HashMap" | "BTreeMap" | "HashSet" | "BTreeSet" | "VecDeque" => format!("std::collections::{name}"),
        "Arc" | "Mutex" | "RwLock" | "OnceLock" | "LazyLock" => format!("std::sync::{name}"),
        "Rc" => "std::rc::Rc".to_owned(),
        "RefCell" | "Cell" => format!("std::cell::{name}"),
        "Duration" | "Instant" => format!("std::time::{name}"),
        "thread" | "fs" | "env" | "io" => format!("std::{name}"),
        "Tensor" | "Device" | "TensorData" | "Shape" | "Distribution" | "Int" => format!("scdd::burn::tensor::{name}"),
        "Module" => "scdd::burn::module::Module".to_owned(),
        "Linear" | "LinearConfig" | "Relu" => format!("scdd::burn::nn::{name}"),
        "DataFrame" | "Series" | "Column" | "LazyFrame" | "col" | "lit" | "df" => "scdd::polars::prelude::*".to_owned(),
        "Plot" | "Scatter" | "Layout" => format!("scdd::plotly::{name}"),
        "Array1" | "Array2" => format!("scdd::ndarray::{name}"),
        "Cells" | "Study" | "Scdg" | "GradientMatching" | "Table" | "Figure" => "scdd::prelude::*".to_owned(),
        _ => return None,
    };
    Some(format!("add `use {path};`."))
}

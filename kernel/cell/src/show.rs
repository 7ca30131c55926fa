//! Displays the value of a cell's last expression.
//!
//! `evcxr_display` where the type has it; a table for polars frames and for Burn tensors; the value of an Ok, the words
//! of an Err; else Debug; else nothing. The cell calls `value.evcxr_display()` with [`Fallback`] in scope: a method of
//! the type itself goes before the trait's, and what came back tells which one it was.

use std::cell::RefCell;

use crate::describe;

thread_local! {
    static RESULT: RefCell<Vec<(String, String)>> = const { RefCell::new(Vec::new()) };
}

/// What the last expression has shown: MIME types with contents.
pub(crate) fn result() -> Vec<(String, String)> {
    RESULT.take()
}

fn set(mime: &str, content: String) {
    RESULT.with_borrow_mut(|result| result.push((mime.to_owned(), content)));
}

/// That a type has no `evcxr_display`.
pub struct NotShown;

/// Gives every type an `evcxr_display`, behind its own.
pub trait Fallback {
    /// Does nothing.
    fn evcxr_display(&self) -> NotShown {
        NotShown
    }
}

impl<T: ?Sized> Fallback for T {}

/// The last expression, to look into.
pub struct Peel<'a, T: ?Sized>(pub &'a T);

/// Of a Result, what is in it.
pub trait PeelResult<'a> {
    /// The value.
    type Value: ?Sized;
    /// The value, or the error in words.
    fn peel(&self) -> Result<&'a Self::Value, String>;
}

impl<'a, T, E> PeelResult<'a> for &Peel<'a, Result<T, E>> {
    type Value = T;
    fn peel(&self) -> Result<&'a T, String> {
        self.0.as_ref().map_err(describe::describe)
    }
}

/// Of any other type, itself.
pub trait PeelNothing<'a> {
    /// The value.
    type Value: ?Sized;
    /// The value.
    fn peel(&self) -> Result<&'a Self::Value, String>;
}

impl<'a, T: ?Sized> PeelNothing<'a> for Peel<'a, T> {
    type Value = T;
    fn peel(&self) -> Result<&'a T, String> {
        Ok(self.0)
    }
}

/// Of a borrow, what is borrowed: its own `evcxr_display` would be hidden behind that of the borrow.
pub trait BareBorrow<'a> {
    /// The value.
    type Value: ?Sized;
    /// The value.
    fn bare(&self) -> &'a Self::Value;
}

impl<'a, T: ?Sized> BareBorrow<'a> for &Peel<'a, &'a T> {
    type Value = T;
    fn bare(&self) -> &'a T {
        self.0
    }
}

/// Of any other value, itself.
pub trait BareValue<'a> {
    /// The value.
    type Value: ?Sized;
    /// The value.
    fn bare(&self) -> &'a Self::Value;
}

impl<'a, T: ?Sized> BareValue<'a> for Peel<'a, T> {
    type Value = T;
    fn bare(&self) -> &'a T {
        self.0
    }
}

/// Shows a value whose `evcxr_display` has returned `called`.
pub fn show<C, T: ?Sized>(called: C, value: &T) {
    drop(called);
    if std::any::type_name::<C>() == std::any::type_name::<NotShown>() {
        value.show();
    }
}

/// Shows an error as the result of a cell.
pub fn error(words: String) {
    set("text/plain", format!("Err: {words}"));
}

trait Show {
    fn show(&self);
}

impl<T: ?Sized> Show for T {
    default fn show(&self) {
        if let Some(text) = describe::debug(self) {
            set("text/plain", text);
        }
    }
}

impl Show for () {
    fn show(&self) {}
}

impl<T> Show for Option<T> {
    default fn show(&self) {
        match self {
            None => set("text/plain", "None".to_owned()),
            Some(value) => match describe::debug(value) {
                Some(text) if !value.has_table() => set("text/plain", format!("Some({text})")),
                _ => value.show(),
            },
        }
    }
}

impl<T: ?Sized> Show for &T {
    default fn show(&self) {
        (**self).show();
    }
}

/// Whether a type shows as a table.
trait HasTable {
    fn has_table(&self) -> bool;
}

impl<T: ?Sized> HasTable for T {
    default fn has_table(&self) -> bool {
        false
    }
}

mod tables {
    use super::{HasTable, Show, set};
    use scdd::burn::tensor::{Tensor, kind::Basic};
    use scdd::polars::prelude::{Column, DataFrame, Series};
    use std::fmt::Write as _;

    /// Rows and columns of a table before the rest is left out.
    const ROWS: usize = 10;
    const COLUMNS: usize = 12;

    fn escape(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    impl Show for DataFrame {
        fn show(&self) {
            set("text/html", html(self));
            set("text/plain", self.to_string());
        }
    }

    impl HasTable for DataFrame {
        fn has_table(&self) -> bool {
            true
        }
    }

    impl Show for Series {
        fn show(&self) {
            set("text/plain", self.to_string());
        }
    }

    fn html(frame: &DataFrame) -> String {
        let mut text = format!("<small>{} rows x {} columns</small><table><thead><tr>", frame.height(), frame.width());
        let columns: Vec<&Column> = frame.columns().iter().take(COLUMNS).collect();
        for column in &columns {
            let (name, dtype) = (escape(column.name()), escape(&column.dtype().to_string()));
            let _ = write!(text, "<th>{name}<br><small>{dtype}</small></th>");
        }
        text.push_str("</tr></thead><tbody>");
        for row in 0..frame.height().min(ROWS) {
            text.push_str("<tr>");
            for column in &columns {
                let value = column.get(row).map(|value| value.to_string()).unwrap_or_default();
                let _ = write!(text, "<td>{}</td>", escape(value.trim_matches('"')));
            }
            text.push_str("</tr>");
        }
        text.push_str("</tbody></table>");
        let (rows, more) = (frame.height().saturating_sub(ROWS), frame.width().saturating_sub(COLUMNS));
        if rows + more > 0 {
            let _ = write!(text, "<small>and {rows} more rows, {more} more columns</small>");
        }
        text
    }

    impl<const D: usize, K: Basic> Show for Tensor<D, K> {
        fn show(&self) {
            let head = format!("Tensor {:?} {:?} on {:?}", self.dims(), self.dtype(), self.device());
            let (values, more) = first_values(self);
            let tail = if more { ", ..." } else { "" };
            set("text/html", format!("<code>{}</code><br><code>[{values}{tail}]</code>", escape(&head)));
            set("text/plain", format!("{head}\n[{values}{tail}]"));
        }
    }

    impl<const D: usize, K: Basic> HasTable for Tensor<D, K> {
        fn has_table(&self) -> bool {
            true
        }
    }

    /// At most the first ten values, in the order of memory.
    fn first_values<const D: usize, K: Basic>(tensor: &Tensor<D, K>) -> (String, bool) {
        let all = tensor.dims().iter().product::<usize>();
        let flat: Tensor<1, K> = tensor.clone().reshape([all]);
        let few = all.min(10);
        let data = if few == 0 { flat.into_data() } else { flat.slice(0..few).into_data() };
        let values: Vec<String> = match data.dtype().is_bool() {
            true => data.iter::<bool>().map(|value| value.to_string()).collect(),
            false if data.dtype().is_float() => data.iter::<f32>().map(|value| value.to_string()).collect(),
            false => data.iter::<i64>().map(|value| value.to_string()).collect(),
        };
        (values.join(", "), all > few)
    }
}

//! Formats a value of any type with Display or Debug, if its type has them.

use std::fmt::{Debug, Display};

/// `value` by Display, if its type has that.
pub fn display<T: ?Sized>(value: &T) -> Option<String> {
    value.display()
}

/// `value` by Debug, if its type has that.
pub fn debug<T: ?Sized>(value: &T) -> Option<String> {
    value.debug()
}

/// An error in words, whatever its type: Display, else Debug, else the name of the type.
pub fn describe<E: ?Sized>(error: &E) -> String {
    display(error)
        .or_else(|| debug(error))
        .unwrap_or_else(|| format!("an error of type {}", std::any::type_name::<E>()))
}

trait MaybeDisplay {
    fn display(&self) -> Option<String>;
}

impl<T: ?Sized> MaybeDisplay for T {
    default fn display(&self) -> Option<String> {
        None
    }
}

impl<T: Display + ?Sized> MaybeDisplay for T {
    fn display(&self) -> Option<String> {
        Some(self.to_string())
    }
}

trait MaybeDebug {
    fn debug(&self) -> Option<String>;
}

impl<T: ?Sized> MaybeDebug for T {
    default fn debug(&self) -> Option<String> {
        None
    }
}

impl<T: Debug + ?Sized> MaybeDebug for T {
    fn debug(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

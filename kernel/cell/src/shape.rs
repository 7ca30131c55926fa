//! How large a kept variable is, for `:vars`: a tensor's shape, a frame's, the length of a collection.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use scdd::burn::tensor::{Tensor, kind::Basic};
use scdd::polars::prelude::{Column, DataFrame, Series};

/// The shape or size in words; empty where it isn't known.
pub trait ShapeOf {
    /// In words.
    fn shape(&self) -> String;
}

impl<T> ShapeOf for T {
    default fn shape(&self) -> String {
        String::new()
    }
}

macro_rules! lengths {
    ($([$($parameters:tt)*] $type:ty, $what:literal;)*) => {$(
        impl<$($parameters)*> ShapeOf for $type {
            fn shape(&self) -> String {
                format!("{} {}", self.len(), $what)
            }
        }
    )*};
}

lengths! {
    [T] Vec<T>, "items";
    [T] VecDeque<T>, "items";
    [T] BTreeSet<T>, "items";
    [T, S] HashSet<T, S>, "items";
    [K, V] BTreeMap<K, V>, "entries";
    [K, V, S] HashMap<K, V, S>, "entries";
    [] String, "bytes";
    [] Series, "rows";
    [] Column, "rows";
}

impl ShapeOf for DataFrame {
    fn shape(&self) -> String {
        format!("{} rows x {} columns", self.height(), self.width())
    }
}

impl<const D: usize, K: Basic> ShapeOf for Tensor<D, K> {
    fn shape(&self) -> String {
        format!("{:?} {:?}", self.dims(), self.dtype())
    }
}

impl<T> ShapeOf for scdd::Cells<T> {
    fn shape(&self) -> String {
        format!("{} cells x {} genes", self.cells(), self.genes())
    }
}

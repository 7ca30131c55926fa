//! Shapes of kept variables in words, for `:vars`: cells and genes, a tensor's or a frame's shape, the length of a collection,
//! the value of a number.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, RwLock};

use scdd::annotate::{Annotation, Reference};
use scdd::burn::module::Module;
use scdd::burn::tensor::{Tensor, kind::Basic};
use scdd::distill::{Distilled, DistilledEmbeddings, Metacells};
use scdd::evaluate::Evaluation;
use scdd::foundation::Foundation;
use scdd::ndarray::{ArrayBase, Data, Dimension};
use scdd::polars::prelude::{Column, DataFrame, LazyFrame, Series};
use scdd::{Cells, Scdg, Study};

/// The shape or size in words; empty where it isn't known.
pub trait ShapeOf {
    /// In words.
    fn shape(&self) -> String;
}

impl<T> ShapeOf for T {
    default fn shape(&self) -> String {
        self.parameters()
    }
}

/// Of Burn's modules, how many numbers they learn.
trait Parameters {
    fn parameters(&self) -> String;
}

impl<T> Parameters for T {
    default fn parameters(&self) -> String {
        String::new()
    }
}

impl<T: Module> Parameters for T {
    fn parameters(&self) -> String {
        format!("{} parameters", self.num_params())
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
    [T] BinaryHeap<T>, "items";
    [T] BTreeSet<T>, "items";
    [T, S] HashSet<T, S>, "items";
    [K, V] BTreeMap<K, V>, "entries";
    [K, V, S] HashMap<K, V, S>, "entries";
    [T] &'static [T], "items";
    [T, const N: usize] [T; N], "items";
    [] String, "bytes";
    [] &'static str, "bytes";
    [] Series, "rows";
    [] Column, "rows";
}

macro_rules! values {
    ($($type:ty)*) => {$(
        impl ShapeOf for $type {
            fn shape(&self) -> String {
                format!("{self:?}")
            }
        }
    )*};
}

values! { bool char f32 f64 i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }

/// What only holds another value has its shape.
macro_rules! inside {
    ($($type:ident)*) => {$(
        impl<T> ShapeOf for $type<T> {
            fn shape(&self) -> String {
                (**self).shape()
            }
        }
    )*};
}

inside! { Box Rc Arc }

impl<T> ShapeOf for Option<T> {
    fn shape(&self) -> String {
        self.as_ref().map_or_else(|| "None".to_owned(), ShapeOf::shape)
    }
}

impl<T> ShapeOf for RefCell<T> {
    fn shape(&self) -> String {
        self.try_borrow().map(|inside| inside.shape()).unwrap_or_default()
    }
}

impl<T> ShapeOf for Mutex<T> {
    fn shape(&self) -> String {
        self.try_lock().map(|inside| inside.shape()).unwrap_or_default()
    }
}

impl<T> ShapeOf for RwLock<T> {
    fn shape(&self) -> String {
        self.try_read().map(|inside| inside.shape()).unwrap_or_default()
    }
}

impl ShapeOf for DataFrame {
    fn shape(&self) -> String {
        format!("{} rows x {} columns", self.height(), self.width())
    }
}

impl ShapeOf for LazyFrame {
    fn shape(&self) -> String {
        "not computed yet".to_owned()
    }
}

impl<const D: usize, K: Basic> ShapeOf for Tensor<D, K> {
    fn shape(&self) -> String {
        format!("{:?} {:?}", self.dims(), self.dtype())
    }
}

impl<S: Data, D: Dimension> ShapeOf for ArrayBase<S, D> {
    fn shape(&self) -> String {
        format!("{:?}", ArrayBase::shape(self))
    }
}

impl<T> ShapeOf for Cells<T> {
    fn shape(&self) -> String {
        format!("{} cells x {} genes", self.cells(), self.genes())
    }
}

impl ShapeOf for Study {
    fn shape(&self) -> String {
        format!("{}, {} classes", self.cells().shape(), self.classes().len())
    }
}

impl ShapeOf for Foundation {
    fn shape(&self) -> String {
        format!("{} genes, latents of {}", self.genes().len(), self.latent())
    }
}

impl ShapeOf for Scdg {
    fn shape(&self) -> String {
        format!("{} steps of training", self.history().loss.len())
    }
}

impl ShapeOf for Distilled {
    fn shape(&self) -> String {
        let (cells, genes) = self.expression().dim();
        format!("{cells} synthetic cells x {genes} genes")
    }
}

impl ShapeOf for DistilledEmbeddings {
    fn shape(&self) -> String {
        let (cells, width) = self.embeddings().dim();
        format!("{cells} synthetic cells x {width} dimensions")
    }
}

impl ShapeOf for Metacells {
    fn shape(&self) -> String {
        let sizes = self.sizes();
        format!("{} metacells of {} classes", sizes.iter().map(Vec::len).sum::<usize>(), sizes.len())
    }
}

impl ShapeOf for Reference {
    fn shape(&self) -> String {
        let (cells, latent) = self.latents().dim();
        format!("{cells} cells, latents of {latent}")
    }
}

impl ShapeOf for Annotation {
    fn shape(&self) -> String {
        let (cells, classes) = (self.confidence().len(), self.classes().len());
        format!("{cells} cells, {classes} classes")
    }
}

impl ShapeOf for Evaluation {
    fn shape(&self) -> String {
        format!("{} rows", self.rows().len())
    }
}

impl ShapeOf for scdd::visualize::Table {
    fn shape(&self) -> String {
        ShapeOf::shape(self.frame())
    }
}

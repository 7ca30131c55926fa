//! Annotation of cells, by a trained classifier or by nearest neighbours among labelled cells.
//!
//! | annotates by | type | from | opened by |
//! |---|---|---|---|
//! | a classifier, trained on a distilled set or on all training cells | [`Annotator`] | `distilled.train_model(..)`, `study.train_model(..)`, [`Annotator::read`] | [`Annotator::annotate`] |
//! | the k nearest cells of a reference, as SCimilarity does | [`Reference`] | `foundation.reference(..)`, `study.reference()` | [`Reference::annotate`] |
//!
//! Both give an [`Annotation`]: a label and a confidence for each cell. A [`Reference`] also finds similar cells
//! ([`Reference::query`]).

mod annotation;
mod error;
mod reference;
mod trained;

pub use annotation::{Annotation, Neighbours};
pub use error::AnnotateError;
pub use reference::{Hit, Hits, KnnAnnotateBuilder, QueryBuilder, Reference};
pub use trained::{AnnotateBuilder, Annotator};

pub(crate) use annotation::UNASSIGNED;

//! A generator path behind one type: that of pipelines without settings of their own.

use std::sync::Arc;

use super::generator_path::GeneratorPath;

/// The path of a pipeline whose builder has no settings of its own: on expression, through the decoder, of embeddings, of
/// metacells. A builder of any pipeline [converts](crate::distill::DistillBuilder#impl-From) to one with this type.
#[derive(Clone)]
pub struct AnyPath(pub(in crate::distill) Arc<dyn GeneratorPath>);

impl AnyPath {
    pub(super) fn new(path: impl GeneratorPath + 'static) -> Self {
        Self(Arc::new(path))
    }
}

//! What a notebook needs: `use scdd::prelude::*;`.

pub use crate::distill::{
    ClassWeights, CovarianceMatching, Distilled, DistilledFeatures, DistributionMatching, GradientMatching,
    KernelMatching, Matching, MatchingObjective, Mixture, Optimizer, SmallClasses, Start, Student, Students,
    TrajectoryMatching,
};
pub use crate::evaluate::{ClassMean, Evaluation, EvaluationRow, Protocol, RandomCells, Scores, Selection};
pub use crate::foundation::{
    Annotation, Corpus, Foundation, FoundationModel, Hits, NetworkConfig, Pca, Pretraining, PretrainingConfig,
    Reference,
};
pub use crate::scdg::{LossWeights, Noise, Sampler, Scdg, Schedule};
pub use crate::study::Study;
pub use crate::visualize::{Figure, Table};
pub use crate::{Cells, Counts, Error, H5ad, Labels, LogNormalized, Result};
pub use crate::{demo_cells, device, read_h5ad, simulate};

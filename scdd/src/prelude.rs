//! What a notebook needs: `use scdd::prelude::*;`.

pub use crate::annotate::{Annotation, Annotator, Hits, Reference};
pub use crate::benchmark::{BenchmarkResults, Measure, Method, all_methods, benchmark, paper_methods};
pub use crate::distill::{
    ClassWeights, CovarianceMatching, Distilled, DistilledEmbeddings, DistributionMatching, GradientMatching, Init,
    KernelMatching, Matching, MatchingObjective, Mixture, Optimizer, RidgeSurrogate, RidgeSurrogates, SmallClasses,
    Surrogate, Surrogates, TrajectoryMatching,
};
pub use crate::evaluate::{
    Baseline, Candidates, CellTypist, ClassMean, ClassMeanLatent, DecodedCells, Evaluation, EvaluationModel,
    EvaluationRow, GeneSets, GeneratorReport, GeometricSketch, Herding, KCentre, KMeansPseudobulks, LinearProbe,
    Medoid, MergedMetacells, Mlp, ModelInput, NearestNeighbours, Privacy, Properties, Protocol, RandomCells,
    RandomForest, ScDeepInsight, ScValue, Scores, Stratified, Tosica, TrainedModel, all_baselines, all_models,
    main_baselines,
};
pub use crate::foundation::{
    Corpus, Foundation, FoundationModel, Likelihood, NetworkConfig, Pca, PretrainBuilder, PretrainingConfig,
};
pub use crate::scdg::{LossWeights, Noise, Sampler, Scdg, Schedule};
pub use crate::study::Study;
pub use crate::visualize::{Figure, Table};
pub use crate::{Cells, Counts, Error, H5ad, Labels, LogNormalized, Result};
pub use crate::{demo_cells, device, read_h5ad, simulate};

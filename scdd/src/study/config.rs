//! Settings of a study: labels, split and genes.

use serde::{Deserialize, Serialize};

use crate::seed;

/// Labels, split and genes of a study.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StudyConfig {
    /// Column of obs with the classes.
    pub label: String,
    /// Further label columns: classes are the combinations of values that occur; none.
    #[serde(default)]
    pub joint_labels: Vec<String>,
    /// Fraction of the cells of each class that only evaluation reads; 0.2 (the 8:2 split is our choice).
    pub test_fraction: f64,
    /// Fraction of the training cells that settings are chosen on; 0.1 (our choice).
    pub validation_fraction: f64,
    /// How many of the training cells' [most variable genes](crate::preprocess::most_variable_genes) are kept; 2,000 (our choice). None keeps all,
    /// or, with a foundation model that was given, all that it knows.
    pub variable_genes: Option<usize>,
    /// Seed of the split, and of the foundation model when it is pretrained here.
    pub seed: u64,
}

impl StudyConfig {
    /// The defaults, for classes in a column of obs.
    pub fn new(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            joint_labels: Vec::new(),
            test_fraction: 0.2,
            validation_fraction: 0.1,
            variable_genes: Some(2_000),
            seed: seed::DEFAULT_SEED,
        }
    }
}

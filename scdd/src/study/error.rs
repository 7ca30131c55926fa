//! Errors of setting a study up.

/// What is wrong with a study's labels, foundation model or device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The foundation model was pretrained on test cells of the study.
    #[error(
        "{model} was pretrained on {pretrained_on} of the {test} test cells, so scores on them would prove nothing. Pretrain it \
         without them (cells.without(...), or Foundation::pretrain(&study.training_cells())), or study other cells"
    )]
    Leak {
        /// Name of the model.
        model: String,
        /// How many of them it was pretrained on; up to one in a hundred counts as chance.
        pretrained_on: usize,
        /// All test cells.
        test: usize,
    },
    /// A label column that is named twice.
    #[error("label column '{column}' is named twice; name it once")]
    LabelTwice {
        /// The column.
        column: String,
    },
    /// Values that contain what joint labels are joined with.
    #[error(
        "label columns '{columns}': '{class}' is two combinations, because values contain '{between}'; rename those"
    )]
    AmbiguousLabel {
        /// The columns, joined.
        columns: String,
        /// The class.
        class: String,
        /// What stands between the values of a joint label.
        between: &'static str,
    },
    /// A number of variable genes was set, and a foundation model that decides the genes was given.
    #[error(
        "variable_genes was set, and {model} was given, which reads all genes that it shares with the cells; leave \
         .variable_genes() out, or .foundation()"
    )]
    VariableGenes {
        /// Name of the model.
        model: String,
    },
    /// A foundation model is on one device, and the study was asked to be on another.
    #[error(
        "{model} is on {on}, and the study was asked to run on {asked}; leave .device() out, or read the model there \
         (Scimilarity::read_on), or set BURN_DEVICE before it is made"
    )]
    Device {
        /// Name of the model.
        model: String,
        /// Its device.
        on: String,
        /// The requested device.
        asked: String,
    },
    /// A model or baseline on expression, and embeddings that have none.
    #[error(
        "the {rows} features are no cells and have no expression; take a model that sees latents, such as \
         LinearProbe, or cells of the features by .decoded()"
    )]
    NoExpression {
        /// How many there are.
        rows: usize,
    },
    /// A model or baseline on latents, and cells that have none.
    #[error("the {cells} cells have expression only; give their latents, or the foundation model that embeds them")]
    NoLatents {
        /// How many there are.
        cells: usize,
    },
}

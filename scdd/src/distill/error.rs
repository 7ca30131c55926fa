//! What can be wrong with a distillation.

/// Errors of distilling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistillError {
    /// No synthetic cells were asked for.
    #[error("per_class is 0; ask for at least 1 synthetic cell per class")]
    NoCells,
    /// The foundation model can't be differentiated.
    #[error(
        "the foundation model '{0}' has no encoder that can be differentiated, and matching needs the gradient of the \
         synthetic cells' latents; distil with a model that has one, such as Foundation::pretrain(...)"
    )]
    NoEncoder(String),
    /// More synthetic cells than real ones.
    #[error(
        "per_class is {per_class}, and {classes} of the classes have fewer training cells: {list}. Ask for at most \
         {smallest} per class, or let small classes give fewer with .small_classes(SmallClasses::TakeAll)"
    )]
    MoreThanReal {
        /// What was asked for.
        per_class: usize,
        /// How many classes are too small.
        classes: usize,
        /// Those classes with their training cells.
        list: String,
        /// Training cells of the smallest class.
        smallest: usize,
    },
    /// A setting outside its range.
    #[error("{setting} is {found}; expected {expected}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What it was.
        found: String,
        /// What it may be.
        expected: String,
    },
    /// The objective did not stay finite.
    #[error(
        "the loss of {objective} became {loss} in step {step} of {steps}; lower the learning rate (it is {learning_rate})"
    )]
    Diverged {
        /// Which objective.
        objective: String,
        /// The loss that was found.
        loss: f64,
        /// The step that it was found in.
        step: usize,
        /// How many steps there were to be.
        steps: usize,
        /// The rate that was used.
        learning_rate: f64,
    },
}

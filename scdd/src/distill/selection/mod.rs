//! Model selection on validation cells: scores, early stopping and the choice among runs. Test cells have no part in it.

pub(super) mod candidates;
pub(super) mod early_stopping;
pub(super) mod score;
pub(super) mod validation;

pub use early_stopping::EarlyStopping;
pub use validation::{ValidationModels, ValidationScore};

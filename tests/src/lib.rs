//! Stories across modules: the tests are in `tests/`, what they begin with is here, what they compare with is in `goldens/`.

mod checks;
#[cfg(doctest)]
mod docs;
mod fixtures;
mod interruptions;

pub use checks::{assert_close, assert_expression};
pub use fixtures::{denoiser, for_python, log_normalized, pretraining, small_cells, small_scdg, small_study, study_of};
pub use interruptions::{has, interrupted, kill, names};

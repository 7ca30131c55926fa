//! Stories across modules: the tests are in `tests/`, what they compare with is in `goldens/`.

#[cfg(doctest)]
mod docs;

//! Stories of cells, through the kernel's evaluator. They need the library's shared object (`cargo build -p scdd-facade`) and
//! are skipped with a message where it isn't built.

mod deps;
mod errors;
mod items;
mod language;
mod machine;
mod notebook;
mod safety;
mod values;

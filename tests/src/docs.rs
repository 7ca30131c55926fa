//! README and docs, so that their Rust examples are compiled: each page is documentation of an empty module.

macro_rules! pages {
    ($($name:ident: $path:literal),* $(,)?) => {
        $(
            #[doc = include_str!($path)]
            mod $name {}
        )*
    };
}

pages! {
    readme: "../../README.md",
    benchmark: "../../docs/benchmark.md",
    evaluation_models: "../../docs/evaluation-models.md",
    foundation: "../../docs/foundation.md",
}

//! Figures and tables that show themselves in a notebook.
//!
//! Everything here takes plain numbers (`[cells, latent]` arrays, one label per cell, class and gene names), so
//! that figures can be drawn of anything; results such as a distilled data set hand theirs over.
//!
//! | figure | shows |
//! |---|---|
//! | [`umap_figure`] | real cells as a cloud, synthetic cells as stars (Yu et al. 2025, Fig. 6) |
//! | [`expression_heatmap`] | marker genes of real and synthetic cells (Fig. 5) |
//! | [`correlation_figure`] | correlations between classes, of real and of synthetic cells (Fig. 7) |
//! | [`curves`] | losses and scores over steps |
//! | [`Table`] | numbers |

mod benchmark;
mod benchmark_curves;
mod cells;
mod curves;
mod error;
mod figure;
mod heatmap;
mod layout;
mod matrixplot;
mod neighbourhood;
mod page;
mod palette;
mod png;
mod privacy;
mod properties;
mod report;
mod results;
mod still;
mod style;
mod table;
mod umap;

pub use cells::{LabelledCells, RealAndSynthetic};
pub use curves::curves;
pub use error::VisualizeError;
pub use figure::Figure;
pub use heatmap::expression_heatmap;
pub use matrixplot::{class_correlations, class_profiles, correlation_figure};
pub use palette::class_color;
pub use table::Table;
pub use umap::{umap_embedding, umap_figure};

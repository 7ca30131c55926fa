//! What all figures share: white ground, one font, a title with a quieter line below.

use plotly::Layout;
use plotly::common::{Anchor, Font, Title};
use plotly::layout::{Annotation, Axis, Margin};

use crate::notebook::escape;

pub(super) const FONT: &str = "Helvetica Neue, Helvetica, Arial, sans-serif";
pub(super) const INK: &str = "#222222";
pub(super) const QUIET: &str = "#5a5a5a";
pub(super) const LINE: &str = "#b0b0b0";
pub(super) const GRID: &str = "#e6e6e6";

/// Height of the title with its second line, in pixels.
pub(super) const TOP: usize = 84;

/// Size in pixels, margins left, right and bottom; title and subtitle are plain text.
pub(super) fn base(title: &str, subtitle: &str, size: (usize, usize), margin: [usize; 3]) -> Layout {
    let text = format!("{}<br><span style=\"font-size:13px;color:{QUIET}\">{}</span>", escape(title), escape(subtitle));
    Layout::new()
        .title(
            Title::with_text(text)
                .font(Font::new().size(18).color(INK))
                .x(16.0 / size.0 as f64)
                .x_anchor(Anchor::Left)
                .y(1.0 - 18.0 / size.1 as f64)
                .y_anchor(Anchor::Top),
        )
        .width(size.0)
        .height(size.1)
        .auto_size(false)
        .margin(Margin::new().left(margin[0]).right(margin[1]).bottom(margin[2]).top(TOP))
        .font(Font::new().family(FONT).size(13).color(INK))
        .paper_background_color("#ffffff")
        .plot_background_color("#ffffff")
}

/// An axis with a thin line, without grid and zero line.
pub(super) fn axis(title: &str) -> Axis {
    Axis::new().title(small(title)).show_grid(false).zero_line(false).show_line(true).line_color(LINE).mirror(true)
}

/// A title of an axis or a colour bar.
pub(super) fn small(text: &str) -> Title {
    Title::with_text(escape(text)).font(Font::new().size(13).color(INK))
}

/// Words above a panel, at paper coordinates.
pub(super) fn panel_title(text: &str, x: f64, y: f64) -> Annotation {
    Annotation::new()
        .text(format!("<b>{}</b>", escape(text)))
        .x(x)
        .y(y)
        .x_ref("paper")
        .y_ref("paper")
        .x_anchor(Anchor::Left)
        .y_anchor(Anchor::Bottom)
        .show_arrow(false)
        .font(Font::new().size(14).color(INK))
}

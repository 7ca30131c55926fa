//! Shows results in a notebook by evcxr's content blocks on standard output.
//!
//! A frontend gets one bundle of MIME types per cell and shows the richest one that it knows: JupyterLab prefers a MIME
//! renderer (plotly's, when installed) to `text/html`; nbconvert has no plotly renderer and takes `text/html`; terminals and
//! screen readers take `text/plain`.

use std::fmt::Write as _;

/// One evcxr content block. An end marker in the content would end the block, so it is broken up.
pub(crate) fn block(mime: &str, content: &str) -> String {
    let mut text = String::with_capacity(content.len() + 64);
    let safe = content.replace("EVCXR_END_CONTENT", "EVCXR_END\u{200b}_CONTENT");
    let _ = write!(text, "EVCXR_BEGIN_CONTENT {mime}\n{safe}\nEVCXR_END_CONTENT\n");
    text
}

/// Writes blocks in one call, so that lines of other threads cannot come between.
pub(crate) fn emit(blocks: &[String]) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to fail: there is nobody to see the figure.
    let _ = out.write_all(blocks.concat().as_bytes());
    let _ = out.flush();
}

/// Shows a result as several MIME types at once.
pub(crate) fn show(contents: &[(&str, &str)]) {
    emit(&contents.iter().map(|(mime, content)| block(mime, content)).collect::<Vec<_>>());
}

/// Shows lines of text, in a notebook also as a block that keeps its line breaks and wraps.
pub(crate) fn show_text(text: &str) {
    let html = format!("<div style=\"white-space:pre-line\">{}</div>", escape(text));
    show(&[("text/html", &html), ("text/plain", text)]);
}

/// Text for HTML content and attribute values. plotly's labels read the same entities.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_cannot_end_its_own_block() {
        let text = block("text/plain", "a\nEVCXR_END_CONTENT\nb");
        assert_eq!(text.matches("EVCXR_END_CONTENT").count(), 1);
        assert!(text.ends_with("b\nEVCXR_END_CONTENT\n"));
    }
}

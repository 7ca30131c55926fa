//! How a result reaches the notebook: evcxr's content blocks on standard output.
//!
//! A frontend gets one bundle per cell and picks the richest type that it knows: JupyterLab ranks a MIME
//! renderer (plotly's, when installed) before `text/html`; nbconvert knows no plotly type and takes
//! `text/html`; terminals and screen readers take `text/plain`.

use std::fmt::Write as _;

/// One evcxr content block. A block ends at its end marker, so the marker must not stand in the content.
pub(super) fn block(mime: &str, content: &str) -> String {
    let mut text = String::with_capacity(content.len() + 64);
    let safe = content.replace("EVCXR_END_CONTENT", "EVCXR_END\u{200b}_CONTENT");
    let _ = write!(text, "EVCXR_BEGIN_CONTENT {mime}\n{safe}\nEVCXR_END_CONTENT\n");
    text
}

/// Writes blocks in one call, so that lines of other threads cannot come between.
pub(super) fn emit(blocks: &[String]) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason to fail: there is nobody to see the figure.
    let _ = out.write_all(blocks.concat().as_bytes());
    let _ = out.flush();
}

/// Text for HTML content and attribute values. plotly's labels read the same entities.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// 12345 -> "12,345".
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 cell", "2,142 cells".
pub(super) fn count(number: usize, one: &str) -> String {
    let plural = match (number, one.strip_suffix("class")) {
        (1, _) => one.to_owned(),
        (_, Some(before)) => format!("{before}classes"),
        (_, None) => format!("{one}s"),
    };
    format!("{} {plural}", thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_in_print() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(123), "123");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(count(1, "class"), "1 class");
        assert_eq!(count(14, "class"), "14 classes");
        assert_eq!(count(2_142, "real cell"), "2,142 real cells");
    }

    #[test]
    fn content_cannot_end_its_own_block() {
        let text = block("text/plain", "a\nEVCXR_END_CONTENT\nb");
        assert_eq!(text.matches("EVCXR_END_CONTENT").count(), 1);
        assert!(text.ends_with("b\nEVCXR_END_CONTENT\n"));
    }
}

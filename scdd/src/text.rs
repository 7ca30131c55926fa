//! Formats numbers, checksums and lists of names for messages.

use sha2::{Digest, Sha256};

/// A count with commas: `88,210`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// "1 cell", "2,142 cells".
pub(crate) fn count(number: usize, one: &str) -> String {
    let plural = match (number, one.strip_suffix("class")) {
        (1, _) => one.to_owned(),
        (_, Some(before)) => format!("{before}classes"),
        (_, None) => format!("{one}s"),
    };
    format!("{} {plural}", grouped(number))
}

/// ", 5 per class", and nothing where there is no budget.
pub(crate) fn budget(per_class: Option<usize>) -> String {
    per_class.map_or(String::new(), |count| format!(", {count} per class"))
}

/// A checksum in 64 hexadecimal digits.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A measured number: whole numbers and large ones with commas, small ones with three digits after the point.
pub(crate) fn measured(number: f64) -> String {
    match number {
        n if !n.is_finite() || n.abs() >= 1e15 => format!("{n}"),
        n if n.abs() >= 1000.0 || n.fract() == 0.0 => {
            format!("{}{}", if n.round() < 0.0 { "-" } else { "" }, grouped(n.abs().round() as usize))
        }
        n if n.abs() >= 0.001 => format!("{n:.3}"),
        n => format!("{n:.2e}"),
    }
}

/// The first five names in quotes, and how many more there are.
pub(crate) fn first_few<S: AsRef<str>>(names: &[S]) -> String {
    let shown: Vec<_> = names.iter().take(5).map(|name| format!("'{}'", name.as_ref())).collect();
    match names.len() {
        0 => "none".to_string(),
        n if n > 5 => format!("{} and {} more", shown.join(", "), grouped(n - 5)),
        _ => shown.join(", "),
    }
}

/// All names in quotes: "'a', 'b'".
pub(crate) fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("'{}'", name.as_ref())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(88_210), "88,210");
        assert_eq!(super::grouped(1_234_567), "1,234,567");
        assert_eq!(super::measured(-1234.5), "-1,235");
        assert_eq!(super::measured(0.25), "0.250");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(super::first_few(&["a", "b"]), "'a', 'b'");
        assert_eq!(super::first_few(&["a", "b", "c", "d", "e", "f", "g"]), "'a', 'b', 'c', 'd', 'e' and 2 more");
        assert_eq!(super::first_few::<&str>(&[]), "none");
    }

    #[test]
    fn numbers_read_as_in_print() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "class"), "1 class");
        assert_eq!(count(14, "class"), "14 classes");
        assert_eq!(count(2_142, "real cell"), "2,142 real cells");
    }
}

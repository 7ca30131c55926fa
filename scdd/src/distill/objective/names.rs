//! Short names of objectives: what tables call them.

/// A short name with the settings that differ from the default: "DC (head 128, unfrozen)".
pub(super) fn qualified(name: &str, changed: impl IntoIterator<Item = Option<String>>) -> String {
    let changed: Vec<String> = changed.into_iter().flatten().collect();
    if changed.is_empty() { name.to_owned() } else { format!("{name} ({})", changed.join(", ")) }
}

/// A head's hidden layers, "head 256 x 128"; None for a linear one.
pub(super) fn head(hidden: &[usize]) -> Option<String> {
    let widths: Vec<String> = hidden.iter().map(usize::to_string).collect();
    (!widths.is_empty()).then(|| format!("head {}", widths.join(" x ")))
}

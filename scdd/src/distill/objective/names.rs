//! Short names of objectives: what tables call them.

/// A short name with what is unusual about an objective: "DC (head 128, unfrozen)".
pub(super) fn qualified(name: &str, unusual: impl IntoIterator<Item = Option<String>>) -> String {
    let unusual: Vec<String> = unusual.into_iter().flatten().collect();
    if unusual.is_empty() { name.to_owned() } else { format!("{name} ({})", unusual.join(", ")) }
}

/// What tells a head with hidden layers from a linear one: "head 256 x 128".
pub(super) fn head(hidden: &[usize]) -> Option<String> {
    let widths: Vec<String> = hidden.iter().map(usize::to_string).collect();
    (!widths.is_empty()).then(|| format!("head {}", widths.join(" x ")))
}

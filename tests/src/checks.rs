//! Checks that nothing empty passes.

use scdd::ndarray::Array2;

/// As many values on both sides, at least one, each pair less than `tolerance` apart.
#[track_caller]
pub fn assert_close<'a>(
    found: impl IntoIterator<Item = &'a f32>,
    expected: impl IntoIterator<Item = &'a f32>,
    tolerance: f32,
) {
    let (found, expected): (Vec<f32>, Vec<f32>) =
        (found.into_iter().copied().collect(), expected.into_iter().copied().collect());
    assert!(!found.is_empty() && found.len() == expected.len(), "{} and {} values", found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < tolerance, "{found} and {expected}");
    }
}

/// At least one cell and gene; no value is negative or not finite.
#[track_caller]
pub fn assert_expression(values: &Array2<f32>) {
    assert!(!values.is_empty(), "no values");
    assert!(values.iter().all(|value| *value >= 0.0 && value.is_finite()));
}

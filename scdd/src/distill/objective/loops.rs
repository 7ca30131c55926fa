//! Loop counts of gradient matching by cells per class, as the original code has them.

/// Classification epochs in a step, and steps of the head between them, for a number of synthetic cells per class.
///
/// The original code of gradient matching (its `get_loops`, which DC-BENCH kept) has (1, 1) for 1 image per class, (10, 50)
/// for 10, (20, 25) for 20, (30, 20) for 30, (40, 15) for 40, (50, 10) for 50, and stops at any other number. Straight
/// lines between these are our choice, and (50, 10) for more than 50. The original updates its images after each epoch; equation 5
/// sums the epochs of a step, as is done here.
///
/// ```
/// use scdd::distill::loops;
/// assert_eq!(loops(1), (1, 1));
/// assert_eq!(loops(5), (5, 23));
/// assert_eq!(loops(10), (10, 50));
/// ```
pub fn loops(per_class: usize) -> (usize, usize) {
    const ORIGINAL: [(usize, usize); 6] = [(1, 1), (10, 50), (20, 25), (30, 20), (40, 15), (50, 10)];
    let outer = per_class.clamp(1, 50);
    let between = ORIGINAL.windows(2).find(|pair| outer <= pair[1].0).unwrap_or(&ORIGINAL[4..]);
    let ((from, first), (to, last)) = (between[0], between[1]);
    let fraction = (outer - from) as f64 / (to - from) as f64;
    let inner = first as f64 + fraction * (last as f64 - first as f64);
    (outer, inner.round() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_those_of_the_original_code_and_straight_lines_between() {
        let original = [(1, (1, 1)), (10, (10, 50)), (20, (20, 25)), (30, (30, 20)), (40, (40, 15)), (50, (50, 10))];
        for (per_class, expected) in original {
            assert_eq!(loops(per_class), expected);
        }
        assert_eq!([loops(2), loops(5), loops(15), loops(51), loops(0)], [(2, 6), (5, 23), (15, 38), (50, 10), (1, 1)]);
    }
}

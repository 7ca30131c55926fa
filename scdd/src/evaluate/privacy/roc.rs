//! The area under a ROC curve of pairs within strata, with DeLong's interval (DeLong et al. 1988; ranks as Sun and Xu 2014).

use scdd_learn::statistics::ranks;

/// Half the width of a 95 % interval in standard errors.
const WIDTH: f64 = 1.959_964;

/// An area and its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// The chance that a positive value is above a negative one of its stratum, equals counting half, over all such pairs. Each
/// stratum needs two values of both at least; None without any stratum. Where no pair is out of order the standard error
/// is 0, and the interval is a point.
pub(super) fn area(strata: &[(Vec<f64>, Vec<f64>)]) -> Option<Area> {
    let pairs = |(positive, negative): &(Vec<f64>, Vec<f64>)| (positive.len() * negative.len()) as f64;
    let all: f64 = strata.iter().map(pairs).sum();
    if all == 0.0 || strata.iter().any(|(positive, negative)| positive.len().min(negative.len()) < 2) {
        return None;
    }
    let (mut value, mut variance) = (0.0, 0.0);
    for stratum in strata {
        let (area, of_area) = of_stratum(&stratum.0, &stratum.1);
        let weight = pairs(stratum) / all;
        value += weight * area;
        variance += weight * weight * of_area;
    }
    let half = WIDTH * variance.sqrt();
    Some(Area { value, low: (value - half).max(0.0), high: (value + half).min(1.0) })
}

/// The area and its variance: those of each value's fraction of the other kind that it beats, over the number of values.
fn of_stratum(positive: &[f64], negative: &[f64]) -> (f64, f64) {
    let (m, n) = (positive.len(), negative.len());
    let together = ranks(&[positive, negative].concat());
    // A value's rank among all, less its rank among its own kind, counts the others below it.
    let below = |all: &[f64], own: &[f64], others: usize| -> Vec<f64> {
        all.iter().zip(ranks(own)).map(|(all, own)| (all - own) / others as f64).collect()
    };
    let of_positive = below(&together[..m], positive, n);
    let of_negative: Vec<f64> = below(&together[m..], negative, m).into_iter().map(|fraction| 1.0 - fraction).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let error = |values: &[f64]| {
        let centre = mean(values);
        let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
        squares / (values.len() as f64 - 1.0) / values.len() as f64
    };
    (mean(&of_positive), error(&of_positive) + error(&of_negative))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn area_and_interval_are_those_of_numbers_checked_by_hand() {
        // 3 beats both, 2 beats 1 and equals 2: fractions 1 and .75, of the others as well. Variance 2 * (1/32) / 2.
        let found = area(&[(vec![3.0, 2.0], vec![1.0, 2.0])]).unwrap();
        assert!((found.value - 0.875).abs() < 1e-12);
        assert!((found.low - (0.875 - WIDTH * (1.0f64 / 32.0).sqrt())).abs() < 1e-9, "{found:?}");
        assert_eq!(found.high, 1.0);
        // A second stratum of four pairs, all the wrong way round: the mean of both areas, half the standard error.
        let found = area(&[(vec![3.0, 2.0], vec![1.0, 2.0]), (vec![0.0, 0.0], vec![9.0, 8.0])]).unwrap();
        assert!((found.value - 0.4375).abs() < 1e-12);
        assert!((found.high - 0.4375 - WIDTH * (1.0f64 / 128.0).sqrt()).abs() < 1e-9, "{found:?}");
        assert_eq!(area(&[]), None);
        assert_eq!(area(&[(vec![1.0], vec![0.0, 2.0])]), None);
    }

    #[test]
    fn the_interval_covers_a_half_for_values_of_one_distribution_in_95_of_100_draws() {
        let mut random = crate::seed::stream(9, "DeLong");
        let mut draw = |count: usize, around: f64| -> Vec<f64> {
            (0..count).map(|_| around + Distribution::<f64>::sample(&StandardNormal, &mut random)).collect()
        };
        let mut covered = 0;
        for _ in 0..1_000 {
            // Strata around different values: only pairs within them count.
            let strata = [(draw(120, 0.0), draw(30, 0.0)), (draw(60, 5.0), draw(40, 5.0))];
            let found = area(&strata).unwrap();
            covered += usize::from(found.low <= 0.5 && 0.5 <= found.high);
        }
        // By chance 950 +- 7.
        assert!((920..=975).contains(&covered), "{covered}");
    }
}

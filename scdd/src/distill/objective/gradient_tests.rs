use super::super::testing::{Case, matching_of};
use super::*;
use crate::tensors;

#[test]
fn the_gradient_of_the_match_equals_finite_differences_for_a_linear_head_deeper_ones_and_the_encoder() {
    // One epoch: between epochs the head trains on the synthetic cells, which autodiff leaves out on purpose.
    let linear = GradientMatching::default().epochs(1);
    for objective in [
        linear.clone(),
        linear.clone().hidden(&[16]),
        linear.clone().hidden(&[16, 12]),
        linear.clone().class_weights(ClassWeights::Frequency),
        linear.clone().unfrozen(),
        linear.clone().unfrozen().hidden(&[16]),
    ] {
        for per_class in [1, 3] {
            let error = Case::new(per_class).gradient_error(&objective);
            assert!(error < 3e-3, "{objective:?}, {per_class} per class: error {error} of the squared norm");
        }
    }
}

/// Equation 5 for a linear head, cell by cell on the host.
fn by_hand(synthetic: &[[f64; 2]], labels: &[u32], real: &[[f64; 2]], real_labels: &[u32], head: &[f64]) -> f64 {
    let gradient = |cells: &[[f64; 2]], labels: &[u32], class: u32| {
        let mut sums = [[0.0; 2]; 2];
        for (cell, _) in cells.iter().zip(labels).filter(|(_, label)| **label == class) {
            let cell = cell.map(|value| value * 2f64.sqrt());
            let score = |output: usize| (cell[0] * head[output] + cell[1] * head[2 + output]).exp();
            for (output, row) in sums.iter_mut().enumerate() {
                let residual = score(output) / (score(0) + score(1)) - f64::from(u8::from(output as u32 == class));
                row[0] += residual * cell[0];
                row[1] += residual * cell[1];
            }
        }
        let count = labels.iter().filter(|label| **label == class).count() as f64;
        sums.map(|row| row.map(|sum| sum / count))
    };
    let mut loss = 0.0;
    for class in [0, 1] {
        let (a, b) = (gradient(real, real_labels, class), gradient(synthetic, labels, class));
        for (a, b) in a.iter().zip(b) {
            let norm = |row: &[f64; 2]| row[0].hypot(row[1]);
            loss += 1.0 - (a[0] * b[0] + a[1] * b[1]) / (norm(a) * norm(&b) + 1e-6);
        }
    }
    loss
}

#[test]
fn the_match_of_a_linear_head_is_equation_5() {
    let synthetic = [[0.5, -0.2], [0.1, 0.9]];
    let real = [[0.7, 0.1], [0.2, -0.6], [-0.3, 0.8]];
    let rows = |cells: &[[f64; 2]]| {
        tensors::from_rows(cells.iter().flatten().map(|&v| v as f32).collect(), 2, &Device::flex())
    };
    let (found, head) = matching_of(&rows(&synthetic), &[0, 1], &rows(&real), &[0, 0, 1], |matching| {
        let head = fresh_head(2, &[], matching).outputs(rows(&[[1.0, 0.0], [0.0, 1.0]]));
        (tensors::scalar(GradientMatching::default().epochs(1).loss(matching)), tensors::to_vec(head))
    });
    let head: Vec<f64> = head.into_iter().map(f64::from).collect();
    let expected = by_hand(&synthetic, &[0, 1], &real, &[0, 0, 1], &head);
    assert!((found - expected).abs() < 1e-4, "{found} and {expected}");
}

#[test]
fn epochs_add_matches_of_a_head_that_has_trained_and_rates_of_zero_leave_it_as_it_was() {
    for objective in [GradientMatching::default(), GradientMatching::default().unfrozen().hidden(&[16])] {
        let case = Case::new(1);
        let still = GradientMatching { head_learning_rate: 0.0, encoder_learning_rate: 0.0, ..objective.clone() };
        let (one, three) = (case.value(&still.clone().epochs(1)), case.value(&still.epochs(3)));
        assert!((three - 3.0 * one).abs() < 1e-3 * one, "{one} and {three}");
        let trained = case.value(&objective.clone().epochs(3));
        assert!((trained - three).abs() > 1e-3 * one, "{objective:?}: the head trains between epochs");
        let encoder_only = GradientMatching { head_learning_rate: 0.0, ..objective.clone() };
        let changed = (case.value(&encoder_only.epochs(3)) - three).abs() > 1e-4 * one;
        assert_eq!(changed, objective.unfrozen, "the encoder trains where it isn't frozen");
    }
}

#[test]
fn the_original_loops_are_taken_when_asked_for() {
    assert_eq!(GradientMatching::default().original_loops().loops(5), (5, 23));
    assert_eq!(GradientMatching::default().loops(5), (5, 10));
    assert_eq!(GradientMatching::default().original_loops().epochs(3).loops(5), (3, 10));
}

#[test]
fn an_encoder_that_is_not_frozen_takes_a_limited_batch_of_each_class() {
    assert_eq!(first_of_each(&[0, 0, 0, 1, 2, 2], 2), [0, 1, 3, 4, 5]);
}

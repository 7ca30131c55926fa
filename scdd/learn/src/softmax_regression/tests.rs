//! Training against PyTorch, gradients against plain sums, and what is refused.

use rand::RngExt;
use scdd_compute::{Isa, Level, PORTABLE_FMA};

use super::*;
use crate::seed;

/// Cells around one centre per class, of unit norm.
fn blobs(cells: usize, features: usize, classes: u32, spread: f32) -> (Array2<f32>, Vec<u32>) {
    let mut random = seed::stream(11, "blobs");
    let mut draw = || random.random::<f32>() * 2.0 - 1.0;
    let centres = Array2::from_shape_simple_fn((classes as usize, features), &mut draw);
    let labels: Vec<u32> = (0..cells as u32).map(|cell| cell % classes).collect();
    let mut rows = Array2::from_shape_simple_fn((cells, features), || spread * draw());
    for (mut row, &label) in rows.rows_mut().into_iter().zip(&labels) {
        row += &centres.row(label as usize);
        let norm = row.dot(&row).sqrt();
        row /= norm;
    }
    (rows, labels)
}

fn quick() -> Protocol {
    Protocol { networks: 3, epochs: 20, batch_size: 16, ..Protocol::default() }
}

fn matrix(rows: &[Vec<f32>]) -> Array2<f32> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[track_caller]
fn near<'a>(ours: impl IntoIterator<Item = &'a f32>, theirs: impl IntoIterator<Item = &'a f32>) {
    let (ours, theirs): (Vec<_>, Vec<_>) = (ours.into_iter().collect(), theirs.into_iter().collect());
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
    }
}

#[test]
fn training_equals_pytorch_from_the_same_weights_and_order() {
    #[derive(serde::Deserialize)]
    struct Golden {
        protocol: Protocol,
        embeddings: Vec<Vec<f32>>,
        labels: Vec<u32>,
        initial_weights: Vec<Vec<f32>>,
        initial_bias: Vec<f32>,
        orders: Vec<Vec<u32>>,
        losses: Vec<f64>,
        weights: Vec<Vec<f32>>,
        bias: Vec<f32>,
        probabilities: Vec<Vec<f32>>,
        training_loss: f64,
        training_accuracy: f64,
    }
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../tests/goldens/evaluate_linear_head.json")).unwrap();
    let embeddings = matrix(&golden.embeddings);
    let inputs = Inputs::new(&embeddings, golden.protocol.scale(embeddings.ncols())).unwrap();
    let start = Layer::pack(&matrix(&golden.initial_weights), &golden.initial_bias);
    let mut orders = golden.orders.iter();
    let reorder = |cells: &mut [u32]| cells.copy_from_slice(orders.next().unwrap());
    let head = train_from(&inputs, &golden.labels, &golden.protocol, 0, start, reorder).unwrap();
    near(head.weights(), &matrix(&golden.weights));
    near(head.bias(), &golden.bias);
    near(&head.probabilities(&embeddings).unwrap(), &matrix(&golden.probabilities));
    assert!(!golden.losses.is_empty() && head.losses().len() == golden.losses.len());
    for (ours, theirs) in head.losses().iter().zip(&golden.losses) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
    }
    assert!((head.training_loss() - golden.training_loss).abs() < 1e-4);
    assert!((head.training_accuracy() - golden.training_accuracy).abs() < 1e-4);
}

#[test]
fn the_gradient_is_that_of_the_loss_for_any_number_of_features_and_classes() {
    for (features, classes, cells) in [(3, 2, 5), (7, 17, 33), (8, 16, 64), (1, 33, 70)] {
        let (rows, labels) = blobs(cells, features, classes as u32, 1.0);
        let inputs = Inputs::new(&rows, 1.7).unwrap();
        let layer = fresh_layer(features, classes, &mut seed::stream(3, "gradient test"));
        let mut scratch = kernel::Scratch::new(classes);
        let all: Vec<u32> = (0..cells as u32).collect();
        // plain f64, one cell after the other
        let (weights, bias) = layer.clone().unpack(features);
        let mut expected = Array2::<f64>::zeros((classes, features + 1));
        for (row, &label) in rows.rows().into_iter().zip(&labels) {
            let h: Vec<f64> = row.iter().map(|v| f64::from(*v) * 1.7).chain([1.0]).collect();
            let logit = |c: usize| (0..features).map(|f| f64::from(weights[[c, f]]) * h[f]).sum::<f64>();
            let powers: Vec<f64> = (0..classes).map(|c| (logit(c) + f64::from(bias[c])).exp()).collect();
            let sum: f64 = powers.iter().sum();
            for ((c, f), entry) in expected.indexed_iter_mut() {
                let error = powers[c] / sum - f64::from(u8::from(c == label as usize));
                *entry += error * h[f] / cells as f64;
            }
        }
        for isa in Isa::available() {
            let mut gradient = Layer::zeros(features, classes);
            kernel::gradient_by(isa, &inputs, &labels, &all, &layer, &mut scratch, &mut gradient);
            let (ours, ours_bias) = gradient.unpack(features);
            for ((c, f), &value) in expected.indexed_iter() {
                let ours = if f == features { ours_bias[c] } else { ours[[c, f]] };
                assert!((f64::from(ours) - value).abs() < 1e-6, "{features} x {classes}: {ours} {value}");
            }
        }
    }
}

#[test]
fn fused_instruction_sets_give_the_same_bits() {
    let (rows, labels) = blobs(70, 33, 19, 1.0);
    let inputs = Inputs::new(&rows, 5.0).unwrap();
    let layer = fresh_layer(33, 19, &mut seed::stream(4, "bits test"));
    let all: Vec<u32> = (0..70).collect();
    let run = |isa: Isa| {
        let (mut scratch, mut gradient) = (kernel::Scratch::new(19), Layer::zeros(33, 19));
        let pass = kernel::gradient_by(isa, &inputs, &labels, &all, &layer, &mut scratch, &mut gradient);
        (gradient.values, pass.loss, pass.hits)
    };
    let fused = || Isa::available().filter(|isa| isa.level() != Level::Portable || PORTABLE_FMA);
    for isa in fused() {
        assert_eq!(Some(run(isa)), fused().next().map(run), "{isa:?}");
    }
}

#[test]
fn two_runs_with_one_seed_are_equal_and_networks_differ() {
    let (rows, labels) = blobs(60, 10, 4, 0.8);
    let first = train_heads(&rows, &labels, 4, &quick()).unwrap();
    let second = train_heads(&rows, &labels, 4, &quick()).unwrap();
    assert_eq!(first.len(), second.len());
    assert!(first.iter().zip(&second).all(|(a, b)| a.weights() == b.weights() && a.losses() == b.losses()));
    assert_ne!(first[0].weights(), first[1].weights());
    let other = train_heads(&rows, &labels, 4, &Protocol { seed: 8, ..quick() }).unwrap();
    assert_ne!(first[0].weights(), other[0].weights());
    // more networks change nothing for the first ones
    let more = train_heads(&rows, &labels, 4, &Protocol { networks: 5, ..quick() }).unwrap();
    assert_eq!(first[2].weights(), more[2].weights());
}

#[test]
fn separable_classes_are_learned_and_probabilities_sum_to_one() {
    let (rows, labels) = blobs(200, 32, 5, 0.2);
    for head in train_heads(&rows, &labels, 5, &Protocol::default()).unwrap() {
        assert_eq!(head.training_accuracy(), 1.0);
        assert_eq!(head.predict(&rows).unwrap(), labels);
        for row in head.probabilities(&rows).unwrap().rows() {
            assert!((row.sum() - 1.0).abs() < 1e-5);
        }
        assert!(head.losses()[299] < 0.1 * head.losses()[0]);
    }
}

#[test]
fn scaled_unit_embeddings_are_fitted_where_unscaled_ones_are_not() {
    let (rows, labels) = blobs(400, 128, 8, 2.0);
    let loss = |embedding_scale| {
        let protocol = Protocol { networks: 1, epochs: 30, embedding_scale, ..Protocol::default() };
        train_heads(&rows, &labels, 8, &protocol).unwrap()[0].training_loss()
    };
    assert!(loss(None) < 0.5 * loss(Some(1.0)));
}

#[test]
fn what_cannot_be_trained_on_is_refused_with_its_numbers() {
    let (rows, labels) = blobs(6, 3, 2, 0.5);
    let message = |rows: &Array2<f32>, labels: &[u32], classes| {
        train_heads(rows, labels, classes, &quick()).unwrap_err().to_string()
    };
    assert!(message(&rows, &[1; 6], 2).contains("all 6 training cells have label 1"));
    assert!(message(&rows, &labels[..5], 2).contains("6 training cells for 5 labels"));
    assert!(message(&rows, &labels, 1).contains("cell 1 has label 1, but there are 1 classes, 0 to 0"));
    assert!(message(&Array2::zeros((0, 3)), &[], 2).contains("0 cells x 3 features"));
    let mut broken = rows.clone();
    broken[[4, 2]] = f32::NAN;
    assert!(message(&broken, &labels, 2).contains("cell 4, feature 2 is NaN"));
    let head = train_heads(&rows, &labels, 2, &quick()).unwrap().remove(0);
    assert!(head.predict(&broken).unwrap_err().to_string().contains("cell 4, feature 2 is NaN"));
    let wide = head.predict(&Array2::zeros((2, 7))).unwrap_err().to_string();
    assert!(wide.contains("7 features, but the model was trained on 3"));
}

#[test]
fn a_rate_far_too_high_is_an_error_that_names_it() {
    let (rows, labels) = blobs(60, 10, 4, 0.8);
    let wild = Protocol { learning_rate: 1e30, embedding_scale: Some(1e9), ..quick() };
    let message = train_heads(&rows, &labels, 4, &wild).unwrap_err().to_string();
    assert!(message.contains("diverged in epoch") && message.contains("learning_rate"), "{message}");
}

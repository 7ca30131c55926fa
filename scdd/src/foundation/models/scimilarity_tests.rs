//! The frozen model against the network that it was frozen from.

use super::*;
use crate::seed;
use burn::module::Module;

/// A network whose batch normalisation has seen some batches, in training and frozen form.
fn network() -> (Autoencoder, Scimilarity, Expression) {
    let device = Device::flex().autodiff();
    let config = NetworkConfig { latent: 5, hidden: vec![12, 9, 7], ..NetworkConfig::default() };
    let mut rng = seed::stream(1, "test");
    let network = Autoencoder::new(20, &config, &mut rng, &device);
    for _ in 0..10 {
        let sums = tensors::normal(30, 12, &mut rng, &device) * 2.0 + 0.5;
        let _ = network.forward(sums, 0.3, &mut rng);
    }
    let dense: Vec<f32> = (0..6 * 20).map(|i| if i % 3 == 0 { (i % 7) as f32 * 0.5 } else { 0.0 }).collect();
    let genes = (0..20).map(|gene| format!("gene {gene}")).collect();
    let frozen = Scimilarity::freeze(&network.valid(), genes, config, Origin::default());
    (network, frozen, Expression::from_dense(20, &dense).unwrap())
}

fn close(a: &Array2<f32>, b: &Array2<f32>) {
    assert_eq!(a.dim(), b.dim());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn folded_batch_normalisation_equals_the_network_in_inference() {
    let (network, frozen, expression) = network();
    let dense = tensors::from_rows(expression.dense_rows(&[0, 1, 2, 3, 4, 5]), 20, &Device::flex());
    let network = network.valid();
    let sums = dense.clone().matmul(network.encoder.blocks[0].linear.weight.val());
    let (latents, decoded) = network.forward(sums, 0.0, &mut seed::stream(1, "unused"));
    close(&tensors::array(frozen.encode(dense).unwrap()), &tensors::array(latents.clone()));
    let positive = tensors::array(frozen.decode(latents).unwrap());
    close(&positive, &tensors::array(relu(decoded)));
}

#[test]
fn embedding_sparse_cells_equals_encoding_dense_ones_in_any_batch() {
    let (_, frozen, expression) = network();
    let whole = frozen.embed(&expression).unwrap();
    let dense = tensors::from_rows(expression.dense_rows(&[0, 1, 2, 3, 4, 5]), 20, &Device::flex());
    close(&whole, &tensors::array(frozen.encode(dense).unwrap()));
    for cell in 0..6 {
        let alone = frozen.embed(&expression.select_cells(&[cell])).unwrap();
        close(&alone, &whole.select(Axis(0), &[cell]));
    }
}

#[test]
fn latents_have_length_one() {
    let (_, frozen, expression) = network();
    for row in frozen.embed(&expression).unwrap().rows() {
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn cells_with_other_genes_are_refused_with_both_numbers() {
    let (_, frozen, _) = network();
    let other = Expression::from_dense(3, &[1.0, 0.0, 2.0]).unwrap();
    let message = frozen.embed(&other).unwrap_err().to_string();
    assert!(message.contains("3 genes") && message.contains("20"), "{message}");
}

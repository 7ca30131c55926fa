use super::*;
use crate::distill::objective::rows::Rows;
use crate::distill::objective::testing::encoder;
use crate::seed;
use burn::tensor::activation::log_softmax;

#[test]
fn hand_derived_gradients_of_every_layer_are_those_of_autodiff_through_a_head_and_through_an_encoder() {
    let device = Device::flex();
    let rng = |purpose| seed::stream(1, purpose);
    let head = |inputs| Network::random(&[inputs, 5, 7, 3], &mut rng("head"), &device);
    let values = tensors::normal(6, 8, &mut rng("values"), &device);
    for mut network in [head(8), head(4).behind(encoder(&device), values.clone())] {
        let leaves = network.require_grad();
        let rows = Rows::new(values.clone(), &[0, 0, 1, 1, 1, 2], 3);
        let picked = log_softmax(network.outputs(values.clone().autodiff()), 1) * rows.data.one_hot.clone().autodiff();
        let gradients = (picked.sum().neg() / 6.0).backward();
        let found = network.gradients(&rows.data);
        assert_eq!(found.len(), leaves.len());
        for (layer, (leaf, found)) in leaves.iter().zip(found).enumerate() {
            let expected = tensors::to_vec(leaf.grad(&gradients).unwrap().transpose());
            for (expected, found) in expected.iter().zip(tensors::to_vec(found)) {
                assert!((expected - found).abs() < 1e-5, "layer {layer}: {expected} and {found}");
            }
        }
    }
}

#[test]
fn a_low_rank_change_of_the_first_layer_is_the_change_of_its_weights() {
    let device = Device::flex();
    let values = tensors::normal(6, 8, &mut seed::stream(1, "values"), &device);
    let data = Rows::new(values.clone(), &[0, 0, 1, 1, 1, 2], 3).data;
    let head = Network::random(&[4, 5, 3], &mut seed::stream(1, "head"), &device);
    let mut low_rank = head.behind(encoder(&device), values);
    let mut full = Network { drift: None, ..low_rank.clone() };
    let (with_products, rates) = (low_rank.with_first_products(data.clone()), low_rank.rates(0.1, 0.2));
    assert_eq!(rates, [0.1, 0.1, 0.1, 0.2, 0.2]);
    let other = tensors::normal(3, 8, &mut seed::stream(2, "values"), &device);
    let before = tensors::to_vec(full.outputs(other.clone()));
    for _ in 0..5 {
        low_rank.descend(&with_products, &rates);
        full.descend(&data, &rates);
    }
    let outputs = [&low_rank, &full].map(|network| tensors::to_vec(network.outputs(other.clone())));
    assert!(outputs.iter().all(|found| found.len() == 3 * 3));
    for ((low_rank, full), before) in outputs[0].iter().zip(&outputs[1]).zip(before) {
        assert!((low_rank - full).abs() < 1e-5 && (full - before).abs() > 1e-4, "{low_rank}, {full}, {before}");
    }
}

#[test]
fn steps_lower_the_cross_entropy_of_the_rows_that_they_are_taken_on() {
    let device = Device::flex();
    let mut network = Network::random(&[4, 6, 3], &mut seed::stream(2, "head"), &device);
    let rows = Rows::new(tensors::normal(6, 4, &mut seed::stream(2, "rows"), &device), &[0, 0, 1, 1, 2, 2], 3);
    let loss = |network: &Network| {
        let picked = log_softmax(network.outputs(rows.data.values.clone()), 1) * rows.data.one_hot.clone();
        -tensors::scalar(picked.sum()) / 6.0
    };
    let before = loss(&network);
    for _ in 0..50 {
        network.descend(&rows.data, &[0.1; 2]);
    }
    assert!(loss(&network) < 0.7 * before, "{before} -> {}", loss(&network));
}

//! Triplet loss with semi-hard negatives (Schroff et al. 2015, as SCimilarity uses it).
//!
//! mean over triplets of max(0, d(anchor, positive) - d(anchor, negative) + margin), d the squared distance. Positives
//! share the anchor's label; a semi-hard negative is farther than the positive, but by less than the margin. Where
//! several are, the nearest is taken; an anchor without one gives no triplet.

use burn::tensor::{Tensor, activation::relu};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::tensors;

/// Anchors, positives and negatives, as rows of the batch.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Triplets {
    pub(crate) anchors: Vec<usize>,
    pub(crate) positives: Vec<usize>,
    pub(crate) negatives: Vec<usize>,
}

/// At most one triplet for each labelled cell of the batch. Where cells of the anchor's class from other studies are in
/// the batch, the positive is one of them, so that latents of a class come together across studies (SCimilarity); else
/// it is of the anchor's own study (ours).
pub(crate) fn semi_hard(
    latents: Tensor<2>,
    labels: &[Option<u32>],
    studies: &[u32],
    margin: f32,
    rng: &mut ChaCha8Rng,
) -> Triplets {
    let mut triplets = Triplets::default();
    if labels.iter().all(Option::is_none) {
        return triplets;
    }
    let latents = latents.inner();
    let products = tensors::array(latents.clone().matmul(latents.transpose()));
    let distance = |a: usize, b: usize| products[[a, a]] + products[[b, b]] - 2.0 * products[[a, b]];
    for anchor in 0..labels.len() {
        let Some(label) = labels[anchor] else { continue };
        let own: Vec<usize> = (0..labels.len()).filter(|&cell| cell != anchor && labels[cell] == Some(label)).collect();
        let other: Vec<usize> = own.iter().copied().filter(|&cell| studies[cell] != studies[anchor]).collect();
        let positives = if other.is_empty() { own } else { other };
        if positives.is_empty() {
            continue;
        }
        let positive = positives[rng.random_range(0..positives.len())];
        let near = distance(anchor, positive);
        let negative = (0..labels.len())
            .filter(|&cell| labels[cell].is_some_and(|other| other != label))
            .map(|cell| (distance(anchor, cell), cell))
            .filter(|&(far, _)| far > near && far < near + margin)
            .min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, negative)) = negative {
            triplets.anchors.push(anchor);
            triplets.positives.push(positive);
            triplets.negatives.push(negative);
        }
    }
    triplets
}

/// The loss of the triplets of a batch; zero when there are none.
pub(crate) fn triplet_loss(latents: Tensor<2>, triplets: &Triplets, margin: f32) -> Tensor<1> {
    let device = latents.device();
    if triplets.anchors.is_empty() {
        return Tensor::zeros([1], &device);
    }
    let rows = |cells: &[usize]| latents.clone().select(0, tensors::indices(cells.iter().copied(), &device));
    let squared = |a: Tensor<2>, b: Tensor<2>| (a - b).powi_scalar(2).sum_dim(1);
    let anchors = rows(&triplets.anchors);
    let near = squared(anchors.clone(), rows(&triplets.positives));
    let far = squared(anchors, rows(&triplets.negatives));
    relu((near - far).add_scalar(margin)).mean()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_negative_is_farther_than_the_positive_by_less_than_the_margin() {
        let latents = tensors::from_rows(vec![0.0, 0.1, 0.26, 5.0], 1, &burn::tensor::Device::flex());
        let labels = [0, 0, 1, 1].map(Some);
        let mut rng = crate::seed::stream(1, "test");
        let triplets = semi_hard(latents, &labels, &[0; 4], 0.05, &mut rng);
        // Cell 0: cell 2 is at .068, past .01 + .05. Cell 1: cell 2 is at .026, within. Cells 2 and 3: none is farther.
        assert_eq!(triplets, Triplets { anchors: vec![1], positives: vec![0], negatives: vec![2] });
    }

    #[test]
    fn the_positive_is_of_another_study_where_there_is_one_and_unlabelled_cells_are_in_no_triplet() {
        // Cells 0 to 2 are of one class, 1 of the anchor's study, 2 of another; 3 is of another class, 4 has none.
        let latents = tensors::from_rows(vec![0.0, 0.01, 0.1, 0.12, 0.11], 1, &burn::tensor::Device::flex());
        let labels = [Some(0), Some(0), Some(0), Some(1), None];
        for draw in 0..20 {
            let mut rng = crate::seed::stream(draw, "test");
            let triplets = semi_hard(latents.clone(), &labels, &[0, 0, 1, 0, 0], 0.05, &mut rng);
            let of_first = triplets.anchors.iter().position(|&anchor| anchor == 0).unwrap();
            assert_eq!((triplets.positives[of_first], triplets.negatives[of_first]), (2, 3));
            assert!(!triplets.anchors.contains(&4) && !triplets.negatives.contains(&4));
        }
        let unlabelled = semi_hard(latents, &[None; 5], &[0; 5], 0.05, &mut crate::seed::stream(1, "test"));
        assert_eq!(unlabelled, Triplets::default());
    }

    #[test]
    fn the_loss_is_the_formula() {
        let device = burn::tensor::Device::flex();
        let latents = tensors::from_rows(vec![0.0, 0.1, 0.2], 1, &device);
        let triplets = Triplets { anchors: vec![0], positives: vec![1], negatives: vec![2] };
        let loss = tensors::scalar(triplet_loss(latents, &triplets, 0.05));
        assert!((loss - (0.01 - 0.04 + 0.05)).abs() < 1e-6, "{loss}");
    }
}

//! Minibatch SGD on softmax regression, with momentum and weight decay as PyTorch has them
//! ([`Sgd`](scdd_compute::optim::Sgd)).

use scdd_compute::optim::Sgd;

use super::Protocol;
use super::kernel::{self, Inputs, Layer, Scratch};
use crate::LearnError;

/// A trained layer and how its training went.
pub(super) struct Fit {
    pub(super) layer: Layer,
    /// Mean cross-entropy of each epoch, measured while the weights moved.
    pub(super) losses: Vec<f64>,
    /// Mean cross-entropy of the training cells at the end.
    pub(super) loss: f64,
    /// Fraction of the training cells that are predicted at the end.
    pub(super) accuracy: f64,
}

/// Trains from given weights; `reorder` is called before each epoch with the order of the one before
/// (at first 0, 1, 2 ...) and changes it.
pub(super) fn fit(
    inputs: &Inputs,
    labels: &[u32],
    protocol: &Protocol,
    network: usize,
    mut layer: Layer,
    mut reorder: impl FnMut(&mut [u32]),
) -> Result<Fit, LearnError> {
    let cells = inputs.cells();
    let mut order: Vec<u32> = (0..cells as u32).collect();
    let classes = layer.classes();
    let mut scratch = Scratch::new(classes);
    let mut gradient = Layer::zeros(inputs.features(), classes);
    let mut velocity = gradient.clone();
    let sgd = Sgd { momentum: protocol.momentum as f32, weight_decay: protocol.weight_decay as f32 };

    let finite = |loss: f64, epoch: usize| {
        let (learning_rate, embedding_scale) = (protocol.learning_rate, protocol.scale(inputs.features()));
        let diverged = LearnError::Diverged { network, epoch, loss, learning_rate, embedding_scale };
        if loss.is_finite() { Ok(loss) } else { Err(diverged) }
    };
    let mut losses = Vec::with_capacity(protocol.epochs);
    for epoch in 0..protocol.epochs {
        reorder(&mut order);
        let rate = protocol.rate(epoch) as f32;
        let mut loss = 0.0;
        for batch in order.chunks(protocol.batch_size) {
            loss += kernel::gradient(inputs, labels, batch, &layer, &mut scratch, &mut gradient).loss;
            let (weights, velocities) = (layer.values.as_flattened_mut(), velocity.values.as_flattened_mut());
            sgd.update(rate, weights, gradient.values.as_flattened(), velocities);
        }
        losses.push(finite(loss / cells as f64, epoch)?);
    }

    order.sort_unstable();
    let pass = kernel::gradient(inputs, labels, &order, &layer, &mut scratch, &mut gradient);
    let loss = finite(pass.loss / cells as f64, protocol.epochs)?;
    Ok(Fit { layer, losses, loss, accuracy: pass.hits as f64 / cells as f64 })
}

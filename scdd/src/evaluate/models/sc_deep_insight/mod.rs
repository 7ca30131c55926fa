//! scDeepInsight (Jia et al. 2023): genes are laid out on a map by t-SNE of their profiles, the least rectangle around them
//! is turned upright (DeepInsight, Sharma et al. 2019), each cell becomes an image of it, and a convolutional network is
//! trained on the images with labels smoothed by 0.1.
//!
//! The original's network is EfficientNet-b3 at 224 pixels, pretrained on photographs; ours is a small residual network on
//! 16 pixels, drawn afresh like every evaluation model.

mod map;
mod network;
mod rectangle;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use ndarray::Array2;
use serde_json::json;

use scdd_learn::check_training_set;
use scdd_learn::metrics::{accuracy, argmax};

use super::training::{
    Batches, Duration, cosine, cross_entropy, demand, demand_decay, demand_rate, from_values, probabilities,
};
use super::{EvaluationModel, ModelInput, Numbers, SavedModel, TrainedModel};
use crate::cells::Expression;
use crate::evaluate::{EvaluateError, Protocol};
use crate::seed;
use map::Map;
use network::{Network, Sizes};

/// Cells that are predicted at a time.
const CHUNK: usize = 64;
/// Last learning rate as a fraction of the first (ours).
const LAST: f64 = 0.01;

/// A convolutional network on images of cells. Decision values are class probabilities.
///
/// The map is made of the set that it is trained on, as everything that an evaluation model learns. Networks and seed are the protocol's,
/// its epochs and rates are not used; all networks of a set share one map. A pixel is the mean of its genes, as a
/// fraction of the largest value in the training set and 1 at most (DeepInsight's second normalisation).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScDeepInsight {
    /// Rows and columns of an image: 16 (ours; the original has 224, of which 2,000 genes leave most empty).
    pub size: usize,
    /// Channels of the first convolution, a multiple of 8; later ones have up to four times as many: 16 (ours).
    pub channels: usize,
    /// Fraction of a label that is spread over all classes: 0.1 (scDeepInsight).
    pub label_smoothing: f64,
    /// Rate of AdamW, which falls along half a cosine: 3e-3 (ours).
    pub learning_rate: f64,
    /// Weight decay: 0.01 (AdamW's default).
    pub weight_decay: f64,
    /// Cells a step: 32 (ours).
    pub batch: usize,
    /// Passes over the cells: 20 (ours).
    pub epochs: usize,
    /// Steps at least, however few the cells: 100 (ours).
    pub least_steps: usize,
    /// Steps at most, however many the cells: 300 (ours).
    pub most_steps: usize,
}

impl Default for ScDeepInsight {
    fn default() -> Self {
        Self {
            size: 16,
            channels: 16,
            label_smoothing: 0.1,
            learning_rate: 3e-3,
            weight_decay: 0.01,
            batch: 32,
            epochs: 20,
            least_steps: 100,
            most_steps: 300,
        }
    }
}

impl ScDeepInsight {
    /// With images of 16 x 16.
    pub fn new() -> Self {
        Self::default()
    }

    /// With images of the original's size, 224 x 224.
    pub fn paper() -> Self {
        Self { size: 224, most_steps: usize::MAX, ..Self::default() }
    }

    fn duration(&self) -> Duration {
        let Self { batch, epochs, least_steps, most_steps, .. } = *self;
        Duration { batch, epochs, least_steps, most_steps }
    }

    fn check(&self) -> Result<(), EvaluateError> {
        self.duration().check()?;
        demand((4..=4_096).contains(&self.size), "size", self.size as f64, "4 to 4,096")?;
        let eighths = self.channels > 0 && self.channels.is_multiple_of(8);
        demand(eighths, "channels", self.channels as f64, "a multiple of 8")?;
        let smoothing = self.label_smoothing;
        demand((0.0..1.0).contains(&smoothing), "label_smoothing", smoothing, "0 or more, below 1")?;
        demand_rate(self.learning_rate)?;
        demand_decay(self.weight_decay)
    }

    fn train_one(
        &self,
        input: (&Map, f32),
        expression: &Expression,
        labels: &[u32],
        classes: usize,
        seed: u64,
    ) -> crate::Result<Trained> {
        let ((map, scale), device) = (input, crate::default_device()?);
        let graph = device.clone().autodiff();
        let mut random = seed::stream(seed, "scDeepInsight: weights and batches");
        let sizes = Sizes { size: self.size, channels: self.channels, classes };
        let mut network = Network::new(sizes, &mut random, &graph);
        let mut optimizer = AdamWConfig::new().with_weight_decay(self.weight_decay as f32).init();
        let (mut batches, steps) = (Batches::new(labels.len(), self.batch), self.duration().steps(labels.len()));
        for step in 0..steps {
            let batch = batches.next(&mut random).to_vec();
            let of_batch: Vec<u32> = batch.iter().map(|&cell| labels[cell]).collect();
            let images = images(map.images(expression, &batch, scale), self.size, &graph);
            let gradients = cross_entropy(network.forward(images), &of_batch, self.label_smoothing).backward();
            let gradients = GradientsParams::from_grads(gradients, &network);
            network = optimizer.step(self.learning_rate * cosine(step, steps, LAST), network, gradients);
        }
        let mut trained =
            Trained { map: map.clone(), scale, network: network.valid(), sizes, device, training_accuracy: None };
        let found = trained.run(expression)?;
        if found.iter().any(|value| !value.is_finite()) {
            let learning_rate = self.learning_rate;
            return Err(EvaluateError::NetworkDiverged { model: "scDeepInsight", learning_rate }.into());
        }
        trained.training_accuracy = Some(accuracy(&argmax(&found), labels));
        Ok(trained)
    }
}

impl EvaluationModel for ScDeepInsight {
    fn name(&self) -> String {
        "scDeepInsight".into()
    }

    fn train(
        &self,
        cells: &ModelInput,
        labels: &[u32],
        classes: usize,
        protocol: &Protocol,
    ) -> crate::Result<Vec<Box<dyn TrainedModel>>> {
        self.check()?;
        protocol.check()?;
        let expression = cells.expression()?;
        check_training_set(expression.cells(), expression.genes(), labels, classes)?;
        let map = Map::of(expression, self.size, protocol.seed);
        let scale = scale(expression);
        let train = |network| -> crate::Result<Box<dyn TrainedModel>> {
            let seed = seed::number(protocol.seed, &format!("scDeepInsight {network}"));
            Ok(Box::new(self.train_one((&map, scale), expression, labels, classes, seed)?))
        };
        (0..protocol.networks).map(train).collect()
    }
}

/// 1 over the largest value.
fn scale(expression: &Expression) -> f32 {
    1.0 / expression.values().iter().copied().fold(f32::MIN_POSITIVE, f32::max)
}

fn images(values: Vec<f32>, size: usize, device: &Device) -> Tensor<4> {
    from_values([values.len() / (size * size), 1, size, size], values, device).val()
}

struct Trained {
    map: Map,
    scale: f32,
    network: Network,
    sizes: Sizes,
    device: Device,
    training_accuracy: Option<f64>,
}

impl Trained {
    fn run(&self, expression: &Expression) -> Result<Array2<f32>, EvaluateError> {
        let (found, expected) = (expression.genes(), self.map.pixels.len());
        if found != expected {
            return Err(EvaluateError::Genes { found, expected });
        }
        let cells: Vec<usize> = (0..expression.cells()).collect();
        let mut all = Vec::with_capacity(cells.len() * self.sizes.classes);
        for chunk in cells.chunks(CHUNK) {
            let images = images(self.map.images(expression, chunk, self.scale), self.sizes.size, &self.device);
            all.extend(probabilities(self.network.forward(images)));
        }
        // One value for each cell and class.
        Ok(Array2::from_shape_vec((cells.len(), self.sizes.classes), all).unwrap_or_default())
    }
}

impl TrainedModel for Trained {
    fn decide(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        Ok(self.run(cells.expression()?)?)
    }

    fn probabilities(&self, cells: &ModelInput) -> crate::Result<Array2<f32>> {
        self.decide(cells)
    }

    fn save(&self) -> Option<SavedModel> {
        let (genes, Sizes { size, channels, classes }) = (self.map.pixels.len(), self.sizes);
        let config = json!({ "size": size, "channels": channels, "classes": classes, "genes": genes });
        let saved = SavedModel::new(KIND, config).with("map", &[genes], Numbers::U32(self.map.pixels.clone())).with(
            "scale",
            &[1],
            Numbers::F32(vec![self.scale]),
        );
        Some(self.network.put(saved))
    }

    fn training_accuracy(&self) -> Option<f64> {
        self.training_accuracy
    }
}

/// Which files hold one.
pub(super) const KIND: &str = "scDeepInsight";

pub(super) fn load(saved: &SavedModel) -> Result<Box<dyn TrainedModel>, String> {
    let (genes, classes) = (saved.number("genes")?, saved.number("classes")?);
    let (size, channels) = (saved.number("size")?, saved.number("channels")?);
    ScDeepInsight { size, channels, ..ScDeepInsight::default() }.check().map_err(|problem| problem.to_string())?;
    let map = Map { size, pixels: saved.u32("map")? };
    if map.pixels.len() != genes || !map.is_whole() || classes == 0 {
        return Err(format!("its map does not place {genes} genes on {size} x {size} pixels"));
    }
    let (scale, sizes) = (saved.f32("scale", &[1])?[0], Sizes { size, channels, classes });
    let device = crate::default_device().map_err(|problem| problem.to_string())?;
    let network = Network::take(saved, sizes, &device)?;
    Ok(Box::new(Trained { map, scale, network, sizes, device, training_accuracy: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_outside_its_range_is_named() {
        let message = |model: ScDeepInsight| model.check().unwrap_err().to_string();
        assert!(message(ScDeepInsight { size: 2, ..ScDeepInsight::default() }).starts_with("size is 2"));
        assert!(message(ScDeepInsight { channels: 12, ..ScDeepInsight::default() }).contains("a multiple of 8"));
        assert!(message(ScDeepInsight { label_smoothing: 1.0, ..ScDeepInsight::default() }).contains("below 1"));
    }

    #[test]
    fn images_of_the_originals_size_go_through() {
        let dense: Vec<f32> = (0..4 * 30).map(|entry| if entry % 3 == entry / 30 % 2 { 1.5 } else { 0.0 }).collect();
        let cells = ModelInput::new(Expression::from_dense(30, &dense).unwrap());
        let model = ScDeepInsight { least_steps: 1, epochs: 1, ..ScDeepInsight::paper() };
        let protocol = Protocol { networks: 1, ..Protocol::default() };
        let trained = model.train(&cells, &[0, 1, 0, 1], 2, &protocol).unwrap();
        assert_eq!(trained[0].decide(&cells).unwrap().dim(), (4, 2));
    }
}

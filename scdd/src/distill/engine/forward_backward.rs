//! The two passes through generator and encoder, a chunk of codes at a time.
//!
//! The first makes features (and the expression S, where the objective compares it) without a graph. The objective gives
//! dL/dfeatures and dL/dS. The second goes through a chunk again with a graph, and pulls both back in one:
//! dL/dZ = (dfeatures/dZ)^T dL/dfeatures + (dS/dZ)^T dL/dS. So the graph is that of one chunk whatever the number of
//! synthetic cells. Where one chunk has all rows, the first pass keeps its graph, and there is no second. Where expression
//! isn't compared, and path and model allow it, it is not made at all ([`FusedDecodeEncode`]).

use std::cell::OnceCell;

use burn::tensor::{Device, Int, Tensor};
use ndarray::Array2;

use crate::distill::codes::Codes;
use crate::distill::config::DistillConfig;
use crate::distill::error::DistillError;
use crate::distill::path::{GeneratorPath, Latents};
use crate::foundation::{FusedDecodeEncode, FusedTrace, unit_length};
use crate::tensors;

/// Codes on which it is looked where their cells' genes usually are, evenly spread over all.
const LOOKED_AT: usize = 64;

/// The way from codes to what the objective sees, for codes that begin here.
pub(in crate::distill) struct Passes<'a> {
    pub(in crate::distill) path: &'a dyn GeneratorPath,
    pub(in crate::distill) config: &'a DistillConfig,
    pub(in crate::distill) start: &'a Codes,
    pub(in crate::distill) device: Device,
    /// Past the expression, once it is gone; None where path or model can't.
    trip: OnceCell<Option<FusedDecodeEncode>>,
}

/// What the objective sees of all codes.
pub(in crate::distill) struct Seen {
    /// `[rows, latent]`.
    pub(in crate::distill) features: Tensor<2>,
    /// `[rows, genes]`, where it is compared.
    pub(in crate::distill) expression: Option<Tensor<2>>,
    /// Of all rows, where they are one chunk.
    pub(in crate::distill) graph: Option<Graph>,
}

/// The features of what was made of a chunk's codes, with gradients.
pub(in crate::distill) struct Graph {
    features: Tensor<2>,
    between: Between,
}

/// What is between codes and features.
enum Between {
    /// What was made of the codes, in one graph with both.
    Made(Box<[Tensor<2>; 2]>),
    /// Decoder and encoder, gone through without a graph and without expression.
    Crossed(Box<Crossing>),
}

/// The features' graph begins at what the encoder makes of the cells; from there back to the codes there is none.
struct Crossing {
    trip: FusedDecodeEncode,
    latents: Latents,
    made: Tensor<2>,
    crossed: FusedTrace,
}

/// The objective's gradients by what it saw; None where it does not depend on it.
pub(in crate::distill) struct Upstream {
    pub(in crate::distill) features: Option<Tensor<2>>,
    pub(in crate::distill) expression: Option<Tensor<2>>,
}

impl<'a> Passes<'a> {
    pub(in crate::distill) fn new(path: &'a dyn GeneratorPath, config: &'a DistillConfig, start: &'a Codes) -> Self {
        Self { path, config, start, device: path.study().device().clone(), trip: OnceCell::new() }
    }

    pub(in crate::distill) fn labels(&self) -> &'a [u32] {
        &self.start.labels
    }

    pub(in crate::distill) fn noise(&self, step: usize) -> Option<Tensor<2>> {
        self.path.noise(self.labels().len(), step, self.config)
    }

    /// Expression `[rows, genes]` or features of all codes, on the host.
    pub(in crate::distill) fn make(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
    ) -> Result<Array2<f32>, DistillError> {
        let rows = codes.dims()[0];
        let mut values = Vec::new();
        for (first, count) in chunks(0, rows, self.config.chunk) {
            let made = self.part(codes.clone().narrow(0, first, count), first, noise)?;
            // Parts and their sum would be in memory twice.
            values.reserve_exact(rows * made.dims()[1] - values.len());
            values.extend(tensors::to_vec(made));
        }
        let width = values.len() / rows.max(1);
        Ok(Array2::from_shape_vec((rows, width), values).unwrap_or_default())
    }

    /// The first pass. Without a `graph` the second makes it anew.
    pub(in crate::distill) fn see(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        expression: bool,
        graph: bool,
    ) -> Result<Seen, DistillError> {
        let rows = codes.dims()[0];
        if graph && rows <= self.config.chunk {
            let graph = self.graph(codes, noise, (0, rows), expression)?;
            let made = match &graph.between {
                Between::Made(codes_and_made) if expression => Some(codes_and_made[1].clone().inner()),
                _ => None,
            };
            return Ok(Seen { features: graph.features.clone().inner(), expression: made, graph: Some(graph) });
        }
        let (features, made) = self.see_rows(codes, noise, (0, rows), expression)?;
        Ok(Seen { features, expression: made, graph: None })
    }

    /// Features and, where they are asked for, expression of some rows, without a graph.
    fn see_rows(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        (first, count): (usize, usize),
        expression: bool,
    ) -> Result<(Tensor<2>, Option<Tensor<2>>), DistillError> {
        let (mut features, mut kept) = (Vec::new(), Vec::new());
        for (first, count) in chunks(first, count, self.config.chunk) {
            let codes = codes.clone().narrow(0, first, count);
            if let Some((trip, latents)) = self.crossing(&codes, first, noise, expression) {
                features.push(unit_length(trip.forward(latents.only()).0));
                continue;
            }
            let made = self.part(codes, first, noise)?;
            if expression {
                kept.push(made.clone());
            }
            features.push(self.path.features(made)?);
        }
        Ok((Tensor::cat(features, 0), expression.then(|| Tensor::cat(kept, 0))))
    }

    /// Looks again at rows whose codes were moved.
    pub(in crate::distill) fn renew(
        &self,
        seen: &mut Seen,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        rows: (usize, usize),
    ) -> Result<(), DistillError> {
        let (features, made) = self.see_rows(codes, noise, rows, seen.expression.is_some())?;
        let (first, count) = rows;
        let put = |all: &Tensor<2>, rows: Tensor<2>| {
            let width = all.dims()[1];
            all.clone().slice_assign([first..first + count, 0..width], rows)
        };
        seen.features = put(&seen.features, features);
        if let (Some(all), Some(made)) = (&seen.expression, made) {
            seen.expression = Some(put(all, made));
        }
        Ok(())
    }

    /// The second pass for some rows: dL/dZ `[rows, width]`, the gradient of <features(Z), dL/dfeatures> + <S(Z), dL/dS>
    /// with both gradients held fixed.
    pub(in crate::distill) fn pull_back(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        (first, count): (usize, usize),
        upstream: &Upstream,
        mut graph: Option<Graph>,
    ) -> Result<Tensor<2>, DistillError> {
        let parts = chunks(first, count, self.config.chunk).map(|(first, count)| {
            let graph = match graph.take() {
                Some(graph) => graph,
                None => self.graph(codes, noise, (first, count), upstream.expression.is_some())?,
            };
            let product = |made: Tensor<2>, gradient: &Option<Tensor<2>>| {
                gradient.as_ref().map(|gradient| (made * gradient.clone().narrow(0, first, count)).sum())
            };
            let of_features = product(graph.features, &upstream.features);
            let gradient = match graph.between {
                Between::Made(codes_and_made) => {
                    let [codes, made] = *codes_and_made;
                    let sum = match (of_features, product(made, &upstream.expression)) {
                        (Some(features), Some(expression)) => Some(features + expression),
                        (features, expression) => features.or(expression),
                    };
                    sum.and_then(|sum| codes.grad(&sum.backward()))
                }
                Between::Crossed(crossing) => {
                    let Crossing { trip, latents, made, crossed } = *crossing;
                    let of_made = of_features.and_then(|features| made.grad(&features.backward()));
                    of_made.map(|gradient| latents.back(trip.backward(&crossed, gradient)))
                }
            };
            Ok(gradient.unwrap_or_else(|| codes.clone().narrow(0, first, count).zeros_like()))
        });
        Ok(Tensor::cat(parts.collect::<Result<_, DistillError>>()?, 0))
    }

    fn graph(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        (first, count): (usize, usize),
        expression: bool,
    ) -> Result<Graph, DistillError> {
        let codes = codes.clone().narrow(0, first, count);
        if let Some((trip, latents)) = self.crossing(&codes, first, noise, expression) {
            let (made, crossed) = trip.forward(latents.values.clone());
            let made = made.autodiff().require_grad();
            let features = unit_length(made.clone());
            let between = Between::Crossed(Box::new(Crossing { trip, latents, made, crossed }));
            return Ok(Graph { features, between });
        }
        let codes = codes.autodiff().require_grad();
        let made = self.part(codes.clone(), first, noise)?;
        let features = self.path.features(made.clone())?;
        Ok(Graph { features, between: Between::Made(Box::new([codes, made])) })
    }

    /// The latents that a decoder is given where codes of the rows from `first` on are latents, for paths and models that can
    /// go on from there without `expression`.
    fn crossing(
        &self,
        codes: &Tensor<2>,
        first: usize,
        noise: Option<&Tensor<2>>,
        expression: bool,
    ) -> Option<(FusedDecodeEncode, Latents)> {
        if expression {
            return None;
        }
        let trip = self.trip.get_or_init(|| self.trip()).clone()?;
        let (classes, noise) = self.inputs(codes.dims()[0], first, noise);
        Some((trip, self.path.latents(codes, classes, noise, self.config)?))
    }

    /// For cells like those at the start, of which some are looked at: so a run that goes on takes the steps of one that never
    /// stopped.
    fn trip(&self) -> Option<FusedDecodeEncode> {
        let trip = self.path.study().foundation().decode_encode()?;
        let rows = self.labels().len();
        let looked_at = || (0..rows).step_by(rows.div_ceil(LOOKED_AT).max(1));
        let some = tensors::indices(looked_at(), &self.device);
        let codes = tensors::tensor(&self.start.values, &self.device).select(0, some.clone());
        let classes = looked_at().map(|row| self.labels()[row] as usize);
        let noise = self.noise(0).map(|noise| noise.select(0, some));
        let latents = self.path.latents(&codes, tensors::indices(classes, &self.device), noise, self.config)?;
        Some(trip.with_pattern_of(latents.only()))
    }

    /// What the path makes of codes of the rows from `first` on.
    fn part(&self, codes: Tensor<2>, first: usize, noise: Option<&Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        let (classes, noise) = self.inputs(codes.dims()[0], first, noise);
        self.path.make(codes, classes, noise, self.config)
    }

    /// Classes and noise of some rows.
    fn inputs(&self, count: usize, first: usize, noise: Option<&Tensor<2>>) -> (Tensor<1, Int>, Option<Tensor<2>>) {
        let classes = self.labels()[first..first + count].iter().map(|&label| label as usize);
        let noise = noise.map(|noise| noise.clone().narrow(0, first, count));
        (tensors::indices(classes, &self.device), noise)
    }
}

/// First row and number of rows of each chunk.
fn chunks(first: usize, rows: usize, chunk: usize) -> impl Iterator<Item = (usize, usize)> {
    (first..first + rows).step_by(chunk).map(move |start| (start, chunk.min(first + rows - start)))
}

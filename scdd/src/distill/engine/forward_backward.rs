//! Forward and backward passes through generator and encoder, a chunk of codes at a time.
//!
//! The forward pass makes embeddings E (and expression S, where the objective compares it) without a graph. The objective
//! gives dL/dE and dL/dS. The backward pass makes a chunk again with a graph, and takes both gradients back at once:
//!     dL/dZ = (dE/dZ)^T dL/dE + (dS/dZ)^T dL/dS.
//! So the graph is that of one chunk, whatever the number of synthetic cells. Where one chunk has all rows, the forward pass
//! keeps its graph and nothing is made twice. Where the objective compares embeddings alone, and path and model allow it,
//! expression is never made ([`FusedDecodeEncode`]).

use std::cell::OnceCell;

use burn::tensor::{Device, Int, Tensor};
use ndarray::Array2;

use crate::distill::codes::Codes;
use crate::distill::config::DistillConfig;
use crate::distill::error::DistillError;
use crate::distill::path::{GeneratorPath, Latents};
use crate::foundation::{FusedDecodeEncode, FusedTrace, unit_length};
use crate::tensors;

/// Codes that the fused product's reference activation pattern is taken from, evenly spread over all.
const PATTERN_CODES: usize = 64;

/// The passes from codes to what the objective compares, and back.
pub(super) struct ForwardBackward<'a> {
    path: &'a dyn GeneratorPath,
    initial: &'a Codes,
    chunk: usize,
    seed: u64,
    device: Device,
    /// Made at its first use; None where path or model have no fused form.
    fused: OnceCell<Option<FusedDecodeEncode>>,
}

/// What the objective compares of all codes.
pub(super) struct Forward {
    /// `[rows, latent]`.
    pub(super) embeddings: Tensor<2>,
    /// `[rows, genes]`, where it is compared.
    pub(super) expression: Option<Tensor<2>>,
    /// Of all rows, where they are one chunk.
    pub(super) graph: Option<Graph>,
}

/// The graph of a chunk, which ends in its embeddings.
pub(super) struct Graph {
    embeddings: Tensor<2>,
    origin: GraphOrigin,
}

/// Where a chunk's graph begins.
enum GraphOrigin {
    /// At the codes. Codes, and what the path made of them.
    Codes(Box<[Tensor<2>; 2]>),
    /// At the encoder's output: decoder and encoder went by the fused product, without a graph.
    EncoderOutput(Box<FusedChunk>),
}

struct FusedChunk {
    fused: FusedDecodeEncode,
    latents: Latents,
    /// Embeddings before they are scaled to unit norm.
    output: Tensor<2>,
    trace: FusedTrace,
}

/// The objective's gradients; None where the loss does not depend on it.
pub(super) struct Upstream {
    pub(super) embeddings: Option<Tensor<2>>,
    pub(super) expression: Option<Tensor<2>>,
}

impl<'a> ForwardBackward<'a> {
    pub(super) fn new(path: &'a dyn GeneratorPath, config: &DistillConfig, initial: &'a Codes) -> Self {
        let device = path.study().device().clone();
        Self { path, initial, chunk: config.chunk, seed: config.seed, device, fused: OnceCell::new() }
    }

    pub(super) fn noise(&self, step: usize) -> Option<Tensor<2>> {
        self.path.noise(self.initial.labels.len(), step, self.seed)
    }

    /// Expression `[rows, genes]` or embeddings of all codes, on the host.
    pub(super) fn make(&self, codes: &Tensor<2>, noise: Option<&Tensor<2>>) -> Result<Array2<f32>, DistillError> {
        let rows = codes.dims()[0];
        let mut values = Vec::new();
        for (first, count) in self.chunks(0, rows) {
            let made = self.make_chunk(codes.clone().narrow(0, first, count), first, noise)?;
            // Chunks that are collected and then joined would be in memory twice.
            values.reserve_exact(rows * made.dims()[1] - values.len());
            values.extend(tensors::to_vec(made));
        }
        let width = values.len() / rows.max(1);
        Ok(Array2::from_shape_vec((rows, width), values).unwrap_or_default())
    }

    /// The forward pass. Without `graph` the backward pass makes each chunk again.
    pub(super) fn forward(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        expression: bool,
        graph: bool,
    ) -> Result<Forward, DistillError> {
        let rows = codes.dims()[0];
        if graph && rows <= self.chunk {
            let graph = self.graph(codes, noise, (0, rows), expression)?;
            let made = match &graph.origin {
                GraphOrigin::Codes(codes_and_made) if expression => Some(codes_and_made[1].clone().inner()),
                _ => None,
            };
            return Ok(Forward { embeddings: graph.embeddings.clone().inner(), expression: made, graph: Some(graph) });
        }
        let (embeddings, expression) = self.forward_rows(codes, noise, (0, rows), expression)?;
        Ok(Forward { embeddings, expression, graph: None })
    }

    /// Embeddings of some rows, and with `expression` that too, without a graph.
    fn forward_rows(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        (first, count): (usize, usize),
        expression: bool,
    ) -> Result<(Tensor<2>, Option<Tensor<2>>), DistillError> {
        let (mut embeddings, mut kept) = (Vec::new(), Vec::new());
        for (first, count) in self.chunks(first, count) {
            let codes = codes.clone().narrow(0, first, count);
            if let Some((fused, latents)) = self.fused_latents(&codes, first, noise, expression) {
                embeddings.push(unit_length(fused.forward(latents.values).0));
                continue;
            }
            let made = self.make_chunk(codes, first, noise)?;
            if expression {
                kept.push(made.clone());
            }
            embeddings.push(self.path.embeddings(made)?);
        }
        Ok((Tensor::cat(embeddings, 0), expression.then(|| Tensor::cat(kept, 0))))
    }

    /// Forward pass of some rows whose codes were updated.
    pub(super) fn refresh(
        &self,
        forward: &mut Forward,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        rows: (usize, usize),
    ) -> Result<(), DistillError> {
        let (embeddings, made) = self.forward_rows(codes, noise, rows, forward.expression.is_some())?;
        let (first, count) = rows;
        let put = |all: &Tensor<2>, rows: Tensor<2>| {
            let width = all.dims()[1];
            all.clone().slice_assign([first..first + count, 0..width], rows)
        };
        forward.embeddings = put(&forward.embeddings, embeddings);
        if let (Some(all), Some(made)) = (&forward.expression, made) {
            forward.expression = Some(put(all, made));
        }
        Ok(())
    }

    /// The backward pass of some rows: dL/dZ `[rows, width]`, the gradient of <E(Z), dL/dE> + <S(Z), dL/dS> with both
    /// gradients held fixed.
    pub(super) fn backward(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        (first, count): (usize, usize),
        upstream: &Upstream,
        mut graph: Option<Graph>,
    ) -> Result<Tensor<2>, DistillError> {
        let chunks = self.chunks(first, count).map(|(first, count)| {
            let graph = match graph.take() {
                Some(graph) => graph,
                None => self.graph(codes, noise, (first, count), upstream.expression.is_some())?,
            };
            let product = |made: Tensor<2>, gradient: &Option<Tensor<2>>| {
                gradient.as_ref().map(|gradient| (made * gradient.clone().narrow(0, first, count)).sum())
            };
            let by_embeddings = product(graph.embeddings, &upstream.embeddings);
            let gradient = match graph.origin {
                GraphOrigin::Codes(codes_and_made) => {
                    let [codes, made] = *codes_and_made;
                    let sum = match (by_embeddings, product(made, &upstream.expression)) {
                        (Some(embeddings), Some(expression)) => Some(embeddings + expression),
                        (embeddings, expression) => embeddings.or(expression),
                    };
                    sum.and_then(|sum| codes.grad(&sum.backward()))
                }
                GraphOrigin::EncoderOutput(chunk) => {
                    let FusedChunk { fused, latents, output, trace } = *chunk;
                    let by_output = by_embeddings.and_then(|embeddings| output.grad(&embeddings.backward()));
                    by_output.map(|gradient| latents.backward(fused.backward(&trace, gradient)))
                }
            };
            Ok(gradient.unwrap_or_else(|| codes.clone().narrow(0, first, count).zeros_like()))
        });
        Ok(Tensor::cat(chunks.collect::<Result<_, DistillError>>()?, 0))
    }

    fn graph(
        &self,
        codes: &Tensor<2>,
        noise: Option<&Tensor<2>>,
        (first, count): (usize, usize),
        expression: bool,
    ) -> Result<Graph, DistillError> {
        let codes = codes.clone().narrow(0, first, count);
        if let Some((fused, latents)) = self.fused_latents(&codes, first, noise, expression) {
            let (output, trace) = fused.forward(latents.values.clone());
            let output = output.autodiff().require_grad();
            let embeddings = unit_length(output.clone());
            let origin = GraphOrigin::EncoderOutput(Box::new(FusedChunk { fused, latents, output, trace }));
            return Ok(Graph { embeddings, origin });
        }
        let codes = codes.autodiff().require_grad();
        let made = self.make_chunk(codes.clone(), first, noise)?;
        let embeddings = self.path.embeddings(made.clone())?;
        Ok(Graph { embeddings, origin: GraphOrigin::Codes(Box::new([codes, made])) })
    }

    /// The fused product and the latents that it takes, of codes of the rows from `first` on. None where expression is
    /// compared, or path or model have no fused form.
    fn fused_latents(
        &self,
        codes: &Tensor<2>,
        first: usize,
        noise: Option<&Tensor<2>>,
        expression: bool,
    ) -> Option<(FusedDecodeEncode, Latents)> {
        if expression {
            return None;
        }
        let fused = self.fused.get_or_init(|| self.fused_decode_encode()).clone()?;
        let (classes, noise) = self.classes_and_noise(codes.dims()[0], first, noise);
        Some((fused, self.path.latents(codes, classes, noise)?))
    }

    /// The fused product with the reference activation pattern of some initial codes, so that a run that continues from a
    /// checkpoint has the same pattern as one that never stopped.
    fn fused_decode_encode(&self) -> Option<FusedDecodeEncode> {
        let decode_encode = self.path.study().foundation().decode_encode()?;
        let Codes { values, labels } = self.initial;
        let rows = || (0..labels.len()).step_by(labels.len().div_ceil(PATTERN_CODES).max(1));
        let indices = tensors::indices(rows(), &self.device);
        let codes = tensors::tensor(values, &self.device).select(0, indices.clone());
        let classes = tensors::indices(rows().map(|row| labels[row] as usize), &self.device);
        let noise = self.noise(0).map(|noise| noise.select(0, indices));
        Some(decode_encode.with_pattern_of(self.path.latents(&codes, classes, noise)?.values))
    }

    /// What the path makes of codes of the rows from `first` on.
    fn make_chunk(&self, codes: Tensor<2>, first: usize, noise: Option<&Tensor<2>>) -> Result<Tensor<2>, DistillError> {
        let (classes, noise) = self.classes_and_noise(codes.dims()[0], first, noise);
        self.path.make(codes, classes, noise)
    }

    fn classes_and_noise(
        &self,
        count: usize,
        first: usize,
        noise: Option<&Tensor<2>>,
    ) -> (Tensor<1, Int>, Option<Tensor<2>>) {
        let classes = self.initial.labels[first..first + count].iter().map(|&label| label as usize);
        let noise = noise.map(|noise| noise.clone().narrow(0, first, count));
        (tensors::indices(classes, &self.device), noise)
    }

    /// First row and number of rows of each chunk.
    fn chunks(&self, first: usize, rows: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let chunk = self.chunk;
        (first..first + rows).step_by(chunk).map(move |start| (start, chunk.min(first + rows - start)))
    }
}

//! What identifies frozen weights, wherever they were read from: SHA-256 over name, genes and folded weights.
//!
//! In order, numbers as little-endian u64 and f32: length and bytes of the name; number of genes, and length and bytes of
//! each; for the encoder and then the decoder: number of layers (0 without a decoder), and of each layer inputs, outputs,
//! weights `[inputs, outputs]` row by row, bias, 1 and the PReLU slope or 0.

use sha2::{Digest, Sha256};

use crate::foundation::network::FrozenStack;
use crate::text::hexadecimal;

pub(in crate::foundation) fn checksum(
    name: &str,
    genes: &[String],
    encoder: &FrozenStack,
    decoder: Option<&FrozenStack>,
) -> String {
    let mut hash = Sha256::new();
    text(&mut hash, name);
    number(&mut hash, genes.len());
    for gene in genes {
        text(&mut hash, gene);
    }
    stack(&mut hash, encoder);
    match decoder {
        Some(decoder) => stack(&mut hash, decoder),
        None => number(&mut hash, 0),
    }
    hexadecimal(hash)
}

fn number(hash: &mut Sha256, value: usize) {
    hash.update((value as u64).to_le_bytes());
}

fn text(hash: &mut Sha256, text: &str) {
    number(hash, text.len());
    hash.update(text);
}

fn values(hash: &mut Sha256, values: &[f32]) {
    let mut bytes = Vec::new();
    for part in values.chunks(1 << 14) {
        bytes.clear();
        bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        hash.update(&bytes);
    }
}

fn stack(hash: &mut Sha256, stack: &FrozenStack) {
    number(hash, stack.len());
    for (index, shape) in stack.shapes().into_iter().enumerate() {
        shape.into_iter().for_each(|width| number(hash, width));
        values(hash, &stack.weight(index));
        values(hash, &stack.bias(index));
        let slope = stack.slope(index);
        number(hash, usize::from(slope.is_some()));
        values(hash, slope.as_slice());
    }
}

//! Bytes of a tensor to f32: the four floating-point types that weights come in, and PyTorch's `[outputs, inputs]` to our
//! `[inputs, outputs]`.

use burn::tensor::{bf16, f16};

/// Rows that are transposed together: 64 bytes of each column are then written at once.
const BLOCK: usize = 16;

/// Type of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F16,
    Bf16,
    F32,
    F64,
}

impl Kind {
    /// Bytes of one number.
    fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// Little-endian numbers as they lie in a file.
#[derive(Debug)]
pub(super) struct Numbers {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Numbers {
    pub(super) fn new(kind: Kind, bytes: Vec<u8>) -> Self {
        Self { kind, bytes }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() / self.kind.size()
    }

    /// All of them, rounded to f32; what f32 can't hold becomes infinite.
    pub(super) fn to_f32(&self) -> Vec<f32> {
        self.decode(&self.bytes)
    }

    /// Of `[rows, columns]`, both at least 1: `[columns, rows]`. Holds `BLOCK` rows beside its input and output.
    pub(super) fn transposed(&self, rows: usize, columns: usize) -> Vec<f32> {
        let mut transposed = vec![0.0; rows * columns];
        let row_bytes = columns * self.kind.size();
        for (block, bytes) in self.bytes.chunks(BLOCK * row_bytes.max(1)).enumerate() {
            let values = self.decode(bytes);
            for column in 0..columns {
                let target = transposed[column * rows + block * BLOCK..].iter_mut();
                for (target, row) in target.zip(values.chunks_exact(columns)) {
                    *target = row[column];
                }
            }
        }
        transposed
    }

    fn decode(&self, bytes: &[u8]) -> Vec<f32> {
        match self.kind {
            Kind::F16 => each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Kind::Bf16 => each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Kind::F32 => each(bytes, f32::from_le_bytes),
            Kind::F64 => each(bytes, |bytes| f64::from_le_bytes(bytes) as f32),
        }
    }
}

fn each<const SIZE: usize>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<SIZE>().0.iter().map(|bytes| number(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_in_blocks_equals_transposing_at_once() {
        for (rows, columns) in [(1, 1), (16, 3), (17, 5), (40, 7), (3, 40)] {
            let values: Vec<f32> = (0..rows * columns).map(|value| value as f32).collect();
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let transposed = Numbers::new(Kind::F32, bytes).transposed(rows, columns);
            let expected: Vec<f32> =
                (0..columns).flat_map(|column| (0..rows).map(move |row| (row * columns + column) as f32)).collect();
            assert_eq!(transposed, expected, "{rows} rows, {columns} columns");
        }
    }
}

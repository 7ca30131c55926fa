//! What each product costs at the size of SCimilarity's first layer (1,024 units): `cargo bench -p scdd-compute`.
//!
//! `SCDD_ISA=avx2` or `portable` masks wider instructions and AMX. The arithmetic of each line is in its throughput, in
//! multiply-adds.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scdd_compute::{Csr, DenseLayer, GemmWeights, PackedMatrix, Pattern, ReluJunction, sddmm, spmm, spmm_plain};
use std::hint::black_box;

/// Genes, a quarter of the published model's, so that a run takes a minute.
const GENES: usize = 7_000;
const UNITS: usize = 1_024;
/// Synthetic cells of a step: 44 classes, one each.
const ROWS: usize = 44;

fn draw(count: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Cells that express 6 % of the genes.
fn cells(count: usize, rng: &mut ChaCha8Rng) -> Csr {
    let dense: Vec<f32> =
        (0..count * GENES).map(|_| if rng.random::<f64>() < 0.06 { rng.random_range(0.1..4.0) } else { 0.0 }).collect();
    Csr::from_dense(GENES, &dense).expect("finite values that fill whole rows")
}

fn sparse(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let (cells, values) = (cells(1_000, &mut rng), draw(GENES * UNITS, &mut rng));
    let packed = PackedMatrix::new(&values, UNITS);
    let mut group = criterion.benchmark_group("sparse");
    group.throughput(Throughput::Elements((cells.nnz() * UNITS) as u64));
    group.bench_function("SpMM, packed weights", |bencher| bencher.iter(|| spmm(black_box(cells.view()), &packed)));
    group.bench_function("SpMM, plain weights", |bencher| {
        bencher.iter(|| spmm_plain(black_box(cells.view()), &values, UNITS));
    });
    let rows = draw(ROWS * UNITS, &mut rng);
    let some = cells.select_rows(&(0..ROWS).collect::<Vec<_>>());
    let pattern = Pattern { indptr: some.indptr(), indices: some.indices() };
    group.throughput(Throughput::Elements((some.nnz() * UNITS) as u64));
    group.bench_function("SDDMM", |bencher| bencher.iter(|| sddmm(&packed, black_box(&rows), pattern)));
    group.finish();
}

fn dense(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let rows = draw(ROWS * UNITS, &mut rng);
    let weights = GemmWeights::new(PackedMatrix::new(&draw(GENES * UNITS, &mut rng), UNITS));
    let mut group = criterion.benchmark_group("dense");
    group.throughput(Throughput::Elements((ROWS * UNITS * GENES) as u64));
    group.bench_function("packed GEMM", |bencher| bencher.iter(|| weights.times(black_box(&rows))));
    let layer =
        DenseLayer::new(PackedMatrix::new(&draw(UNITS * UNITS, &mut rng), UNITS), draw(UNITS, &mut rng), Some(0.25));
    group.throughput(Throughput::Elements((2 * ROWS * UNITS * UNITS) as u64));
    group.bench_function("layer, forward and backward", |bencher| {
        bencher.iter(|| {
            let (outputs, below) = layer.forward(black_box(&rows));
            layer.backward(&below, outputs)
        });
    });
    group.finish();
}

fn fused(criterion: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let hidden = draw(ROWS * UNITS, &mut rng);
    // Biases decide most signs, as in a trained model.
    let bias: Vec<f32> = (0..GENES).map(|gene| if gene % 5 == 0 { 30.0 } else { -30.0 }).collect();
    let decoder = GemmWeights::new(PackedMatrix::new(&draw(GENES * UNITS, &mut rng), UNITS));
    let encoder = PackedMatrix::new(&draw(GENES * UNITS, &mut rng), UNITS);
    let junction = ReluJunction { decoder: &decoder, bias: &bias, encoder: &encoder };
    let pattern = junction.reference_pattern(&hidden);
    let mut group = criterion.benchmark_group("fused decoder-ReLU-encoder");
    // What four GEMMs would do.
    group.throughput(Throughput::Elements((4 * ROWS * UNITS * GENES) as u64));
    group.bench_function("forward and backward", |bencher| {
        bencher.iter(|| {
            let (outputs, flipped) = junction.forward(&pattern, black_box(&hidden));
            junction.backward(&pattern, &flipped, outputs)
        });
    });
    group.finish();
}

criterion_group!(benches, sparse, dense, fused);
criterion_main!(benches);

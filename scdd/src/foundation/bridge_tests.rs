use rand::RngExt;

use super::super::gene_kernel::lanes;
#[cfg(target_arch = "x86_64")]
use super::super::tiles::{HALVES, has_tiles};
use super::*;
use crate::seed;

/// `[rows, inner]` times `[inner, columns]`, in f64.
fn product(a: &[f64], b: &[f64], inner: usize, columns: usize) -> Vec<f64> {
    let row = |row: &[f64], column: usize| (0..inner).map(|k| row[k] * b[k * columns + column]).sum();
    a.chunks_exact(inner).flat_map(|values| (0..columns).map(move |column| row(values, column))).collect()
}

fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| a.iter().skip(column).step_by(columns).copied().collect::<Vec<_>>()).collect()
}

fn decoder(weights: &[f32], genes: usize, hidden: usize) -> PackedWeights {
    PackedWeights::transposed(genes, hidden, |part| weights[part.start * genes..part.end * genes].to_vec())
}

/// In tiles what is usual and what is taken from it don't cancel out to the last bit, where nothing should be left.
fn assert_near(found: &[f32], expected: &[f64], in_tiles: bool, what: &str) {
    let length = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
    let apart = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    let least = if in_tiles { 1e-6 } else { 1e-9 };
    assert!(found.len() == expected.len() && apart <= 1e-5 * length + least, "{what}: {apart} of {length}");
}

#[test]
fn both_ways_equal_plain_products_at_any_shape_whatever_is_usual() {
    let mut rng = seed::stream(3, "test");
    for (rows, hidden, genes, units) in [(1, 1, 1, 1), (44, 70, 300, 130), (49, 64, 17, 5), (130, 20, 2100, 64)] {
        let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
        let (h, wd, b, we, gs) =
            (draw(rows * hidden), draw(hidden * genes), draw(genes), draw(genes * units), draw(rows * units));
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let before = product(&wide(&h), &wide(&wd), hidden, genes);
        let x: Vec<f64> = before.iter().zip(wide(&b).iter().cycle()).map(|(x, b)| (x + b).max(0.0)).collect();
        let s = product(&x, &wide(&we), genes, units);
        let gx = product(&wide(&gs), &transposed(&wide(&we), units), units, genes);
        let gx: Vec<f64> = gx.iter().zip(&x).map(|(g, x)| if *x > 0.0 { *g } else { 0.0 }).collect();
        let gh = product(&gx, &transposed(&wide(&wd), genes), genes, hidden);

        let (decoder, encoder) = (decoder(&wd, genes, hidden), PackedWeights::new(&we, units));
        let bridge = Bridge { decoder: &decoder, bias: &b, encoder: &encoder };
        let other = |above| UsualSides::new(&decoder, &b, &encoder, above);
        let sides = [
            ("the rows' own", bridge.usual_sides(&h)),
            ("all above", other(vec![true; genes])),
            ("none above", other(vec![false; genes])),
        ];
        let in_tiles = GeneSums::new(&decoder, &h).slack() > 0.0;
        for (what, usual) in sides {
            let (found, unusual) = bridge.forward(&usual, &h);
            assert_near(&found, &s, in_tiles, what);
            assert_near(&bridge.backward(&usual, &unusual, gs.clone()), &gh, in_tiles, what);
        }
    }
}

#[test]
fn every_kernel_finds_what_is_not_on_its_usual_side() {
    let mut rng = seed::stream(3, "test");
    for (rows, hidden, genes) in [(1, 1, 1), (44, 70, 300), (49, 64, 17), (130, 20, 2100)] {
        let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
        let (h, wd, b) = (draw(rows * hidden), draw(hidden * genes), draw(genes));
        let weights = decoder(&wd, genes, hidden);
        let above: Vec<bool> = (0..genes).map(|gene| gene % 3 == 0).collect();
        let bridge = Bridge { decoder: &weights, bias: &b, encoder: &weights };
        let check = |(unusual, distances): (Unusual, Vec<f32>), what: &str| {
            let mut place = 0;
            for row in 0..rows {
                for gene in 0..genes {
                    let z = weights.times_gene(&h[row * hidden..][..hidden], gene) + b[gene];
                    let listed = place < unusual.pointers[row + 1] as usize && unusual.genes[place] == gene as u32;
                    // Next to zero either side will do.
                    assert!(
                        listed == ((z > 0.0) != above[gene]) || z.abs() < 1e-5,
                        "{what}: row {row}, gene {gene}: {z}"
                    );
                    if listed {
                        assert!((distances[place] - z.abs()).abs() < 1e-4, "{what}: {} and {z}", distances[place]);
                        place += 1;
                    }
                }
                assert_eq!(place, unusual.pointers[row + 1] as usize, "{what}: row {row}");
            }
        };
        for (sums, what) in all_kernels(&weights, &h) {
            check(bridge.unusual(&sums, sums.slack(), &above, &h), what);
        }
    }
}

/// The sums of each kernel that the processor can execute, and of which.
fn all_kernels<'a>(weights: &'a PackedWeights, rows: &[f32]) -> Vec<(GeneSums<'a>, &'static str)> {
    let mut all = vec![
        (GeneSums::new(weights, rows), "the fastest"),
        (GeneSums::in_f32(weights, rows), "the fastest in f32"),
        (GeneSums::Any(weights, lanes(rows, weights)), "any processor's"),
    ];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        all.push((GeneSums::Avx2(weights, lanes(rows, weights)), "AVX2"));
    }
    all
}

#[cfg(target_arch = "x86_64")]
#[test]
fn tiles_of_halves_find_the_signs_that_f32_has() {
    if !has_tiles() {
        println!("skipped: this processor has no tiles");
        return;
    }
    let mut rng = seed::stream(5, "test");
    let (rows, genes, units) = (100, 3000, 64);
    let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
    let (h, wd) = (draw(rows * units), draw(units * genes));
    let weights = decoder(&wd, genes, units);
    let sum = |row: usize, gene: usize| weights.times_gene(&h[row * units..][..units], gene);
    // Of each gene one row has next to nothing.
    let bias: Vec<f32> = (0..genes).map(|gene| 3e-7 - sum(gene % rows, gene)).collect();
    let bridge = Bridge { decoder: &weights, bias: &bias, encoder: &weights };
    let sums = GeneSums::new(&weights, &h);
    let wrong = |slack| {
        let (found, _) = bridge.unusual(&sums, slack, &vec![false; genes], &h);
        let of_row = |row: usize| &found.genes[found.pointers[row] as usize..found.pointers[row + 1] as usize];
        let is_above = |row: usize, gene: usize| of_row(row).binary_search(&(gene as u32)).is_ok();
        let wrong =
            |gene: usize| (0..rows).filter(|&row| is_above(row, gene) != (sum(row, gene) + bias[gene] > 0.0)).count();
        (0..genes).map(wrong).sum::<usize>()
    };
    assert_eq!(wrong(HALVES), 0);
    assert!(wrong(0.0) > 100, "without another look they are wrong");
}

#[test]
fn a_row_alone_gets_the_same_bits_as_among_others() {
    let mut rng = seed::stream(3, "test");
    let (rows, hidden, genes, units) = (60, 30, 500, 40);
    let mut draw = |count: usize| (0..count).map(|_| rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>();
    let (h, wd, b, we) = (draw(rows * hidden), draw(hidden * genes), draw(genes), draw(genes * units));
    let (decoder, encoder) = (decoder(&wd, genes, hidden), PackedWeights::new(&we, units));
    let bridge = Bridge { decoder: &decoder, bias: &b, encoder: &encoder };
    let usual = bridge.usual_sides(&h);
    let (whole, unusual) = bridge.forward(&usual, &h);
    let back = bridge.backward(&usual, &unusual, whole.clone());
    for row in [0, 47, 48, 59] {
        let (alone, unusual) = bridge.forward(&usual, &h[row * hidden..][..hidden]);
        assert_eq!(alone, whole[row * units..][..units]);
        assert_eq!(bridge.backward(&usual, &unusual, alone), back[row * hidden..][..hidden]);
    }
}

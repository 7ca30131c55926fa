use super::*;
use crate::testing::{cases, draw, rng};

/// `[rows, inner]` times `[inner, columns]`, in f64.
fn product(a: &[f64], b: &[f64], inner: usize, columns: usize) -> Vec<f64> {
    let row = |row: &[f64], column: usize| (0..inner).map(|k| row[k] * b[k * columns + column]).sum();
    a.chunks_exact(inner).flat_map(|values| (0..columns).map(move |column| row(values, column))).collect()
}

fn transposed(a: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| a.iter().skip(column).step_by(columns).copied().collect::<Vec<_>>()).collect()
}

/// Of weights `[hidden, genes]`.
fn decoder(weights: &[f32], genes: usize, hidden: usize) -> GemmWeights {
    let part = |rows: std::ops::Range<usize>| weights[rows.start * genes..rows.end * genes].to_vec();
    GemmWeights::new(PackedMatrix::from_transposed(genes, hidden, part))
}

/// In bf16 tiles the linear part and its corrections don't cancel out to the last bit where nothing should be left.
fn assert_near(found: &[f32], expected: &[f64], in_tiles: bool, what: &str) {
    let norm = expected.iter().map(|value| value * value).sum::<f64>().sqrt();
    let apart = found.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum::<f64>().sqrt();
    let least = if in_tiles { 1e-6 } else { 1e-9 };
    assert!(found.len() == expected.len() && apart <= 1e-5 * norm + least, "{what}: {apart} of {norm}");
}

#[test]
fn forward_and_backward_equal_plain_products_at_any_shape_with_any_pattern() {
    let mut rng = rng(3);
    for (rows, hidden, genes, units) in
        cases([(1, 1, 1, 1), (44, 70, 300, 130), (49, 64, 17, 5), (130, 20, 2100, 64)], 1)
    {
        let mut draw = |count| draw(count, &mut rng);
        let (h, wd, b, we, gs) =
            (draw(rows * hidden), draw(hidden * genes), draw(genes), draw(genes * units), draw(rows * units));
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let before = product(&wide(&h), &wide(&wd), hidden, genes);
        let x: Vec<f64> = before.iter().zip(wide(&b).iter().cycle()).map(|(x, b)| (x + b).max(0.0)).collect();
        let s = product(&x, &wide(&we), genes, units);
        let gx = product(&wide(&gs), &transposed(&wide(&we), units), units, genes);
        let gx: Vec<f64> = gx.iter().zip(&x).map(|(g, x)| if *x > 0.0 { *g } else { 0.0 }).collect();
        let gh = product(&gx, &transposed(&wide(&wd), genes), genes, hidden);

        let (decoder, encoder) = (decoder(&wd, genes, hidden), PackedMatrix::new(&we, units));
        let junction = ReluJunction { decoder: &decoder, bias: &b, encoder: &encoder };
        let patterns = [
            ("the rows' own pattern", junction.reference_pattern(&h)),
            ("all active", junction.pattern(vec![true; genes])),
            ("none active", junction.pattern(vec![false; genes])),
        ];
        let in_tiles = PackedGemm::new(&decoder, &h).error_bound() > 0.0;
        for (what, pattern) in patterns {
            let (found, flipped) = junction.forward(&pattern, &h);
            assert_near(&found, &s, in_tiles, what);
            assert_near(&junction.backward(&pattern, &flipped, gs.clone()), &gh, in_tiles, what);
        }
    }
}

#[test]
fn every_kernel_finds_the_flipped_genes() {
    let mut rng = rng(3);
    for (rows, hidden, genes) in cases([(1, 1, 1), (44, 70, 300), (49, 64, 17), (130, 20, 2100)], 1) {
        let mut draw = |count| draw(count, &mut rng);
        let (h, wd, b) = (draw(rows * hidden), draw(hidden * genes), draw(genes));
        let weights = decoder(&wd, genes, hidden);
        let active: Vec<bool> = (0..genes).map(|gene| gene % 3 == 0).collect();
        let junction = ReluJunction { decoder: &weights, bias: &b, encoder: weights.packed() };
        let check = |(flipped, distances): (Flipped, Vec<f32>), what: &str| {
            let mut position = 0;
            for row in 0..rows {
                for gene in 0..genes {
                    let z = weights.packed().dot(&h[row * hidden..][..hidden], gene) + b[gene];
                    let listed = position < flipped.indptr[row + 1] as usize && flipped.genes[position] == gene as u32;
                    // Next to zero either sign will do.
                    assert!(
                        listed == ((z > 0.0) != active[gene]) || z.abs() < 1e-5,
                        "{what}: row {row}, gene {gene}: {z}"
                    );
                    if listed {
                        let found = distances[position];
                        assert!((found - z.abs()).abs() < 1e-4, "{what}: {found} and {z}");
                        position += 1;
                    }
                }
                assert_eq!(position, flipped.indptr[row + 1] as usize, "{what}: row {row}");
            }
        };
        for (products, what) in PackedGemm::of_every_kernel(&weights, &h) {
            check(junction.flipped(&products, products.error_bound(), &active, &h), &what);
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
#[cfg(target_arch = "x86_64")]
fn products_in_bf16_tiles_find_the_signs_that_f32_has() {
    let mut rng = rng(5);
    let (rows, genes, units) = (100, 3000, 64);
    let mut draw = |count| draw(count, &mut rng);
    let (h, wd) = (draw(rows * units), draw(units * genes));
    let weights = decoder(&wd, genes, units);
    let product = |row: usize, gene: usize| weights.packed().dot(&h[row * units..][..units], gene);
    // Of each gene one row is next to zero.
    let bias: Vec<f32> = (0..genes).map(|gene| 3e-7 - product(gene % rows, gene)).collect();
    let junction = ReluJunction { decoder: &weights, bias: &bias, encoder: weights.packed() };
    for products in [PackedGemm::emulated(&weights, &h), PackedGemm::new(&weights, &h)] {
        let wrong = |error_bound| {
            let (found, _) = junction.flipped(&products, error_bound, &vec![false; genes], &h);
            let of_row = |row: usize| &found.genes[found.indptr[row] as usize..found.indptr[row + 1] as usize];
            let is_above = |row: usize, gene: usize| of_row(row).binary_search(&(gene as u32)).is_ok();
            let wrong = |gene: usize| {
                (0..rows).filter(|&row| is_above(row, gene) != (product(row, gene) + bias[gene] > 0.0)).count()
            };
            (0..genes).map(wrong).sum::<usize>()
        };
        if products.error_bound() > 0.0 {
            assert_eq!(wrong(products.error_bound()), 0);
            assert!(wrong(0.0) > 100, "without rechecking they are wrong");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes")]
fn a_row_alone_gets_the_same_bits_as_among_others() {
    let mut rng = rng(3);
    let (rows, hidden, genes, units) = (60, 30, 500, 40);
    let mut draw = |count| draw(count, &mut rng);
    let (h, wd, b, we) = (draw(rows * hidden), draw(hidden * genes), draw(genes), draw(genes * units));
    let (decoder, encoder) = (decoder(&wd, genes, hidden), PackedMatrix::new(&we, units));
    let junction = ReluJunction { decoder: &decoder, bias: &b, encoder: &encoder };
    let pattern = junction.reference_pattern(&h);
    let (whole, flipped) = junction.forward(&pattern, &h);
    let back = junction.backward(&pattern, &flipped, whole.clone());
    for row in [0, 47, 48, 59] {
        let (alone, flipped) = junction.forward(&pattern, &h[row * hidden..][..hidden]);
        assert_eq!(alone, whole[row * units..][..units]);
        assert_eq!(junction.backward(&pattern, &flipped, alone), back[row * hidden..][..hidden]);
    }
}

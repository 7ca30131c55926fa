//! Filtering, normalisation and log1p give scanpy's numbers (tests/goldens/normalize.py made them).

use scdd::cells::{Expression, Provenance};
use scdd::polars::prelude::DataFrame;
use scdd::{Cells, Counts};

fn table(text: &str) -> Vec<Vec<f32>> {
    text.lines().map(|line| line.split(',').map(|value| value.parse().unwrap()).collect()).collect()
}

#[test]
fn preprocessing_gives_scanpys_numbers() {
    let counts = table(include_str!("../goldens/normalize_counts.csv"));
    let (header, expected) = include_str!("../goldens/normalize_expected.csv").split_once('\n').unwrap();
    let expected = table(expected);
    let (cells, genes) = (counts.len(), counts[0].len());
    let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    let frame = |n: usize| DataFrame::new(n, vec![]).unwrap();
    let x = Expression::from_dense(genes, &counts.concat()).unwrap();
    let cells =
        Cells::<Counts>::new(x, names(cells), names(genes), frame(cells), frame(genes), Provenance::default()).unwrap();

    let ours = cells.preprocess().min_genes(10).min_cells(3).target_sum(1e4).run().unwrap();

    assert_eq!(ours.gene_names(), header.split(',').skip(1).collect::<Vec<_>>());
    assert_eq!(ours.cells(), expected.len());
    assert!(ours.cells() > 0 && ours.genes() > 0);
    for (cell, row) in expected.iter().enumerate() {
        assert_eq!(ours.cell_names()[cell].parse::<f32>().unwrap(), row[0]);
        assert_eq!(row.len(), 1 + ours.genes());
        for (found, wanted) in ours.expression().dense_rows(&[cell]).iter().zip(&row[1..]) {
            assert!((found - wanted).abs() <= 2e-6 * wanted.max(1.0), "cell {cell}: {found}, scanpy {wanted}");
        }
    }
}

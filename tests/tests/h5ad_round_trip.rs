//! Any counts survive being written and read; any damage to a file gives an error or cells, never a panic.

use proptest::prelude::*;
use scdd::cells::{Expression, Provenance};
use scdd::polars::prelude::{Column, DataFrame};
use scdd::{Cells, Counts, H5ad, read_h5ad};

/// Counts with rows of any fill, names that are any text but NUL, annotations with missing values.
fn any_cells() -> impl Strategy<Value = Cells<Counts>> {
    let sizes = (1usize..12, 1usize..12);
    sizes.prop_flat_map(|(cells, genes)| {
        let count = prop_oneof![3 => Just(0u32), 2 => 1u32..5, 1 => 1u32..16_000_000];
        let dense = prop::collection::vec(count, cells * genes);
        let texts = prop::collection::vec(prop::option::of("[^\0]{1,8}"), cells);
        let numbers = prop::collection::vec(prop::option::of(any::<i64>()), cells);
        let truths = prop::collection::vec(prop::option::of(any::<bool>()), cells);
        let names = prop::collection::vec("[^\0]{0,20}", cells);
        (Just(genes), dense, texts, numbers, truths, names).prop_map(|(genes, dense, texts, numbers, truths, names)| {
            let dense: Vec<f32> = dense.into_iter().map(|count| count as f32).collect();
            let x = Expression::from_dense(genes, &dense).unwrap();
            let columns = vec![
                Column::new("text".into(), texts),
                Column::new("number".into(), numbers),
                Column::new("truth".into(), truths),
            ];
            let obs = DataFrame::new(names.len(), columns).unwrap();
            let var = DataFrame::new(genes, vec![]).unwrap();
            let genes = (0..genes).map(|gene| format!("gene {gene}")).collect();
            Cells::<Counts>::new(x, names, genes, obs, var, Provenance::default()).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_equal(cells in any_cells()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cells.h5ad");
        cells.write_h5ad(&path).unwrap();
        let again = H5ad::open(&path).every_column().read().unwrap();
        prop_assert_eq!(again.expression(), cells.expression());
        prop_assert_eq!(again.cell_names(), cells.cell_names());
        prop_assert_eq!(again.gene_names(), cells.gene_names());
        prop_assert!(again.obs().equals_missing(cells.obs()), "{} {}", again.obs(), cells.obs());
    }
}

fn written() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.h5ad");
    scdd::simulate().cells(40).genes(60).classes(3).run().unwrap().write_h5ad(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let whole = written();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.h5ad");
    for part in 0..60 {
        std::fs::write(&path, &whole[..whole.len() * part / 60]).unwrap();
        let error = read_h5ad(&path).unwrap_err().to_string();
        assert!(error.contains("HDF5"), "{error}");
    }
}

#[test]
fn flipped_bytes_give_an_error_or_cells_but_never_a_panic() {
    let whole = written();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flipped.h5ad");
    let (mut refused, mut state) = (0, 7u64);
    let mut random = || {
        // splitmix64
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    for case in 0..600 {
        let mut bytes = whole.clone();
        for _ in 0..1 + case % 8 {
            let at = random() as usize % bytes.len();
            bytes[at] ^= 1 << (random() % 8);
        }
        std::fs::write(&path, &bytes).unwrap();
        if let Err(error) = read_h5ad(&path) {
            refused += 1;
            assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        }
    }
    println!("{refused} of 600 damaged files refused");
    assert!(refused > 0);
}

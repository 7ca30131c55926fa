//! Layouts that Python writes (tests/goldens/make_h5ad.py made the files), and bad input with its errors.

use std::path::{Path, PathBuf};

use hdf5_metno::File;
use ndarray::arr1;

use super::*;
use crate::Error;

const DENSE: [f32; 12] = [0., 5., 0., 1., 2., 0., 0., 7., 0., 0., 3., 0.];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/goldens/h5ad_layouts").join(format!("{name}.h5ad"))
}

fn real(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let path = std::env::var_os("SCDD_TEST_DATA").map_or_else(beside, PathBuf::from).join(name);
    if !path.is_file() {
        println!("not tested: {} is not there (SCDD_TEST_DATA names the folder)", path.display());
        return None;
    }
    Some(path)
}

fn texts(cells: &Cells<Counts>, column: &str) -> Vec<Option<String>> {
    let column = cells.obs().column(column).unwrap().str().unwrap().clone();
    column.iter().map(|text| text.map(String::from)).collect()
}

/// A file of counts in the 0.2.0 encoding without compression, which the test then spoils.
fn small(folder: &Path) -> PathBuf {
    let path = folder.join("small.h5ad");
    let file = File::create(&path).unwrap();
    let x = file.create_group("X").unwrap();
    write_text_attribute(&x, "encoding-type", "csr_matrix");
    x.new_attr_builder().with_data(&arr1(&[3u64, 4])).create("shape").unwrap();
    x.new_dataset_builder().with_data(&arr1(&[5f32, 1., 2., 7., 3.])).create("data").unwrap();
    x.new_dataset_builder().with_data(&arr1(&[1i32, 3, 0, 3, 2])).create("indices").unwrap();
    x.new_dataset_builder().with_data(&arr1(&[0i32, 2, 4, 5])).create("indptr").unwrap();
    for (name, index) in [("obs", &["c1", "c2", "c3"][..]), ("var", &["g1", "g2", "g3", "g4"][..])] {
        let group = file.create_group(name).unwrap();
        write_text_attribute(&group, "_index", "_index");
        write_names(&group, index);
    }
    path
}

fn write_text_attribute(location: &hdf5_metno::Location, name: &str, value: &str) {
    let text: hdf5_metno::types::VarLenUnicode = value.parse().unwrap();
    location.new_attr::<hdf5_metno::types::VarLenUnicode>().create(name).unwrap().write_scalar(&text).unwrap();
}

fn write_names(group: &hdf5_metno::Group, names: &[&str]) {
    let names: Vec<hdf5_metno::types::VarLenUnicode> = names.iter().map(|name| name.parse().unwrap()).collect();
    group.new_dataset_builder().with_data(&arr1(&names)).create("_index").unwrap();
}

/// Reads the small file after a change, and gives the error.
fn spoiled(change: impl FnOnce(&File)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    {
        let file = File::open_rw(&path).unwrap();
        change(&file);
    }
    let error = read_h5ad(&path).unwrap_err().to_string();
    assert!(error.starts_with(&path.display().to_string()), "{error}");
    error
}

fn replace<T: hdf5_metno::H5Type>(file: &File, name: &str, values: &[T]) {
    file.unlink(name).unwrap();
    file.new_dataset_builder().with_data(&ndarray::ArrayView1::from(values)).create(name).unwrap();
}

#[test]
fn every_layout_of_the_matrix_gives_the_same_counts() {
    for name in [
        "csr_float32",
        "csc_int64",
        "dense_float64",
        "csr_uint8",
        "csr_unsorted",
        "nullable_strings",
        "anndata_0_7",
        "h5sparse",
    ] {
        let cells = read_h5ad(golden(name)).unwrap();
        assert_eq!(cells.expression().dense_rows(&[0, 1, 2]), DENSE, "{name}");
        assert_eq!(cells.expression().nnz(), 5, "{name}");
    }
}

#[test]
fn annotations_of_every_kind_are_read() {
    let cells = read_h5ad(golden("csr_float32")).unwrap();
    assert_eq!(cells.cell_names(), ["c1", "c2", "c3"]);
    assert_eq!(cells.gene_names(), ["g1", "g2", "g3", "g4"]);
    assert_eq!(texts(&cells, "cell_type"), [Some("T".into()), Some("B".into()), None]);
    assert_eq!(texts(&cells, "cluster"), [Some("1".into()), Some("0".into()), Some("1".into())]);
    assert_eq!(texts(&cells, "text")[2], Some("ä".into()));
    let obs = cells.obs();
    assert_eq!(obs.column("count").unwrap().i64().unwrap().get(2), Some(3));
    assert_eq!(obs.column("score").unwrap().f32().unwrap().get(0), Some(0.5));
    assert_eq!(obs.column("good").unwrap().bool().unwrap().get(1), Some(false));
    let maybe = obs.column("maybe").unwrap().i64().unwrap().clone();
    assert_eq!(maybe.iter().collect::<Vec<_>>(), [Some(1), None, Some(3)]);
    let perhaps = obs.column("perhaps").unwrap().bool().unwrap().clone();
    assert_eq!(perhaps.iter().collect::<Vec<_>>(), [Some(true), None, Some(false)]);
    assert_eq!(obs.width(), 8);
    assert_eq!(cells.var().column("symbol").unwrap().str().unwrap().get(3), Some("d"));
    assert_eq!(cells.provenance().sha256.as_ref().unwrap().len(), 64);
    assert_eq!(cells.provenance().steps.len(), 0);
}

#[test]
fn what_cannot_be_read_is_left_out_with_a_note_or_refused_when_asked() {
    let path = golden("nullable_strings");
    let cells = read_h5ad(&path).unwrap();
    assert_eq!(cells.cell_names(), ["c1", "c2", "c3"]);
    assert_eq!(texts(&cells, "note"), [Some("p".into()), None, Some("q".into())]);
    let steps = &cells.provenance().steps;
    assert!(steps.len() == 1 && steps[0].starts_with("obs column 'unreadable' skipped"), "{steps:?}");
    let error = H5ad::open(&path).every_column().read().unwrap_err().to_string();
    assert!(error.contains("'unreadable'") && error.contains("of-the-future"), "{error}");
}

#[test]
fn the_layout_of_anndata_0_7_is_read_with_its_categories() {
    let cells = read_h5ad(golden("anndata_0_7")).unwrap();
    assert_eq!(texts(&cells, "cell_type"), [Some("T".into()), Some("B".into()), None]);
    assert_eq!(cells.gene_names(), ["g1", "g2", "g3", "g4"]);
    assert_eq!(cells.obs().width(), 1);
}

#[test]
fn raw_and_layers_are_chosen_and_scaled_values_refused() {
    let path = golden("scaled_with_raw");
    let error = read_h5ad(&path).unwrap_err().to_string();
    assert!(
        error.contains("2 of 6 stored values are negative, the smallest -1.5") && error.contains(".raw()"),
        "{error}"
    );
    let error = H5ad::open(&path).raw().read().unwrap_err().to_string();
    assert!(error.contains("already log-normalised: row sums of expm1 run from 10,000 to 10,000"), "{error}");
    let cells = H5ad::open(&path).raw().log_normalized().read().unwrap();
    assert_eq!((cells.cells(), cells.genes()), (3, 4));
    assert_eq!(cells.provenance().steps, ["log-normalised as read: row sums of expm1 run from 10,000 to 10,000"]);
    let counts = H5ad::open(&path).layer("counts").read().unwrap();
    assert_eq!(counts.expression().dense_rows(&[0, 1, 2]), [5., 0., 0., 0., 0., 3.]);
    let error = H5ad::open(&path).layer("umi").read().unwrap_err().to_string();
    assert!(error.contains("it has: X, raw/X, layer 'counts'"), "{error}");
    let error = H5ad::open(&path).layer("counts").log_normalized().read().unwrap_err().to_string();
    assert!(error.contains("these are counts"), "{error}");
}

#[test]
fn files_that_are_not_hdf5_or_cut_off_are_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_h5ad(folder.path().join("nothing.h5ad")).unwrap_err().to_string();
    assert!(error.contains("there is no such file"), "{error}");
    let path = folder.path().join("text.h5ad");
    std::fs::write(&path, "cell,gene,count\n").unwrap();
    let error = read_h5ad(&path).unwrap_err().to_string();
    assert!(error.contains("not an HDF5 file: none of its 16 bytes"), "{error}");
    let whole = std::fs::read(golden("csr_float32")).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = read_h5ad(&path).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
}

#[test]
fn annotations_from_before_anndata_0_7_are_named_with_the_way_to_convert_them() {
    let error = spoiled(|file| {
        file.unlink("obs").unwrap();
        file.new_dataset::<f32>().shape(3).create("obs").unwrap();
    });
    assert!(error.contains("before 0.7") && error.contains("write_h5ad(path)"), "{error}");
}

#[test]
fn a_missing_or_empty_matrix_is_an_error() {
    let error = spoiled(|file| file.unlink("X").unwrap());
    assert!(error.contains("has no matrix /X; it has: none"), "{error}");
    let error = spoiled(|file| {
        file.unlink("X").unwrap();
        file.new_dataset::<f32>().shape((0, 4)).create("X").unwrap();
    });
    assert!(error.contains("empty: 0 cells x 4 genes"), "{error}");
    let error = spoiled(|file| file.unlink("obs").unwrap());
    assert!(error.contains("no group 'obs'"), "{error}");
}

#[test]
fn gene_names_that_come_twice_are_an_error_and_can_be_made_unique() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let file = File::open_rw(&path).unwrap();
    file.unlink("var/_index").unwrap();
    write_names(&file.group("var").unwrap(), &["g", "g", "g-1", "g"]);
    drop(file);
    let error = read_h5ad(&path).unwrap_err().to_string();
    assert!(
        error.contains("1 gene names come more than once: 'g'") && error.contains(".unique_gene_names()"),
        "{error}"
    );
    let Err(Error::Cells(CellsError::File { problem: FileProblem::Cells(refused), .. })) = read_h5ad(&path) else {
        panic!("not refused");
    };
    assert!(matches!(*refused, CellsError::GenesTwice { ref genes } if genes == &["g"]), "{refused:?}");
    let cells = H5ad::open(&path).unique_gene_names().read().unwrap();
    assert_eq!(cells.gene_names(), ["g", "g-2", "g-1", "g-3"]);
    assert_eq!(cells.provenance().steps, ["2 repeated gene names made unique"]);
}

#[test]
fn values_that_are_no_counts_are_refused_with_numbers() {
    let data = |values: &[f32]| {
        let values = values.to_vec();
        spoiled(move |file| replace(file, "X/data", &values))
    };
    let error = data(&[5., -1., 2., 7., 3.]);
    assert!(error.contains("1 of 5 stored values are negative, the smallest -1;"), "{error}");
    let error = data(&[5., 1.5, 2., 7., 3.]);
    assert!(error.contains("1 of 5 stored values are not integers; row sums run from 3 to 9"), "{error}");
    let log = |x: f32| x.ln_1p();
    let error = data(&[log(5000.), log(5000.), log(2500.), log(7500.), log(10_000.)]);
    assert!(error.contains("already log-normalised") && error.contains(".log_normalized()"), "{error}");
    let error = data(&[0.25, 0.75, 0.5, 0.5, 1.]);
    assert!(error.contains("already normalised, without the logarithm: row sums run from 1 to 1;"), "{error}");
    let error = data(&[5., f32::NAN, 2., f32::INFINITY, 3.]);
    assert!(error.contains("2 of 5 stored values are NaN or infinite, the first in cell 0, gene 3"), "{error}");
}

#[test]
fn a_matrix_that_does_not_fit_together_is_refused() {
    let error = spoiled(|file| replace(file, "X/indices", &[1i32, 1, 0, 3, 2]));
    assert!(error.contains("cell 0 has two values for gene 1"), "{error}");
    let error = spoiled(|file| replace(file, "X/indices", &[1i32, 9, 0, 3, 2]));
    assert!(error.contains("index 9 of 4"), "{error}");
    let error = spoiled(|file| replace(file, "X/indices", &[1i32, -2, 0, 3, 2]));
    assert!(error.contains("index -2 of 4"), "{error}");
    let error = spoiled(|file| replace(file, "X/indptr", &[0i32, 4, 2, 5]));
    assert!(error.contains("does not fit together"), "{error}");
    let error = spoiled(|file| {
        file.unlink("obs/_index").unwrap();
        write_names(&file.group("obs").unwrap(), &["c1", "c2"]);
    });
    assert!(error.contains("2 cell names for 3 cells"), "{error}");
}

#[test]
fn what_is_wrong_with_csc_is_named_by_cell_and_gene() {
    let csc = |indices: &'static [i32], data: &'static [f32]| {
        spoiled(move |file| {
            let x = file.group("X").unwrap();
            x.delete_attr("encoding-type").unwrap();
            write_text_attribute(&x, "encoding-type", "csc_matrix");
            replace(file, "X/indptr", &[0i32, 1, 2, 3, 5]);
            replace(file, "X/indices", indices);
            replace(file, "X/data", data);
        })
    };
    let error = csc(&[1, 0, 2, 2, 2], &[5., 1., 2., 7., 3.]);
    assert!(error.contains("cell 2 has two values for gene 3"), "{error}");
    let error = csc(&[1, 0, 2, 0, 1], &[5., 1., f32::NAN, 7., 3.]);
    assert!(error.contains("1 of 5 stored values are NaN or infinite, the first in cell 2, gene 2"), "{error}");
    let error = csc(&[1, 0, 3, 0, 1], &[5., 1., 2., 7., 3.]);
    assert!(error.contains("index 3 of 3"), "{error}");
}

#[test]
fn claims_of_a_huge_array_are_refused_before_memory_is_asked_for() {
    let error = spoiled(|file| {
        file.unlink("X/data").unwrap();
        file.new_dataset::<f32>().chunk(1024).shape(1usize << 48).create("X/data").unwrap();
    });
    assert!(error.contains("the file is damaged"), "{error}");
}

#[test]
fn missing_labels_are_counted_and_can_be_dropped() {
    let cells = read_h5ad(golden("csr_float32")).unwrap();
    let error = cells.labels("cell_type").unwrap_err().to_string();
    assert!(error.contains("1 of 3 cells have no label") && error.contains("the first is cell 2 ('c3')"), "{error}");
    assert!(error.contains("cells.drop_missing(\"cell_type\")"), "{error}");
    let dropped = cells.drop_missing("cell_type").unwrap();
    assert_eq!(*dropped.labels("cell_type").unwrap().classes, ["B", "T"]);
    assert_eq!(dropped.provenance().steps, ["without label 'cell_type' dropped: 3 -> 2 cells"]);
    // NaN in a column of numbers is missing too
    assert!(cells.labels("score").unwrap_err().to_string().contains("1 of 3 cells have no label"));
    let error = cells.labels("count").unwrap_err().to_string();
    assert!(error.contains("3 different ones in 3 cells"), "{error}");
    let error = cells.select_cells(&[0, 2]).unwrap().labels("cluster").unwrap_err().to_string();
    assert!(error.contains("one class only, '1' for all 2 cells"), "{error}");
}

#[test]
fn what_is_written_is_read_back_equal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.h5ad");
    let cells = read_h5ad(golden("csr_float32")).unwrap();
    cells.write_h5ad(&path).unwrap();
    let again = H5ad::open(&path).every_column().read().unwrap();
    assert_eq!(again.expression(), cells.expression());
    assert_eq!((again.cell_names(), again.gene_names()), (cells.cell_names(), cells.gene_names()));
    let scores = |cells: &Cells<Counts>| -> Vec<Option<u32>> {
        cells.obs().column("score").unwrap().f32().unwrap().iter().map(|score| score.map(f32::to_bits)).collect()
    };
    assert_eq!(scores(&again), scores(&cells));
    assert_eq!(again.obs().drop("score").unwrap(), cells.obs().drop("score").unwrap());
    assert!(again.var().equals(cells.var()));
    // nothing else is left in the folder
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_refused_and_a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let cells = read_h5ad(golden("csr_float32")).unwrap();
    let error = cells.write_h5ad(folder.path().join("no/such.h5ad")).unwrap_err().to_string();
    assert!(error.contains("there is no folder"), "{error}");
    let path = folder.path().join("kept.h5ad");
    cells.write_h5ad(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut names = cells.cell_names().to_vec();
    names[1] = "c\0".to_string();
    let x = cells.expression().clone();
    let (genes, obs, var) = (cells.gene_names().to_vec(), cells.obs().clone(), cells.var().clone());
    let spoiled = Cells::<Counts>::new(x, names, genes, obs, var, Provenance::default()).unwrap();
    let error = spoiled.write_h5ad(&path).unwrap_err().to_string();
    assert!(error.contains("NUL"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn real_cells_have_the_shapes_and_classes_that_are_known() {
    for (name, column, cells, genes, classes, smallest) in [
        ("baron_human.h5ad", "cell_type", 2142, 20_125, 14, 2),
        ("pbmc_facs.h5ad", "cell_type", 3774, 16_791, 10, 163),
        ("pbmc3k.h5ad", "cell_type", 2638, 13_714, 9, 14),
    ] {
        let Some(path) = real(name) else { continue };
        let read = H5ad::open(&path).every_column().read().unwrap();
        assert_eq!((read.cells(), read.genes()), (cells, genes), "{name}");
        let counts = read.labels(column).unwrap().count_per_class();
        assert_eq!((counts.len(), counts.iter().min()), (classes, Some(&smallest)), "{name}");
    }
}

#[test]
fn dense_arrays_of_obsm_are_read_and_others_are_left_out_with_the_reason() {
    let cells = read_h5ad(golden("obsm")).unwrap();
    assert_eq!(cells.obsm_keys(), ["X_pca", "X_umap", "holes", "steps"]);
    assert_eq!(cells.obsm("X_pca").unwrap(), ndarray::array![[1.5, -2.0], [0.25, 3.0], [-1.0, 0.5]]);
    assert_eq!(cells.obsm("X_umap").unwrap().row(2).to_vec(), [5.0, 6.0]);
    assert_eq!(cells.obsm("steps").unwrap().column(0).to_vec(), [1.0, 2.0, 3.0]);
    for (key, kind) in [("frame", "dataframe"), ("sparse", "csr_matrix")] {
        let message = cells.obsm(key).unwrap_err().to_string();
        assert!(message.contains(kind) && message.contains("'X_pca' (2)"), "{message}");
    }
    assert!(cells.summary().contains("obsm X_pca: 2 dimensions"));
}

#[test]
fn obsm_comes_back_from_a_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cells.h5ad");
    let cells = crate::simulate().cells(90).genes(40).classes(2).run().unwrap();
    let array = ndarray::Array2::from_shape_fn((90, 7), |(cell, i)| cell as f32 * 0.5 - i as f32);
    let with = cells.with_obsm("X_scVI", array.clone()).unwrap();
    with.write_h5ad(&path).unwrap();
    let back = read_h5ad(&path).unwrap();
    assert_eq!(back.obsm("X_scVI").unwrap(), array);
    let message = with.with_obsm("a/b", array).unwrap().write_h5ad(&path).unwrap_err().to_string();
    assert!(message.contains("obsm key 'a/b' cannot be a name"), "{message}");
}

#[test]
fn obsm_of_another_length_is_left_out_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = small(folder.path());
    let file = File::append(&path).unwrap();
    let group = file.create_group("obsm").unwrap();
    group.new_dataset_builder().with_data(&ndarray::arr2(&[[1f32, 2.0], [3.0, 4.0]])).create("X_two").unwrap();
    group.new_dataset_builder().with_data(&arr1(&[1f32, 2.0, 3.0])).create("flat").unwrap();
    file.close().unwrap();
    let cells = read_h5ad(&path).unwrap();
    let message = cells.obsm("X_two").unwrap_err().to_string();
    assert!(message.contains("[2, 2]") && message.contains("3 rows"), "{message}");
    assert!(cells.obsm("flat").unwrap_err().to_string().contains("[3]"));
}

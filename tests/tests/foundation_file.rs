//! Weights in SCimilarity's form become a file of our own, which tests/python then opens without us, and a study's model.

use std::path::Path;

use scdd::foundation::{Foundation, FoundationModel, Scimilarity};

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn released_weights_become_a_file_that_python_reads() {
    let model = Scimilarity::read(tests().join("goldens/scimilarity/model_v1.1")).unwrap();
    let path = scdd_tests::for_python("foundation.safetensors");
    model.write(&path).unwrap();
    assert_eq!(Foundation::read(&path).unwrap().checksum(), FoundationModel::checksum(&model));
}

#[test]
fn cells_that_know_some_of_the_genes_get_the_model_cut_to_them() {
    let cells = scdd_tests::log_normalized(scdd::simulate().cells(60).genes(50).classes(2).seed(3), 1);
    let folder = tempfile::tempdir().unwrap();
    let source = tests().join("goldens/scimilarity/model_v1.1");
    for name in ["encoder.ckpt", "decoder.ckpt"] {
        std::fs::copy(source.join(name), folder.path().join(name)).unwrap();
    }
    // The model's genes are, from the tenth on, those of the cells in reverse order.
    let known = cells.gene_names().iter().rev().take(50).cloned();
    let genes: Vec<String> = (0..60 - cells.genes().min(50)).map(|gene| format!("OTHER{gene}")).chain(known).collect();
    std::fs::write(folder.path().join("gene_order.tsv"), genes.join("\n")).unwrap();

    let whole = Foundation::scimilarity(folder.path()).unwrap();
    let registered = whole.register(&cells).unwrap();
    assert_eq!(registered.foundation.genes(), cells.gene_names());
    assert_ne!(registered.foundation.checksum(), whole.checksum());
    let latents = registered.foundation.embed(registered.cells.expression()).unwrap();

    // Zeros where a gene was not measured, in the model's own order, are SCimilarity's way to the same latents.
    let rows: Vec<usize> = (0..cells.cells()).collect();
    let dense = cells.expression().dense_rows(&rows);
    let place = |gene: &String| cells.gene_names().iter().position(|name| name == gene);
    let padded: Vec<f32> = dense
        .chunks(cells.genes())
        .flat_map(|row| genes.iter().map(move |gene| place(gene).map_or(0.0, |place| row[place])))
        .collect();
    let padded = scdd::cells::Expression::from_dense(60, &padded).unwrap();
    scdd_tests::assert_close(&latents, &whole.embed(&padded).unwrap(), 1e-5);
}

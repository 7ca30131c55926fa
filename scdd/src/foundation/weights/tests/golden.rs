//! The networks of scimilarity, as PyTorch computes them.

use std::path::Path;

use ndarray::Axis;

use super::super::checkpoint;
use super::super::tensor_file::TensorFile;
use super::{apart, golden, goldens, made, read};
use crate::foundation::{Foundation, FoundationModel};
use crate::tensors;

fn agrees(model: &Path, expected: &Path) {
    let (model, expected) = (read(model).unwrap(), golden(expected));
    let (embeddings, reconstructions) = made(&model, &expected.cells);
    let (latents, expression) =
        (apart(&embeddings, &expected.embeddings), apart(&reconstructions, &expected.reconstructions));
    assert!(latents < 1e-5 && expression < 1e-5, "embeddings {latents:e}, reconstructions {expression:e} apart");
}

#[test]
fn a_published_directory_embeds_and_reconstructs_as_pytorch() {
    agrees(&goldens().join("model_v1.1"), &goldens().join("golden.safetensors"));
}

#[test]
fn a_directory_of_the_first_version_with_two_hidden_layers_does_as_well() {
    let model = read(goldens().join("model_v1.0")).unwrap();
    assert_eq!(model.config().hidden, [16, 16]);
    agrees(&goldens().join("model_v1.0"), &goldens().join("golden_v1.0.safetensors"));
}

#[test]
fn safetensors_and_checkpoints_give_exactly_the_same_model() {
    let expected = golden(&goldens().join("golden.safetensors"));
    let models = ["model_v1.1", "model_safetensors"].map(|name| read(goldens().join(name)).unwrap());
    let [of_checkpoints, of_tensors] = models.each_ref().map(|model| made(model, &expected.cells));
    assert_eq!(of_checkpoints, of_tensors);
    assert_eq!(models[0].checksum(), models[1].checksum());
}

#[test]
fn latents_do_not_depend_on_the_size_of_the_batch() {
    let model = read(goldens().join("model_v1.1")).unwrap();
    let cells = golden(&goldens().join("golden.safetensors")).cells;
    let whole = model.embed(&cells).unwrap();
    for size in 1..=cells.cells() {
        let all: Vec<usize> = (0..cells.cells()).collect();
        for batch in all.chunks(size) {
            let part = cells.select_cells(batch);
            let expected = whole.select(Axis(0), batch);
            assert!(apart(&model.embed(&part).unwrap(), &expected) < 1e-6, "batches of {size}");
            let every: Vec<usize> = (0..batch.len()).collect();
            let dense = tensors::from_rows(part.dense_rows(&every), cells.genes(), &model.device());
            // Tiles of bfloat16 embed within a few millionths of f32.
            assert!(apart(&tensors::array(model.encode(dense).unwrap()), &expected) < 1e-5, "dense batches of {size}");
        }
    }
}

#[test]
fn released_weights_keep_scimilaritys_sizes_and_genes_and_have_no_card() {
    let model = Foundation::scimilarity(goldens().join("model_v1.1")).unwrap();
    assert_eq!((model.genes().len(), model.latent()), (60, 8));
    assert_eq!((model.genes()[0].as_str(), model.genes()[59].as_str()), ("GENE00000", "GENE00059"));
    let model = read(goldens().join("model_v1.1")).unwrap();
    assert!(model.card().is_none() && FoundationModel::pretraining_cells(&model).is_none());
    assert_eq!((model.config().hidden.as_slice(), model.config().input_dropout), ([16; 3].as_slice(), 0.4));
    assert_eq!(model.config().hidden_dropout, 0.5);
}

#[test]
fn without_a_decoder_cells_are_embedded_and_nothing_is_decoded() {
    let folder = super::copy("model_v1.1");
    std::fs::remove_file(folder.path().join("decoder.ckpt")).unwrap();
    let (model, expected) = (read(folder.path()).unwrap(), golden(&goldens().join("golden.safetensors")));
    let embeddings = model.embed(&expected.cells).unwrap();
    assert!(apart(&embeddings, &expected.embeddings) < 1e-5);
    assert!(model.decode(tensors::tensor(&embeddings, &model.device())).is_none());
}

#[test]
fn sizes_that_are_not_there_follow_from_the_weights() {
    let folder = super::copy("model_v1.1");
    for name in ["layer_sizes.json", "hyperparameters.json", "label_ints.csv", "metadata.json"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    agrees(folder.path(), &goldens().join("golden.safetensors"));
}

#[test]
fn types_of_lower_and_higher_precision_are_rounded_as_pytorch_does() {
    for name in ["types.ckpt", "types.safetensors"] {
        let file = TensorFile::open(&goldens().join(name)).unwrap();
        for kind in ["float16", "bfloat16", "float64"] {
            let expected = file.vector(&format!("{kind}_as_float32")).unwrap();
            assert_eq!(expected.len(), 8);
            assert_eq!(file.vector(kind).unwrap(), expected, "{kind} in {name}");
        }
    }
    assert_eq!(checkpoint::open(&goldens().join("types.ckpt")).unwrap().len(), 6);
}

/// Published size: `python tests/goldens/scimilarity.py DIR --genes 28231 --hidden 1024 1024 1024 --latent 128 --cells 64
/// --only-model`, then SCDD_SCIMILARITY=DIR.
#[test]
fn a_directory_of_published_size_agrees_as_well() {
    let Ok(folder) = std::env::var("SCDD_SCIMILARITY") else {
        println!("skipped: SCDD_SCIMILARITY names no folder that tests/goldens/scimilarity.py wrote");
        return;
    };
    let folder = Path::new(&folder);
    let begun = std::time::Instant::now();
    let model = read(folder.join("model_v1.1")).unwrap();
    println!("read {model:?} in {:.2} s; memory {}", begun.elapsed().as_secs_f64(), memory());
    let expected = golden(&folder.join("golden.safetensors"));
    let begun = std::time::Instant::now();
    let (embeddings, reconstructions) = made(&model, &expected.cells);
    println!("embedded and decoded {} cells in {:.2} s", expected.cells.cells(), begun.elapsed().as_secs_f64());
    let (latents, expression) =
        (apart(&embeddings, &expected.embeddings), apart(&reconstructions, &expected.reconstructions));
    println!("embeddings {latents:.2e}, reconstructions {expression:.2e} apart");
    assert!(latents < 1e-5 && expression < 1e-5);
    let begun = std::time::Instant::now();
    println!("checksum {} in {:.2} s", model.checksum(), begun.elapsed().as_secs_f64());
    let (own, begun) = (tempfile::tempdir().unwrap(), std::time::Instant::now());
    model.write(own.path().join("own.safetensors")).unwrap();
    println!("written in {:.2} s; memory {}", begun.elapsed().as_secs_f64(), memory());
    drop(model);
    let begun = std::time::Instant::now();
    let again = read(own.path().join("own.safetensors")).unwrap();
    println!("read again in {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(again.embed(&expected.cells).unwrap(), embeddings);
}

/// Memory of this process now and at most, as Linux tells it.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"));
    lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

//! Our own files: what is written is read back, by us here and by Python in tests/python.

use super::{golden, goldens, made, read, refusal, says};
use crate::foundation::network::Autoencoder;
use crate::foundation::weights::Origin;
use crate::foundation::{Card, CardSet, Foundation, FoundationModel, NetworkConfig, PretrainingCells, Scimilarity};
use crate::seed;
use burn::tensor::Device;

/// A small network with random weights, and its card.
fn trained() -> Scimilarity {
    let config = NetworkConfig { latent: 5, hidden: vec![12, 9], ..NetworkConfig::default() };
    let network = Autoencoder::new(20, &config, &mut seed::stream(1, "test"), &Device::flex());
    let genes = (0..20).map(|gene| format!("gene {gene}")).collect();
    let card = Card {
        trained_on: vec![CardSet { source: "a corpus".to_owned(), cells: 30, genes: 20, ..CardSet::default() }],
        training_cells: 27,
        ..Card::default()
    };
    let origin = Origin { card: Some(card), pretraining_cells: Some(PretrainingCells::from_marks([3, u64::MAX, 1])) };
    Scimilarity::freeze(&network, genes, config, origin)
}

#[test]
fn a_model_that_was_written_is_read_back_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    let model = trained();
    model.write(&path).unwrap();
    let again = read(&path).unwrap();
    assert_eq!(again.checksum(), model.checksum());
    assert_eq!((again.genes(), again.config(), again.card()), (model.genes(), model.config(), model.card()));
    assert_eq!(again.card().unwrap().trained_on[0].source, "a corpus");
    assert_eq!(FoundationModel::pretraining_cells(&again).unwrap().marks(), [1, 3, u64::MAX]);
    assert_eq!(Foundation::read(&path).unwrap().checksum().as_deref(), Some(model.checksum()));
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["own.safetensors"]);
}

#[test]
fn released_weights_survive_being_written_as_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    let model = read(goldens().join("model_v1.1")).unwrap();
    model.write(&path).unwrap();
    let first = std::fs::read(&path).unwrap();
    let again = read(&path).unwrap();
    let cells = golden(&goldens().join("golden.safetensors")).cells;
    assert_eq!(made(&again, &cells), made(&model, &cells));
    // Over the file that is there, and with the same bytes.
    again.write(&path).unwrap();
    assert!(std::fs::read(&path).unwrap() == first);
}

#[test]
fn a_model_without_decoder_is_written_and_read_without_one() {
    let folder = super::copy("model_v1.1");
    std::fs::remove_file(folder.path().join("decoder.ckpt")).unwrap();
    let model = read(folder.path()).unwrap();
    let path = folder.path().join("own.safetensors");
    model.write(&path).unwrap();
    let again = read(&path).unwrap();
    assert_eq!(again.checksum(), model.checksum());
    assert!(again.decode(burn::tensor::Tensor::zeros([1, 8], &Device::flex())).is_none());
}

#[test]
fn checksums_tell_models_apart_by_weights_genes_and_decoder() {
    let model = read(goldens().join("model_v1.1")).unwrap();
    assert_eq!(model.checksum().len(), 64);
    let folder = super::copy("model_v1.1");
    let genes = std::fs::read_to_string(folder.path().join("gene_order.tsv")).unwrap();
    std::fs::write(folder.path().join("gene_order.tsv"), genes.replace("GENE00001", "OTHER")).unwrap();
    let other_genes = read(folder.path()).unwrap();
    std::fs::write(folder.path().join("gene_order.tsv"), genes).unwrap();
    std::fs::remove_file(folder.path().join("decoder.ckpt")).unwrap();
    let no_decoder = read(folder.path()).unwrap();
    let other_weights = super::altered("encoder.safetensors", |tensors| {
        super::set(tensors, "network.3.bias", &[(0, 0.5)]);
    });
    let other_weights = read(other_weights.path()).unwrap();
    let all = [&model, &other_genes, &no_decoder, &other_weights].map(Scimilarity::checksum);
    let different: std::collections::HashSet<_> = all.into_iter().collect();
    assert_eq!(different.len(), 4);
}

#[test]
fn a_file_that_cannot_be_written_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let problem = |path: &str| trained().write(folder.path().join(path)).unwrap_err().to_string();
    says(&problem("model.ckpt"), &["cannot be written", "ends in .safetensors"]);
    says(&problem("missing/model.safetensors"), &["no folder", "make it first"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn tensors_without_our_card_are_refused_with_what_to_give() {
    let file = goldens().join("model_safetensors/encoder.safetensors");
    says(&refusal(file), &["no scdd_format", "give the directory", "gene_order.tsv"]);
}

#[test]
fn a_file_of_a_newer_format_or_with_altered_metadata_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    trained().write(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    // Replacements of the same length, so that the header's length stays right.
    let change = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let place = whole.windows(from.len()).position(|bytes| bytes == from.as_bytes()).unwrap();
        let mut bytes = whole.clone();
        bytes[place..][..to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, bytes).unwrap();
        refusal(&path)
    };
    says(&change(r#""scdd_format":"1""#, r#""scdd_format":"2""#), &["the format 2", "reads 1"]);
    says(&change(r#"\"latent\":5"#, r#"\"latent\":6"#), &["config is latent 6", "the weights have latent 5"]);
    says(&change(r#"\"gene 3\""#, r#"\"gene 4\""#), &["unusable genes", "'gene 4' is on lines 4 and 5"]);
    says(&change(r#"\"gene 3\""#, r#"\"gene x\""#), &["SHA-256", "its metadata, over name, genes and weights"]);
    says(&change("decoder.network.0.0.bias", "decoyer.network.0.0.bias"), &["unexpected decoyer.network.0.0.bias"]);
}

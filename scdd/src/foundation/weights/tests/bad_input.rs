//! Each kind of bad input has its own error, with what was found, what was expected, and the mend.

use std::path::Path;

use ::safetensors::Dtype;

use super::{Tensors, altered, copy, golden, goldens, read, refusal, reshape, says, set};
use crate::foundation::FoundationModel;

#[test]
fn a_path_with_nothing_an_archive_and_a_single_file_of_a_model_are_refused() {
    says(&refusal("no/such/folder"), &["is not there", "encoder.ckpt", "model_v1.1", "10685499"]);
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("model_v1.1.tar.gz");
    std::fs::write(&archive, [0; 7]).unwrap();
    says(&refusal(&archive), &["archive of 7 bytes", "unpacked first"]);
    let encoder = goldens().join("model_v1.1/encoder.ckpt");
    says(&refusal(encoder), &["one file of a model", "give the directory"]);
}

#[test]
fn a_directory_without_genes_is_refused_with_what_it_has_and_what_is_needed() {
    let folder = copy("model_v1.1");
    std::fs::remove_file(folder.path().join("gene_order.tsv")).unwrap();
    let message = refusal(folder.path());
    says(&message, &["has no gene_order.tsv", "it has decoder.ckpt, encoder.ckpt", "model_v1.1", "10685499"]);
    says(&message, &["only encoder.ckpt, decoder.ckpt and gene_order.tsv are needed"]);
}

#[test]
fn a_directory_with_the_model_one_level_below_is_refused_with_that_folder() {
    let message = refusal(goldens());
    says(&message, &["no encoder.ckpt (nor encoder.safetensors) and no gene_order.tsv", "Its folder model_"]);
    let empty = tempfile::tempdir().unwrap();
    says(&refusal(empty.path()), &["it has nothing"]);
}

#[test]
fn half_a_download_is_refused_with_its_size() {
    for (model, file) in
        [("model_v1.1", "encoder.ckpt"), ("model_v1.1", "decoder.ckpt"), ("model_safetensors", "encoder.safetensors")]
    {
        let folder = copy(model);
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let size = format!("{file} ({} bytes)", bytes.len() / 2);
        says(&refusal(folder.path()), &[&size, "can't be read", "stopped early", "fetch the file again"]);
    }
}

/// The directory with a golden pickle in the encoder's place.
fn hostile(name: &str) -> tempfile::TempDir {
    let folder = copy("model_v1.1");
    std::fs::copy(goldens().join("hostile").join(name), folder.path().join("encoder.ckpt")).unwrap();
    folder
}

/// What each of them would leave behind; scimilarity.py has checked that unpickling does.
fn nothing_was_executed() {
    for folder in [".", "..", env!("CARGO_MANIFEST_DIR")] {
        assert!(!Path::new(folder).join("scdd-was-executed").exists());
    }
}

#[test]
fn a_pickle_that_calls_a_function_is_refused_by_its_name_and_calls_nothing() {
    let places = [
        ("root.ckpt", "its root"),
        ("in_state_dict.ckpt", "state_dict.network.0.1.weight"),
        ("beside_state_dict.ckpt", "callback"),
        ("plain.ckpt", "state_dict"),
    ];
    for (name, place) in places {
        let folder = hostile(name);
        let message = refusal(folder.path());
        says(&message, &["posix.system", &format!("at {place},"), "Nothing of it was executed"]);
        nothing_was_executed();
    }
}

#[test]
fn a_call_hidden_before_honest_weights_is_not_executed() {
    let folder = hostile("injected.ckpt");
    let model = read(folder.path()).unwrap();
    nothing_was_executed();
    let expected = golden(&goldens().join("golden.safetensors"));
    assert!(super::apart(&model.embed(&expected.cells).unwrap(), &expected.embeddings) < 1e-5);
}

#[test]
fn files_must_have_the_checksums_that_are_listed() {
    let folder = copy("model_v1.1");
    let sums = folder.path().join("SHA256SUMS");
    let wrong = "0".repeat(64);
    std::fs::write(&sums, format!("{wrong}  encoder.ckpt\n")).unwrap();
    let message = refusal(folder.path());
    says(&message, &["encoder.ckpt has the SHA-256 ", &wrong, "line 1 of ", "SHA256SUMS", "fetch it again"]);
    let found = message.split("SHA-256 ").nth(1).unwrap()[..64].to_owned();
    let other = format!("{wrong}  annotation/labelled_kNN.bin\n{} *./encoder.ckpt\n", found.to_uppercase());
    std::fs::write(&sums, other).unwrap();
    read(folder.path()).unwrap();
    std::fs::write(&sums, "encoder.ckpt: fine\n").unwrap();
    says(&refusal(folder.path()), &["line 1 is 'encoder.ckpt: fine'", "sha256sum"]);
}

#[test]
fn weights_for_another_number_of_genes_are_refused_with_both_numbers() {
    let folder = copy("model_v1.1");
    let path = folder.path().join("gene_order.tsv");
    let genes = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{genes}\nEXTRA\n")).unwrap();
    says(&refusal(folder.path()), &["weights for 60 genes", "names 61", "gene_order.tsv", "same model"]);
}

#[test]
fn genes_that_are_named_twice_or_not_at_all_are_refused_with_their_lines() {
    let folder = copy("model_v1.1");
    let path = folder.path().join("gene_order.tsv");
    let genes = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, genes.replace("GENE00009", "GENE00003")).unwrap();
    says(&refusal(folder.path()), &["1 names are there twice", "'GENE00003' is on lines 4 and 10", "each once"]);
    std::fs::write(&path, genes.replace("GENE00009", " ")).unwrap();
    says(&refusal(folder.path()), &["line 10 is empty"]);
    std::fs::write(&path, "\n").unwrap();
    says(&refusal(folder.path()), &["it is empty", "one gene symbol a line"]);
    std::fs::write(&path, [0xff, 0xfe]).unwrap();
    says(&refusal(folder.path()), &["not text in UTF-8"]);
}

#[test]
fn a_weight_of_the_wrong_shape_is_refused_with_both_shapes() {
    let cases: [(&str, &[usize], &[&str]); 7] = [
        ("network.1.1.weight", &[16, 15], &["[16, 15]", "[16, 16]", "the layer before it has 16 units"]),
        ("network.1.1.bias", &[15], &["[15]", "[16]"]),
        ("network.0.2.running_var", &[4], &["[4]", "[16]", "each unit"]),
        ("network.2.3.weight", &[16], &["[16]", "[1]", "one slope"]),
        ("network.3.weight", &[8, 4], &["[8, 4]", "[8, 16]"]),
        ("network.3.weight", &[8], &["[8]", "[outputs, inputs]"]),
        ("network.3.weight", &[0, 16], &["[0, 16]", "at least 1"]),
    ];
    for (key, shape, parts) in cases {
        let folder = altered("encoder.safetensors", |tensors| reshape(tensors, key, shape));
        says(&refusal(folder.path()), &[parts, &[key, "encoder.safetensors"]].concat());
    }
}

#[test]
fn a_decoder_of_another_model_is_refused_with_both_shapes() {
    let narrow = altered("decoder.safetensors", |tensors| reshape(tensors, "network.0.0.weight", &[16, 5]));
    says(&refusal(narrow.path()), &["network.0.0.weight", "[16, 5]", "[16, 8]", "latents"]);
    let other_genes = altered("decoder.safetensors", |tensors| {
        reshape(tensors, "network.3.weight", &[50, 16]);
        reshape(tensors, "network.3.bias", &[50]);
    });
    says(&refusal(other_genes.path()), &["network.3.weight", "[50, 16]", "[60, 16]", "genes"]);
}

#[test]
fn missing_and_unexpected_tensors_are_listed() {
    let folder = altered("encoder.safetensors", |tensors| {
        tensors.remove("network.1.2.running_mean");
        reshape(tensors, "network.1.5.weight", &[3]);
        reshape(tensors, "head.weight", &[3]);
    });
    let message = refusal(folder.path());
    says(&message, &["missing network.1.2.running_mean;", "unexpected head.weight, network.1.5.weight."]);
    says(&message, &["3 hidden layers", "SCimilarity's encoder"]);
    // Decoder and encoder taken for one another.
    let folder = copy("model_v1.1");
    std::fs::copy(folder.path().join("decoder.ckpt"), folder.path().join("encoder.ckpt")).unwrap();
    says(&refusal(folder.path()), &["missing network.0.2.bias", "network.0.3.weight;", "unexpected network.0.0.bias"]);
}

#[test]
fn weights_that_are_not_numbers_are_refused_with_the_tensor_and_how_many() {
    let key = "network.1.1.weight";
    let change = |tensors: &mut Tensors| set(tensors, key, &[(3, f32::NAN), (7, f32::INFINITY)]);
    let folder = altered("encoder.safetensors", change);
    says(&refusal(folder.path()), &[key, "2 of 256 values NaN or infinite"]);
}

#[test]
fn a_variance_below_zero_is_refused() {
    let key = "network.0.1.running_var";
    let folder = altered("decoder.safetensors", |tensors| set(tensors, key, &[(0, -0.5)]));
    says(&refusal(folder.path()), &[key, "1 of 16 values below zero", "decoder.safetensors"]);
}

#[test]
fn a_tensor_of_integers_in_a_weights_place_is_refused_with_its_type() {
    let folder = altered("encoder.safetensors", |tensors| {
        tensors.insert("network.3.bias".to_owned(), (Dtype::I32, vec![8], vec![0; 32]));
    });
    says(&refusal(folder.path()), &["network.3.bias", "type I32", "float32"]);
}

#[test]
fn sizes_that_disagree_with_the_weights_are_refused() {
    let change = |file: &str, from: &str, to: &str| {
        let folder = copy("model_v1.1");
        let path = folder.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        refusal(folder.path())
    };
    let message = change("layer_sizes.json", "[16, 60]", "[1024, 28231]");
    says(&message, &["layer_sizes.json: network.0.1.weight is [1024,28231]", "the weights have [16, 60]"]);
    let message = change("layer_sizes.json", "network.3.bias", "network.9.bias");
    says(&message, &["network.9.bias is [8]", "no such tensor"]);
    let message = change("hyperparameters.json", "\"latent_dim\": 8", "\"latent_dim\": 128");
    says(&message, &["latent_dim is 128, and the weights have 8", "leave it away"]);
    says(&change("hyperparameters.json", "{", "{\"residual\": true, "), &["residual connections", "not supported"]);
    says(&change("layer_sizes.json", "{", ""), &["layer_sizes.json", "can't be read as a JSON object"]);
}

#[test]
fn a_checkpoint_without_state_dict_is_refused_with_the_keys_that_it_has() {
    let folder = copy("model_v1.1");
    // Protocol 2: {"model": 1}
    std::fs::write(folder.path().join("encoder.ckpt"), b"\x80\x02}X\x05\x00\x00\x00modelK\x01s.").unwrap();
    says(&refusal(folder.path()), &["top-level keys model", "\"state_dict\"", "torch.save"]);
    // Protocol 2: {"state_dict": {"epoch": 1}}
    let pickle = b"\x80\x02}X\x0a\x00\x00\x00state_dict}X\x05\x00\x00\x00epochK\x01ss.";
    std::fs::write(folder.path().join("encoder.ckpt"), pickle).unwrap();
    says(&refusal(folder.path()), &["an int at state_dict.epoch", "only tensors"]);
}

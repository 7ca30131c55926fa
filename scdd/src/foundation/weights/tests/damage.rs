//! Damage anywhere in a file gives an error or a model, never a panic.

use super::{copy, goldens, read};

/// Positions a little apart, so that every part of a file of some kB is met.
fn positions(length: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..length).step_by(step)
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    for (model, file) in [("model_v1.1", "encoder.ckpt"), ("model_safetensors", "encoder.safetensors")] {
        let folder = copy(model);
        let path = folder.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        for length in positions(whole.len(), 89) {
            std::fs::write(&path, &whole[..length]).unwrap();
            assert!(read(folder.path()).is_err(), "{file} of {length} bytes was read");
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_gives_an_error_or_a_model() {
    for (model, file) in
        [("model_v1.1", "encoder.ckpt"), ("model_v1.1", "decoder.ckpt"), ("model_safetensors", "encoder.safetensors")]
    {
        let folder = copy(model);
        let path = folder.path().join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut refused = 0;
        for (number, place) in positions(whole.len(), 41).enumerate() {
            let mut bytes = whole.clone();
            bytes[place] ^= [0xff, 0x01, 0x80, 0x10][number % 4];
            std::fs::write(&path, bytes).unwrap();
            refused += usize::from(read(folder.path()).is_err());
        }
        assert!(refused > 0, "{file}");
    }
}

#[test]
fn a_flipped_byte_in_our_own_file_never_changes_the_weights_unnoticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("own.safetensors");
    let model = read(goldens().join("model_v1.1")).unwrap();
    model.write(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for place in positions(whole.len(), 31) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x04;
        std::fs::write(&path, bytes).unwrap();
        if let Ok(read) = read(&path) {
            assert_eq!(read.checksum(), model.checksum(), "byte {place}");
        }
    }
}

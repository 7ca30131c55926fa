//! What can be wrong with the weights of a foundation model.

use std::path::{Path, PathBuf};

/// Where the released weights are, for errors.
const RELEASED: &str = "SCimilarity's released weights are model_v1.1 of Zenodo record 10685499";

/// Errors of reading and writing weights: each says what was found, what was expected, and the mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// Nothing is at the path, or something that is neither a model directory nor a file of this crate.
    #[error(
        "{} {found}; expected a model directory (encoder.ckpt, decoder.ckpt, gene_order.tsv) or a .safetensors file that \
         `write` made. {RELEASED}",
        path.display()
    )]
    NotAModel {
        /// The path that was given.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// A directory lacks a file.
    #[error(
        "{} has no {missing}; it has {found}. {RELEASED}; of that archive only encoder.ckpt, decoder.ckpt and \
         gene_order.tsv are needed (without decoder.ckpt cells can be embedded, but nothing distilled){hint}",
        directory.display()
    )]
    MissingFile {
        /// The directory.
        directory: PathBuf,
        /// Names of the missing files.
        missing: String,
        /// What is there.
        found: String,
        /// A subfolder that does look like a model.
        hint: String,
    },
    /// A file that the system can't read or write.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says, and the mend.
        problem: String,
    },
    /// A file that is damaged, cut off, or of another format.
    #[error(
        "{} ({size} bytes) can't be read as {expected}: {problem}. A download that stopped early looks like this: compare \
         the size with the original's and fetch the file again",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The format that was expected.
        expected: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// A pickle that holds an object which is not a tensor.
    #[error(
        "{} holds {object} at {place}, where only tensors are expected. Nothing of it was executed. Do not open the file \
         with torch.load(weights_only=False); get the weights from their original source",
        path.display()
    )]
    NotATensor {
        /// The file.
        path: PathBuf,
        /// Where in the pickle.
        place: String,
        /// Python's name of the object's type, or of the function that would have been called.
        object: String,
    },
    /// A checkpoint without the weights' dictionary.
    #[error(
        "{} has the top-level keys {found}; expected \"state_dict\", as SCimilarity's save_state writes: \
         torch.save({{\"state_dict\": model.state_dict()}}, path)",
        path.display()
    )]
    NoStateDict {
        /// The file.
        path: PathBuf,
        /// The keys that are there.
        found: String,
    },
    /// A file's SHA-256 is not the one that is written down.
    #[error(
        "{} has the SHA-256 {found}; {source_of_sum} says {expected}. The file is damaged or another one: fetch it again",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its checksum.
        found: String,
        /// The checksum that was expected.
        expected: String,
        /// Where that stands.
        source_of_sum: String,
    },
    /// Weights for another number of genes than there are names.
    #[error(
        "{} has weights for {weights} genes and {} names {genes}; both files must be of the same model",
        path.display(),
        order.display()
    )]
    GeneCount {
        /// The weights.
        path: PathBuf,
        /// The names.
        order: PathBuf,
        /// Genes that the weights are for.
        weights: usize,
        /// Genes that are named.
        genes: usize,
    },
    /// Names of genes that are not there, empty, or not unique.
    #[error("{}: {problem}; expected one gene symbol a line, each once", path.display())]
    Genes {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line numbers.
        problem: String,
    },
    /// Tensors that are missing, or that no layer of the network takes.
    #[error(
        "{}: missing {missing}; unexpected {unexpected}. Expected {expected}, with the key names of SCimilarity's {network}",
        path.display()
    )]
    Keys {
        /// The file.
        path: PathBuf,
        /// Which network was expected: encoder or decoder.
        network: &'static str,
        /// Keys that are missing.
        missing: String,
        /// Keys that are too many.
        unexpected: String,
        /// The form that was expected.
        expected: String,
    },
    /// A tensor of the wrong shape.
    #[error("{}: {key} has the shape {found:?}; expected {expected}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that fits the layers around it, and why.
        expected: String,
    },
    /// A tensor of a type that is not a weight's.
    #[error(
        "{}: {key} is of type {found}; expected float32, or float64, float16 or bfloat16, which are converted",
        path.display()
    )]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// Its type.
        found: String,
    },
    /// Values that no trained network has.
    #[error("{}: {key} has {count} of {of} values {problem}; the weights are damaged or their training diverged", path.display())]
    Values {
        /// The file.
        path: PathBuf,
        /// The tensor.
        key: String,
        /// How many.
        count: usize,
        /// Of how many.
        of: usize,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// A file of sizes that says something else than the weights.
    #[error(
        "{}: {key} is {found}, and the weights have {expected}; correct that file or leave it away, it is not needed",
        path.display()
    )]
    Sizes {
        /// The file.
        path: PathBuf,
        /// The entry.
        key: String,
        /// What it says.
        found: String,
        /// What the weights have.
        expected: String,
    },
    /// A .safetensors file without what `write` puts into its metadata.
    #[error(
        "{}: its metadata has {problem}; expected the entries that `write` makes (scdd_format, genes, config, card). For \
         SCimilarity's own tensors give the directory that holds them beside gene_order.tsv",
        path.display()
    )]
    Card {
        /// The file.
        path: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
}

impl WeightsError {
    pub(super) fn file(path: &Path, problem: impl std::fmt::Display) -> Self {
        Self::File { path: path.to_path_buf(), problem: problem.to_string() }
    }

    /// A file that can't be understood, with its size.
    pub(super) fn damaged(path: &Path, expected: &'static str, problem: impl std::fmt::Display) -> Self {
        let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        Self::Damaged { path: path.to_path_buf(), size, expected, problem: problem.to_string() }
    }
}

impl From<WeightsError> for crate::Error {
    fn from(error: WeightsError) -> Self {
        super::super::FoundationError::from(error).into()
    }
}

/// The first names of a list, quoted, and how many more there are.
pub(super) fn listed<Name: AsRef<str>>(names: &[Name]) -> String {
    const SHOWN: usize = 12;
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

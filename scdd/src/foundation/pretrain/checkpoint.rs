//! Checkpoints of a pretraining: one folder per epoch, complete or not there. A killed run goes on from the last one.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::merged::Merged;
use super::train::State;
use super::{PretrainingConfig, PretrainingHistory};
use crate::foundation::FoundationError;

/// What a checkpoint is of; another pretraining does not go on from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Of {
    config: PretrainingConfig,
    corpus_sha256: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    of: Of,
    epochs: usize,
    history: PretrainingHistory,
}

/// The checkpoints of one pretraining in one folder.
pub(super) struct Checkpoints {
    folder: PathBuf,
    of: Of,
}

impl Checkpoints {
    /// Makes the folder where it is not there, and checks that what is in it is of this pretraining.
    pub(super) fn open(folder: &Path, config: &PretrainingConfig, merged: &Merged) -> Result<Self, FoundationError> {
        let of = Of {
            config: config.clone(),
            corpus_sha256: merged.checksum(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let checkpoints = Self { folder: folder.to_owned(), of };
        std::fs::create_dir_all(folder).map_err(|problem| checkpoints.problem("can't be made", &problem))?;
        if let Some((_, last)) = checkpoints.last()? {
            let found = checkpoints.saved(&last)?.of;
            if found != checkpoints.of {
                let differs = if found.config != checkpoints.of.config {
                    "another config or seed"
                } else if found.corpus_sha256 != checkpoints.of.corpus_sha256 {
                    "other cells, genes or labels"
                } else {
                    "another version of scdd"
                };
                return Err(FoundationError::Checkpoint {
                    path: last,
                    problem: format!(
                        "it is of a pretraining with {differs}; go on with the same, or choose another folder"
                    ),
                });
            }
        }
        Ok(checkpoints)
    }

    /// Writes a state after an epoch: under another name first, so that a folder with this name is complete.
    pub(super) fn write(&self, state: &State) -> Result<(), FoundationError> {
        let previous = self.last()?;
        let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(&self.folder);
        let unfinished = unfinished.map_err(|problem| self.problem("can't be written to", &problem))?;
        let path = |name: &str| unfinished.path().join(name);
        let record = |result: Result<(), burn::store::RecordError>| {
            result.map_err(|problem| self.problem("can't be written to", &problem))
        };
        record(state.network.clone().into_record().save(path("network.bpk")))?;
        record(state.optimizer.to_record().save(path("optimizer.bpk")))?;
        if let Some(best) = &state.best {
            record(best.clone().save(path("best.bpk")))?;
        }
        let saved = Saved { of: self.of.clone(), epochs: state.epochs, history: state.history.clone() };
        let text =
            serde_json::to_string_pretty(&saved).map_err(|problem| self.problem("can't be written to", &problem))?;
        std::fs::write(path("state.json"), text).map_err(|problem| self.problem("can't be written to", &problem))?;
        let name = self.folder.join(format!("epoch-{:05}", state.epochs));
        std::fs::rename(unfinished.keep(), name).map_err(|problem| self.problem("can't be written to", &problem))?;
        if let Some((_, previous)) = previous {
            // An older one that stays is no harm.
            let _ = std::fs::remove_dir_all(previous);
        }
        Ok(())
    }

    /// The last state, or none where no epoch was finished. `fresh` gives the form of network and optimiser.
    pub(super) fn read(&self, fresh: State) -> Result<State, FoundationError> {
        let Some((_, folder)) = self.last()? else { return Ok(fresh) };
        let saved = self.saved(&folder)?;
        let damaged = |problem: burn::store::RecordError| FoundationError::Checkpoint {
            path: folder.clone(),
            problem: format!("it can't be read ({problem}); delete this folder to start anew"),
        };
        let State { network, optimizer, .. } = fresh;
        let best = match folder.join("best.bpk") {
            path if path.exists() => Some(ModuleRecord::load(path).map_err(damaged)?),
            _ => None,
        };
        let network = network.try_load_file(folder.join("network.bpk")).map_err(damaged)?;
        let record = OptimizerRecord::load(folder.join("optimizer.bpk")).map_err(damaged)?;
        let optimizer: ModuleOptimizer = optimizer.load_record(record);
        Ok(State { network, optimizer, best, epochs: saved.epochs, history: saved.history })
    }

    /// The pretraining is through: its checkpoints are of no more use.
    pub(super) fn done(&self) -> Result<(), FoundationError> {
        while let Some((_, last)) = self.last()? {
            std::fs::remove_dir_all(&last).map_err(|problem| self.problem("can't be cleared", &problem))?;
        }
        Ok(())
    }

    fn saved(&self, folder: &Path) -> Result<Saved, FoundationError> {
        let text = std::fs::read_to_string(folder.join("state.json")).map_err(|problem| problem.to_string());
        text.and_then(|text| serde_json::from_str(&text).map_err(|problem| problem.to_string())).map_err(|problem| {
            FoundationError::Checkpoint {
                path: folder.to_owned(),
                problem: format!("it can't be read ({problem}); delete this folder to start anew"),
            }
        })
    }

    /// The complete checkpoint of most epochs.
    fn last(&self) -> Result<Option<(usize, PathBuf)>, FoundationError> {
        let entries = std::fs::read_dir(&self.folder).map_err(|problem| self.problem("can't be read", &problem))?;
        let epoch = |path: PathBuf| {
            let number = path.file_name()?.to_str()?.strip_prefix("epoch-")?.parse().ok()?;
            Some((number, path))
        };
        Ok(entries.flatten().filter_map(|entry| epoch(entry.path())).max())
    }

    fn problem(&self, what: &str, problem: &dyn std::fmt::Display) -> FoundationError {
        FoundationError::Checkpoint {
            path: self.folder.clone(),
            problem: format!("the folder {what} ({problem}); choose another one for .checkpoints(...)"),
        }
    }
}

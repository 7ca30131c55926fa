//! Checkpoints of a training: one folder per state, renamed into place when complete. A killed run resumes from the last one.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use burn::store::RecordError;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// Why a checkpoint or its folder can't be used, and how to fix it.
#[derive(Debug)]
pub(crate) struct CheckpointProblem {
    pub(crate) path: PathBuf,
    pub(crate) problem: String,
}

/// Identity of a training: config, seed, data. Another training doesn't resume from its checkpoints.
pub(crate) trait Origin: PartialEq + Serialize + DeserializeOwned {
    /// The training in words: "a pretraining".
    const TASK: &'static str;
    /// What is counted: "epoch".
    const UNIT: &'static str;

    /// How an origin that is not equal differs: "another config or seed (steps 50 there, 60 here)".
    fn difference(&self, found: &Self) -> String;
}

/// The settings that differ between two configs: " (steps 50 there, 60 here)"; empty where none does.
pub(crate) fn differing(here: &impl Serialize, there: &impl Serialize) -> String {
    use serde_json::{Value, to_value};
    let (Ok(Value::Object(here)), Ok(Value::Object(there))) = (to_value(here), to_value(there)) else {
        return String::new();
    };
    let none = Value::Null;
    let differs = here.iter().filter_map(|(name, value)| {
        let there = there.get(name).unwrap_or(&none);
        (value != there).then(|| format!("{name} {there} there, {value} here"))
    });
    let differs: Vec<String> = differs.collect();
    if differs.is_empty() { String::new() } else { format!(" ({})", differs.join("; ")) }
}

#[derive(Serialize, Deserialize)]
struct Saved<Of, Progress> {
    of: Of,
    version: String,
    progress: Progress,
}

/// The checkpoints of one training in one folder.
pub(crate) struct Checkpoints<Of, Progress> {
    folder: PathBuf,
    of: Of,
    progress: PhantomData<Progress>,
}

impl<Of: Origin + Clone, Progress: Serialize + DeserializeOwned> Checkpoints<Of, Progress> {
    /// Makes the folder where it doesn't exist, and checks that its checkpoints are of this training.
    pub(crate) fn open(folder: &Path, of: Of) -> Result<Self, CheckpointProblem> {
        // Numbers may lose their last bit in JSON, so the origin makes a round trip before it is compared.
        let read_back = serde_json::to_string(&of).and_then(|text| serde_json::from_str(&text));
        let of = read_back.map_err(|problem| damaged(folder, &problem))?;
        let checkpoints = Self { folder: folder.to_owned(), of, progress: PhantomData };
        std::fs::create_dir_all(folder).map_err(|problem| checkpoints.problem("can't be made", &problem))?;
        if let Some((_, last)) = checkpoints.last()? {
            let found: Saved<Of, IgnoredAny> = saved(&last)?;
            let differs = if found.of != checkpoints.of {
                Some(checkpoints.of.difference(&found.of))
            } else {
                (found.version != env!("CARGO_PKG_VERSION")).then(|| "another version of scdd".to_owned())
            };
            if let Some(differs) = differs {
                let problem =
                    format!("it is of {} with {differs}; go on with the same, or choose another folder", Of::TASK);
                return Err(CheckpointProblem { path: last, problem });
            }
        }
        Ok(checkpoints)
    }

    /// Writes a state under a temporary name and renames it when it is complete. `weights` writes what the progress lacks into
    /// the folder that it is given.
    pub(crate) fn write(
        &self,
        number: usize,
        progress: Progress,
        weights: impl FnOnce(&Path) -> Result<(), RecordError>,
    ) -> Result<(), CheckpointProblem> {
        let previous = self.last()?;
        if previous.as_ref().is_some_and(|(last, _)| *last == number) {
            return Ok(());
        }
        let unwritten = |problem: &dyn std::fmt::Display| self.problem("can't be written to", problem);
        let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(&self.folder);
        let unfinished = unfinished.map_err(|problem| unwritten(&problem))?;
        weights(unfinished.path()).map_err(|problem| unwritten(&problem))?;
        let saved = Saved { of: self.of.clone(), version: env!("CARGO_PKG_VERSION").to_owned(), progress };
        let text = serde_json::to_string_pretty(&saved).map_err(|problem| unwritten(&problem))?;
        std::fs::write(unfinished.path().join("state.json"), text).map_err(|problem| unwritten(&problem))?;
        let name = self.folder.join(format!("{}-{number:05}", Of::UNIT));
        std::fs::rename(unfinished.keep(), name).map_err(|problem| unwritten(&problem))?;
        if let Some((_, previous)) = previous {
            // An older one that stays does no harm.
            let _ = std::fs::remove_dir_all(previous);
        }
        Ok(())
    }

    /// Folder and progress of the last state; None where nothing was written.
    pub(crate) fn read(&self) -> Result<Option<(PathBuf, Progress)>, CheckpointProblem> {
        let Some((_, folder)) = self.last()? else { return Ok(None) };
        let saved: Saved<Of, Progress> = saved(&folder)?;
        Ok(Some((folder, saved.progress)))
    }

    /// Removes the checkpoints of a training that is complete.
    pub(crate) fn done(&self) -> Result<(), CheckpointProblem> {
        while let Some((_, last)) = self.last()? {
            std::fs::remove_dir_all(&last).map_err(|problem| self.problem("can't be cleared", &problem))?;
        }
        Ok(())
    }

    /// The last complete checkpoint.
    fn last(&self) -> Result<Option<(usize, PathBuf)>, CheckpointProblem> {
        let entries = std::fs::read_dir(&self.folder).map_err(|problem| self.problem("can't be read", &problem))?;
        let numbered = |path: PathBuf| {
            let name = path.file_name()?.to_str()?;
            let number = name.strip_prefix(Of::UNIT)?.strip_prefix('-')?.parse().ok()?;
            Some((number, path))
        };
        Ok(entries.flatten().filter_map(|entry| numbered(entry.path())).max())
    }

    fn problem(&self, what: &str, problem: &dyn std::fmt::Display) -> CheckpointProblem {
        CheckpointProblem {
            path: self.folder.clone(),
            problem: format!("the folder {what} ({problem}); choose another one for .checkpoints(...)"),
        }
    }
}

/// The problem of a checkpoint that can't be read.
pub(crate) fn damaged(folder: &Path, problem: &dyn std::fmt::Display) -> CheckpointProblem {
    CheckpointProblem {
        path: folder.to_owned(),
        problem: format!("it can't be read ({problem}); delete this folder to start anew"),
    }
}

fn saved<T: DeserializeOwned>(folder: &Path) -> Result<T, CheckpointProblem> {
    let text = std::fs::read_to_string(folder.join("state.json")).map_err(|problem| damaged(folder, &problem))?;
    serde_json::from_str(&text).map_err(|problem| damaged(folder, &problem))
}

/// Serialises numbers as text, so that they come back bit for bit: a JSON number may lose its last bit.
pub(crate) mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(numbers: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(numbers.iter().map(f64::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let numbers = Vec::<String>::deserialize(deserializer)?;
        numbers.iter().map(|number| number.parse().map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, Serialize, Deserialize)]
    struct Numbered(u32);

    impl Origin for Numbered {
        const TASK: &'static str = "a training";
        const UNIT: &'static str = "step";

        fn difference(&self, _: &Self) -> String {
            "another number".to_owned()
        }
    }

    #[test]
    fn the_furthest_state_is_read_older_ones_go_and_an_unfinished_one_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let open = |number| Checkpoints::<Numbered, Vec<u32>>::open(folder.path(), Numbered(number));
        let checkpoints = open(1).unwrap();
        assert!(checkpoints.read().unwrap().is_none());
        for number in [99_999, 100_000] {
            checkpoints.write(number, vec![number as u32], |_| Ok(())).unwrap();
        }
        std::fs::create_dir(folder.path().join("unfinished-x")).unwrap();
        std::fs::create_dir(folder.path().join("steps-999999")).unwrap();
        let (path, progress) = checkpoints.read().unwrap().unwrap();
        assert!(path.ends_with("step-100000") && progress == [100_000], "{path:?}");
        assert!(!folder.path().join("step-99999").exists());

        let problem = open(2).err().unwrap();
        assert!(problem.problem.contains("of a training with another number"), "{}", problem.problem);
        assert_eq!(problem.path, path);
        std::fs::write(path.join("state.json"), "{").unwrap();
        assert!(open(1).err().unwrap().problem.contains("delete this folder"));
        checkpoints.done().unwrap();
        assert!(checkpoints.read().unwrap().is_none());
    }

    #[test]
    fn settings_that_differ_are_named_with_both_values() {
        let config = |steps: usize| serde_json::json!({ "steps": steps, "seed": 7 });
        assert_eq!(differing(&config(60), &config(50)), " (steps 50 there, 60 here)");
        assert_eq!(differing(&config(50), &config(50)), "");
    }

    #[test]
    fn numbers_come_back_bit_for_bit() {
        #[derive(Serialize, Deserialize)]
        struct Numbers(#[serde(with = "exact")] Vec<f64>);

        let numbers = vec![0.9728801846504211, 0.1 + 0.2, 1e-300, -0.0, 5e22, f64::from(0.1_f32)];
        let text = serde_json::to_string(&Numbers(numbers.clone())).unwrap();
        let Numbers(back) = serde_json::from_str(&text).unwrap();
        let bits = |numbers: &[f64]| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&numbers), "{text}");
    }

    #[test]
    fn a_folder_that_can_not_be_made_says_which() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let problem = Checkpoints::<Numbered, ()>::open(&file.path().join("here"), Numbered(1)).err().unwrap();
        assert!(problem.problem.contains("can't be made") && problem.path.ends_with("here"), "{problem:?}");
    }
}

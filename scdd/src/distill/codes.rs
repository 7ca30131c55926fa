//! Where codes start: latents of random real training cells of each class (algorithm 1, line 1).

use itertools::Itertools;
use ndarray::{Array2, Axis};
use rand::seq::index::sample;
use serde::{Deserialize, Serialize};

use super::DistillError;
use crate::seed;
use crate::study::Study;

/// What is done about classes with fewer training cells than synthetic ones are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SmallClasses {
    /// An error that lists them.
    #[default]
    Refuse,
    /// Such a class gives as many synthetic cells as it has training cells.
    TakeAll,
}

/// Codes `[rows, latent]` at scale sqrt(latent) and their classes, sorted by class.
#[derive(Clone, Debug)]
pub(crate) struct Codes {
    pub(crate) values: Array2<f32>,
    pub(crate) labels: Vec<u32>,
}

impl Codes {
    /// Latents of random training cells, none twice.
    pub(crate) fn random_real(
        study: &Study,
        per_class: usize,
        small: SmallClasses,
        seed: u64,
    ) -> Result<Self, DistillError> {
        let training = study.training_cells();
        check(per_class, small, &training.train_counts(), training.classes())?;
        let mut rng = seed::stream(seed, "codes");
        let (mut cells, mut labels) = (Vec::new(), Vec::new());
        for (class, members) in training.train_per_class().into_iter().enumerate() {
            let chosen = sample(&mut rng, members.len(), per_class.min(members.len()));
            cells.extend(chosen.iter().map(|index| members[index]));
            labels.resize(cells.len(), class as u32);
        }
        let latents = study.embeddings_of(&cells);
        let scale = (latents.len_of(Axis(1)) as f32).sqrt();
        Ok(Self { values: latents * scale, labels })
    }
}

fn check(per_class: usize, small: SmallClasses, counts: &[usize], classes: &[String]) -> Result<(), DistillError> {
    if per_class == 0 {
        return Err(DistillError::NoCells);
    }
    let too_small: Vec<_> = counts.iter().zip(classes).filter(|(count, _)| **count < per_class).collect();
    if small == SmallClasses::Refuse && !too_small.is_empty() {
        return Err(DistillError::MoreThanReal {
            per_class,
            classes: too_small.len(),
            list: too_small.iter().map(|(count, class)| format!("'{class}' has {count}")).join(", "),
            smallest: counts.iter().copied().min().unwrap_or(0),
        });
    }
    Ok(())
}

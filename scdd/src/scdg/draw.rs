//! Stratified draws of the cells to generate: for each a class, a value of each condition and a training cell to begin at.

use rand::seq::SliceRandom;

use super::ScdgError;
use super::conditions::Condition;
use super::sampler::Sampler;
use crate::seed;

/// A cell that is to be generated.
#[derive(Debug, PartialEq)]
pub(super) struct Drawn {
    pub(super) class: usize,
    /// Number of the value of each condition.
    pub(super) values: Vec<usize>,
    /// The training cell that it begins at: an index into the training cells.
    pub(super) start: usize,
}

/// What to draw from: the training cells' classes and conditions.
pub(super) struct Draw<'a> {
    pub(super) labels: &'a [u32],
    pub(super) classes: &'a [String],
    pub(super) conditions: &'a [Condition],
    pub(super) sampler: Sampler,
    pub(super) seed: u64,
}

impl Draw<'_> {
    /// `count` cells of the wanted classes (all where none is), in the proportions of their training cells, sorted by class.
    /// Where a condition is given, only training cells with its value count; a condition that is not given has the value of the
    /// training cell that is drawn. Each training cell is drawn once before one is drawn twice.
    pub(super) fn cells(
        &self,
        count: usize,
        wanted: &[usize],
        given: &[Option<usize>],
    ) -> Result<Vec<Drawn>, ScdgError> {
        let members = self.members(wanted, given)?;
        let sizes: Vec<usize> = members.iter().map(Vec::len).collect();
        let mut drawn = Vec::with_capacity(count);
        for (class, (mut members, count)) in members.into_iter().zip(allocate(count, &sizes)).enumerate() {
            members.shuffle(&mut seed::stream(self.seed, &format!("generate: cells of '{}'", self.classes[class])));
            drawn.extend(members.iter().cycle().take(count).map(|&start| {
                let own = |condition: &Condition| condition.labels.of_cell[start] as usize;
                let values =
                    self.conditions.iter().zip(given).map(|(condition, value)| value.unwrap_or(own(condition)));
                Drawn { class, values: values.collect(), start }
            }));
        }
        Ok(drawn)
    }

    /// The training cells to draw from, for each class.
    fn members(&self, wanted: &[usize], given: &[Option<usize>]) -> Result<Vec<Vec<usize>>, ScdgError> {
        let mut all = vec![Vec::new(); self.classes.len()];
        let mut matching = all.clone();
        for (cell, &class) in self.labels.iter().enumerate() {
            let class = class as usize;
            if !wanted.is_empty() && !wanted.contains(&class) {
                continue;
            }
            all[class].push(cell);
            let values = self.conditions.iter().map(|condition| condition.labels.of_cell[cell] as usize);
            if given.iter().zip(values).all(|(given, value)| given.is_none_or(|given| given == value)) {
                matching[class].push(cell);
            }
        }
        // A class that was asked for gets cells, and so does the set as a whole. Chains begin at noise, so that they can also make
        // combinations that no training cell has.
        let missing = if wanted.is_empty() {
            let none = matching.iter().all(Vec::is_empty);
            if none { (0..self.classes.len()).collect() } else { Vec::new() }
        } else {
            wanted.iter().copied().filter(|&class| matching[class].is_empty()).collect()
        };
        if let (Some(&class), true) = (missing.first(), self.sampler.starts_from_cells()) {
            let class = (!wanted.is_empty()).then(|| format!("'{}'", self.classes[class]));
            let given = self.conditions.iter().zip(given).filter_map(|(condition, &value)| {
                Some(format!("'{}' in '{}'", condition.values()[value?], condition.column()))
            });
            return Err(ScdgError::NoSuchCells {
                asked: class.into_iter().chain(given).collect::<Vec<_>>().join(" with "),
                sampler: format!("{:?}", self.sampler),
            });
        }
        for class in missing {
            matching[class] = std::mem::take(&mut all[class]);
        }
        Ok(matching)
    }
}

/// `count` divided in the proportions of the sizes, by largest remainders; of equal ones to the first.
fn allocate(count: usize, sizes: &[usize]) -> Vec<usize> {
    let total = sizes.iter().sum::<usize>().max(1) as u128;
    let product = |size: usize| count as u128 * size as u128;
    let mut counts: Vec<usize> = sizes.iter().map(|&size| (product(size) / total) as usize).collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by_key(|&class| std::cmp::Reverse(product(sizes[class]) % total));
    let left = count.saturating_sub(counts.iter().sum());
    order.iter().take(left).for_each(|&class| counts[class] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Labels;

    /// Class a: 3 cells in blood, 1 in liver. Class b: 2 in liver.
    const LABELS: [u32; 6] = [0, 0, 0, 0, 1, 1];

    fn draw<'a>(classes: &'a [String], conditions: &'a [Condition], sampler: Sampler) -> Draw<'a> {
        Draw { labels: &LABELS, classes, conditions, sampler, seed: 1 }
    }

    fn tissue() -> Vec<Condition> {
        let labels = Labels::from_names("tissue", &["blood", "blood", "blood", "liver", "liver", "liver"]);
        vec![Condition { labels, usual: vec![0, 1] }]
    }

    #[test]
    fn cells_come_in_the_proportions_of_the_training_cells() {
        assert_eq!(allocate(10, &[3, 2, 1]), [5, 3, 2]);
        assert_eq!(allocate(1, &[1, 5, 5]), [0, 1, 0]);
        assert_eq!(allocate(7, &[0, 4, 0]), [0, 7, 0]);
        let (classes, conditions) = (["a".to_owned(), "b".to_owned()], tissue());
        let drawn = draw(&classes, &conditions, Sampler::Decoder).cells(6, &[], &[None]).unwrap();
        let mut starts: Vec<_> = drawn.iter().map(|cell| cell.start).collect();
        assert!(drawn.iter().all(|cell| cell.class == LABELS[cell.start] as usize));
        assert!(drawn.iter().all(|cell| cell.values[0] == usize::from(cell.start > 2)));
        starts.sort_unstable();
        assert_eq!(starts, [0, 1, 2, 3, 4, 5], "each once");
    }

    #[test]
    fn a_given_condition_leaves_the_classes_that_have_it() {
        let (classes, conditions) = (["a".to_owned(), "b".to_owned()], tissue());
        let draw = draw(&classes, &conditions, Sampler::Decoder);
        let liver = draw.cells(3, &[], &[Some(1)]).unwrap();
        let pairs: Vec<_> = liver.iter().map(|cell| (cell.class, cell.values[0])).collect();
        assert_eq!(pairs, [(0, 1), (1, 1), (1, 1)]);
        let blood = draw.cells(4, &[], &[Some(0)]).unwrap();
        assert!(blood.iter().all(|cell| cell.class == 0));
    }

    #[test]
    fn what_no_training_cell_is_comes_only_from_noise() {
        let (classes, conditions) = (["a".to_owned(), "b".to_owned()], tissue());
        let message = draw(&classes, &conditions, Sampler::Decoder).cells(2, &[1], &[Some(0)]).unwrap_err().to_string();
        assert!(message.contains("no training cell is 'b' with 'blood' in 'tissue'"), "{message}");
        let drawn = draw(&classes, &conditions, Sampler::Ddpm).cells(2, &[1], &[Some(0)]).unwrap();
        assert!(drawn.len() == 2 && drawn.iter().all(|cell| cell.class == 1 && cell.values == [0]), "{drawn:?}");
    }
}

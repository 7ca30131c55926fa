//! scValue (Huang et al. 2024): real cells by their out-of-bag value, from every grade of it.

use super::out_of_bag::{Value, values};
use super::{Baseline, Candidates, Selected};
use crate::Result;

/// Grades of value (scValue's bins are 0.1 wide).
const GRADES: usize = 10;

/// Values each cell by the trees of a random forest on latents that predict its class out of bag, sorts the cells of a
/// class into ten grades, gives each grade its proportion of the budget (largest remainders), and takes the best of each:
/// scValue's full binning.
///
/// The budget is that of a class, instead of scValue's larger budgets for classes whose values vary (ours), and
/// latents replace principal components. A forest of 100 trees is grown for each call: seconds for thousands of
/// cells, minutes for a hundred thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScValue;

impl Baseline for ScValue {
    fn name(&self) -> String {
        "scValue".into()
    }

    fn select(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Selected> {
        Ok(cells.rows(&self.choose(cells, per_class, seed)?.unwrap_or_default()))
    }

    fn choose(&self, cells: &Candidates<'_>, per_class: usize, seed: u64) -> Result<Option<Vec<usize>>> {
        let (latents, members) = (cells.latents()?, cells.of_classes(per_class)?);
        let values = values(latents, cells.labels(), cells.classes(), crate::seed::number(seed, "scValue"));
        Ok(Some(members.into_iter().flat_map(|of_class| of_every_grade(&values, of_class, per_class)).collect()))
    }
}

/// Cells of a class, best first within a grade; of equals the first.
fn of_every_grade(values: &[Value], members: Vec<usize>, wanted: usize) -> Vec<usize> {
    let total = members.len();
    if wanted >= total {
        return members;
    }
    let mut grades = vec![Vec::new(); GRADES];
    for cell in members {
        let Value { right, votes } = values[cell];
        // (0.2, 0.3] is the third grade; the first holds 0 as well, and a cell that every tree saw.
        let grade = (GRADES * right as usize).div_ceil(votes.max(1) as usize).saturating_sub(1);
        grades[grade].push(cell);
    }
    let mut budgets: Vec<usize> = grades.iter().map(|of| of.len() * wanted / total).collect();
    let mut order: Vec<usize> = (0..GRADES).collect();
    let remainder = |grade: usize| grades[grade].len() * wanted % total;
    order.sort_by_key(|&grade| std::cmp::Reverse((remainder(grade), grades[grade].len())));
    let left = wanted - budgets.iter().sum::<usize>();
    order.iter().take(left).for_each(|&grade| budgets[grade] += 1);
    let value = |cell: usize| f64::from(values[cell].right) / f64::from(values[cell].votes.max(1));
    let best = |(mut of_grade, budget): (Vec<usize>, usize)| {
        of_grade.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        of_grade.truncate(budget);
        of_grade
    };
    grades.into_iter().zip(budgets).flat_map(best).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_grade_gets_its_share_and_gives_its_best() {
        let of = |right: u32| Value { right, votes: 20 };
        // Two cells in the first grade, two in the fourth, two in the ninth (18 of 20 is its upper end), four in the tenth.
        let values = [0, 1, 8, 7, 20, 19, 18, 18, 20, 19].map(of);
        let chosen = |wanted| of_every_grade(&values, (0..10).collect(), wanted);
        // Proportions of 5: 1, 1, 1, 2.
        assert_eq!(chosen(5), [1, 2, 6, 4, 8]);
        // Proportions of 1: .2, .2, .2, .4.
        assert_eq!(chosen(1), [4]);
        // Proportions of 7: 1.4, 1.4, 1.4, 2.8; the last remainder is the largest, of the next ones the first.
        assert_eq!(chosen(7), [1, 0, 2, 6, 4, 8, 5]);
        assert_eq!(chosen(30), (0..10).collect::<Vec<_>>());
    }
}

//! The paper's tables and its figure 4 as named grids. Which cells and labels they are of, the caller says.

use super::method::{Method, all_methods};
use super::names;
use super::recipe::{Matched, Matching, Objective};
use super::{Benchmark, BenchmarkError};
use crate::error::SettingError;
use crate::evaluate::all_models;

/// Tables that are grids.
const TABLES: [usize; 6] = [2, 3, 4, 5, 6, 7];
/// Steps after which table VII evaluates.
const STEPS: [usize; 6] = [0, 10, 20, 30, 40, 50];
/// Widths of the head's hidden layer in figure 4; none is the linear head (ours: the paper's numbers are not to be had).
const HEADS: [usize; 4] = [64, 128, 256, 512];

impl Benchmark {
    /// The grid of a table of Yu et al. 2025, by its number or name (`7`, "VII", "table VII"):
    ///
    /// | table | per class | methods | models |
    /// |---|---|---|---|
    /// | 2: cell types, 3: other labels | 1; 1 and 5 | all | all |
    /// | 4: models that distillation never saw | 1 | all | all but the linear head |
    /// | 5: decoder against SCDG | 1 | scDD+Decoder, scDD+SCDG, each with DC and DM | linear head |
    /// | 6: more cells per class | 1, 2, 5, 10 | random cells, class means, DC, DM, scDD+SCDG, scDD+Metacells | all |
    /// | 7: encoder frozen or not | 1 | scDD+SCDG, DC after 0, 10 .. 50 steps; also unfrozen | linear head |
    ///
    /// All but 5 and 7 have all training cells as well. Of table 7, [`loss`](super::BenchmarkRow::loss) is the curve of the loss.
    ///
    /// # Errors
    /// When the number is none of these.
    pub fn table(self, table: impl std::fmt::Display) -> Result<Self, BenchmarkError> {
        let head = |grid: Self| grid.models_named(["linear head"]);
        match number("table", &table.to_string(), &TABLES)? {
            2 => Ok(self.per_class([1]).methods(all_methods()).models(all_models())),
            3 => Ok(self.per_class([1, 5]).methods(all_methods()).models(all_models())),
            4 => {
                let unseen = all_models().into_iter().filter(|model| !model.sees_latents());
                Ok(self.per_class([1]).methods(all_methods()).models(unseen))
            }
            5 => head(self.per_class([1]).methods_named([
                "scDD+Decoder, DC",
                "scDD+Decoder, DM",
                "scDD+SCDG, DC",
                "scDD+SCDG, DM",
            ])?),
            6 => {
                let names = [
                    "all training cells",
                    "random cells",
                    "class mean",
                    "k-means pseudobulks",
                    "DC",
                    "DM",
                    "scDD+SCDG, DC",
                    "scDD+SCDG, DM",
                    "scDD+Metacells, ridge",
                ];
                Ok(self.per_class([1, 2, 5, 10]).methods_named(names)?.models(all_models()))
            }
            _ => head(self.per_class([1]).methods(training_curve_methods())),
        }
    }

    /// The grid of a figure of Yu et al. 2025: 4, the size of the head that gradient matching trains (none, then one hidden
    /// layer of 64 to 512), one cell per class, evaluated by the linear head. Figures 5 to 7 are
    /// [`heatmap`](crate::Distilled::heatmap), [`umap`](crate::Distilled::umap) and [`correlation`](crate::Distilled::correlation).
    ///
    /// # Errors
    /// When the number is not 4.
    pub fn figure(self, figure: impl std::fmt::Display) -> Result<Self, BenchmarkError> {
        let figure = figure.to_string();
        if number("figure", &figure, &[4]).is_err() {
            let expected = "4; figures 5 to 7 are those of a distilled set: heatmap(), umap(), correlation()";
            return Err(BenchmarkError::Setting(SettingError::new("figure", figure, expected)));
        }
        self.per_class([1]).methods(head_size_methods()).models_named(["linear head"])
    }
}

/// The methods of table VII: SCDG after 0 to 50 steps, its encoder frozen or not.
pub(super) fn training_curve_methods() -> Vec<Method> {
    let points = [false, true].into_iter().flat_map(|unfrozen| STEPS.into_iter().map(move |steps| (unfrozen, steps)));
    let method = |(unfrozen, steps)| {
        let objective = Objective::Gradient { hidden: Vec::new(), unfrozen };
        Method::of_recipe(Matching::new(Matched::Scdg, objective).steps(steps))
    };
    points.map(method).collect()
}

/// The methods of figure 4: SCDG with a linear head, then with one hidden layer of each width.
pub(super) fn head_size_methods() -> Vec<Method> {
    let hidden = [Vec::new()].into_iter().chain(HEADS.map(|width| vec![width]));
    let method =
        |hidden| Method::of_recipe(Matching::new(Matched::Scdg, Objective::Gradient { hidden, unfrozen: false }));
    hidden.map(method).collect()
}

/// The number of a table or figure: "7", "VII", "table 7" and "Table VII" are 7.
fn number(kind: &'static str, name: &str, numbers: &[usize]) -> Result<usize, BenchmarkError> {
    const ROMAN: [&str; 8] = ["", "i", "ii", "iii", "iv", "v", "vi", "vii"];
    let known: Vec<String> = numbers.iter().map(|number| format!("{kind} {number}")).collect();
    let plain = names::plain(name);
    let bare = plain.strip_prefix(kind).unwrap_or(&plain);
    let number = bare.parse().ok().or_else(|| ROMAN.iter().position(|roman| *roman == bare));
    let found = numbers.iter().position(|other| Some(*other) == number);
    Ok(numbers[found.map_or_else(|| names::find(kind, name, &known), Ok)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::benchmark;

    #[test]
    fn every_table_of_the_paper_has_a_grid_and_others_are_refused() {
        for number in 2..=7 {
            let grid = benchmark().table(number).unwrap();
            assert!(!grid.methods.is_empty() && !grid.models.is_empty(), "{number}");
            let names: std::collections::BTreeSet<&str> = grid.methods.iter().map(Method::name).collect();
            assert_eq!(names.len(), grid.methods.len(), "{number}: names tell rows apart");
        }
        let message = benchmark().table(1).err().unwrap().to_string();
        assert!(message.contains("no table '1'") && message.contains("table 2; table 3; table 4; "), "{message}");
        assert!(benchmark().figure(5).err().unwrap().to_string().contains("heatmap"));
        let four = benchmark().table(4).unwrap();
        assert!(four.models.iter().all(|model| model.name() != "linear head"));
    }

    #[test]
    fn tables_and_the_figure_are_found_under_their_names() {
        let names = |grid: Result<Benchmark, BenchmarkError>| -> Vec<String> {
            grid.unwrap().methods.iter().map(|method| method.name().to_owned()).collect()
        };
        for (table, roman) in TABLES.into_iter().zip(["II", "III", "IV", "V", "VI", "VII"]) {
            for name in [table.to_string(), roman.to_owned(), format!("table {table}"), format!("Table {roman}")] {
                let (named, numbered) = (benchmark().table(&name).unwrap(), benchmark().table(table).unwrap());
                assert_eq!(named.per_class, numbered.per_class, "{name}");
                assert_eq!(names(Ok(named)), names(Ok(numbered)), "{name}");
            }
        }
        for name in ["4", "IV", "figure 4", "Figure IV"] {
            assert_eq!(names(benchmark().figure(name)), names(benchmark().figure(4)), "{name}");
        }
    }

    #[test]
    fn points_of_a_curve_and_sizes_of_a_head_have_names_of_their_own() {
        let seven = benchmark().table(7).unwrap();
        let names: Vec<&str> = seven.methods.iter().map(Method::name).collect();
        assert_eq!(names.len(), 12);
        assert!(names.contains(&"scDD+SCDG, DC, 10 steps") && names.contains(&"scDD+SCDG, DC (unfrozen), 50 steps"));
        let four = benchmark().figure(4).unwrap();
        assert_eq!(four.methods[0].name(), "scDD+SCDG, DC");
        assert_eq!(four.methods[2].name(), "scDD+SCDG, DC (head 128)");
    }
}

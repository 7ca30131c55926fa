//! Tests the paper's claims on the rows: each claim compares two methods, paired over seeds.
//!
//! A difference counts when zero lies outside the interval that corrects for splits with common training cells.

use super::paired::Paired;
use super::table::{LINEAR_HEAD, budget};
use crate::benchmark::row::ALL_CELLS;
use crate::benchmark::{BenchmarkResults, Measure};
use crate::evaluate::mean;

/// Which models a claim is about.
#[derive(Clone, Copy, PartialEq)]
enum Under {
    /// The linear head on the frozen encoder that cells were distilled through.
    Head,
    /// The mean of all others.
    Unseen,
}

/// A claim, and the comparisons that test it: the first method of a pair is said to be better.
struct Claim {
    says: &'static str,
    under: Under,
    pairs: &'static [(&'static str, &'static str)],
}

/// Claims of Yu et al. 2025.
const OF_PAPER: &[Claim] = &[
    Claim {
        says: "Latent codes beat matched expression: 7.61 points of accuracy more than the best method before, on average \
               over the paper's tasks (more than 12.07 on SCPF-Lung, more than 16.55 on SMC-Blood)",
        under: Under::Head,
        pairs: &[("scDD+SCDG, DC", "DC"), ("scDD+SCDG, DM", "DM")],
    },
    Claim {
        says: "Cells made of latent codes also train models that distillation never saw, where matched expression fails \
               (table IV)",
        under: Under::Unseen,
        pairs: &[("scDD+SCDG, DC", "DC"), ("scDD+SCDG, DM", "DM")],
    },
    Claim {
        says: "SCDG in the path is better than the decoder alone (table V)",
        under: Under::Head,
        pairs: &[("scDD+SCDG, DC", "scDD+Decoder, DC"), ("scDD+SCDG, DM", "scDD+Decoder, DM")],
    },
    Claim {
        says: "Matching is better than generating without it",
        under: Under::Head,
        pairs: &[("scDD+SCDG, DC", "generation only"), ("scDD+SCDG, DM", "generation only")],
    },
    Claim {
        says: "The generator in the loop is better than decoding matched features once (TextDistill)",
        under: Under::Head,
        pairs: &[("scDD+SCDG, DC", "TextDistill+DC"), ("scDD+SCDG, DM", "TextDistill+DM")],
    },
    Claim {
        says: "A frozen encoder is better than one that trains (table VII)",
        under: Under::Head,
        pairs: &[("scDD+SCDG, DC, 50 steps", "scDD+SCDG, DC (unfrozen), 50 steps")],
    },
    Claim {
        says: "A linear head is better than larger ones (figure 4)",
        under: Under::Head,
        pairs: &[
            ("scDD+SCDG, DC", "scDD+SCDG, DC (head 64)"),
            ("scDD+SCDG, DC", "scDD+SCDG, DC (head 128)"),
            ("scDD+SCDG, DC", "scDD+SCDG, DC (head 256)"),
            ("scDD+SCDG, DC", "scDD+SCDG, DC (head 512)"),
        ],
    },
];

/// Comparisons that the paper lacks: baselines, and mixtures of metacells.
const BEYOND_PAPER: &[Claim] = &[
    Claim {
        says: "Distilled latent codes are better than one mean profile per class",
        under: Under::Unseen,
        pairs: &[("scDD+SCDG, DC", "class mean"), ("scDD+SCDG, DM", "class mean")],
    },
    Claim {
        says: "Mixtures of metacells are better than the best of the paper's pipelines",
        under: Under::Unseen,
        pairs: &[("scDD+Metacells, ridge", "scDD+SCDG, DC"), ("scDD+Metacells, ridge", "scDD+SCDG, DM")],
    },
    Claim {
        says: "Mixtures of metacells are better than mean profiles",
        under: Under::Unseen,
        pairs: &[("scDD+Metacells, ridge", "class mean"), ("scDD+Metacells, ridge", "k-means pseudobulks")],
    },
    Claim {
        says: "Mixtures of metacells train models better than all training cells do",
        under: Under::Unseen,
        pairs: &[("scDD+Metacells, ridge", ALL_CELLS)],
    },
];

impl BenchmarkResults {
    /// Tests the claims of Yu et al. 2025, in Markdown; empty when the rows have none of the comparisons.
    pub(super) fn claims_of_paper(&self) -> String {
        self.claims(OF_PAPER)
    }

    /// Tests what the paper does not compare, likewise.
    pub(super) fn claims_beyond_paper(&self) -> String {
        self.claims(BEYOND_PAPER)
    }

    fn claims(&self, claims: &[Claim]) -> String {
        let mut models: Vec<&str> = self.rows().iter().map(|row| row.model.as_str()).collect();
        models.sort_unstable();
        models.dedup();
        let unseen: Vec<&str> = models.iter().copied().filter(|model| *model != LINEAR_HEAD).collect();
        let mut text = String::from(
            "Differences in points, mean over seeds, with the 95 % interval corrected for splits with common training \
             cells; \"unseen\" is the mean of the models that distillation never saw.\n\n\
             | claim | first - other | data set | per class | models | accuracy | macro-F1 | by accuracy |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        let (mut asked, mut over) = (false, String::new());
        for claim in claims {
            let (models, name): (&[&str], &str) = match claim.under {
                Under::Head => (&[LINEAR_HEAD], LINEAR_HEAD),
                Under::Unseen => (&unseen, "unseen"),
            };
            let (mut says, mut says_over) = (claim.says, claim.says);
            for (method, other) in claim.pairs {
                let of = |measure| self.paired_under(method, other, measure, models, name);
                let pairs: Vec<(Paired, Paired)> =
                    of(Measure::Accuracy).into_iter().zip(of(Measure::MacroF1)).collect();
                for (accuracy, f1) in &pairs {
                    asked = true;
                    text += &format!(
                        "| {says} | {method} - {other} | {} ({}) | {} | {name} | {} | {} | {} |\n",
                        accuracy.file,
                        accuracy.label,
                        budget(accuracy.per_class),
                        points(accuracy),
                        points(f1),
                        verdict(accuracy)
                    );
                    says = "";
                }
                for OverDataSets { per_class, accuracy, f1, data_sets, better, worse } in over_data_sets(&pairs) {
                    if data_sets < 2 {
                        continue;
                    }
                    let budget = budget(per_class);
                    over += &format!(
                        "| {says_over} | {method} - {other} | {name} | {budget} | {accuracy} | {f1} | {data_sets} | {better} | \
                         {worse} |\n"
                    );
                    says_over = "";
                }
            }
        }
        if !asked {
            return String::new();
        }
        if over.is_empty() {
            return text;
        }
        format!(
            "Mean differences in points over data sets, and in how many of them the first method is better or worse by more than \
             chance (zero lies outside the 95 % interval below).\n\n\
             | claim | first - other | models | per class | accuracy | macro-F1 | data sets | better | worse |\n\
             |---|---|---|---|---|---|---|---|---|\n{over}\n<details><summary>By data set</summary>\n\n{text}\n</details>\n"
        )
    }
}

/// Comparisons at one budget, summarised over data sets.
pub(super) struct OverDataSets {
    pub(super) per_class: Option<usize>,
    /// Mean differences, in points.
    pub(super) accuracy: String,
    pub(super) f1: String,
    pub(super) data_sets: usize,
    /// Data sets on which the first method is better, and worse, by more than chance.
    pub(super) better: usize,
    pub(super) worse: usize,
}

/// Summarises comparisons of accuracy and macro-F1 over data sets, for each budget.
pub(super) fn over_data_sets(pairs: &[(Paired, Paired)]) -> Vec<OverDataSets> {
    let mut budgets: Vec<Option<usize>> = pairs.iter().map(|(accuracy, _)| accuracy.per_class).collect();
    budgets.sort_unstable();
    budgets.dedup();
    let of_budget = |per_class: Option<usize>| {
        let here: Vec<&(Paired, Paired)> = pairs.iter().filter(|(pair, _)| pair.per_class == per_class).collect();
        let points = |of: fn(&(Paired, Paired)) -> f64| {
            let values: Vec<f64> = here.iter().map(|pair| of(pair)).collect();
            mean(&values).map_or("–".to_owned(), |mean| format!("{:+.1}", 100.0 * mean))
        };
        let sure = |better: bool| {
            let pairs = here.iter().map(|(accuracy, _)| accuracy);
            pairs.filter(|pair| pair.more_than_chance() && (pair.difference > 0.0) == better).count()
        };
        OverDataSets {
            per_class,
            accuracy: points(|(accuracy, _)| accuracy.difference),
            f1: points(|(_, f1)| f1.difference),
            data_sets: here.len(),
            better: sure(true),
            worse: sure(false),
        }
    };
    budgets.into_iter().map(of_budget).collect()
}

/// "+3.1 (1.0 to 5.2)".
fn points(paired: &Paired) -> String {
    let difference = format!("{:+.1}", 100.0 * paired.difference);
    match paired.corrected.or(paired.interval) {
        Some((low, high)) => format!("{difference} ({:.1} to {:.1})", 100.0 * low, 100.0 * high),
        None => format!("{difference} (one seed)"),
    }
}

fn verdict(paired: &Paired) -> &'static str {
    match (paired.more_than_chance(), paired.difference > 0.0) {
        _ if paired.seeds < 2 => "one seed: no test",
        (true, true) => "yes",
        (true, false) => "**no, the other way round**",
        (false, _) => "within chance",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::BenchmarkRow;
    use crate::benchmark::journal::tests::row;

    fn results(better: f64) -> BenchmarkResults {
        let rows = (1..=5).flat_map(|seed| {
            let offset = 0.001 * seed as f64;
            [row("scDD+SCDG, DC", LINEAR_HEAD, seed, 0.8 + better + offset), row("DC", LINEAR_HEAD, seed, 0.8)]
        });
        BenchmarkResults::new(rows.collect())
    }

    #[test]
    fn a_claim_is_tested_on_the_rows() {
        let page = results(0.05).page("scdd benchmark ...");
        assert!(page.contains("7.61 points"), "{page}");
        assert!(page.contains("| scDD+SCDG, DC - DC | cells (cell_type) | 1 | linear head | +5.3 ("), "{page}");
        assert!(page.contains("| yes |") && page.contains("    scdd benchmark ...\n"), "{page}");
        assert!(results(-0.05).page("x").contains("the other way round"));
        assert!(results(-0.003).page("x").contains("within chance"));
        assert!(!page.contains("What the paper does not ask"), "nothing was compared with the class mean");
        let alone = BenchmarkResults::new(vec![row("DC", LINEAR_HEAD, 1, 0.8)]).page("x");
        assert!(alone.contains("The rows have none of these comparisons."), "{alone}");
        let rows = results(0.05).rows().iter().map(|row| BenchmarkRow { of: 12, ..row.clone() }).collect();
        assert!(BenchmarkResults::new(rows).page("x").contains("2 rows of the grid are still to be made"));
    }

    #[test]
    fn several_data_sets_are_put_together_with_how_many_of_them_agree() {
        let of = |file: &str, better| {
            let rows = results(better).rows().to_vec();
            rows.into_iter().map(move |row| BenchmarkRow { file: file.to_owned(), ..row }).collect::<Vec<_>>()
        };
        let page = BenchmarkResults::new([of("a", 0.05), of("b", -0.03), of("c", -0.003)].concat()).page("x");
        assert!(page.contains("| scDD+SCDG, DC - DC | linear head | 1 | +0.9 | "), "{page}");
        assert!(page.contains(" | 3 | 1 | 1 |\n"), "{page}");
        assert!(page.contains("<details>") && page.contains("| b (cell_type) | 1 |"), "{page}");
        assert!(!results(0.05).page("x").contains("<details>"));
    }

    #[test]
    fn every_method_that_a_claim_names_is_one() {
        let mut known: Vec<String> =
            crate::benchmark::all_methods().iter().map(|method| method.name().to_owned()).collect();
        for grid in [crate::benchmark::benchmark().table(7).unwrap(), crate::benchmark::benchmark().figure(4).unwrap()]
        {
            known.extend(grid.methods.iter().map(|method| method.name().to_owned()));
        }
        for (method, other) in OF_PAPER.iter().chain(BEYOND_PAPER).flat_map(|claim| claim.pairs) {
            assert!(known.iter().any(|name| name == method), "{method}");
            assert!(known.iter().any(|name| name == other), "{other}");
        }
    }
}

//! The page of results: what the paper claims beside what the rows say, then every table.
//!
//! Each claim is a comparison of two methods, paired over seeds. A difference counts when the interval that allows for splits
//! sharing their training cells leaves out zero.

use super::row::ALL_CELLS;
use super::sheet::SEEN;
use super::{BenchmarkError, BenchmarkResults, BenchmarkRow, Measure, Paired};
use crate::evaluate::mean;
use crate::text::count;

/// Which models a claim is about.
#[derive(Clone, Copy, PartialEq)]
enum Under {
    /// The linear head on the frozen encoder that cells were distilled through.
    Head,
    /// The mean of all others.
    Unseen,
}

/// What is said, and the comparisons that would show it: the first method is said to be better.
struct Claim {
    says: &'static str,
    under: Under,
    pairs: &'static [(&'static str, &'static str)],
}

/// What Yu et al. 2025 say.
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

/// What the paper does not ask: controls, and mixtures of metacells.
const BESIDE_PAPER: &[Claim] = &[
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
    /// A page in Markdown: what was run, what Yu et al. 2025 claim beside what the rows say, every table, what it cost, and what
    /// was refused. `made_by` is the command, or whatever else says how to get the same.
    pub fn page(&self, made_by: &str) -> String {
        let mut page = format!("# Results\n\n{}\n", self.what(made_by));
        page += "\n## What the paper claims, and what we see\n\n";
        page += &self.claims(OF_PAPER);
        page += "\n## What the paper does not ask\n\n";
        page += &self.claims(BESIDE_PAPER);
        let (overview, contest) = (self.overview(), self.contest());
        if !contest.is_empty() {
            page += "\n## The contest before models that distillation never saw\n\n";
            page += "Accuracy / macro-F1, the mean of those models and of the seeds; the best of each group by accuracy, which is \
                     found on the test cells themselves and so flatters the groups of many.\n\n";
            page += &contest;
        }
        if !overview.is_empty() {
            page += "\n## Over all data sets\n\nMeans over data sets and labels, each the mean of its seeds.\n\n";
            page += &overview;
        }
        page += "\n## Tables\n\nThe best of a budget is bold, the second best underlined; all training cells are the bound.\n\n";
        page += &self.markdown();
        page += "\n## What it costs\n\n";
        page += &self.costs();
        page
    }

    /// Writes [`page`](Self::page) to a file, which is there as a whole or not at all.
    ///
    /// # Errors
    /// When there are no rows, or it can't be written.
    pub fn write_page(&self, path: impl AsRef<std::path::Path>, made_by: &str) -> crate::Result<()> {
        let path = path.as_ref();
        if self.rows().is_empty() {
            return Err(BenchmarkError::Empty.into());
        }
        let written = super::journal::write_whole(path, &self.page(made_by));
        let problem = |problem| format!("can't be written ({problem}); the folder must exist and be writable");
        Ok(written.map_err(|found| BenchmarkError::file(path, problem(found)))?)
    }

    fn what(&self, made_by: &str) -> String {
        let list = |of: fn(&BenchmarkRow) -> String| {
            let mut values: Vec<String> = Vec::new();
            self.rows().iter().map(of).for_each(|value| {
                if !values.contains(&value) {
                    values.push(value);
                }
            });
            values
        };
        let seeds = list(|row| row.seed.to_string());
        let sets = list(|row| format!("{} ({})", row.file, row.label));
        let networks = self.rows().first().and_then(|row| row.config["settings"]["protocol"]["networks"].as_u64());
        let networks =
            networks.map_or(String::new(), |networks| format!(", {} each", count(networks as usize, "network")));
        let seeds = count(seeds.len(), "seed");
        let on = match self.rows().first().map(|row| row.config["settings"]["on_validation"] == true) {
            Some(true) => "validation cells; test cells stayed closed",
            _ => "test cells",
        };
        let of = self.rows().iter().map(|row| row.of).max().unwrap_or(0);
        let left = of.saturating_sub(self.rows().len());
        let left =
            if left > 0 { format!(" {} of the grid are still to be made.", count(left, "row")) } else { String::new() };
        format!(
            "{self:?}: {}; {}; {seeds}{networks}.{left} A seed is a split, foundation model, set and network of its own. Scores \
             are taken on {on}. Made by\n\n    {made_by}\n",
            sets.join(", "),
            count(list(|row| row.method.clone()).len(), "method"),
        )
    }

    fn claims(&self, claims: &[Claim]) -> String {
        let mut models: Vec<&str> = self.rows().iter().map(|row| row.model.as_str()).collect();
        models.sort_unstable();
        models.dedup();
        let unseen: Vec<&str> = models.iter().copied().filter(|model| *model != SEEN).collect();
        let mut text = String::from(
            "Differences in points, mean over seeds, with the 95 % interval that allows for splits sharing their training \
             cells; \"unseen\" is the mean of the models that distillation never saw.\n\n\
             | claim | first - other | data set | per class | models | accuracy | macro-F1 | by accuracy |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        let mut asked = false;
        for claim in claims {
            let (models, name): (&[&str], &str) = match claim.under {
                Under::Head => (&[SEEN], SEEN),
                Under::Unseen => (&unseen, "unseen"),
            };
            let mut says = claim.says;
            for (method, other) in claim.pairs {
                let of = |measure| self.paired_under(method, other, measure, models, name);
                for (accuracy, f1) in of(Measure::Accuracy).iter().zip(of(Measure::MacroF1)) {
                    asked = true;
                    let budget = accuracy.per_class.map_or("all".to_owned(), |count| count.to_string());
                    text += &format!(
                        "| {says} | {method} - {other} | {} ({}) | {budget} | {name} | {} | {} | {} |\n",
                        accuracy.file,
                        accuracy.label,
                        points(accuracy),
                        points(&f1),
                        verdict(accuracy)
                    );
                    says = "";
                }
            }
        }
        if asked { text } else { "The rows have none of these comparisons.\n".to_owned() }
    }

    /// Mean seconds of each method and model, and the most memory.
    fn costs(&self) -> String {
        let mut methods: Vec<(&str, Option<usize>)> = Vec::new();
        for row in self.rows() {
            let line = (row.method.as_str(), row.per_class);
            if !methods.contains(&line) {
                methods.push(line);
            }
        }
        methods.sort_by_key(|(_, per_class)| per_class.unwrap_or(0));
        let mut text = String::from(
            "| training set | per class | seconds to make | seconds to train and score a model | most memory, MB |\n|---|---|---|---|---|\n",
        );
        let shown = |values: &[f64]| mean(values).map_or("–".to_owned(), |value| format!("{value:.1}"));
        for (method, per_class) in methods {
            let here = |row: &&BenchmarkRow| row.method == method && row.per_class == per_class;
            let of = |value: fn(&BenchmarkRow) -> Option<f64>| -> Vec<f64> {
                self.rows().iter().filter(here).filter_map(value).collect()
            };
            let peak = self.rows().iter().filter(here).filter_map(|row| row.peak_mb).max();
            text += &format!(
                "| {method} | {} | {} | {} | {} |\n",
                per_class.map_or("all".to_owned(), |count| count.to_string()),
                shown(&of(|row| row.seconds)),
                shown(&of(|row| row.judge_seconds)),
                peak.map_or("–".to_owned(), |peak| peak.to_string()),
            );
        }
        text
    }
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
        _ if paired.seeds < 2 => "one seed says nothing",
        (true, true) => "yes",
        (true, false) => "**no, the other way round**",
        (false, _) => "within chance",
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::row;
    use super::*;

    fn results(better: f64) -> BenchmarkResults {
        let rows = (1..=5).flat_map(|seed| {
            let offset = 0.001 * seed as f64;
            [row("scDD+SCDG, DC", SEEN, seed, 0.8 + better + offset), row("DC", SEEN, seed, 0.8)]
        });
        BenchmarkResults::new(rows.collect())
    }

    #[test]
    fn a_claim_stands_beside_what_rows_say_of_it() {
        let page = results(0.05).page("scdd benchmark ...");
        assert!(page.contains("7.61 points"), "{page}");
        assert!(page.contains("| scDD+SCDG, DC - DC | cells (cell_type) | 1 | linear head | +5.3 ("), "{page}");
        assert!(page.contains("| yes |") && page.contains("    scdd benchmark ...\n"), "{page}");
        assert!(results(-0.05).page("x").contains("the other way round"));
        assert!(results(-0.003).page("x").contains("within chance"));
        assert!(page.contains("The rows have none of these comparisons."), "nothing was compared with the class mean");
        let rows = results(0.05).rows().iter().map(|row| BenchmarkRow { of: 12, ..row.clone() }).collect();
        assert!(BenchmarkResults::new(rows).page("x").contains("2 rows of the grid are still to be made"));
    }

    #[test]
    fn every_method_that_a_claim_names_is_one() {
        let mut known: Vec<String> =
            crate::benchmark::all_methods().iter().map(|method| method.name().to_owned()).collect();
        for grid in [crate::benchmark::benchmark().table(7).unwrap(), crate::benchmark::benchmark().figure(4).unwrap()]
        {
            known.extend(grid.methods.iter().map(|method| method.name().to_owned()));
        }
        for (method, other) in OF_PAPER.iter().chain(BESIDE_PAPER).flat_map(|claim| claim.pairs) {
            assert!(known.iter().any(|name| name == method), "{method}");
            assert!(known.iter().any(|name| name == other), "{other}");
        }
    }
}

//! A Markdown page of results: settings, the paper's claims, curves, summaries, all tables, and costs.

use itertools::Itertools;

use crate::benchmark::{BenchmarkError, BenchmarkResults, BenchmarkRow};
use crate::evaluate::mean;
use crate::text::count;

impl BenchmarkResults {
    /// A page in Markdown: what was run, the claims of Yu et al. 2025 with our results, every table, refused rows, and costs.
    /// `made_by` is the command that reproduces the rows.
    pub fn page(&self, made_by: &str) -> String {
        let mut page = format!("# {}\n\n{}\n", self.title(), self.settings(made_by));
        page += "\n## What the paper claims, and what we see\n\n";
        let claims = self.claims_of_paper();
        page += if claims.is_empty() { "The rows have none of these comparisons.\n" } else { &claims };
        let (beyond, curves) = (self.claims_beyond_paper(), self.curve_tables());
        if !beyond.is_empty() {
            page += &format!("\n## What the paper does not ask\n\n{beyond}");
        }
        if !curves.is_empty() {
            page += &format!("\n## Accuracy and loss over steps and head widths\n\n{curves}");
        }
        let (summary, unseen) = (self.summary_over_data_sets(), self.unseen_models());
        if !unseen.is_empty() {
            page += "\n## Summary over models that distillation did not use\n\n";
            page += "Accuracy / macro-F1, mean of those models and of the seeds. The best of each group is chosen by accuracy on \
                     the test cells, which favours groups of many methods.\n\n";
            page += &unseen;
        }
        if !summary.is_empty() {
            page += "\n## Over all data sets\n\nMeans over data sets and labels, each the mean of its seeds.\n\n";
            page += &summary;
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
        let written = crate::benchmark::journal::write_whole(path, &self.page(made_by));
        let problem = |problem| format!("can't be written ({problem}); the folder must exist and be writable");
        Ok(written.map_err(|found| BenchmarkError::file(path, problem(found)))?)
    }

    /// Names the budgets and models.
    fn title(&self) -> String {
        let mut budgets: Vec<usize> = self.rows().iter().filter_map(|row| row.per_class).collect();
        budgets.sort_unstable();
        budgets.dedup();
        let models = self.each(|row| row.model.clone()).join(", ");
        match &budgets[..] {
            [] => format!("Results by {models}"),
            [1] => format!("Results at 1 cell per class, by {models}"),
            some => format!("Results at {} cells per class, by {models}", some.iter().join(", ")),
        }
    }

    /// The distinct values of a field.
    fn each(&self, of: fn(&BenchmarkRow) -> String) -> Vec<String> {
        self.rows().iter().map(of).unique().collect()
    }

    fn settings(&self, made_by: &str) -> String {
        let seeds = self.each(|row| row.seed.to_string());
        let sets = self.each(|row| format!("{} ({})", row.file, row.label));
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
            count(self.each(|row| row.method.clone()).len(), "method"),
        )
    }

    /// Mean seconds of each method and model, and the most memory.
    fn costs(&self) -> String {
        let mut methods: Vec<(&str, Option<usize>)> =
            self.rows().iter().map(|row| (row.method.as_str(), row.per_class)).unique().collect();
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
                super::table::budget(per_class),
                shown(&of(|row| row.seconds)),
                shown(&of(|row| row.model_seconds)),
                peak.map_or("–".to_owned(), |peak| peak.to_string()),
            );
        }
        text
    }
}

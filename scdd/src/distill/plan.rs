//! The plan of a distillation: synthetic cells, codes, steps, validation and memory, by counting alone.

use itertools::Itertools;

use super::builder::DistillBuilder;
use super::path::AnyPath;
use super::selection::EarlyStopping;
use super::step_order::StepOrder;
use crate::optimizer::Optimizer;
use crate::plan::Plan;
use crate::study::Study;
use crate::text::{count, grouped};

impl<Set, P: Clone + Into<AnyPath>> DistillBuilder<Set, P> {
    /// What would run, and what it costs.
    ///
    /// # Errors
    /// As `run`, for the number of cells and for settings out of range.
    pub fn plan(&self) -> crate::Result<Plan> {
        let AnyPath(path) = self.path.clone().into();
        let (path, config, study) = (&*path, &self.config, path.study());
        let rates = self.rates(path);
        self.check(path, &rates)?;
        let rows = config.budget(study)?.iter().sum();
        let task = format!("{}: {}", path.pipeline().name(&self.objective.short_name()), self.objective.name());
        let (made, width) = match path.makes_expression() {
            true => ("synthetic cells", study.cells().genes()),
            false => ("synthetic embeddings", study.foundation().latent()),
        };
        let draws = if config.n_init > 1 { format!(", the best of {} draws", config.n_init) } else { String::new() };
        let plan = Plan::new(task).with(made, set_size(study, rows));
        let plan = plan.with("codes", format!("{} wide, initialised at {}{draws}", path.width(), config.init.name()));
        let plan = plan.with("steps", self.steps_planned(&rates));
        let plan = plan.with("real batch", format!("at most {} of each class", count(config.real_batch, "cell")));
        let plan = match config.chooses() {
            true => plan.with("validation", self.validation_planned(study)),
            false => plan,
        };
        Ok(plan.with("size", format!("{:.1} MB", (rows * width * 4) as f64 / 1e6)))
    }

    fn steps_planned(&self, rates: &[f64]) -> String {
        let config = &self.config;
        let optimizer = match config.optimizer {
            Optimizer::Adam => "Adam".to_owned(),
            Optimizer::Sgd { momentum } => format!("SGD with momentum {momentum}"),
        };
        let order = match config.step_order {
            StepOrder::Joint => "",
            StepOrder::PerClass => ", one class after the other",
        };
        let mut text = format!("{} of {optimizer} at {}{order}", grouped(config.steps), rates.iter().join(", "));
        if rates.len() > 1 {
            text += ", a run with each";
        }
        if let [_, _, ..] = config.step_marker_fractions[..] {
            text += &format!("; with fractions {} of the genes each", config.step_marker_fractions.iter().join(", "));
        }
        text
    }

    fn validation_planned(&self, study: &Study) -> String {
        let cells = count(study.training_cells().validation().len(), "cell");
        match self.config.early_stopping {
            Some(EarlyStopping { every, patience }) => {
                format!("every {} steps on {cells}, at most {patience} without a better score", grouped(every))
            }
            None => format!("on {cells}"),
        }
    }
}

/// "8 of 4 classes, 12.3 permille of 650 training cells".
pub(super) fn set_size(study: &Study, rows: usize) -> String {
    let training = study.training_cells().train().len();
    format!(
        "{} of {}, {:.1} permille of {}",
        grouped(rows),
        count(study.classes().len(), "class"),
        1_000.0 * rows as f64 / training as f64,
        count(training, "training cell")
    )
}

#[cfg(test)]
mod tests {
    use crate::distill::Init;
    use crate::{DistributionMatching, GradientMatching};

    #[test]
    fn a_plan_says_what_a_run_costs_and_refuses_what_it_would_refuse() {
        let cells = crate::simulate().cells(300).genes(100).classes(3).run().unwrap();
        let cells = cells.preprocess().min_genes(5).run().unwrap();
        let study = cells.study("cell_type").foundation_epochs(1).run().unwrap();
        let opened = study.distill_expression(GradientMatching::default()).per_class(2).init(Init::KMeans).n_init(3);
        let plan = opened.choose_learning_rate(&[0.1, 0.5]).early_stopping(5, 4).plan().unwrap();
        let genes = study.cells().genes();
        assert_eq!(plan.task(), "DC: gradient matching");
        assert!(plan.fact("synthetic cells").unwrap().starts_with("6 of 3 classes"), "{plan}");
        let codes = format!("{genes} wide, initialised at k-means pseudobulks, the best of 3 draws");
        assert_eq!(plan.fact("codes"), Some(&*codes));
        assert_eq!(plan.fact("steps"), Some("50 of Adam at 0.1, 0.5, a run with each"));
        assert!(plan.fact("validation").unwrap().starts_with("every 5 steps on"), "{plan}");
        let embeddings = study.distill_embeddings(DistributionMatching::default()).plan().unwrap();
        assert!(embeddings.fact("synthetic embeddings").is_some() && embeddings.fact("validation").is_none());
        for refused in [
            study.distill_expression(DistributionMatching::default()).per_class(1_000),
            study.distill_expression(DistributionMatching::default()).init(Init::Generated),
            study.distill_expression(DistributionMatching::default()).learning_rate(-1.0),
        ] {
            let messages = (refused.plan().unwrap_err().to_string(), refused.run().unwrap_err().to_string());
            assert_eq!(messages.0, messages.1);
        }
    }
}

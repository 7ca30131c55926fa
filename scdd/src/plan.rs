//! What a builder would run and what it costs, before anything runs: the result of every `plan()`.

use std::fmt;

/// What [`run`](crate::distill::DistillBuilder::run) would do: a task, and facts about its size and cost.
///
/// A plan costs nothing: it counts what is there and multiplies. It is refused where `run` would be for a setting out of range
/// or for too few cells; that a model lacks an encoder, only `run` finds out.
///
/// ```
/// use scdd::prelude::*;
/// let cells = simulate().cells(300).genes(200).classes(3).run()?.preprocess().min_genes(10).run()?;
/// let study = cells.study("cell_type").foundation_epochs(2).run()?;
/// let plan = study.distill_decoder(GradientMatching::default()).per_class(2).plan()?;
/// println!("{plan}");
/// assert_eq!(plan.task(), "scDD+Decoder, DC: gradient matching");
/// assert!(plan.fact("steps").unwrap().starts_with("50 of Adam"));
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    task: String,
    facts: Vec<(String, String)>,
}

impl Plan {
    /// A plan for a task, such as "SCDG" or "scDD+Decoder, DC".
    pub(crate) fn new(task: impl Into<String>) -> Self {
        Self { task: task.into(), facts: Vec::new() }
    }

    /// With one more fact: a name in a word or two, and what it is.
    pub(crate) fn with(mut self, name: impl Into<String>, fact: impl fmt::Display) -> Self {
        self.facts.push((name.into(), fact.to_string()));
        self
    }

    /// What would run.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// Names and facts, in the order in which they are printed.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(name, fact)| (name.as_str(), fact.as_str()))
    }

    /// One of the facts by its name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts().find(|(known, _)| *known == name).map(|(_, fact)| fact)
    }

    /// Shows the plan in a notebook.
    pub fn evcxr_display(&self) {
        crate::notebook::show_text(&self.to_string());
    }
}

/// The task, and below it a line for each fact.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.task)?;
        self.facts().try_for_each(|(name, fact)| write!(f, "\n  {name}: {fact}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_printed_as_its_task_and_a_line_for_each_fact() {
        let plan = Plan::new("SCDG").with("steps", 50).with("training cells", "1,200 in 4 classes");
        assert_eq!(plan.to_string(), "SCDG\n  steps: 50\n  training cells: 1,200 in 4 classes");
        assert_eq!((plan.fact("steps"), plan.fact("seed")), (Some("50"), None));
    }
}

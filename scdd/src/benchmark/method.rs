//! The methods of a benchmark: every system of the paper by its name, ours, and the baselines.

use std::sync::Arc;

use itertools::Itertools;
use serde_json::{Value, json};

use super::names;
use super::recipe::{Matched, Matching, Objective, Recipe, paper_recipes};
use super::row::ALL_CELLS;
use super::tables::{head_size_methods, training_curve_methods};
use super::{BenchmarkError, Shared};
use crate::evaluate::{Baseline, TrainingSet, all_baselines};

/// A way to make a training set of a budget. Cheap to clone.
///
/// ```
/// use scdd::benchmark::Method;
/// assert_eq!(Method::named("scDD+SCDG, DC")?.name(), "scDD+SCDG, DC");
/// // Case, spaces and punctuation don't matter.
/// assert_eq!(Method::named("textdistill-dm")?.name(), "TextDistill+DM");
/// assert!(Method::named("scVI").is_err());
/// # Ok::<(), scdd::Error>(())
/// ```
#[derive(Clone)]
pub struct Method {
    name: String,
    pub(super) kind: Kind,
}

/// How the set is made.
#[derive(Clone)]
pub(super) enum Kind {
    All,
    Baseline(Arc<dyn Baseline>),
    Recipe(Recipe),
    Own(Arc<OwnRecipe>),
}

type OwnRecipe = dyn Fn(&Shared, usize) -> crate::Result<TrainingSet> + Send + Sync;

impl Method {
    /// All training cells, the bound.
    pub fn all_training_cells() -> Self {
        Self { name: ALL_CELLS.to_owned(), kind: Kind::All }
    }

    /// A baseline: a selection of real cells, or cells made of them.
    pub fn baseline(selection: impl Baseline + 'static) -> Self {
        Self::of_selection(Arc::new(selection))
    }

    fn of_selection(selection: Arc<dyn Baseline>) -> Self {
        Self { name: selection.name(), kind: Kind::Baseline(selection) }
    }

    /// A method of your own: given what methods share and the cells per class, it makes a set.
    ///
    /// ```
    /// use scdd::benchmark::Method;
    /// use scdd::prelude::*;
    /// let slow = Method::own("DM, 100 steps", |shared, per_class| {
    ///     let opened = shared.study().distill_decoder(DistributionMatching::default()).steps(100);
    ///     Ok((&opened.per_class(per_class).small_classes(shared.small_classes()).run()?).into())
    /// });
    /// assert_eq!(slow.name(), "DM, 100 steps");
    /// ```
    pub fn own(
        name: impl Into<String>,
        recipe: impl Fn(&Shared, usize) -> crate::Result<TrainingSet> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), kind: Kind::Own(Arc::new(recipe)) }
    }

    pub(super) fn of_recipe(recipe: impl Into<Recipe>) -> Self {
        let recipe = recipe.into();
        Self { name: recipe.name(), kind: Kind::Recipe(recipe) }
    }

    /// A method by the name that tables and curves give it; case, spaces and punctuation don't matter.
    ///
    /// # Errors
    /// When there is none of that name; the error lists those that there are.
    pub fn named(name: &str) -> Result<Self, BenchmarkError> {
        let known = named_methods();
        let names: Vec<String> = known.iter().map(|method| method.name.clone()).collect();
        Ok(known[names::find("method", name, &names)?].clone())
    }

    /// Makes the set of a budget; None for baselines and all training cells, which an evaluation draws itself.
    ///
    /// # Errors
    /// As the pipeline's own.
    pub fn make(&self, shared: &Shared, per_class: usize) -> crate::Result<Option<TrainingSet>> {
        match &self.kind {
            Kind::All | Kind::Baseline(_) => Ok(None),
            Kind::Recipe(recipe) => recipe.make(shared, per_class).map(Some),
            Kind::Own(make) => make(shared, per_class).map(Some),
        }
    }

    /// What tables call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether something is distilled or generated.
    pub(super) fn is_recipe(&self) -> bool {
        matches!(self.kind, Kind::Recipe(_) | Kind::Own(_))
    }

    /// What makes a row of it another row, beside its name.
    pub(super) fn config(&self) -> Value {
        match &self.kind {
            Kind::All => json!("all"),
            Kind::Baseline(_) => json!("baseline"),
            Kind::Recipe(recipe) => recipe.config(),
            Kind::Own(_) => json!("own"),
        }
    }
}

impl std::fmt::Debug for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Method({})", self.name)
    }
}

/// The systems of the paper (Yu et al. 2025, tables II and III): cells of a budget picked at random, matched expression,
/// generation without matching, FeatDistill, TextDistill, scDD with the decoder and with SCDG, and all training cells.
pub fn paper_methods() -> Vec<Method> {
    let random = Method::of_selection(Arc::new(crate::evaluate::RandomCells));
    let recipes = paper_recipes().into_iter().map(Method::of_recipe);
    [Method::all_training_cells(), random].into_iter().chain(recipes).collect()
}

/// Every method that there is: [`paper_methods`], LD3M, mixtures of metacells, and all baselines.
pub fn all_methods() -> Vec<Method> {
    let more = [
        Matching::new(Matched::DiffusionChain, Objective::gradient()),
        Matching::new(Matched::DiffusionChain, Objective::Distribution),
        Matching::new(Matched::Metacells, Objective::Ridge),
    ];
    let mut methods: Vec<Method> = paper_methods().into_iter().chain(more.into_iter().map(Method::of_recipe)).collect();
    for selection in all_baselines() {
        if methods.iter().all(|method| method.name != selection.name()) {
            methods.push(Method::of_selection(selection));
        }
    }
    methods
}

/// Methods by name; "all" and "paper" are [`all_methods`] and [`paper_methods`], "baselines" all methods that distil nothing.
/// A text may hold several names between commas.
///
/// ```
/// let methods = scdd::benchmark::methods_named(["scDD+SCDG, DC, DM"])?;
/// assert_eq!(methods.iter().map(|method| method.name()).collect::<Vec<_>>(), ["scDD+SCDG, DC", "DM"]);
/// # Ok::<(), scdd::Error>(())
/// ```
///
/// # Errors
/// When there is none of a name; the error lists those that there are.
pub fn methods_named<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Vec<Method>, BenchmarkError> {
    let baselines = all_methods().into_iter().filter(|method| !method.is_recipe()).collect();
    let groups = [("all", all_methods()), ("paper", paper_methods()), ("baselines", baselines)];
    let alone = named_methods().into_iter().map(|method| (method.name.clone(), vec![method]));
    let known: Vec<(String, Vec<Method>)> =
        alone.chain(groups.into_iter().map(|(name, methods)| (name.to_owned(), methods))).collect();
    let found = names::find_all("method", names, &known.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
    let methods = found.into_iter().flat_map(|position| known[position].1.clone());
    Ok(methods.unique_by(|method| method.name.clone()).collect())
}

/// Every method that has a name of its own: [`all_methods`], and those of the paper's table VII and figure 4.
fn named_methods() -> Vec<Method> {
    let curves = head_size_methods().into_iter().chain(training_curve_methods());
    let unfrozen = Matching::new(Matched::Scdg, Objective::Gradient { hidden: Vec::new(), unfrozen: true });
    let more = curves.chain([Method::of_recipe(unfrozen)]);
    all_methods().into_iter().chain(more).unique_by(|method| method.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_a_name_of_its_own_under_which_it_is_found() {
        let methods = all_methods();
        let names: std::collections::BTreeSet<&str> = methods.iter().map(Method::name).collect();
        assert_eq!(names.len(), methods.len());
        for method in &methods {
            assert_eq!(Method::named(method.name()).unwrap().config(), method.config());
        }
        let of_paper = [
            "DC",
            "DM",
            "generation only",
            "FeatDistill+DC",
            "FeatDistill+DM",
            "TextDistill+DC",
            "TextDistill+DM",
            "scDD+Decoder, DC",
            "scDD+Decoder, DM",
            "scDD+SCDG, DC",
            "scDD+SCDG, DM",
        ];
        for name in of_paper {
            assert!(paper_methods().iter().any(|method| method.name() == name), "{name}");
        }
        for name in ["LD3M, DC", "scDD+Metacells, ridge", "class mean", "geometric sketch", "all training cells"] {
            assert!(methods.iter().any(|method| method.name() == name), "{name}");
        }
    }
}

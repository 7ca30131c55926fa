//! Search of similar cells, as in SCimilarity (Heimberg et al. 2024; `search_nearest`, `search_centroid_nearest` and
//! `search_cluster_centroids_nearest` of its code): by each cell's profile, or by the centroid of a group.
//!
//! A centroid is log1p of the mean over cells of counts per 10,000. SCimilarity sums raw counts, so that a cell weighs
//! as much as it was sequenced deeply; here each cell weighs the same, as log-normalised cells no longer know their depth.

use std::sync::Arc;

use ndarray::Array2;
use polars::prelude::{Column, DataFrame, IdxCa, IdxSize};
use scdd_learn::knn::{Distance, nearest};

use super::Reference;
use crate::cells::{Cells, CellsError, Expression, LogNormalized};
use crate::plan::Plan;
use crate::text::{count, grouped};

/// Opens a search: [`Reference::query`].
#[derive(Clone, Debug)]
#[must_use = "call .run()"]
pub struct QueryBuilder {
    reference: Reference,
    cells: Cells<LogNormalized>,
    profile: Profile,
    k: usize,
    max_distance: Option<f32>,
}

#[derive(Clone, Debug)]
enum Profile {
    Each,
    Centroid,
    Centroids(String),
}

impl QueryBuilder {
    pub(super) fn new(reference: &Reference, cells: &Cells<LogNormalized>) -> Self {
        let (reference, cells) = (reference.clone(), cells.clone());
        Self { reference, cells, profile: Profile::Each, k: 50, max_distance: None }
    }

    /// Most similar cells that are given for each query; 50 (ours; SCimilarity, among 23 million cells, 10,000).
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Searches once, by the centroid of all given cells.
    pub fn centroid(mut self) -> Self {
        self.profile = Profile::Centroid;
        self
    }

    /// Searches once for each class of an `obs` column of the given cells, by the class's centroid.
    pub fn centroids(mut self, column: &str) -> Self {
        self.profile = Profile::Centroids(column.to_owned());
        self
    }

    /// Leaves out cells that are farther than this cosine distance.
    pub fn max_distance(mut self, distance: f32) -> Self {
        self.max_distance = Some(distance);
        self
    }

    /// What would run.
    ///
    /// # Errors
    /// When the reference has fewer than k cells, or the cells lack the column of centroids.
    pub fn plan(&self) -> crate::Result<Plan> {
        self.reference.check_k(self.k)?;
        let queries = match &self.profile {
            Profile::Each => self.cells.cells(),
            Profile::Centroid => 1,
            Profile::Centroids(column) => self.cells.labels(column)?.classes.len(),
        };
        Ok(Plan::new(format!("search of the {} most similar cells", self.k))
            .with("queries", grouped(queries))
            .with("reference cells", grouped(self.reference.latents().nrows())))
    }

    /// Searches.
    ///
    /// # Errors
    /// When the reference has fewer than k cells, when cells and model share too few genes, when a latent is not finite,
    /// and when a centroid is asked for of a model without encoder.
    pub fn run(&self) -> crate::Result<Hits> {
        let reference = &self.reference;
        reference.check_k(self.k)?;
        let (names, latents) = match &self.profile {
            Profile::Each => (self.cells.cell_names().to_vec(), reference.embed_others(&self.cells)?),
            Profile::Centroid => {
                let all: Vec<usize> = (0..self.cells.cells()).collect();
                self.embed_centroids(vec![format!("centroid of {}", count(all.len(), "cell"))], &[all])?
            }
            Profile::Centroids(column) => {
                let labels = self.cells.labels(column)?;
                self.embed_centroids(labels.classes.to_vec(), &labels.cells_per_class())?
            }
        };
        let (indices, distances) = nearest(&latents, reference.latents(), self.k, Distance::Cosine);
        let most = self.max_distance.unwrap_or(f32::INFINITY);
        let rows = indices.rows().into_iter().zip(distances.rows());
        let hits = rows.map(|(indices, distances)| {
            let hits = indices.iter().zip(distances).map(|(&cell, &distance)| Hit { cell: cell as usize, distance });
            hits.filter(|hit| hit.distance <= most).collect()
        });
        Ok(Hits { parts: Arc::new(Parts { queries: names, hits: hits.collect(), reference: reference.clone() }) })
    }

    fn embed_centroids(&self, names: Vec<String>, groups: &[Vec<usize>]) -> crate::Result<(Vec<String>, Array2<f32>)> {
        let registered = self.reference.foundation().register(&self.cells)?;
        let centroids = Expression::from_array(&centroids(registered.cells.expression(), groups))?;
        let latents = registered.foundation.embed(&centroids)?;
        self.reference.check(&latents, &names)?;
        Ok((names, latents))
    }
}

/// log1p of the mean counts per 10,000 of each group, `[groups, genes]`.
fn centroids(expression: &Expression, groups: &[Vec<usize>]) -> Array2<f32> {
    let mut centroids = Array2::zeros((groups.len(), expression.genes()));
    for (mut centroid, cells) in centroids.rows_mut().into_iter().zip(groups) {
        let mut sums = vec![0.0f64; expression.genes()];
        for &cell in cells {
            let (genes, values) = expression.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                sums[gene as usize] += f64::from(value).exp_m1();
            }
        }
        for (value, sum) in centroid.iter_mut().zip(sums) {
            *value = (sum / cells.len().max(1) as f64).ln_1p() as f32;
        }
    }
    centroids
}

/// A cell of the reference that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Its number in the reference.
    pub cell: usize,
    /// Its cosine distance to the query.
    pub distance: f32,
}

/// The most similar cells of a reference for each query, nearest first. Cheap to clone.
#[derive(Clone)]
pub struct Hits {
    parts: Arc<Parts>,
}

struct Parts {
    queries: Vec<String>,
    hits: Vec<Vec<Hit>>,
    reference: Reference,
}

impl Hits {
    /// Names of the queries: cells, classes, or "centroid of 20 cells".
    pub fn queries(&self) -> &[String] {
        &self.parts.queries
    }

    /// What was found for each query.
    pub fn hits(&self) -> &[Vec<Hit>] {
        &self.parts.hits
    }

    /// The reference's cells that were found for any query, each once, in the order of the reference.
    ///
    /// # Errors
    /// When annotations can't be selected.
    pub fn cells(&self) -> crate::Result<Cells<LogNormalized>> {
        let mut found: Vec<usize> = self.parts.hits.iter().flatten().map(|hit| hit.cell).collect();
        found.sort_unstable();
        found.dedup();
        self.parts.reference.cells().select_cells(&found)
    }

    /// One row for each query and hit: `query`, `rank` (from 1), `distance`, `index` and `cell` in the reference, and the
    /// reference's obs columns. One of those that has a name of these gets `reference_` before it.
    ///
    /// # Errors
    /// When polars refuses the columns.
    pub fn frame(&self) -> crate::Result<DataFrame> {
        let (parts, cells) = (&*self.parts, self.parts.reference.cells());
        let of_query = || parts.hits.iter().zip(&parts.queries);
        let queries: Vec<&str> = of_query().flat_map(|(hits, name)| hits.iter().map(|_| name.as_str())).collect();
        let ranks: Vec<u32> = parts.hits.iter().flat_map(|hits| 1..=hits.len() as u32).collect();
        let all: Vec<Hit> = parts.hits.iter().flatten().copied().collect();
        let names: Vec<&str> = all.iter().map(|hit| cells.cell_names()[hit.cell].as_str()).collect();
        let mut columns = vec![
            Column::new("query".into(), queries),
            Column::new("rank".into(), ranks),
            Column::new("distance".into(), all.iter().map(|hit| f64::from(hit.distance)).collect::<Vec<_>>()),
            Column::new("index".into(), all.iter().map(|hit| hit.cell as u64).collect::<Vec<_>>()),
            Column::new("cell".into(), names),
        ];
        let rows = IdxCa::from_vec("rows".into(), all.iter().map(|hit| hit.cell as IdxSize).collect());
        for column in cells.obs().take(&rows).map_err(CellsError::from)?.columns() {
            let mut name = column.name().to_string();
            while columns.iter().any(|known| known.name() == name.as_str()) {
                name = format!("reference_{name}");
            }
            columns.push(column.clone().with_name(name.into()));
        }
        Ok(DataFrame::new(all.len(), columns).map_err(CellsError::from)?)
    }
}

impl std::fmt::Debug for Hits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all: usize = self.parts.hits.iter().map(Vec::len).sum();
        let cells = grouped(self.parts.reference.cells().cells());
        let queries = match self.parts.queries.len() {
            1 => "1 query".to_owned(),
            n => format!("{} queries", grouped(n)),
        };
        write!(f, "{} for {queries} among {cells} cells", count(all, "hit"))
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;

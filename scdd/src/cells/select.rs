//! Selecting cells and genes, adding and renaming columns of `obs`.

use std::marker::PhantomData;
use std::sync::Arc;

use polars::prelude::{Column, DataFrame, IdxCa, IdxSize};

use super::{Cells, CellsError, Expression};
use crate::Result;

impl<Stage> Cells<Stage> {
    /// The given cells, in the given order; a cell may come twice.
    ///
    /// # Errors
    /// When an index is not below the number of cells.
    ///
    /// ```
    /// let cells = scdd::simulate().cells(50).genes(30).classes(2).run()?;
    /// let three = cells.select_cells(&[4, 0, 4])?;
    /// assert_eq!(three.cell_names()[1], cells.cell_names()[0]);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn select_cells(&self, cells: &[usize]) -> Result<Self> {
        check_indices("cell", cells, self.cells())?;
        Ok(Self {
            expression: self.expression.select_cells(cells),
            cell_names: select_names(&self.cell_names, cells),
            obs: select_rows(&self.obs, cells)?,
            obsm: self.obsm.select(cells),
            ..self.clone()
        })
    }

    /// The given genes, in the given order.
    ///
    /// # Errors
    /// When an index is not below the number of genes, or comes twice.
    pub fn select_genes(&self, genes: &[usize]) -> Result<Self> {
        check_indices("gene", genes, self.genes())?;
        let mut seen = vec![false; self.genes()];
        if let Some(&gene) = genes.iter().find(|&&gene| std::mem::replace(&mut seen[gene], true)) {
            return Err(CellsError::SelectedTwice { index: gene, name: self.gene_names[gene].clone() }.into());
        }
        Ok(Self {
            expression: self.expression.select_genes(genes),
            gene_names: select_names(&self.gene_names, genes),
            var: select_rows(&self.var, genes)?,
            ..self.clone()
        })
    }

    /// The same cells with an `obs` column renamed.
    ///
    /// # Errors
    /// When there is no such column, or the new name is taken.
    pub fn rename_obs(&self, from: &str, to: &str) -> Result<Self> {
        self.obs_column(from)?;
        let mut obs = self.obs.clone();
        obs.rename(from, to.into()).map_err(|_| CellsError::ColumnTaken { column: to.to_owned() })?;
        Ok(Self { obs, ..self.clone() })
    }

    /// The same cells with one more `obs` column.
    ///
    /// # Errors
    /// When there is not one value for each cell, or obs has a column of that name.
    ///
    /// ```
    /// use scdd::polars::prelude::Column;
    /// let cells = scdd::simulate().cells(50).genes(30).classes(2).run()?;
    /// let cells = cells.with_obs(Column::new("donor".into(), vec!["d1"; 50]))?;
    /// assert!(cells.with_obs(Column::new("donor".into(), vec!["d2"; 50])).is_err());
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn with_obs(&self, column: Column) -> Result<Self> {
        let name = column.name().to_string();
        if column.len() != self.cells() {
            return Err(CellsError::ColumnLength { column: name, found: column.len(), cells: self.cells() }.into());
        }
        if self.obs.column(&name).is_ok() {
            return Err(CellsError::ColumnTaken { column: name }.into());
        }
        let obs = self.obs.hstack(&[column]).map_err(CellsError::from)?;
        Ok(Self { obs, ..self.clone() })
    }

    /// The same cells with one more step in their provenance.
    pub(crate) fn with_step(mut self, step: String) -> Self {
        self.provenance.steps.push(step);
        self
    }

    /// The same cells and genes in another stage.
    pub(crate) fn into_stage<Next>(self, expression: Expression) -> Cells<Next> {
        let Self { cell_names, gene_names, obs, var, obsm, provenance, .. } = self;
        Cells { expression, cell_names, gene_names, obs, var, obsm, provenance, stage: PhantomData }
    }
}

fn check_indices(unit: &'static str, indices: &[usize], count: usize) -> Result<(), CellsError> {
    match indices.iter().find(|&&index| index >= count) {
        Some(&index) => Err(CellsError::Index { unit, index, count }),
        None => Ok(()),
    }
}

fn select_names(names: &[String], indices: &[usize]) -> Arc<Vec<String>> {
    Arc::new(indices.iter().map(|&index| names[index].clone()).collect())
}

fn select_rows(frame: &DataFrame, rows: &[usize]) -> Result<DataFrame, CellsError> {
    let rows = IdxCa::from_vec("rows".into(), rows.iter().map(|&row| row as IdxSize).collect());
    Ok(frame.take(&rows)?)
}

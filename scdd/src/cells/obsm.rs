//! `obsm` as in AnnData: arrays `[cells, dimensions]`, such as embeddings by other tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::{Array2, Axis};

use super::{Cells, CellsError};
use crate::Result;

/// Named arrays `[cells, dimensions]`, and why others of the file could not be read. A clone shares the arrays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Obsm {
    arrays: BTreeMap<String, Arc<Array2<f32>>>,
    unreadable: BTreeMap<String, String>,
}

impl Obsm {
    pub(super) fn insert(&mut self, key: &str, array: Array2<f32>) {
        self.unreadable.remove(key);
        self.arrays.insert(key.to_owned(), Arc::new(array));
    }

    /// Keeps the reason why an array could not be read, for the error when it is asked for.
    pub(super) fn insert_unreadable(&mut self, key: &str, problem: String) {
        self.unreadable.insert(key.to_owned(), problem);
    }

    /// Keys and arrays, sorted by key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Array2<f32>)> {
        self.arrays.iter().map(|(key, array)| (key.as_str(), &**array))
    }

    /// The rows of the given cells, which must be below the number of cells.
    pub(super) fn select(&self, cells: &[usize]) -> Self {
        let select = |(key, array): (&String, &Arc<Array2<f32>>)| (key.clone(), Arc::new(array.select(Axis(0), cells)));
        Self { arrays: self.arrays.iter().map(select).collect(), unreadable: self.unreadable.clone() }
    }

    fn get(&self, key: &str) -> Result<&Array2<f32>, CellsError> {
        if let Some(array) = self.arrays.get(key) {
            return Ok(array);
        }
        Err(CellsError::NoObsm {
            key: key.to_owned(),
            unreadable: self.unreadable.get(key).cloned(),
            arrays: self.iter().map(|(key, array)| (key.to_owned(), array.ncols())).collect(),
        })
    }
}

impl<Stage> Cells<Stage> {
    /// An array of numbers for each cell, `[cells, dimensions]`, as another tool stored it in the file or
    /// [`with_obsm`](Self::with_obsm) added it.
    ///
    /// Dense arrays of two dimensions are read, of any kind of number. Data frames and sparse matrices are not.
    ///
    /// # Errors
    /// When there is no such array; the error lists those that are, and says why one of the file was not read.
    ///
    /// ```
    /// let cells = scdd::simulate().cells(50).genes(30).classes(2).run()?;
    /// let error = cells.obsm("X_pca").unwrap_err().to_string();
    /// assert!(error.starts_with("obsm has no array 'X_pca'"), "{error}");
    /// let cells = cells.with_obsm("X_pca", ndarray::Array2::zeros((50, 8)))?;
    /// assert_eq!(cells.obsm("X_pca")?.ncols(), 8);
    /// assert_eq!(cells.obsm_keys(), ["X_pca"]);
    /// # Ok::<(), scdd::Error>(())
    /// ```
    pub fn obsm(&self, key: &str) -> Result<&Array2<f32>> {
        Ok(self.obsm.get(key)?)
    }

    /// As [`obsm`](Self::obsm), with the error of cells.
    pub(crate) fn embedding(&self, key: &str) -> Result<&Array2<f32>, CellsError> {
        self.obsm.get(key)
    }

    /// Keys of [`obsm`](Self::obsm), sorted.
    pub fn obsm_keys(&self) -> Vec<String> {
        self.obsm.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// The same cells with one more array `[cells, dimensions]`; an array of that key is replaced.
    ///
    /// # Errors
    /// When there is not one row for each cell, or there are no dimensions.
    pub fn with_obsm(&self, key: &str, array: Array2<f32>) -> Result<Self> {
        let (rows, dimensions) = array.dim();
        if rows != self.cells() || dimensions == 0 {
            return Err(CellsError::ObsmShape { key: key.to_owned(), rows, dimensions, cells: self.cells() }.into());
        }
        let mut cells = self.clone();
        cells.obsm.insert(key, array);
        Ok(cells)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    fn cells() -> crate::Cells<crate::Counts> {
        let cells = crate::simulate().cells(40).genes(60).classes(2).run().unwrap();
        let array = Array2::from_shape_fn((40, 3), |(cell, i)| (cell * 10 + i) as f32);
        cells.with_obsm("X_a", array).unwrap()
    }

    #[test]
    fn arrays_are_selected_along_with_cells_and_kept_with_genes_and_through_preprocessing() {
        let cells = cells().select_cells(&[7, 3, 7]).unwrap().select_genes(&[0, 2]).unwrap();
        assert_eq!(cells.obsm("X_a").unwrap().column(1).to_vec(), [71.0, 31.0, 71.0]);

        let all = self::cells();
        let normal = all.preprocess().min_genes(0).run().unwrap();
        let names: Vec<usize> =
            normal.cell_names().iter().map(|name| all.cell_names().iter().position(|n| n == name).unwrap()).collect();
        for (row, cell) in names.into_iter().enumerate() {
            assert_eq!(normal.obsm("X_a").unwrap()[[row, 2]], (cell * 10 + 2) as f32);
        }
    }

    #[test]
    fn an_array_of_other_cells_is_refused_with_both_numbers_and_an_unknown_key_lists_those_there_are() {
        let message = cells().with_obsm("X_b", Array2::zeros((39, 2))).unwrap_err().to_string();
        assert!(message.contains("[39, 2]") && message.contains("40 cells"), "{message}");
        let message = cells().with_obsm("X_b", Array2::zeros((40, 0))).unwrap_err().to_string();
        assert!(message.contains("[40, 0]"), "{message}");
        let message = cells().obsm("X_b").unwrap_err().to_string();
        assert!(message.contains("no array 'X_b'") && message.contains("'X_a' (3)"), "{message}");
    }
}

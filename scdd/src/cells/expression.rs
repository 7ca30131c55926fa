//! Sparse expression `[cells, genes]`: compressed rows with u64 pointers, u32 gene indices and f32 values.

use std::sync::Arc;

use ndarray::Array2;
use scdd_compute::CsrError;

use super::CellsError;

/// Expression of cells by genes, zeros left out. Within a row the genes rise. A clone shares the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    genes: usize,
    pointers: Arc<Vec<u64>>,
    indices: Arc<Vec<u32>>,
    values: Arc<Vec<f32>>,
}

impl Expression {
    /// Takes compressed rows: row `i` holds entries `pointers[i]..pointers[i + 1]`.
    ///
    /// # Errors
    /// When pointers fall or do not end at the number of values, when a row's genes do not rise or reach
    /// past `genes`, or when a value is NaN or infinite.
    ///
    /// ```
    /// use scdd::cells::Expression;
    /// // two cells, three genes: [[0, 5, 0], [1, 0, 2]]
    /// let x = Expression::new(3, vec![0, 1, 3], vec![1, 0, 2], vec![5.0, 1.0, 2.0])?;
    /// assert_eq!(x.row(1), (&[0u32, 2][..], &[1.0f32, 2.0][..]));
    /// # Ok::<(), scdd::cells::CellsError>(())
    /// ```
    pub fn new(genes: usize, pointers: Vec<u64>, indices: Vec<u32>, values: Vec<f32>) -> Result<Self, CellsError> {
        let count = values.len();
        if pointers.first() != Some(&0) || pointers.last() != Some(&(count as u64)) || indices.len() != count {
            let indptr = [pointers.first().copied(), pointers.last().copied()];
            return Err(CsrError::Lengths { indptr, indices: indices.len(), values: count }.into());
        }
        for (row, ends) in pointers.windows(2).enumerate() {
            if ends[1] < ends[0] || ends[1] > count as u64 {
                return Err(CsrError::Ends { row, ends: [ends[0], ends[1]], values: count }.into());
            }
            let range = ends[0] as usize..ends[1] as usize;
            if !indices[range.clone()].is_sorted_by(|a, b| a < b) {
                return Err(CsrError::Unsorted { row }.into());
            }
            if let Some(&index) = indices[range.clone()].last().filter(|&&gene| gene as usize >= genes) {
                return Err(CsrError::Index { row, index, columns: genes }.into());
            }
            if let Some(&value) = values[range].iter().find(|value| !value.is_finite()) {
                return Err(CsrError::NotFinite { row, value }.into());
            }
        }
        Ok(Self { genes, pointers: Arc::new(pointers), indices: Arc::new(indices), values: Arc::new(values) })
    }

    /// Leaves the zeros of dense rows `[cells, genes]` out.
    ///
    /// # Errors
    /// When the values do not fill whole rows, or one is NaN or infinite.
    pub fn from_dense(genes: usize, dense: &[f32]) -> Result<Self, CellsError> {
        if genes == 0 || !dense.len().is_multiple_of(genes) {
            return Err(CsrError::Dense { values: dense.len(), columns: genes }.into());
        }
        let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in dense.chunks_exact(genes) {
            for (gene, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                indices.push(gene as u32);
                values.push(value);
            }
            pointers.push(values.len() as u64);
        }
        Self::new(genes, pointers, indices, values)
    }

    /// Leaves the zeros of an array `[cells, genes]` out; errors as [`from_dense`](Self::from_dense).
    pub(crate) fn from_array(array: &Array2<f32>) -> Result<Self, CellsError> {
        let values: Vec<f32> = array.iter().copied().collect();
        Self::from_dense(array.ncols(), &values)
    }

    /// No cells of so many genes.
    pub(crate) fn empty(genes: usize) -> Self {
        Self { genes, pointers: Arc::new(vec![0]), indices: Arc::default(), values: Arc::default() }
    }

    /// The cells of several parts, all of `genes` genes, one after another. One part alone is shared.
    pub(crate) fn concatenate(genes: usize, parts: &[Self]) -> Self {
        if let [part] = parts {
            return part.clone();
        }
        let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for part in parts {
            let before = values.len() as u64;
            pointers.extend(part.pointers[1..].iter().map(|end| before + end));
            indices.extend_from_slice(&part.indices);
            values.extend_from_slice(&part.values);
        }
        Self { genes, pointers: Arc::new(pointers), indices: Arc::new(indices), values: Arc::new(values) }
    }

    /// The same cells among `genes` genes: gene `i` becomes gene `places[i]`, each place taken at most once.
    pub(crate) fn place_genes(&self, genes: usize, places: &[usize]) -> Self {
        let (mut indices, mut values) = (Vec::with_capacity(self.nnz()), Vec::with_capacity(self.nnz()));
        let mut row: Vec<(u32, f32)> = Vec::new();
        for cell in 0..self.cells() {
            let (row_genes, row_values) = self.row(cell);
            row.clear();
            row.extend(row_genes.iter().zip(row_values).map(|(&gene, &value)| (places[gene as usize] as u32, value)));
            row.sort_unstable_by_key(|&(gene, _)| gene);
            indices.extend(row.iter().map(|&(gene, _)| gene));
            values.extend(row.iter().map(|&(_, value)| value));
        }
        Self { genes, pointers: self.pointers.clone(), indices: Arc::new(indices), values: Arc::new(values) }
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.pointers.len() - 1
    }

    /// Number of genes.
    pub fn genes(&self) -> usize {
        self.genes
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.values.len()
    }

    /// Genes and values of one cell.
    pub fn row(&self, cell: usize) -> (&[u32], &[f32]) {
        let range = self.pointers[cell] as usize..self.pointers[cell + 1] as usize;
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Row pointers, `cells + 1` of them.
    pub fn indptr(&self) -> &[u64] {
        &self.pointers
    }

    /// Gene of each stored value.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// The stored values.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The given cells, in the given order; a cell may come twice.
    pub fn select_cells(&self, cells: &[usize]) -> Self {
        let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for &cell in cells {
            let (genes, row) = self.row(cell);
            indices.extend_from_slice(genes);
            values.extend_from_slice(row);
            pointers.push(values.len() as u64);
        }
        Self { genes: self.genes, pointers: Arc::new(pointers), indices: Arc::new(indices), values: Arc::new(values) }
    }

    /// The given genes, in the given order, each at most once.
    pub fn select_genes(&self, genes: &[usize]) -> Self {
        let mut new_index = vec![u32::MAX; self.genes];
        for (new, &gene) in genes.iter().enumerate() {
            new_index[gene] = new as u32;
        }
        let rising = genes.windows(2).all(|pair| pair[0] < pair[1]);
        let (mut pointers, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        let mut row: Vec<(u32, f32)> = Vec::new();
        for cell in 0..self.cells() {
            let (row_genes, row_values) = self.row(cell);
            row.clear();
            row.extend(row_genes.iter().zip(row_values).map(|(&gene, &value)| (new_index[gene as usize], value)));
            row.retain(|&(gene, _)| gene != u32::MAX);
            if !rising {
                row.sort_unstable_by_key(|&(gene, _)| gene);
            }
            indices.extend(row.iter().map(|&(gene, _)| gene));
            values.extend(row.iter().map(|&(_, value)| value));
            pointers.push(values.len() as u64);
        }
        Self { genes: genes.len(), pointers: Arc::new(pointers), indices: Arc::new(indices), values: Arc::new(values) }
    }

    /// Genes by cells: row `i` holds the cells that express gene `i`.
    pub(crate) fn transposed(&self) -> Self {
        let mut pointers = vec![0u64; self.genes + 1];
        self.indices.iter().for_each(|&gene| pointers[gene as usize + 1] += 1);
        for gene in 0..self.genes {
            pointers[gene + 1] += pointers[gene];
        }
        let mut next = pointers.clone();
        let (mut indices, mut values) = (vec![0; self.nnz()], vec![0.0; self.nnz()]);
        for cell in 0..self.cells() {
            let (genes, row) = self.row(cell);
            for (&gene, &value) in genes.iter().zip(row) {
                let place = &mut next[gene as usize];
                indices[*place as usize] = cell as u32;
                values[*place as usize] = value;
                *place += 1;
            }
        }
        Self { genes: self.cells(), pointers: Arc::new(pointers), indices: Arc::new(indices), values: Arc::new(values) }
    }

    /// The same zeros, each stored value changed; the function gets the cell and the value.
    pub fn map(&self, change: impl Fn(usize, f32) -> f32) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for cell in 0..self.cells() {
            values.extend(self.row(cell).1.iter().map(|&value| change(cell, value)));
        }
        Self { values: Arc::new(values), ..self.clone() }
    }

    /// The given cells as dense rows `[cells, genes]`: a batch, never the whole set.
    pub fn dense_rows(&self, cells: &[usize]) -> Vec<f32> {
        let mut dense = vec![0.0; cells.len() * self.genes];
        for (row, &cell) in dense.chunks_exact_mut(self.genes.max(1)).zip(cells) {
            let (genes, values) = self.row(cell);
            for (&gene, &value) in genes.iter().zip(values) {
                row[gene as usize] = value;
            }
        }
        dense
    }
}

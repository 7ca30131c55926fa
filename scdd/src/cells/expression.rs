//! Sparse expression `[cells, genes]`: a CSR matrix (u64 indptr, u32 gene indices, f32 values) whose rows are cells.

use ndarray::Array2;
use scdd_compute::{Csr, CsrView};

use super::CellsError;

/// Expression of cells by genes, zeros left out. Within a cell the genes are sorted ascending. A clone shares the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression(Csr);

impl Expression {
    /// Takes a CSR matrix: cell `i` has entries `indptr[i]..indptr[i + 1]`.
    ///
    /// # Errors
    /// When `indptr` decreases or does not end at the number of values, when a cell's genes are not sorted ascending or reach
    /// past `genes`, or when a value is NaN or infinite.
    ///
    /// ```
    /// use scdd::cells::Expression;
    /// // two cells, three genes: [[0, 5, 0], [1, 0, 2]]
    /// let x = Expression::new(3, vec![0, 1, 3], vec![1, 0, 2], vec![5.0, 1.0, 2.0])?;
    /// assert_eq!(x.row(1), (&[0u32, 2][..], &[1.0f32, 2.0][..]));
    /// # Ok::<(), scdd::cells::CellsError>(())
    /// ```
    pub fn new(genes: usize, indptr: Vec<u64>, indices: Vec<u32>, values: Vec<f32>) -> Result<Self, CellsError> {
        Csr::new(genes, indptr, indices, values).map(Self).map_err(CellsError::from)
    }

    /// Leaves the zeros of dense rows `[cells, genes]` out.
    ///
    /// # Errors
    /// When the values do not fill whole rows, or one is NaN or infinite.
    pub fn from_dense(genes: usize, dense: &[f32]) -> Result<Self, CellsError> {
        Csr::from_dense(genes, dense).map(Self).map_err(CellsError::from)
    }

    /// Leaves the zeros of an array `[cells, genes]` out; errors as [`from_dense`](Self::from_dense).
    pub(crate) fn from_array(array: &Array2<f32>) -> Result<Self, CellsError> {
        let values: Vec<f32> = array.iter().copied().collect();
        Self::from_dense(array.ncols(), &values)
    }

    /// No cells of so many genes.
    pub(crate) fn empty(genes: usize) -> Self {
        Self(Csr::empty(genes))
    }

    /// The cells of several parts, all of `genes` genes, one after another. One part alone is shared.
    pub(crate) fn concatenate(genes: usize, parts: &[Self]) -> Self {
        let parts: Vec<Csr> = parts.iter().map(|part| part.0.clone()).collect();
        Self(Csr::concatenate(genes, &parts))
    }

    /// The same cells among `genes` genes: gene `i` becomes gene `positions[i]`, each position taken at most once.
    pub(crate) fn place_genes(&self, genes: usize, positions: &[usize]) -> Self {
        Self(self.0.place_columns(genes, positions))
    }

    /// The matrix.
    pub(crate) fn csr(&self) -> &Csr {
        &self.0
    }

    /// All cells as rows of products.
    pub(crate) fn view(&self) -> CsrView<'_> {
        self.0.view()
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.0.rows()
    }

    /// Number of genes.
    pub fn genes(&self) -> usize {
        self.0.columns()
    }

    /// Number of stored values.
    pub fn nnz(&self) -> usize {
        self.0.nnz()
    }

    /// Genes and values of one cell.
    pub fn row(&self, cell: usize) -> (&[u32], &[f32]) {
        self.0.row(cell)
    }

    /// Where cells begin and end, `cells + 1` of them.
    pub fn indptr(&self) -> &[u64] {
        self.0.indptr()
    }

    /// Gene of each stored value.
    pub fn indices(&self) -> &[u32] {
        self.0.indices()
    }

    /// The stored values.
    pub fn values(&self) -> &[f32] {
        self.0.values()
    }

    /// The given cells, in the given order; a cell may come twice.
    pub fn select_cells(&self, cells: &[usize]) -> Self {
        Self(self.0.select_rows(cells))
    }

    /// The given genes, in the given order, each at most once.
    pub fn select_genes(&self, genes: &[usize]) -> Self {
        Self(self.0.select_columns(genes))
    }

    /// Genes by cells (CSC): row `i` holds the cells that express gene `i`.
    pub(crate) fn transposed(&self) -> Self {
        Self(self.0.view().transpose())
    }

    /// The same zeros, each stored value changed; the function gets the cell and the value.
    pub fn map(&self, change: impl Fn(usize, f32) -> f32) -> Self {
        Self(self.0.map(change))
    }

    /// The given cells as dense rows `[cells, genes]`: a batch, never the whole set.
    pub fn dense_rows(&self, cells: &[usize]) -> Vec<f32> {
        self.0.dense_rows(cells)
    }
}

//! `obsm` from an .h5ad file: dense arrays `[cells, dimensions]`. What is of another kind is left out with the reason.

use hdf5_metno::{Dataset, Group};
use ndarray::{Array2, Axis};

use super::hdf5::{PIECE, Problem, length, unreadable};
use crate::cells::obsm::Obsm;

/// Reads what can be read; a file without `obsm`, or from before anndata 0.7, has nothing.
pub(super) fn read(root: &Group, cells: usize) -> Obsm {
    let mut obsm = Obsm::default();
    let Ok(group) = root.group("obsm") else { return obsm };
    for key in group.member_names().unwrap_or_default() {
        let array = group.dataset(&key).map_err(|_| {
            let kind = group.group(&key).ok().and_then(|member| super::hdf5::text_attribute(&member, "encoding-type"));
            let kind = kind.unwrap_or_else(|| "unknown kind".to_owned());
            format!("it is a {kind}, and dense arrays are expected: store it with numpy.asarray(...) in Python")
        });
        match array.and_then(|array| read_array(&array, cells)) {
            Ok(array) => obsm.insert(&key, array),
            Err(problem) => obsm.insert_unreadable(&key, problem),
        }
    }
    obsm
}

fn read_array(array: &Dataset, cells: usize) -> Result<Array2<f32>, Problem> {
    length(array)?;
    let shape = array.shape();
    let [rows, dimensions] = shape[..] else {
        return Err(format!("its shape is {shape:?}, and [cells, dimensions] is expected"));
    };
    if rows != cells || dimensions == 0 {
        return Err(format!("its shape is {shape:?}, and {cells} rows of at least one dimension are expected"));
    }
    let mut values = Array2::zeros((0, dimensions));
    let block = (PIECE / dimensions).max(1);
    for start in (0..rows).step_by(block) {
        let end = (start + block).min(rows);
        let piece = array.read_slice_2d::<f32, _>((start..end, 0..dimensions));
        let piece = piece.map_err(|problem| unreadable(array, problem))?;
        values.append(Axis(0), piece.view()).map_err(|problem| problem.to_string())?;
    }
    Ok(values)
}

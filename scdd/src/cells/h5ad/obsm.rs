//! `obsm` from an .h5ad file: dense arrays `[cells, dimensions]`. Arrays of other kinds are left out with the reason.

use hdf5_metno::{Dataset, Group};
use ndarray::{Array2, Axis};

use super::FileProblem;
use super::hdf5::{PIECE, length, text_attribute, unreadable};
use crate::cells::obsm::Obsm;

/// Reads what can be read; a file without `obsm`, or from before anndata 0.7, has nothing.
pub(super) fn read(root: &Group, cells: usize) -> Obsm {
    let mut obsm = Obsm::default();
    let Ok(group) = root.group("obsm") else { return obsm };
    for key in group.member_names().unwrap_or_default() {
        let array = group.dataset(&key).map_err(|_| FileProblem::Kind {
            name: format!("/obsm/{key}"),
            found: group.group(&key).ok().and_then(|member| text_attribute(&member, "encoding-type")),
            expected: "a dense array (numpy.asarray(...) in Python)",
        });
        match array.and_then(|array| read_array(&array, cells)) {
            Ok(array) => obsm.insert(&key, array),
            Err(problem) => obsm.insert_unreadable(&key, problem.to_string()),
        }
    }
    obsm
}

fn read_array(array: &Dataset, cells: usize) -> Result<Array2<f32>, FileProblem> {
    length(array)?;
    let shape = array.shape();
    let (rows, dimensions) = match shape[..] {
        [rows, dimensions] if rows == cells && dimensions > 0 => (rows, dimensions),
        _ => {
            let (name, expected) = (array.name(), format!("{cells} rows of at least one dimension are"));
            return Err(FileProblem::Shape { name, found: shape, expected });
        }
    };
    let mut values = Array2::zeros((0, dimensions));
    let block = (PIECE / dimensions).max(1);
    for start in (0..rows).step_by(block) {
        let end = (start + block).min(rows);
        let piece = array.read_slice_2d::<f32, _>((start..end, 0..dimensions));
        let piece = piece.map_err(|problem| unreadable(array, problem))?;
        values.append(Axis(0), piece.view()).map_err(|problem| FileProblem::Damaged(problem.to_string()))?;
    }
    Ok(values)
}

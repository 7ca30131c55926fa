//! Panels: the layout of packed weights, `[panel][row][64 columns]`.

/// Columns of a panel: four registers of AVX-512, eight of AVX2.
pub(crate) const PANEL: usize = 64;
/// Values that are added in one register at most.
pub(crate) const LANES: usize = 16;

/// One row of a panel, 256 bytes.
pub(crate) type PanelRow = [f32; PANEL];
/// A panel row in registers.
pub(crate) type Registers = [[f32; LANES]; PANEL / LANES];

/// Writes matrices of the same number of rows side by side into `whole` `[rows, width]`.
pub(crate) fn concatenate_columns(parts: &[Vec<f32>], whole: &mut [f32], width: usize) {
    let rows = whole.len() / width.max(1);
    for (number, mut row) in whole.chunks_exact_mut(width.max(1)).enumerate() {
        for part in parts {
            let width = part.len() / rows;
            let (own, others) = row.split_at_mut(width);
            own.copy_from_slice(&part[number * width..][..width]);
            row = others;
        }
    }
}

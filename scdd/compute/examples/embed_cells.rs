//! The first layer of an encoder on sparse cells: SpMM with packed weights, then bias and PReLU.
//!
//! `cargo run -p scdd-compute --example embed_cells`

use scdd_compute::layer::activate;
use scdd_compute::{Csr, CsrError, Isa, PackedMatrix, has_amx, spmm};

fn main() -> Result<(), CsrError> {
    // Three cells, four genes; zeros are not stored.
    let cells = Csr::from_dense(4, &[0.0, 2.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5, 0.5])?;
    // Weights [genes, units] of a frozen layer, packed once.
    let weights = PackedMatrix::new(&[1.0, -1.0, 0.5, 0.25, -2.0, 1.0, 1.0, 1.0], 2);
    let mut hidden = spmm(cells.view(), &weights);
    activate(&mut hidden, &[0.1, -0.1], Some(0.25));
    println!("{:?}, AMX: {}", Isa::detect().level(), has_amx());
    for (cell, units) in hidden.chunks_exact(2).enumerate() {
        println!("cell {cell}, {} genes: {units:?}", cells.row(cell).0.len());
    }
    Ok(())
}

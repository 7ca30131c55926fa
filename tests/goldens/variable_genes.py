"""Writes variable_genes.json: scanpy's highly variable genes (flavor "seurat") of two small simulated matrices.

    pip install scanpy==1.11.5 anndata && python variable_genes.py
"""

import json
import pathlib
import warnings

import anndata
import numpy as np
import scanpy as sc
import scipy.sparse

warnings.filterwarnings("ignore")


def golden(cells, genes, n_top_genes, seed):
    rng = np.random.default_rng(seed)
    mean = rng.gamma(0.6, 2.0, genes)
    program = np.where(rng.random((4, genes)) < 0.15, 6.0, 1.0)
    mu = mean * program[np.arange(cells) % 4] * rng.gamma(8, 1 / 8, (cells, 1))
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mu)).astype(np.float32)
    counts[:, 3] = 0  # a gene that no cell has
    counts[:, 5] *= 200  # a gene alone in its bin of means
    data = anndata.AnnData(scipy.sparse.csr_matrix(counts))
    sc.pp.normalize_total(data, target_sum=1e4)
    sc.pp.log1p(data)
    data.X.data = np.round(data.X.data.astype(np.float64), 4).astype(np.float32)
    sc.pp.highly_variable_genes(data, flavor="seurat", n_top_genes=n_top_genes)
    column = lambda name: [None if np.isnan(x) else float(f"{x:.9g}") for x in data.var[name].to_numpy(np.float64)]
    return {
        "cells": cells,
        "genes": genes,
        "n_top_genes": n_top_genes,
        "expression": [float(f"{x:.5g}") if x else 0 for x in data.X.toarray().ravel().tolist()],
        "means": column("means"),
        "dispersions": column("dispersions"),
        "dispersions_norm": column("dispersions_norm"),
        "highly_variable": np.flatnonzero(data.var["highly_variable"]).tolist(),
    }


if __name__ == "__main__":
    goldens = [golden(60, 150, 30, 7), golden(24, 40, 10, 8)]
    path = pathlib.Path(__file__).with_name("variable_genes.json")
    path.write_text(json.dumps(goldens, separators=(",", ":")) + "\n")

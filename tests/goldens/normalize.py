"""Writes normalize_counts.csv, normalize_expected.csv: what scanpy makes of counts.

Run with scanpy 1.11: python normalize.py
"""

import pathlib

import anndata
import numpy as np
import scanpy as sc

folder = pathlib.Path(__file__).parent
random = np.random.default_rng(0)
counts = random.poisson(random.gamma(0.3, 4, size=(1, 40)) * random.lognormal(0, 0.7, size=(30, 1))).astype("float32")
counts[4] = 0
counts[4, 3] = 1
np.savetxt(folder / "normalize_counts.csv", counts, fmt="%d", delimiter=",")

adata = anndata.AnnData(counts)
sc.pp.filter_cells(adata, min_genes=10)
sc.pp.filter_genes(adata, min_cells=3)
sc.pp.normalize_total(adata, target_sum=1e4)
sc.pp.log1p(adata)
table = np.column_stack([adata.obs_names.astype(int), adata.X])
header = ",".join(["cell"] + list(adata.var_names))
np.savetxt(folder / "normalize_expected.csv", table, fmt="%.7g", delimiter=",", header=header, comments="")
print(adata.shape)

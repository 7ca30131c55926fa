"""Writes h5ad_layouts/*.h5ad: one small matrix in every layout that users have, by Python's own writers.

Run with anndata 0.12, h5py and scipy: python make_h5ad.py
The matrix is [[0, 5, 0, 1], [2, 0, 0, 7], [0, 0, 3, 0]]; the tests know it.
"""

import pathlib

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

folder = pathlib.Path(__file__).parent / "h5ad_layouts"
folder.mkdir(exist_ok=True)
DENSE = np.array([[0, 5, 0, 1], [2, 0, 0, 7], [0, 0, 3, 0]])
OBS = dict(
    cell_type=pd.Categorical(["T", "B", None], categories=["T", "B", "unused"]),
    cluster=pd.Categorical([1, 0, 1]),
    text=["x", "y", "ä"],
    count=np.array([1, 2, 3], dtype="uint16"),
    score=np.array([0.5, np.nan, 1.5], dtype="float32"),
    good=[True, False, True],
    maybe=pd.array([1, None, 3], dtype="Int32"),
    perhaps=pd.array([True, None, False], dtype="boolean"),
)


def data(x, **more):
    return anndata.AnnData(
        X=x,
        obs=pd.DataFrame(OBS, index=["c1", "c2", "c3"]),
        var=pd.DataFrame({"symbol": ["a", "b", "c", "d"]}, index=["g1", "g2", "g3", "g4"]),
        **more,
    )


def write(name, adata):
    adata.write_h5ad(folder / f"{name}.h5ad", compression="gzip")


write("csr_float32", data(sp.csr_matrix(DENSE.astype("float32"))))
write("csc_int64", data(sp.csc_matrix(DENSE.astype("int64"))))
write("dense_float64", data(DENSE.astype("float64")))
write("csr_uint8", data(sp.csr_matrix(DENSE.astype("uint8"))))

# rows not sorted, and a zero that is stored
unsorted = sp.csr_matrix(
    (np.array([1, 5, 0, 7, 2, 3], "float32"), np.array([3, 1, 0, 3, 0, 2]), np.array([0, 3, 5, 6])), shape=(3, 4)
)
assert (unsorted.toarray() == DENSE).all()
write("csr_unsorted", data(unsorted))

# scaled X, log-normalised raw, counts in a layer
normal = DENSE / DENSE.sum(1, keepdims=True) * 1e4
both = data(sp.csr_matrix(np.log1p(normal).astype("float32")), layers={"counts": sp.csr_matrix(DENSE)})
both.raw = both
both = both[:, ["g2", "g3"]].copy()
both.X = np.array([[-0.5, 0.25], [0.5, 1.5], [-1.5, 2.5]], "float32")
write("scaled_with_raw", both)

# strings that may be missing (anndata 0.13 writes every index so), for index and column, and what cannot be read in uns and obs
with anndata.settings.override(allow_write_nullable_strings=True):
    nullable = data(sp.csr_matrix(DENSE.astype("float32")))
    nullable.obs["note"] = pd.array(["p", None, "q"], dtype="string")
    nullable.obs.index = pd.Index(pd.array(["c1", "c2", "c3"], dtype="string"))
    write("nullable_strings", nullable)
with h5py.File(folder / "nullable_strings.h5ad", "r+") as f:
    f["uns"].create_dataset("odd", data=np.zeros(2, dtype=[("a", "i4"), ("b", "f8")])).attrs["encoding-type"] = "odd"
    group = f["obs"].create_group("unreadable")
    group.attrs["encoding-type"] = "of-the-future"
    f["obs"].attrs["column-order"] = list(f["obs"].attrs["column-order"]) + ["unreadable"]

# embeddings in obsm: kinds that are read, and kinds that are not
embedded = data(sp.csr_matrix(DENSE.astype("float32")))
embedded.obsm["X_pca"] = np.array([[1.5, -2.0], [0.25, 3.0], [-1.0, 0.5]], "float64")
embedded.obsm["X_umap"] = np.array([[1, 2], [3, 4], [5, 6]], "float32")
embedded.obsm["steps"] = np.array([[1], [2], [3]], "int64")
embedded.obsm["holes"] = np.array([[1, np.nan], [0, 0], [0, 1]], "float32")
embedded.obsm["frame"] = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=embedded.obs_names)
embedded.obsm["sparse"] = sp.csr_matrix(np.eye(3, dtype="float32"))
write("obsm", embedded)

# anndata 0.7: dataframe 0.1.0, codes beside __categories, nothing at the root; fixed-length text, float16
with h5py.File(folder / "anndata_0_7.h5ad", "w") as f:
    csr = sp.csr_matrix(DENSE.astype("float16").astype("float32"))
    x = f.create_group("X")
    x.attrs["encoding-type"], x.attrs["encoding-version"] = "csr_matrix", "0.1.0"
    x.attrs["shape"] = (3, 4)
    x["data"], x["indices"], x["indptr"] = csr.data.astype("float16"), csr.indices, csr.indptr
    for name, index in [("obs", [b"c1", b"c2", b"c3"]), ("var", [b"g1", b"g2", b"g3", b"g4"])]:
        g = f.create_group(name)
        g["index"] = np.array(index)
        g.attrs["_index"], g.attrs["encoding-type"], g.attrs["encoding-version"] = "index", "dataframe", "0.1.0"
        g.attrs["column-order"] = np.array(["cell_type"], dtype=object) if name == "obs" else np.array([])
    f["obs"]["cell_type"] = np.array([0, 1, -1], "i1")
    f["obs/__categories/cell_type"] = np.array(["T", "B"], dtype=object)
    f["obs/cell_type"].attrs["categories"] = f["obs/__categories/cell_type"].ref

# before: h5sparse
with h5py.File(folder / "h5sparse.h5ad", "w") as f:
    x = f.create_group("X")
    x.attrs["h5sparse_format"], x.attrs["h5sparse_shape"] = "csr", (3, 4)
    csr = sp.csr_matrix(DENSE.astype("float64"))
    x["data"], x["indices"], x["indptr"] = csr.data, csr.indices, csr.indptr
    for name, n in [("obs", 3), ("var", 4)]:
        g = f.create_group(name)
        g["index"] = np.array([f"{name}{i}" for i in range(n)], dtype=object)

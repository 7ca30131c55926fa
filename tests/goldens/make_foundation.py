"""Golden numbers for scdd/src/foundation, from scikit-learn.

python -m venv v && v/bin/pip install numpy scikit-learn && v/bin/python make_foundation.py
Writes pca.json and neighbours.json beside this file. Made with the versions in the files.
"""

import json
import pathlib

import numpy as np
import sklearn
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

HERE = pathlib.Path(__file__).parent


def pca():
    """Log-normalised counts of 80 cells x 60 genes in 4 groups; PCA by full SVD (scanpy's sc.pp.pca centres alike)."""
    rng = np.random.default_rng(7)
    group = rng.integers(0, 4, 80)
    mean = rng.gamma(0.5, 1.0, (4, 60)) * rng.gamma(2.0, 1.0, (1, 60))
    counts = rng.poisson(mean[group]).astype(float)
    counts[:, 0] += 1  # no cell is empty
    expression = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4).astype("float32")
    fit = PCA(12, svd_solver="full").fit(expression.astype("float64"))
    return {
        "versions": {"scikit-learn": sklearn.__version__},
        "expression": expression.tolist(),
        "mean": fit.mean_.tolist(),
        "components": fit.components_.tolist(),
        "explained_variance": fit.explained_variance_.tolist(),
        "explained_variance_ratio": fit.explained_variance_ratio_.tolist(),
        "scores": fit.transform(expression.astype("float64")).tolist(),
    }


def neighbours():
    """Shares of labels and distances among the 50 nearest of 150 latents, by cosine as SCimilarity has it."""
    rng = np.random.default_rng(11)
    centres = rng.normal(0, 1, (4, 6))
    labels = np.minimum(rng.exponential(1.2, 150).astype(int), 3)
    reference = (centres[labels] + rng.normal(0, 1.0, (150, 6))).astype("float32")
    of_query = rng.integers(0, 4, 40)
    queries = (centres[of_query] + rng.normal(0, 1.0, (40, 6))).astype("float32")
    fit = KNeighborsClassifier(50, metric="cosine", algorithm="brute").fit(reference, labels)
    distances, indices = fit.kneighbors(queries)
    weighted = KNeighborsClassifier(
        50, metric="cosine", algorithm="brute", weights=lambda distance: 1 / np.maximum(distance, 1e-6)
    ).fit(reference, labels)
    return {
        "versions": {"scikit-learn": sklearn.__version__},
        "reference": reference.tolist(),
        "labels": labels.tolist(),
        "queries": queries.tolist(),
        "indices": indices.tolist(),
        "distances": distances.tolist(),
        "shares": fit.predict_proba(queries).tolist(),
        "weighted_shares": weighted.predict_proba(queries).tolist(),
        "predicted": fit.predict(queries).tolist(),
    }


(HERE / "pca.json").write_text(json.dumps(pca()) + "\n")
(HERE / "neighbours.json").write_text(json.dumps(neighbours()) + "\n")

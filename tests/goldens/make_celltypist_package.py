"""Golden predictions of the Python package celltypist, by L-BFGS and by SGD, for scdd's CellTypist model.

python -m venv v && v/bin/pip install celltypist scikit-learn==1.6.1 && v/bin/python make_celltypist_package.py
Writes celltypist_package.json beside this file: counts, labels, and what the package predicts of other cells. SGD draws the
order of cells, so how often two of its own runs agree stands beside. Made with celltypist 1.7.1 and scikit-learn 1.6.1
(the package names an argument of LogisticRegression that later ones no longer have).
"""

import json
import pathlib

import anndata
import celltypist
import numpy as np

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(11)
GENES, CLASSES, TRAIN, TEST = 60, 5, 400, 400
profiles = rng.gamma(0.5, 1.0, (CLASSES, GENES)) * 0.7 + rng.gamma(0.5, 1.0, GENES)


def cells(count):
    labels = rng.choice(CLASSES, count, p=[0.4, 0.25, 0.2, 0.1, 0.05])
    depth = rng.gamma(8.0, 0.2, (count, 1))
    return rng.poisson(profiles[labels] * depth).astype(int), labels


def normalized(counts):
    return np.log1p(counts / counts.sum(1, keepdims=True) * 1e4).astype(np.float32)


genes = [f"G{i}" for i in range(GENES)]
counts, labels = cells(TRAIN)
test, truth = cells(TEST)
names = np.array([f"c{label}" for label in labels])


def predict(**how):
    model = celltypist.train(normalized(counts), labels=names, genes=genes, check_expression=True, **how)
    adata = anndata.AnnData(normalized(test))
    adata.var_names = genes
    found = celltypist.annotate(adata, model=model)
    predicted = [int(name[1:]) for name in found.predicted_labels["predicted_labels"]]
    return predicted, found.probability_matrix.to_numpy()


lbfgs, probabilities = predict()
sgd, _ = predict(use_SGD=True)
again, _ = predict(use_SGD=True)
golden = {
    "classes": CLASSES,
    "train": counts.tolist(),
    "labels": labels.tolist(),
    "test": test.tolist(),
    "truth": truth.tolist(),
    "lbfgs": lbfgs,
    "probabilities": np.round(probabilities, 6).tolist(),
    "sgd": sgd,
    "sgd_agrees_with_itself": float(np.mean(np.array(sgd) == np.array(again))),
}
print("accuracy", np.mean(np.array(lbfgs) == truth), np.mean(np.array(sgd) == truth), golden["sgd_agrees_with_itself"])
(HERE / "celltypist_package.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")

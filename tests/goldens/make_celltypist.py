"""Golden decisions for scdd's CellTypist model, from scikit-learn as the Python package celltypist calls it.

python -m venv v && v/bin/pip install numpy scikit-learn && v/bin/python make_celltypist.py
Writes evaluate_celltypist.json beside this file: standardise, clip at 10 above, one LogisticRegression for each class
against the others. Made with scikit-learn 1.9.1.
"""

import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)


def cells(count, genes, classes, density=0.2):
    labels = np.arange(count) % classes
    chance = np.where(np.arange(genes)[None, :] % (classes + 1) == labels[:, None], 0.5, density)
    values = np.round(rng.gamma(2.0, 0.6, (count, genes)), 3) * (rng.random((count, genes)) < chance)
    return values.astype(np.float32), labels


def case(name, train, labels, test):
    scaler = StandardScaler()
    z = scaler.fit_transform(train.astype(np.float64))
    z[z > 10] = 10
    at = (test.astype(np.float64) - scaler.mean_) / scaler.scale_
    at[at > 10] = 10
    classes = int(labels.max()) + 1
    decisions = []
    for c in range(classes):
        fit = LogisticRegression(C=1.0, solver="lbfgs", max_iter=100_000, tol=1e-10).fit(z, labels == c)
        decisions.append(fit.decision_function(at))
    decisions = np.stack(decisions, 1)
    return {
        "name": name,
        "classes": classes,
        "train": train.tolist(),
        "labels": labels.tolist(),
        "test": test.tolist(),
        "decisions": decisions.tolist(),
        "predicted": decisions.argmax(1).tolist(),
    }


few, few_labels = cells(5, 40, 5)
some, some_labels = cells(30, 40, 3)
many, many_labels = cells(160, 24, 4)
two, two_labels = cells(60, 25, 2)
many[:, 3] = 0  # a gene that no cell expresses
many[:, 5] = 1.25  # a constant one
many[:, 7] = 0
many[11, 7] = 4.0  # 12.6 deviations: clipped
flat, flat_labels = cells(8, 20, 2)
flat[:, 2] = 1.0 + 1e-3 * np.arange(8)  # hardly varies: test cells are far outside
cases = [
    case("fewer cells than genes, one a class", few, few_labels, cells(12, 40, 5)[0]),
    case("fewer cells than genes", some, some_labels, cells(12, 40, 3)[0]),
    case("more cells than genes, with constant genes and a clipped value", many, many_labels, cells(20, 24, 4)[0]),
    case("two classes, more cells than genes", two, two_labels, cells(12, 25, 2)[0]),
    case("a gene that hardly varies", flat, flat_labels, cells(12, 20, 2)[0]),
]
(HERE / "evaluate_celltypist.json").write_text(json.dumps(cases) + "\n")

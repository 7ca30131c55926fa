"""Golden numbers for scdd/src/evaluate/baselines/out_of_bag.rs, from the package scvalue.

python -m venv v && v/bin/pip install numpy pandas scikit-learn scvalue && v/bin/python make_scvalue.py
Writes scvalue.json beside this file: points, labels, and values, means over ten forests. Made with scvalue 0.1.0.
"""

import json
import pathlib

import numpy as np
from scvalue import SCValue

HERE = pathlib.Path(__file__).parent


def main():
    rng = np.random.default_rng(7)
    labels = np.repeat([0, 1, 2], [120, 60, 20])
    centres = np.array([[0, 0, 0, 0, 0, 0], [1.5, 1, 0, 0, 0, 0], [0, 2, 1, 0, 0, 0]])
    points = np.round(centres[labels] + rng.normal(size=(len(labels), 6)), 3).astype(np.float32)
    values = []
    for seed in range(10):
        forest = SCValue.RFValue(n_estimators=100, random_state=seed).fit(points, labels)
        values.append(forest.compute_rf_dv(points, labels))
    # The shortest decimals that read back as the same f32.
    rows = [[float(str(value)) for value in row] for row in points]
    golden = {"points": rows, "labels": labels.tolist(), "values": np.round(np.mean(values, 0), 4).tolist()}
    (HERE / "scvalue.json").write_text(json.dumps(golden) + "\n")
    print("mean value of each class", [float(np.mean(values, 0)[labels == label].mean()) for label in range(3)])


if __name__ == "__main__":
    main()

"""Golden numbers for scdd/src/evaluate/baselines/geometric_sketch.rs, from the package geosketch.

python -m venv v && v/bin/pip install numpy scikit-learn geosketch && v/bin/python make_geosketch.py
Writes geosketch.json beside this file and prints the Hausdorff distances. Made with geosketch 1.3.
"""

import contextlib
import io
import json
import pathlib

import numpy as np
from geosketch import gs
from scipy.spatial.distance import cdist

HERE = pathlib.Path(__file__).parent
SEEDS = 200


def points():
    """380 points of three kinds, dense to sparse, and twenty of a rare kind at the end."""
    rng = np.random.default_rng(7)
    kinds = [(0.0, 0.3, 260), (3.0, 0.6, 80), (-3.0, 1.0, 40), (6.0, 0.5, 20)]
    parts = [centre + spread * rng.normal(size=(count, 5)) for centre, spread, count in kinds]
    return np.round(np.concatenate(parts), 4).astype(np.float32)


def main():
    stored = points()
    x = stored.astype(np.float64)
    distances = cdist(x, x)
    hausdorff = lambda chosen: distances[:, chosen].min(1).max()
    sketches = []
    for cells in [25, 40, 60, 120]:
        # gs tells the number of boxes only in its log.
        log = io.StringIO()
        with contextlib.redirect_stdout(log):
            gs(x, cells, seed=0, verbose=1)
        # "... Found 23 grid cells" stands in the last line; those before say "non-empty grid cells".
        boxes = log.getvalue().splitlines()[-1].split()[-3]
        found = [gs(x, cells, seed=seed) for seed in range(SEEDS)]
        rng = np.random.default_rng(1)
        random = [hausdorff(rng.choice(len(x), cells, replace=False)) for _ in range(SEEDS)]
        of_size = {
            "cells": cells,
            "boxes": int(boxes),
            "hausdorff_mean": float(np.mean([hausdorff(chosen) for chosen in found])),
            "hausdorff_deviation": float(np.std([hausdorff(chosen) for chosen in found])),
            "random_mean": float(np.mean(random)),
            "rare_mean": float(np.mean([sum(np.array(chosen) >= len(x) - 20) for chosen in found])),
        }
        print(of_size)
        sketches.append(of_size)
    # The shortest decimals that read back as the same f32.
    rows = [[float(str(value)) for value in row] for row in stored]
    (HERE / "geosketch.json").write_text(json.dumps({"points": rows, "sketches": sketches}) + "\n")


if __name__ == "__main__":
    main()

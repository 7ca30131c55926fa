"""Logistic regression as CellTypist fits it, scdd beside scikit-learn's lbfgs, and the seconds of every evaluation model, as JSON lines.

    python bench_evaluate.py <bench_evaluate, compiled> <scratch folder>

Both get the same simulated cells (negative binomial counts, log-normalised) and fit one class against the others at the same
tolerance, on two threads. scikit-learn standardises, clips and fits dense double precision, as the package celltypist has
it; scdd reads sparse rows. The two take turns, and the shortest time of each counts: other work only lengthens. Processor
seconds are given besides. At one tolerance neither is at the minimum; equal decisions there are what the golden tests show.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = 2
TOLERANCE = 1e-4
TURNS = 3
TEST = 1_000
# Cells, genes, classes, and whether every evaluation model is measured.
CASES = [(1_700, 2_000, 14, True), (1_700, 20_000, 14, True), (10_000, 2_000, 20, False)]


def line(case, figure, value, unit):
    found = {"bench": "evaluate", "case": case, "figure": figure, "value": float(f"{value:.4g}"), "unit": unit}
    print(json.dumps(found), flush=True)


def make_cells(path, cells, genes, classes):
    import numpy as np
    from safetensors.numpy import save_file
    from scipy.sparse import csr_matrix

    random = np.random.default_rng(7)
    base = random.gamma(0.3, 1.0, genes)
    profiles = base * np.exp(random.normal(0, 1, (classes, genes)) * (random.random((classes, genes)) < 0.05))
    profiles /= profiles.sum(1, keepdims=True)
    shares = random.dirichlet(np.full(classes, 1.5))
    arrays = {"genes": np.array([genes], dtype=np.uint64)}
    for part, count in [("train", cells), ("test", TEST)]:
        labels = random.choice(classes, count, p=shares)
        labels[:classes] = np.arange(classes)
        depth = random.gamma(6.0, 2_500 / 6, (count, 1))
        counts = random.poisson(profiles[labels] * depth * random.gamma(2.0, 0.5, (count, genes)))
        rows = csr_matrix(np.log1p(counts / np.maximum(counts.sum(1, keepdims=True), 1) * 1e4).astype(np.float32))
        rows.sort_indices()
        arrays[f"{part}.indptr"] = rows.indptr.astype(np.uint64)
        arrays[f"{part}.indices"] = rows.indices.astype(np.uint32)
        arrays[f"{part}.values"] = rows.data
        arrays[f"{part}.labels"] = labels.astype(np.uint32)
    save_file(arrays, path)


def worker(path):
    """scikit-learn's turn: seconds of standardising and fitting, and what it predicts."""
    import numpy as np
    from safetensors.numpy import load_file
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.preprocessing import StandardScaler

    arrays = load_file(path)
    genes = int(arrays["genes"][0])

    def part(name):
        rows = tuple(arrays[f"{name}.{of}"] for of in ["values", "indices", "indptr"])
        return csr_matrix((rows[0], rows[1].astype(np.int64), rows[2].astype(np.int64)), (len(rows[2]) - 1, genes))

    train, test, labels = part("train"), part("test"), arrays["train.labels"].astype(int)
    began = time.perf_counter()
    scaler = StandardScaler()
    z = scaler.fit_transform(train.toarray().astype(np.float64))
    z[z > 10] = 10
    standardised = time.perf_counter() - began
    began, busy = time.perf_counter(), time.process_time()
    fit = OneVsRestClassifier(LogisticRegression(C=1.0, solver="lbfgs", max_iter=1000, tol=TOLERANCE)).fit(z, labels)
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    at = scaler.transform(test.toarray().astype(np.float64))
    at[at > 10] = 10
    predicted = fit.decision_function(at).argmax(1)
    accuracy = float(np.mean(predicted == arrays["test.labels"]))
    found = {"standardise": standardised, "fit": seconds, "busy": busy, "predicted": predicted.tolist(), "accuracy": accuracy}
    print(json.dumps(found))


def output(command):
    names = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"]
    environment = dict(os.environ, SCDD_QUIET="1", **{name: str(THREADS) for name in names})
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)


def main():
    ours, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    for cells, genes, classes, every_model in CASES:
        path, case = scratch / f"cells_{cells}_{genes}.safetensors", f"{cells} cells x {genes} genes, {classes} classes"
        if not path.exists():
            make_cells(path, cells, genes, classes)
        theirs, mine = [], []
        for turn in range(TURNS):
            theirs.append(output([sys.executable, __file__, "--worker", path]))
            mine.append(output([ours, path, TOLERANCE, *(["models"] if every_model and turn == 0 else [])]))
        fit = min(second for found in mine for second in found["fit"])
        lbfgs = min(found["fit"] for found in theirs)
        whole = min(found["fit"] + found["standardise"] for found in theirs)
        line(case, "seconds, scdd, from sparse rows", fit, "s")
        line(case, "seconds, scikit-learn, standardised already", lbfgs, "s")
        line(case, "seconds, scikit-learn, from sparse rows", whole, "s")
        mine_busy = min(busy for found in mine for busy in found["busy"])
        theirs_busy = min(found["busy"] for found in theirs)
        line(case, "processor seconds, scdd, from sparse rows", mine_busy, "s")
        line(case, "processor seconds, scikit-learn, standardised already", theirs_busy, "s")
        line(case, "processor seconds, ratio", theirs_busy / mine_busy, "1")
        line(case, "ratio, standardised already", lbfgs / fit, "1")
        line(case, "ratio, from sparse rows", whole / fit, "1")
        same = [a == b for a, b in zip(mine[0]["predicted"], theirs[0]["predicted"])]
        line(case, "equal predictions", sum(same) / len(same), "1")
        line(case, "accuracy, scdd", mine[0]["accuracy"], "1")
        line(case, "accuracy, scikit-learn", theirs[0]["accuracy"], "1")
        for found in mine[0]["models"]:
            name = f"{found['model']}, one network, {found['set']}"
            line(case, f"seconds to train, {name}", found["train"], "s")
            line(case, f"seconds to predict {TEST} cells, {name}", found["predict"], "s")
            line(case, f"accuracy, {name}", found["accuracy"], "1")


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        worker(Path(sys.argv[2]))
    else:
        main()

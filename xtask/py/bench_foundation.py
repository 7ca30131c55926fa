"""Embedding through SCimilarity's encoder, scdd beside PyTorch, as JSON lines.

    python bench_foundation.py <bench_foundation, compiled> <scratch folder>

Both load one model directory of the published size (28,231 genes, three hidden layers of 1,024, latents of 128; random
weights) and embed the same 10,000 cells, PyTorch in batches of 1,000 made dense from SciPy's rows, both on two threads.
The two take turns in processes of their own, and the shortest time of each counts: other work on the machine only
lengthens. Processor time is given besides; it hardly depends on what else runs.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = 2
CELLS, BATCH, GENES = 10_000, 1_000, 28_231
DENSITIES = [0.03, 0.05, 0.1]
TURNS = 3
MAKE_MODEL = Path(__file__).parents[2] / "tests/goldens/scimilarity.py"


def line(case, figure, value, unit):
    found = {"bench": "foundation", "case": case, "figure": figure, "value": float(f"{value:.4g}"), "unit": unit}
    print(json.dumps(found), flush=True)


def worker(model, cells):
    """PyTorch's turn: prints loading time, and for two passes the seconds of making dense and of encoding."""
    import torch
    from safetensors.numpy import load_file
    from scipy.sparse import csr_matrix

    sys.path.insert(0, str(MAKE_MODEL.parent))
    from scimilarity import Decoder, Encoder

    torch.set_num_threads(THREADS)
    encoder, decoder = Encoder(GENES, 128, [1024] * 3), Decoder(GENES, 128, [1024] * 3)
    began = time.perf_counter()
    for network, name in [(encoder, "encoder"), (decoder, "decoder")]:
        network.load_state_dict(torch.load(model / f"{name}.ckpt", weights_only=True)["state_dict"])
        network.eval()
    found = {"load": time.perf_counter() - began, "dense": [], "encode": []}
    rows = load_file(cells)
    matrix = csr_matrix((rows["values"], rows["indices"], rows["indptr"]), (CELLS, GENES))
    with torch.inference_mode():
        encoder(torch.from_numpy(matrix[:BATCH].toarray()))
        for _ in range(2):
            spent = {"dense": [0.0, 0.0], "encode": [0.0, 0.0]}
            clock = lambda: (time.perf_counter(), time.process_time())
            for start in range(0, CELLS, BATCH):
                began = clock()
                batch = torch.from_numpy(matrix[start : start + BATCH].toarray())
                dense = clock()
                encoder(batch)
                encoded = clock()
                for i in range(2):
                    spent["dense"][i] += dense[i] - began[i]
                    spent["encode"][i] += encoded[i] - dense[i]
            for name, seconds in spent.items():
                found[name].append(seconds)
    print(json.dumps(found))


def make_model(scratch):
    """PyTorch writes the directory, and embeddings and reconstructions of 256 cells."""
    out = scratch / "model"
    if not (out / "golden.json").exists():
        sizes = ["--genes", GENES, "--hidden", 1024, 1024, 1024, "--latent", 128, "--cells", 256, "--seed", 7]
        command = [sys.executable, MAKE_MODEL, out, *sizes, "--density", 0.05, "--only-model"]
        subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)
    return out


def make_cells(path, cells, density):
    import numpy as np
    from safetensors.numpy import save_file

    random = np.random.default_rng(7)
    rows = [np.flatnonzero(random.random(GENES) < density).astype(np.int32) for _ in range(cells)]
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    values = np.log1p(random.gamma(0.5, 10.0, indptr[-1]) + 0.5).astype(np.float32)
    save_file({"indptr": indptr, "indices": np.concatenate(rows), "values": values}, path)


def output(command):
    environment = dict(os.environ, RAYON_NUM_THREADS=str(THREADS), SCDD_QUIET="1")
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)


def deviations(ours, scratch):
    """The farthest row from PyTorch's, as a share of the row's length."""
    import numpy as np
    from safetensors.numpy import load_file

    golden, written = scratch / "model/golden.safetensors", scratch / "ours.safetensors"
    output([ours, scratch / "model/model_v1.1", golden, written])
    expected, found = load_file(golden), load_file(written)
    for name in ["embeddings", "reconstructions"]:
        apart = np.linalg.norm(found[name] - expected[name], axis=1) / np.linalg.norm(expected[name], axis=1)
        line("256 cells, against PyTorch", f"largest relative deviation of {name}", apart.max(), "1")


def memory(ours, scratch):
    model, batch = scratch / "model/model_v1.1", scratch / "batch.safetensors"
    if not batch.exists():
        make_cells(batch, 2048, 0.05)
    found = output([ours, model, batch])
    weights = 4 * sum(width * (height + 1) for width, height in [(1024, GENES), (GENES, 1024), (128, 1024), (1024, 128)])
    weights += 4 * 4 * 1024 * 1025
    case = "memory"
    line(case, "weights, encoder and decoder", weights / 1e6, "MB")
    line(case, "process before loading", found["before"] / 1e6, "MB")
    line(case, "peak while loading", found["loaded"] / 1e6, "MB")
    line(case, "peak while loading, times the weights", found["loaded"] / weights, "1")
    line(case, "peak with a batch of 2,048 cells embedded", found["peak"] / 1e6, "MB")


def compare(ours, scratch):
    model, loads = scratch / "model/model_v1.1", {"scdd": [], "PyTorch": []}
    for density in DENSITIES:
        cells = scratch / f"cells_{density}.safetensors"
        if not cells.exists():
            make_cells(cells, CELLS, density)
        embed, dense, encode = [], [], []
        for _ in range(TURNS):
            theirs = output([sys.executable, __file__, "--worker", model, cells])
            mine = output([ours, model, cells])
            embed += mine["embed"]
            dense += theirs["dense"]
            encode += theirs["encode"]
            loads["scdd"].append(mine["load"])
            loads["PyTorch"].append(theirs["load"])
        case = f"{CELLS} cells x {GENES} genes, density {density:.0%}"
        for kind, unit in [(0, "seconds"), (1, "processor seconds")]:
            best = lambda times: min(time[kind] for time in times)
            both = min(a[kind] + b[kind] for a, b in zip(dense, encode))
            line(case, f"{unit}, scdd", best(embed), "s")
            line(case, f"{unit}, PyTorch, batches dense already", best(encode), "s")
            line(case, f"{unit}, PyTorch, from sparse rows", both, "s")
            line(case, f"{unit}, ratio, batches dense already", best(encode) / best(embed), "1")
            line(case, f"{unit}, ratio, from sparse rows", both / best(embed), "1")
    for name, seconds in loads.items():
        line("loading encoder and decoder", name, min(seconds), "s")


def main():
    ours, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    make_model(scratch)
    deviations(ours, scratch)
    memory(ours, scratch)
    compare(ours, scratch)


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        worker(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()

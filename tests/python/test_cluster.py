"""examples/cluster: the pipeline on Snakemake's local executor gives what one process gives, and the Slurm script runs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CLUSTER = ROOT / "examples/cluster"
SCDD = Path(os.environ.get("SCDD_BUILT", ROOT / "target/debug")) / "scdd"
SNAKEMAKE = Path(sys.executable).parent / "snakemake"
GRID = (
    "--label cell_type --per-class 1,2 --seeds 2 --methods all-training-cells,class-mean,random-cells,dm "
    "--models linear-head,nearest-neighbours --min-genes 5 --foundation-epochs 1 --steps 2"
)


def cells(path: Path) -> None:
    """Counts of three classes in a form that scdd reads."""
    import anndata
    import numpy as np

    random = np.random.default_rng(3)
    labels = np.repeat(["B", "NK", "T"], 60)
    rates = random.gamma(0.5, 1.0, (3, 80))
    counts = random.poisson(rates[np.repeat(np.arange(3), 60)] * 2).astype("float32")
    found = anndata.AnnData(counts)
    found.obs["cell_type"] = labels
    found.write_h5ad(path)


def rows(path: Path) -> list[dict]:
    costs = ("seconds", "model_seconds", "peak_mb")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in costs} for line in lines]


@unittest.skipUnless(SCDD.exists(), f"there is no {SCDD}: cargo build -p scdd-shell")
class Cluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.place = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.place.name)
        cls.file = cls.folder / "cells.h5ad"
        cells(cls.file)
        cls.whole = cls.folder / "whole.jsonl"
        command = [SCDD, "benchmark", cls.file, *GRID.split(), "--out", cls.whole]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.place.cleanup()

    @unittest.skipUnless(SNAKEMAKE.exists(), f"there is no {SNAKEMAKE}: pip install -r tests/requirements.txt")
    def test_two_shards_by_snakemake_are_one_process(self) -> None:
        command = [SNAKEMAKE, "--snakefile", CLUSTER / "Snakefile", "--cores", "2", "--quiet", "all"]
        command += ["--config", f"grid={self.file} {GRID}", "shards=2", f"scdd={SCDD}"]
        place = dict(os.environ, XDG_CACHE_HOME=str(self.folder / "cache"), HOME=str(self.folder))
        done = subprocess.run(command, cwd=self.folder, env=place, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        results = self.folder / "results"
        self.assertEqual(rows(results / "rows.jsonl"), rows(self.whole))
        self.assertIn("What the paper claims", (results / "results.md").read_text())
        self.assertIn("<svg", (results / "report.html").read_text())
        parts = [len((results / f"rows/{shard}.jsonl").read_text().splitlines()) for shard in (1, 2)]
        self.assertEqual(parts, [len(rows(self.whole)) // 2] * 2)

    def test_two_tasks_of_the_slurm_array_are_one_process(self) -> None:
        bash = shutil.which("bash")
        here = self.folder / "slurm"
        here.mkdir()
        for task in (1, 2):
            place = dict(os.environ, PATH=f"{SCDD.parent}:{os.environ['PATH']}")
            place |= {"SLURM_ARRAY_TASK_ID": str(task), "SHARDS": "2"}
            command = [bash, CLUSTER / "benchmark.slurm", self.file, *GRID.split()]
            subprocess.run(command, cwd=here, env=place, check=True, capture_output=True)
        command = [SCDD, "merge", here / "rows/1.jsonl", here / "rows/2.jsonl", "--out", here / "rows.jsonl"]
        subprocess.run(command, check=True, capture_output=True)
        self.assertEqual(rows(here / "rows.jsonl"), rows(self.whole))


if __name__ == "__main__":
    unittest.main()

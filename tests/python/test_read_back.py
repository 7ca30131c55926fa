"""A file that scdd wrote, opened by anndata and scanpy as everybody opens them: without plugins.

SCDD_WRITTEN names the file, or several with a colon between them. Without it they are those that the notebooks write,
beside themselves, and what a story test leaves in tests/.cache.
"""

import json
import os
import unittest
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]


def written() -> list[Path]:
    named = os.environ.get("SCDD_WRITTEN")
    if named:
        return [Path(path) for path in named.split(":")]
    return sorted(path for folder in ("notebooks", "tests/.cache") for path in (CLONE / folder).glob("*.h5ad"))


class ReadBack(unittest.TestCase):
    def setUp(self):
        self.files = written()
        if not self.files:
            self.skipTest("no file written by scdd: set SCDD_WRITTEN to one, or run `cargo xtask demo` first")

    def test_anndata_opens_it(self):
        import anndata

        for path in self.files:
            with self.subTest(path=path.name):
                cells = anndata.read_h5ad(path)
                self.assertEqual(cells.X.shape, (cells.n_obs, cells.n_vars))
                self.assertEqual(len(set(cells.var_names)), cells.n_vars)
                self.assertGreater(cells.n_obs, 0)

    def test_the_recipe_is_in_it(self):
        import anndata

        for path in self.files:
            with self.subTest(path=path.name):
                self.assertIn("scdd", anndata.read_h5ad(path).uns)

    def test_a_distilled_set_says_what_its_cells_are_like(self):
        import anndata

        for path in self.files:
            with self.subTest(path=path.name):
                found = anndata.read_h5ad(path).uns["scdd"]
                if "pipeline" not in found:
                    continue
                real, own = json.loads(str(found["properties"]))
                self.assertEqual((real["set"], own["set"]), ("real training cells", str(found["method"])))
                self.assertGreater(real["zero_fraction"], 0)
                for name in ("smallest_value", "zero_fraction", "library_size", "correlation_distance"):
                    self.assertIn(name, own)

    def test_markers_are_some_of_the_genes(self):
        import anndata

        for path in self.files:
            with self.subTest(path=path.name):
                cells = anndata.read_h5ad(path)
                self.assertTrue("marker" in cells.var or path.name != "markers.h5ad")
                if "marker" in cells.var:
                    markers = cells.var["marker"].to_numpy()
                    self.assertEqual((markers.dtype, markers.shape), (bool, (cells.n_vars,)))
                    self.assertTrue(0 < markers.sum() < cells.n_vars)

    def test_embeddings_have_a_row_for_each_cell(self):
        import anndata
        import numpy

        for path in self.files:
            with self.subTest(path=path.name):
                cells = anndata.read_h5ad(path)
                for key, array in cells.obsm.items():
                    self.assertEqual((key, array.shape[0], array.ndim), (key, cells.n_obs, 2))
                    self.assertTrue(numpy.isfinite(array).all())
                if path.name == "annotated.h5ad":
                    numpy.testing.assert_array_equal(cells.obsm["X_two"], numpy.add.outer(range(cells.n_obs), [0, 1]))
                    self.assertIn("annotation_confidence", cells.obs)

    def test_scanpy_works_on_it(self):
        import numpy
        import scanpy

        for path in self.files:
            with self.subTest(path=path.name):
                cells = scanpy.read_h5ad(path)
                scanpy.pp.calculate_qc_metrics(cells, inplace=True, percent_top=None)
                self.assertTrue(numpy.isfinite(cells.obs["total_counts"]).all())


if __name__ == "__main__":
    unittest.main()

"""A foundation model that scdd wrote, loaded with numpy by examples/load_foundation.py, computes what PyTorch did.

The story test tests/tests/foundation_file.rs leaves the file in tests/.cache; what PyTorch made of the cells is in
tests/goldens/scimilarity (scimilarity.py wrote it).
"""

import sys
import unittest
from pathlib import Path

CLONE = Path(__file__).resolve().parents[2]
WRITTEN = CLONE / "tests/.cache/foundation.safetensors"
GOLDEN = CLONE / "tests/goldens/scimilarity/golden.safetensors"

sys.path.insert(0, str(CLONE / "examples"))


class Foundation(unittest.TestCase):
    def setUp(self):
        if not WRITTEN.exists():
            self.skipTest(f"no {WRITTEN}: run `cargo test -p scdd-tests --test foundation_file` first")
        import numpy
        from load_foundation import Model
        from safetensors.numpy import load_file

        self.numpy, self.model, self.golden = numpy, Model(WRITTEN), load_file(GOLDEN)
        self.cells = numpy.zeros((len(self.golden["indptr"]) - 1, len(self.model.genes)), numpy.float32)
        rows = numpy.repeat(numpy.arange(len(self.cells)), numpy.diff(self.golden["indptr"]))
        self.cells[rows, self.golden["indices"]] = self.golden["values"]

    def apart(self, found, expected):
        return float(self.numpy.linalg.norm(found - expected) / self.numpy.linalg.norm(expected))

    def test_embeddings_and_reconstructions_are_those_of_pytorch(self):
        embeddings = self.model.encode(self.cells)
        self.assertLess(self.apart(embeddings, self.golden["embeddings"]), 1e-5)
        self.assertLess(self.apart(self.model.decode(embeddings), self.golden["reconstructions"]), 1e-5)

    def test_genes_config_and_card_are_in_it(self):
        self.assertEqual(self.model.genes[0], "GENE00000")
        self.assertEqual((self.model.config["hidden"], self.model.config["latent"]), ([16, 16, 16], 8))
        self.assertIsNone(self.model.card)
        self.assertEqual(len(self.model.checksum), 64)

    def test_the_example_runs_as_it_is(self):
        import contextlib
        import io

        import load_foundation

        with contextlib.redirect_stdout(io.StringIO()) as printed:
            load_foundation.main(WRITTEN)
        self.assertIn("60 genes", printed.getvalue())


if __name__ == "__main__":
    unittest.main()

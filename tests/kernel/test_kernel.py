"""Drives the real kernel: what one cell makes works in the next, figures reach the page, errors lose nothing."""

import os
import unittest
from pathlib import Path

from kernel import CellFailed, Kernel

CLONE = Path(__file__).resolve().parents[2]


def real_cells() -> Path | None:
    """A real data set: the demo's, in the cache where `cargo xtask data` puts it, or one beside the clone."""
    cache = os.environ.get("SCDD_DATA") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "scdd"
    )
    test_data = os.environ.get("SCDD_TEST_DATA") or CLONE.parent / "shared/data"
    places = [Path(cache) / "baron_human.h5ad", Path(test_data) / "baron_human.h5ad"]
    return next((place for place in places if place.exists()), None)


class OneKernel(unittest.TestCase):
    """All tests share a kernel: its start costs more than all of them. Variables have different names."""

    @classmethod
    def setUpClass(cls):
        cls.kernel = cls.enterClassContext(Kernel())
        # No `:dep` line: the library is there.
        cls.kernel.run("use scdd::prelude::*;")
        cls.kernel.run("use scdd::burn::tensor::{Device, Tensor};")

    def test_gradients_cross_cells(self):
        run = self.kernel.run
        run("let device = Device::flex().autodiff();")
        run("let weights = Tensor::<1>::from_floats([1.0, 2.0, 3.0], &device).require_grad();")
        run("let loss = (weights.clone() * weights.clone()).sum();")
        run("let gradients = loss.backward();")
        found = run('println!("{:?}", weights.grad(&gradients).unwrap().into_data().to_vec::<f32>().unwrap());')
        self.assertIn("[2.0, 4.0, 6.0]", found)

    def test_a_data_set_crosses_cells(self):
        path = real_cells()
        if path is None:
            self.skipTest("no baron_human.h5ad: run `cargo xtask data`, or set SCDD_TEST_DATA to a folder that has it")
        run = self.kernel.run
        run(f'let cells = scdd::read_h5ad("{path}")?;')
        self.assertIn("2142", run('println!("{}", cells.cells());'))
        self.assertIn("cell_type1", run('println!("{:?}", cells.obs().get_column_names());'))

    def test_a_data_frame_crosses_cells(self):
        run = self.kernel.run
        run("use scdd::polars::prelude::*;")
        run('let frame = df!["gene" => ["INS", "GCG", "SST"], "cells" => [3i64, 1, 2]]?;')
        found = run('println!("{}", frame.sort(["cells"], Default::default())?.column("gene")?.str()?.get(0).unwrap());')
        self.assertIn("GCG", found)

    def test_a_figure_reaches_the_page(self):
        data = self.kernel.data(
            "let mut plot = scdd::plotly::Plot::new();\n"
            "plot.add_trace(scdd::plotly::Scatter::new(vec![0.0, 1.0], vec![1.0, 0.0]));\n"
            "plot.evcxr_display();"
        )
        self.assertIn("application/vnd.plotly.v1+json", data)
        self.assertEqual(len(data["application/vnd.plotly.v1+json"]["data"]), 1)

    def test_an_error_loses_nothing(self):
        run = self.kernel.run
        run("let kept = vec![1, 2, 3];")
        with self.assertRaises(CellFailed) as wrong_type:
            run('let broken: i32 = "text";')
        self.assertIn("mismatched types", str(wrong_type.exception))
        self.assertIn("3", run('println!("{}", kept.len());'))
        # A panic while running, not while compiling.
        try:
            run("let index = kept.len() + 1; kept[index];")
        except CellFailed:
            pass
        self.assertIn("[1, 2, 3]", run('println!("{kept:?}");'))

    def test_a_questioned_error_is_shown(self):
        try:
            shown = str(self.kernel.outputs('scdd::read_h5ad("no/such/file.h5ad")?;'))
        except CellFailed as error:
            shown = str(error)
        self.assertIn("no/such/file.h5ad", shown)


class TwoKernels(unittest.TestCase):
    def test_they_run_beside_each_other(self):
        with Kernel() as first, Kernel() as second:
            first.run("let here = 1;")
            second.run("let here = 2;")
            self.assertIn("1", first.run('println!("{here}");'))
            self.assertIn("2", second.run('println!("{here}");'))


if __name__ == "__main__":
    unittest.main()

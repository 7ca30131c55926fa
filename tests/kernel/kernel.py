"""A running kernel to send cells to, through nbclient, as JupyterLab and nbconvert do."""

import os
import re

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# What `jupyter kernelspec list` calls the kernel: "scdd", or "scdd-evcxr" to try the second engine.
NAME = os.environ.get("SCDD_KERNEL", "scdd")
ON_EVCXR = NAME.endswith("evcxr")

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class CellFailed(Exception):
    """A cell ended with an error; the message is what a reader sees."""


def errors(cell) -> str:
    shown = [line for output in cell.outputs for line in output.get("traceback", [])]
    return COLOURS.sub("", "\n".join(shown))


class Kernel:
    """`with Kernel() as kernel: kernel.run("1 + 1")`."""

    def __init__(self):
        self.notebook = nbformat.v4.new_notebook()
        self.client = NotebookClient(self.notebook, kernel_name=NAME, timeout=900, startup_timeout=900)

    def __enter__(self):
        self.setup = self.client.setup_kernel()
        self.setup.__enter__()
        return self

    def __exit__(self, *error):
        return self.setup.__exit__(*error)

    def outputs(self, code: str) -> list:
        cell = nbformat.v4.new_code_cell(code)
        self.notebook.cells.append(cell)
        try:
            self.client.execute_cell(cell, len(self.notebook.cells) - 1)
        except CellExecutionError:
            raise CellFailed(errors(cell)) from None
        return cell.outputs

    def run(self, code: str) -> str:
        """What the cell printed and, at its end, shows as text."""
        text = ""
        for output in self.outputs(code):
            if output.output_type == "stream":
                text += output.text
            else:
                text += output.get("data", {}).get("text/plain", "")
        return text

    def data(self, code: str) -> dict:
        """What the cell shows, by MIME type."""
        found = {}
        for output in self.outputs(code):
            found.update(output.get("data", {}))
        return found

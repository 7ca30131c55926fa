"""Executes a notebook from top to bottom through a kernel, and says how far it is.

    python run_notebook.py notebook.ipynb [--out executed.ipynb] [--html page.html] [--json timings.json]
                           [--kernel scdd]

`--out` is written only when every cell succeeded; the notebook itself may be named there.
"""

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

import nbformat
from memory import Peak
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# evcxr's rust-analyzer reads the library before the kernel answers for the first time.
STARTUP_SECONDS = 900
CELL_SECONDS = 3600
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def first_line(cell) -> str:
    lines = [line for line in cell.source.splitlines() if line.strip() and not line.startswith("use ")]
    return (lines or cell.source.splitlines() or [""])[0][:90]


def complaints(cell) -> list[str]:
    """What a cell wrote to stderr. For evcxr an error behind `?` and a panic are no failures: it prints them there.

    (So do cargo's lines about what it compiles.)
    """
    text = "".join(output.text for output in cell.get("outputs", []) if output.get("name") == "stderr")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("Compiling ")]


def shown(cell) -> list[str]:
    """What a failed cell shows, as plain lines."""
    lines = []
    for output in cell.outputs:
        lines += output.get("traceback", []) or output.get("text", "").splitlines()
    return [COLOURS.sub("", line) for line in lines]


def library_seconds() -> float:
    """What the library says its work has taken so far: lines of JSON in the file that SCDD_BENCH_FILE names."""
    reported = Path(os.environ.get("SCDD_BENCH_FILE", os.devnull))
    lines = reported.read_text().splitlines() if reported.exists() else []
    return sum(json.loads(line)["seconds"] for line in dict.fromkeys(lines))


class Progress:
    """nbclient's hooks: one line per cell, with its seconds."""

    def __init__(self, notebook):
        self.worked = 0.0
        self.cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        self.done = []

    def begin(self, cell, cell_index):
        self.began = time.monotonic()
        place = self.cells.index(cell) + 1
        print(f"  [{place:2}/{len(self.cells)}] {first_line(cell)}", flush=True)

    def end(self, cell, cell_index, execute_reply):
        seconds = time.monotonic() - self.began
        before, self.worked = self.worked, library_seconds()
        self.done.append({"cell": first_line(cell), "seconds": seconds, "work": self.worked - before})
        print(f"          {seconds:.1f} s", flush=True)


def write(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def page(notebook, path: Path) -> None:
    from nbconvert import HTMLExporter

    body, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    write(path, body)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("notebook", type=Path)
    for option in ("--out", "--html", "--json"):
        arguments.add_argument(option, type=Path)
    arguments.add_argument("--kernel", default="scdd")
    asked = arguments.parse_args()

    notebook = nbformat.read(asked.notebook, as_version=4)
    progress = Progress(notebook)
    client = NotebookClient(
        notebook,
        kernel_name=asked.kernel,
        timeout=CELL_SECONDS,
        startup_timeout=STARTUP_SECONDS,
        # Times of execution would differ in every commit.
        record_timing=False,
        resources={"metadata": {"path": str(asked.notebook.resolve().parent)}},
        on_cell_execute=progress.begin,
        on_cell_executed=progress.end,
    )
    print(f"{asked.notebook.name}: {len(progress.cells)} cells; the kernel starts ...", flush=True)
    began = time.monotonic()
    with Peak(os.getpid()) as peak:
        try:
            with client.setup_kernel():
                ready = time.monotonic() - began
                print(f"  kernel ready after {ready:.1f} s", flush=True)
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
                    if complaints(cell):
                        raise CellExecutionError("", "", "")
                client.set_widgets_metadata()
        except CellExecutionError:
            # evcxr says what was wrong in the output only, not in the reply that nbclient's error is made of.
            print(cell.source, *shown(cell), sep="\n", file=sys.stderr)
            sys.exit(f"{asked.notebook}: this cell failed; nothing was written.")
    wall = time.monotonic() - began
    print(f"{asked.notebook.name}: {wall:.0f} s, at most {peak.bytes / 1e9:.1f} GB", flush=True)

    if asked.out:
        write(asked.out, nbformat.writes(notebook) + "\n")
    if asked.html:
        page(notebook, asked.html)
    if asked.json:
        found = {"wall": wall, "ready": ready, "peak_bytes": peak.bytes, "cells": progress.done}
        write(asked.json, json.dumps(found))


if __name__ == "__main__":
    main()

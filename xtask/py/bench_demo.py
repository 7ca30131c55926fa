"""Prints what the demo and the kernel cost, as JSON lines.

    python bench_demo.py notebook.ipynb <scratch folder> <whole_path, compiled>

The last is the quick start as a program: what its steps take outside a notebook, right after the notebook's own.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from jupyter_client.manager import KernelManager

STARTUP_SECONDS = 900
TRIVIAL_CELLS = 15


def line(case: str, figure: str, value: float, unit: str) -> None:
    found = {"bench": "demo", "case": case, "figure": figure, "value": float(f"{value:.4g}"), "unit": unit}
    print(json.dumps(found), flush=True)


def seconds(client, code: str) -> float:
    began = time.monotonic()
    reply = client.execute_interactive(code, timeout=STARTUP_SECONDS, output_hook=lambda _: None)
    took = time.monotonic() - began
    if reply["content"]["status"] != "ok":
        sys.exit(f"the cell {code!r} failed: {reply['content']}")
    return took


def kernel() -> None:
    """Cells that do nothing: what is left is what a cell costs."""
    manager = KernelManager(kernel_name="scdd")
    began = time.monotonic()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=STARTUP_SECONDS)
        line("kernel", "start until ready", time.monotonic() - began, "s")
        line("kernel", "use scdd::prelude::*", seconds(client, "use scdd::prelude::*;"), "s")
        line("kernel", "first let", seconds(client, "let first = 1;"), "s")
        later = [seconds(client, f"let x{number} = {number};") for number in range(TRIVIAL_CELLS)]
        line("kernel", "median cell that does nothing", statistics.median(later), "s")
        line("kernel", "slowest cell that does nothing", max(later), "s")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


def notebook(path: str, scratch: Path) -> None:
    timings, reported = scratch / "timings.json", scratch / "library.jsonl"
    reported.unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).with_name("run_notebook.py")), path, "--json", str(timings)]
    # What it says about its progress is not a figure.
    subprocess.run(command, check=True, stdout=sys.stderr, env=dict(os.environ, SCDD_BENCH_FILE=str(reported)))
    found = json.loads(timings.read_text())
    line("quick_start", "wall time once built", found["wall"], "s")
    line("quick_start", "kernel start", found["ready"], "s")
    line("quick_start", "peak memory of the kernel and what it starts", found["peak_bytes"] / 1e9, "GB")
    beyond = [cell["seconds"] - cell["work"] for cell in found["cells"]]
    line("quick_start", "median cell beyond the work it does", statistics.median(beyond), "s")
    tasks("quick_start", reported)


def tasks(case: str, reported: Path) -> None:
    """What the library said about its work."""
    for report in dict.fromkeys(reported.read_text().splitlines() if reported.exists() else []):
        task = json.loads(report)
        line(f"{case}: {task['task']}", "seconds per step", task["seconds"] / max(task["steps"], 1), "s")
        line(f"{case}: {task['task']}", "time", task["seconds"], "s")


def outside(program: str, scratch: Path) -> None:
    reported = scratch / "outside.jsonl"
    reported.unlink(missing_ok=True)
    subprocess.run([program], check=True, stdout=sys.stderr, env=dict(os.environ, SCDD_BENCH_FILE=str(reported)))
    tasks("outside a notebook", reported)


if __name__ == "__main__":
    kernel()
    notebook(sys.argv[1], Path(sys.argv[2]))
    outside(sys.argv[3], Path(sys.argv[2]))

"""What a cell costs from its request to its reply, beside evcxr, and what the kernels hold, as JSON lines.

    python bench_kernel.py kernel/bench/cells.txt <folder of the built programs> <scratch folder>

Three kernels run as Jupyter starts them, with the same Jupyter side: the kernel's own evaluator; evcxr with our short
list of packages for its analyser; evcxr as it is released, which reads all of them. All have the library compiled. Each
cell goes to the three in turn, so that what else the machine does meets all alike. A cell's own work, which our evaluator
measures, is taken off all three times; it is milliseconds.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

MARK = "//%%"
SECONDS = 900
# What evcxr can't run as the other engine does, and why.
NOT_ON_EVCXR = {
    "async": "for .await evcxr adds tokio with all its features, and compiles what the library has above tokio again",
}
ENGINES = {
    "scdd": ("scdd-kernel", {}),
    "evcxr": ("scdd-kernel-evcxr", {}),
    "evcxr as released": ("scdd-kernel-evcxr", {"SCDD_EVCXR_STOCK": "1"}),
}
# Of what evcxr writes to stderr, what is no failure: lints it calls errors too.
NO_FAILURE = ("Compiling ", "error[unused_")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def line(**found):
    rounded = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in found.items()}
    print(json.dumps({"bench": "kernel", **rounded}), flush=True)


def cells(path):
    parts = Path(path).read_text().split(MARK)[1:]
    return [(title.strip(), code.rstrip()) for title, code in (part.split("\n", 1) for part in parts)]


def resident(pid, key="VmRSS"):
    """MiB, as the system counts them."""
    for found in Path(f"/proc/{pid}/status").read_text().splitlines():
        if found.startswith(key + ":"):
            return int(found.split()[1]) / 1024
    return 0.0


def processor_seconds(pid):
    """Of a process and of those that it has started and that have ended: compilers."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Kernel:
    """One kernel, as JupyterLab would start it."""

    def __init__(self, name):
        from jupyter_client.manager import KernelManager
        from memory import Peak

        self.name, self.started, self.left = name, {}, {}
        program, more = ENGINES[name]
        self.manager = KernelManager(kernel_name=program)
        began = time.monotonic()
        self.manager.start_kernel(env=dict(os.environ, **more), stdout=sys.stderr)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)
        self.ready = time.monotonic() - began
        self.pid = self.manager.provisioner.process.pid
        self.peak = Peak(self.pid)
        self.peak.__enter__()

    def execute(self, code):
        """Seconds from the request to its reply, processor seconds of the kernel and its compilers, the reply, and what
        was wrong."""
        shown, used = [], processor_seconds(self.pid)
        began = time.monotonic()
        asked = self.client.execute(code)
        while True:
            reply = self.client.get_shell_msg(timeout=SECONDS)
            if reply["parent_header"].get("msg_id") == asked:
                break
        took = time.monotonic() - began
        while True:
            message = self.client.get_iopub_msg(timeout=SECONDS)
            if message["parent_header"].get("msg_id") != asked:
                continue
            content = message["content"]
            shown += content.get("traceback", []) + [content.get("text", "")] * (content.get("name") == "stderr")
            if content.get("execution_state") == "idle":
                break
        used = processor_seconds(self.pid) - used
        lines = [found for found in COLOURS.sub("", "\n".join(shown)).splitlines() if found.strip()]
        words = "\n".join(lines)
        if reply["content"]["status"] != "ok":
            if self.name == "scdd":
                sys.exit(f"the cell {code!r} failed: {words}")
            return took, used, reply, words or "it failed without a word"
        # evcxr's reply to `?` of an error and to a panic is ok. Ours says on stderr what can't be kept.
        words = "\n".join(found for found in lines if not found.lstrip().startswith(NO_FAILURE))
        return took, used, reply, words if self.name != "scdd" else ""

    def memory(self):
        """The kernel's process, and those that it has started."""
        import psutil

        children = sum(resident(child.pid) for child in psutil.Process(self.pid).children(recursive=True))
        return resident(self.pid), children

    def close(self):
        self.peak.__exit__()
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def at(values, part):
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * part // 100) - 1)]


def main():
    listed, built, scratch = sys.argv[1:]
    # Kernel specs of its own, so that none that somebody installed is replaced.
    for program in {program for program, _ in ENGINES.values()}:
        subprocess.run(
            [Path(built) / program, "install", "--prefix", scratch, "--name", program], check=True, stdout=sys.stderr
        )
    os.environ["JUPYTER_PATH"] = str(Path(scratch) / "share/jupyter")

    kernels, times, failed = [], {name: {} for name in ENGINES}, {}
    try:
        for name in ENGINES:
            kernels.append(Kernel(name))
            own, children = kernels[-1].memory()
            line(case="ready", engine=name, seconds=kernels[-1].ready, kernel_MiB=own, children_MiB=children)
        for title, code in cells(listed):
            work = 0.0
            for kernel in kernels:
                if kernel.name != "scdd" and title in NOT_ON_EVCXR:
                    continue
                took, used, reply, words = kernel.execute(code)
                if words:
                    failed.setdefault(title, (kernel.name, words))
                parts = reply["metadata"].get("parts", {})
                work = parts.get("run", work)
                beyond = max(took - work, 0.0)
                times[kernel.name][title] = (beyond, used)
                line(case=title, engine=kernel.name, total=took, beyond=beyond, cpu=used, **parts)
        for title, (engine, words) in failed.items():
            line(case=title, engine=engine, failed=words[:300])
        for title, why in NOT_ON_EVCXR.items():
            line(case=title, left_out_of="the comparison", why=why)
        summary(kernels, times, failed)
    finally:
        for kernel in kernels:
            kernel.close()


def summary(kernels, times, failed):
    """Over all cells for our kernel, and over those that all engines ran."""
    ran = times["scdd"]
    beyond, used = zip(*ran.values())
    line(case="all", engine="scdd", cells=len(ran), median=at(beyond, 50), p95=at(beyond, 95), cpu_median=at(used, 50))
    both = [title for title in ran if title not in NOT_ON_EVCXR and title not in failed]
    ours = [at([ran[title][kind] for title in both], 50) for kind in (0, 1)]
    for kernel in kernels:
        beyond, used = zip(*(times[kernel.name][title] for title in both))
        own, children = kernel.memory()
        line(
            case="cells of all engines",
            engine=kernel.name,
            cells=len(both),
            median=at(beyond, 50),
            p95=at(beyond, 95),
            times_ours=at(beyond, 50) / ours[0],
            cpu_median=at(used, 50),
            cpu_times_ours=at(used, 50) / ours[1],
            ready=kernel.ready,
            kernel_MiB=own,
            kernel_peak_MiB=resident(kernel.pid, "VmHWM"),
            children_MiB=children,
            children_peak_MiB=kernel.peak.bytes / 2**20,
        )


if __name__ == "__main__":
    main()

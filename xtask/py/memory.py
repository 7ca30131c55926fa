"""The most memory that a process and its children held, read four times a second."""

import threading

import psutil


class Peak:
    """`with Peak(pid) as peak: ...`, then `peak.bytes`: the resident memory of all children together.

    Pages that two processes share are counted in both, so it is an upper bound.
    """

    def __init__(self, parent: int):
        self.parent = psutil.Process(parent)
        self.bytes = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.ended.wait(0.25):
            total = 0
            for child in self.parent.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.Error:
                    pass  # it has just ended
            self.bytes = max(self.bytes, total)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()

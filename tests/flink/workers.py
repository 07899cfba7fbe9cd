"""What the processes of workers use, watched from outside while a job runs."""

import os
import re
import threading
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
LOOK, WEIGH = 0.05, 0.5
"""Seconds between two looks at processor time, and at memory, which costs the process that is looked at some time."""


class Workers:
    """Processor seconds and largest memory of the processes whose command line holds `mark`."""

    def __init__(self, mark: bytes):
        self._mark, self._others, self._seconds, self._most = mark, set(), {}, {}
        self._ended, self._thread = threading.Event(), threading.Thread(target=self._watch)

    def __enter__(self):
        # Those of the last job that have not ended yet are none of ours.
        self._others = {folder.name for folder in Path("/proc").glob("[0-9]*")}
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        looks = 0
        while not self._ended.wait(LOOK):
            looks += 1
            for name in os.listdir("/proc"):
                if name.isdigit() and name not in self._others:
                    try:
                        self._look(Path("/proc", name), weigh=looks % round(WEIGH / LOOK) == 0)
                    except OSError:
                        pass  # has ended

    def _look(self, folder: Path, weigh: bool):
        if folder.name not in self._seconds and self._mark not in (folder / "cmdline").read_bytes():
            return  # not yet: a process that was just started has its parent's
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        self._seconds[folder.name] = (int(fields[11]) + int(fields[12])) / TICKS
        if weigh:
            text = (folder / "smaps_rollup").read_text()
            for kind in ("Rss", "Anonymous"):
                kilobytes = sum(map(int, re.findall(rf"^{kind}\w*: +(\d+)", text, re.MULTILINE)))
                self._most[kind] = max(kilobytes, self._most.get(kind, 0))

    @property
    def seconds(self) -> float:
        """Of all of them, from their start on."""
        return sum(self._seconds.values())

    def most(self, kind: str) -> float:
        """Megabytes of the largest: `Rss`, all pages; or `Anonymous`, without those that are a file's, which processes share."""
        return self._most.get(kind, 0) / 1024

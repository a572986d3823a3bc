"""The CPU time of processes, from /proc. The kernel counts it in steps of 10 ms."""

import os
from pathlib import Path
from typing import NamedTuple

TICK = 1 / os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """The parent of a process, and the CPU seconds of it and of its ended children. proc(5)."""

    parent: int
    seconds: float


def processes() -> dict[int, Process]:
    """Return the running processes by their ids."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, which is in parentheses, may contain spaces and parentheses.
            fields = file.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks = sum(map(int, fields[11:15]))
        found[int(file.parent.name)] = Process(int(fields[1]), ticks * TICK)
    return found


def seconds_of(*roots: int) -> list[float]:
    """Return the CPU seconds used so far by each process and its descendants."""
    running = processes()
    totals = dict.fromkeys(roots, 0.0)
    for pid, process in running.items():
        ancestor = pid
        while ancestor not in totals and ancestor in running:
            ancestor = running[ancestor].parent
        if ancestor in totals:
            totals[ancestor] += process.seconds
    return list(totals.values())


def postmaster_of(backend: int) -> int | None:
    """Return the process that started a PostgreSQL backend, or None if it runs on another machine."""
    backend_process = processes().get(backend)
    if backend_process is None or Path(f"/proc/{backend}/comm").read_text().strip() != "postgres":
        return None
    return backend_process.parent

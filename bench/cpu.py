"""CPU time of processes, as the kernel counts it in /proc, in steps of 10 ms a process."""

import os
from pathlib import Path
from typing import NamedTuple

TICK = 1 / os.sysconf("SC_CLK_TCK")


class Process(NamedTuple):
    """One line of /proc: proc(5)."""

    parent: int
    seconds: float


def processes() -> dict[int, Process]:
    """Return what runs, each with its own time and that of the children it has buried."""
    found = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name may hold spaces and parentheses.
            fields = file.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        ticks = sum(map(int, fields[11:15]))
        found[int(file.parent.name)] = Process(int(fields[1]), ticks * TICK)
    return found


def seconds_of(*roots: int) -> list[float]:
    """Return the CPU seconds so far of each process and all that descend from it."""
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
    """Return the process that started a PostgreSQL backend, None where it does not run here."""
    backend_process = processes().get(backend)
    if backend_process is None or Path(f"/proc/{backend}/comm").read_text().strip() != "postgres":
        return None
    return backend_process.parent

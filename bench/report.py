"""What was measured, as tables for people and as ratios for a check."""

import os
import platform
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.load import Outcome
from bench.servers import FASTAPI, FLOOR, OURS, ROOT

RESULTS = ROOT / "bench" / "RESULTS.md"
PACKAGES = (
    "django djangorestframework psycopg orjson gunicorn pyjwt "
    "fastapi pydantic sqlmodel sqlalchemy asyncpg uvicorn"
)
NAMES = {OURS: "this project", FASTAPI: "FastAPI", FLOOR: "floor"}
TARGET_MS = 200
METHOD = """\
{tasks:,} tasks of {users:,} users; {signed_in} users are signed in, and requests go to {each} tasks of
each. wrk, on one thread, keeps every connection busy for 1 s (a closed loop); {rounds} rounds, a second of
each server in alternating order, `VACUUM` and `CHECKPOINT` between. Every figure is the median of the
rounds with the least and the greatest; a ratio is taken round by round. The mix is 50 list / 25 get / 12
create / 13 patch; a list has 20 tasks. `unchanged` is the list with `If-None-Match`: 304 here, 200 from the
peers. An error is any other status than the right one, or a connection that broke or timed out.

CPU is the user and system time of all processes of a server, and of PostgreSQL with its background
processes, from /proc (in steps of 10 ms a process), by the requests answered. All three have {workers}
processes; this project and the floor {threads} threads in each, the peer {pool} pooled connections in each.
The peer logs a line a request as uvicorn does by default, this project its own, the floor none. Before the
run the three were compared body by body.
"""


class Second(NamedTuple):
    """One second of one server: what wrk saw, and the CPU seconds that it took (None where unknown)."""

    outcome: Outcome
    application: float
    postgres: float | None


# One round: a second of each server, by name. The rounds of each work, by number of connections.
Round = dict[str, Second]
Measured = dict[tuple[str, int], list[Round]]

MEASURES: dict[str, Callable[[Second], float | None]] = {
    "requests/s": lambda second: second.outcome.requests / second.outcome.seconds,
    "p50 ms": lambda second: second.outcome.p50,
    "p95 ms": lambda second: second.outcome.p95,
    "p99 ms": lambda second: second.outcome.p99,
    "application CPU ms": lambda second: per_request(second.application, second),
    "PostgreSQL CPU ms": lambda second: per_request(second.postgres, second),
}
# The keys of results.json: measure, peer, connections. All of the mix, ours over the peer's.
RATIOS = {
    "rps_vs_fastapi_16": ("requests/s", FASTAPI, 16),
    "rps_vs_fastapi_100": ("requests/s", FASTAPI, 100),
    "p95_vs_fastapi_100": ("p95 ms", FASTAPI, 100),
    "app_cpu_vs_fastapi": ("application CPU ms", FASTAPI, 16),
    "postgres_cpu_vs_fastapi": ("PostgreSQL CPU ms", FASTAPI, 16),
    "rps_vs_floor_16": ("requests/s", FLOOR, 16),
}

OPEN_LOOP = """\
Half of what the mix reached at 100 connections arrives at random times (a Poisson process), whether or not
the answers keep up, for 30 s; 44 list / 22 get / 12 create / 12 patch / 5 complete / 5 delete. A latency is
counted from the time at which the request was due. The client is a Python one (wrk has no open loop) on the
same cores.
"""


def per_request(seconds: float | None, second: Second) -> float | None:
    """Return the milliseconds of CPU that a request took."""
    return None if seconds is None else seconds * 1000 / max(second.outcome.requests, 1)


def spread(values: list[float | None], form: str) -> str:
    """Return the median with the least and the greatest."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{median(known):{form}} ({min(known):{form}} to {max(known):{form}})"


def ratios(rounds: list[Round], measure: str, peer: str) -> list[float | None]:
    """Return ours over the peer's, round by round: what the machine does to both cancels out."""
    read = MEASURES[measure]
    pairs = [(read(round_[OURS]), read(round_[peer])) for round_ in rounds]
    return [ours / theirs if ours is not None and theirs else None for ours, theirs in pairs]


def work_table(rounds: list[Round]) -> list[str]:
    """Return the rows of one work at one number of connections."""
    rows = []
    for name, title in NAMES.items():
        seconds = [round_[name] for round_ in rounds]
        cells = [
            spread([read(second) for second in seconds], ",.0f" if measure == "requests/s" else ".3g")
            for measure, read in MEASURES.items()
        ]
        rows.append([title, *cells, str(sum(second.outcome.errors for second in seconds))])
    for peer in (FASTAPI, FLOOR):
        cells = [spread(ratios(rounds, measure, peer), ".2f") for measure in MEASURES]
        rows.append([f"**ours / {NAMES[peer]}**", *cells, ""])
    return [f"| {' | '.join(row)} |" for row in rows]


def tables(measured: Measured) -> str:
    """Return a table for each work and number of connections."""
    head = ["", *MEASURES, "errors"]
    parts = []
    for (work, connections), rounds in measured.items():
        parts += [
            f"### {work}, {connections} connection{'s' * (connections > 1)}\n",
            f"| {' | '.join(head)} |",
            f"|{'---|' * len(head)}",
            *work_table(rounds),
            "",
        ]
    return "\n".join(parts)


def ratio_values(measured: Measured) -> dict[str, float | None]:
    """Return the ratios of results.json: the median of the rounds, None where it was not measured."""
    values: dict[str, float | None] = {}
    for key, (measure, peer, connections) in RATIOS.items():
        found = ratios(measured.get(("mix", connections), []), measure, peer)
        known = [value for value in found if value is not None]
        values[key] = round(median(known), 3) if known else None
    return values


def open_loop_table(measured: dict[str, dict[str, float]]) -> str:
    """Return the table of the open loop."""
    rows = [
        "| operation | requests | errors | p50 ms | p95 ms | p99 ms | p95 within 200 ms |",
        f"|{'---|' * 7}",
    ]
    for kind, row in measured.items():
        times = " | ".join(f"{row[name]:.1f}" for name in ("p50", "p95", "p99"))
        within = "yes" if row["p95"] <= TARGET_MS and not row["errors"] else "**no**"
        rows.append(f"| {kind} | {row['requests']:,} | {row['errors']} | {times} | {within} |")
    return "\n".join(rows)


def circumstances(postgres: dict[str, str], wrk: str) -> dict[str, Any]:
    """Return when this was, and what it ran on."""
    cpu = re.search(r"model name\s*: (.+)", read_or_empty("/proc/cpuinfo"))
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{os.cpu_count()} cores, {cpu[1] if cpu else platform.machine()}, {platform.system()}",
        "python": f"{platform.python_version()}, {platform.python_compiler()}",
        "packages": {name: version(name) for name in PACKAGES.split()},
        "postgresql": postgres,
        "wrk": wrk,
    }


def read_or_empty(path: str) -> str:
    """Return a file's text, where there is such a file."""
    file = Path(path)
    return file.read_text() if file.exists() else ""


def write_section(heading: str, text: str) -> None:
    """Put a section of RESULTS.md in the place of the one that had its heading; the others stay."""
    old = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    title, *sections = re.split(r"(?m)^(?=## )", old)
    kept = {section.partition("\n")[0]: section.strip() for section in sections}
    kept[f"## {heading}"] = f"## {heading}\n\n{text.strip()}"
    RESULTS.write_text("\n\n".join([title.strip(), *kept.values()]) + "\n")


def describe(context: dict[str, Any]) -> str:
    """Return how it was measured and on what."""
    packages = ", ".join(f"{name} {number}" for name, number in context["packages"].items())
    postgres = ", ".join(f"{name} {setting}" for name, setting in context["postgresql"].items())
    lines = [
        METHOD.format(**context),
        f"- {context['date']}, {context['machine']}",
        f"- Python {context['python']}; {packages}",
        f"- PostgreSQL {postgres}; {context['wrk']}",
    ]
    return "\n".join(lines)


def throughput(
    context: dict[str, Any],
    values: dict[str, float | None],
    measured: Measured,
    open_loop: tuple[float, dict[str, dict[str, float]]] | None,
) -> str:
    """Return the section of RESULTS.md."""
    rows = [f"| `{key}` | {'-' if value is None else f'{value:.2f}'} |" for key, value in values.items()]
    parts = [describe(context), "\n".join(["| ratio, mix | |", "|---|---|", *rows])]
    if open_loop:
        rate, latencies = open_loop
        parts.append(f"### Open loop, 100 connections, {rate:.0f} requests/s\n\n{OPEN_LOOP}")
        parts.append(open_loop_table(latencies))
    return "\n\n".join([*parts, tables(measured)])

"""Formats the results: tables for RESULTS.md and ratios for results.json."""

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
The database has {tasks:,} tasks of {users:,} users. {signed_in} users are signed in, and the requests use
{each} tasks of each. wrk keeps every connection busy for 1 s, on one thread (a closed loop). There are
{rounds} rounds. Each measures a second of every server, in alternating order, after `VACUUM` and
`CHECKPOINT`. A figure is the median of the rounds, with the minimum and the maximum. A ratio is computed in
each round. The mix is 50 list / 25 get / 12 create / 13 patch, and a list has 20 tasks. `unchanged` is the
list with `If-None-Match`: this project returns 304, the peers 200. An error is an unexpected status, or a
connection that broke or timed out.

CPU is the user and system time for each request, of all processes of a server, and of PostgreSQL with its
background processes. It comes from /proc, in steps of 10 ms. All three servers have {workers} processes.
This project and the floor have {threads} threads in each, the peer has a pool of {pool} connections in each.
The peer logs each request as uvicorn does by default, this project writes its request log, the floor logs
nothing. Before the run the responses of the three were compared.
"""


class Second(NamedTuple):
    """One second of one server: the result of wrk, and the CPU seconds. None: PostgreSQL runs elsewhere."""

    outcome: Outcome
    application: float
    postgres: float | None


# A round has a second of each server, by name. The rounds are stored by kind of request and connections.
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
# The keys of results.json with measure, peer and connections. Each is this project's value over the
# peer's, for the mix.
RATIOS = {
    "rps_vs_fastapi_16": ("requests/s", FASTAPI, 16),
    "rps_vs_fastapi_100": ("requests/s", FASTAPI, 100),
    "p95_vs_fastapi_100": ("p95 ms", FASTAPI, 100),
    "app_cpu_vs_fastapi": ("application CPU ms", FASTAPI, 16),
    "postgres_cpu_vs_fastapi": ("PostgreSQL CPU ms", FASTAPI, 16),
    "rps_vs_floor_16": ("requests/s", FLOOR, 16),
}

OPEN_LOOP = """\
For 30 s requests arrive at random times (a Poisson process), at half the rate that the mix reached with 100
connections: 44 list / 22 get / 12 create / 12 patch / 5 complete / 5 delete. They do not wait for earlier
responses. A latency starts when the request is due. The client is written in Python, because wrk has no open
loop, and uses the same cores.
"""


def per_request(seconds: float | None, second: Second) -> float | None:
    """Return the milliseconds of CPU for each request."""
    return None if seconds is None else seconds * 1000 / max(second.outcome.requests, 1)


def spread(values: list[float | None], form: str) -> str:
    """Return the median with the minimum and the maximum, or "-" without values."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    return f"{median(known):{form}} ({min(known):{form}} to {max(known):{form}})"


def ratios(rounds: list[Round], measure: str, peer: str) -> list[float | None]:
    """Return this project's value over the peer's in each round. What slows down both cancels out."""
    read = MEASURES[measure]
    pairs = [(read(round_[OURS]), read(round_[peer])) for round_ in rounds]
    return [ours / theirs if ours is not None and theirs else None for ours, theirs in pairs]


def work_table(rounds: list[Round]) -> list[str]:
    """Return the rows of the table for one kind of request and number of connections."""
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
    """Return a table for each kind of request and number of connections."""
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
    """Return the ratios of results.json: the median of the rounds, or None if it was not measured."""
    values: dict[str, float | None] = {}
    for key, (measure, peer, connections) in RATIOS.items():
        found = ratios(measured.get(("mix", connections), []), measure, peer)
        known = [value for value in found if value is not None]
        values[key] = round(median(known), 3) if known else None
    return values


def open_loop_table(measured: dict[str, dict[str, float]]) -> str:
    """Return the latencies of the open loop as a Markdown table."""
    rows = [
        "| operation | requests | errors | p50 ms | p95 ms | p99 ms | p95 within 200 ms |",
        f"|{'---|' * 7}",
    ]
    for kind, row in measured.items():
        times = " | ".join(f"{row[name]:.1f}" for name in ("p50", "p95", "p99"))
        within = "yes" if row["p95"] <= TARGET_MS and not row["errors"] else "**no**"
        rows.append(f"| {kind} | {row['requests']:,} | {row['errors']} | {times} | {within} |")
    return "\n".join(rows)


def describe_machine(postgres: dict[str, str], wrk: str) -> dict[str, Any]:
    """Return the date, the machine and the versions."""
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
    """Return the text of a file, or an empty string if there is no file."""
    file = Path(path)
    return file.read_text() if file.exists() else ""


def write_section(heading: str, text: str) -> None:
    """Replace the section of RESULTS.md with this heading, or append it."""
    old = RESULTS.read_text() if RESULTS.exists() else "# Results\n"
    title, *sections = re.split(r"(?m)^(?=## )", old)
    kept = {section.partition("\n")[0]: section.strip() for section in sections}
    kept[f"## {heading}"] = f"## {heading}\n\n{text.strip()}"
    RESULTS.write_text("\n\n".join([title.strip(), *kept.values()]) + "\n")


def describe(context: dict[str, Any]) -> str:
    """Return the description of the method and of the machine."""
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
    """Return the text of the section `Throughput` of RESULTS.md."""
    rows = [f"| `{key}` | {'-' if value is None else f'{value:.2f}'} |" for key, value in values.items()]
    parts = [describe(context), "\n".join(["| ratio, mix | |", "|---|---|", *rows])]
    if open_loop:
        rate, latencies = open_loop
        parts.append(f"### Open loop, 100 connections, {rate:.0f} requests/s\n\n{OPEN_LOOP}")
        parts.append(open_loop_table(latencies))
    return "\n\n".join([*parts, tables(measured)])

"""The order of a run: prepare, compare, measure in rounds, then the open loop, then report."""

import json
import subprocess
import sys
import time
from argparse import Namespace
from statistics import median
from typing import Any

from django.conf import settings
from django.db import connection
from tqdm import tqdm

from bench import cpu, load, openloop, report, targets
from bench.compare import compare
from bench.report import MEASURES, Measured, Round, Second
from bench.servers import OURS, POOL_SIZE, ROOT, Server, serving
from bench.targets import Target

CONNECTIONS = (1, 16, 100)
USERS_SIGNED_IN = 200
USERS_COMPARED = 3
# The work that needs an answer's ETag.
NEEDS_ETAG = "unchanged"
# The first second's supply of tasks to delete; later ones are twice what was ever used in a second.
SUPPLY = 2000
OPEN_LOOP_CONNECTIONS, OPEN_LOOP_SECONDS = 100, 30
SETTLED = 0.02


class Bench:
    """Three servers, the targets of the requests, and how much of them is used up."""

    def __init__(self, servers: list[Server], people: list[Target]) -> None:
        self.servers, self.people = servers, people
        self.postmaster = find_postmaster()
        self.deleted_at_most = SUPPLY // 2

    def second(self, server: Server, work: str, connections: int) -> Second:
        """Return what one second of a server brought and took."""
        people = self.people
        if work == "delete":
            people = targets.supply(people, 2 * self.deleted_at_most)
        elif work == NEEDS_ETAG and server.name == OURS:
            targets.learn_etags(server.address, people)
        roots = [server.pid] if self.postmaster is None else [server.pid, self.postmaster]
        before = self.settled(roots)
        outcome = load.drive(server, work, connections, people)
        spent = [after - earlier for after, earlier in zip(self.settled(roots), before, strict=True)]
        if work == "delete":
            self.deleted_at_most = max(self.deleted_at_most, outcome.requests)
        return Second(outcome, spent[0], spent[1] if self.postmaster is not None else None)

    def settled(self, roots: list[int]) -> list[float]:
        """Return the CPU seconds once what was in flight is answered, or after a second."""
        last = cpu.seconds_of(*roots)
        for _ in range(10):
            time.sleep(0.05)
            now = cpu.seconds_of(*roots)
            if sum(now) - sum(last) < SETTLED:
                return now
            last = now
        return last

    def round(self, work: str, connections: int, number: int) -> Round:
        """Return a second of each server, in this round's order."""
        targets.tidy()
        order = self.servers if number % 2 else self.servers[::-1]
        turn = number // 2 % len(order)
        return {server.name: self.second(server, work, connections) for server in order[turn:] + order[:turn]}


def find_postmaster() -> int | None:
    """Return the process of the PostgreSQL that is used, None where it runs elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cpu.postmaster_of(cursor.fetchone()[0])


def planned(given: Namespace) -> list[tuple[str, int]]:
    """Return the works with their numbers of connections."""
    works = [given.only] if given.only else list(load.STATUSES)
    numbers = [given.connections] if given.connections else CONNECTIONS
    return [(work, connections) for work in works for connections in numbers]


def measure(given: Namespace, database_url: str) -> None:
    """Run all of it. Raises SystemExit where the servers differ."""
    plan = planned(given)
    context = circumstances(given)
    targets.prepare(given.users, given.tasks)
    people = targets.sign_in(min(given.users, USERS_SIGNED_IN))
    if not people or not people[0].ids:
        raise SystemExit("There are no seeded users with tasks to ask for.")
    revoked = targets.sign_in(1)[0]
    targets.end_session(revoked)
    try:
        with serving(database_url) as servers:
            compare(servers, people[:USERS_COMPARED], revoked.token)
            bench = Bench(servers, people)
            measured = measure_rounds(bench, plan, given.rounds)
            whole = not given.only and not given.connections
            open_loop = measure_open_loop(bench, measured) if whole else None
    finally:
        targets.sign_out(people)
    publish(context, measured, open_loop)


def measure_rounds(bench: Bench, plan: list[tuple[str, int]], rounds: int) -> Measured:
    """Return the rounds of every work, with a line of progress."""
    for server in bench.servers:
        load.drive(server, "mix", 16, bench.people, seconds=3)
    measured: Measured = {}
    with tqdm(total=len(plan) * rounds, unit=" rounds", file=sys.stderr) as progress:
        for work, connections in plan:
            progress.set_description(f"{work} x{connections}")
            measured[work, connections] = []
            for number in range(rounds):
                measured[work, connections].append(bench.round(work, connections, number))
                progress.update()
    return measured


def measure_open_loop(bench: Bench, measured: Measured) -> tuple[float, dict[str, dict[str, float]]]:
    """Return the rate, and what this project answers when half of what it can do arrives."""
    read = MEASURES["requests/s"]
    rounds = measured["mix", OPEN_LOOP_CONNECTIONS]
    rate = median(read(round_[OURS]) or 0 for round_ in rounds) / 2
    ours = next(server for server in bench.servers if server.name == OURS)
    deletions = int(rate * OPEN_LOOP_SECONDS)
    sys.stderr.write(f"open loop: {OPEN_LOOP_SECONDS} s at {rate:.0f} requests/s\n")
    supply = targets.supply(bench.people, deletions)
    targets.tidy()
    arrivals = openloop.plan(ours, bench.people, supply, rate, OPEN_LOOP_SECONDS)
    return rate, openloop.drive(ours, arrivals, OPEN_LOOP_CONNECTIONS)


def circumstances(given: Namespace) -> dict[str, Any]:
    """Return what the figures hang on."""
    names = ("server_version", "shared_buffers", "fsync", "synchronous_commit")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [list(names)])
        postgres = dict(cursor.fetchall())
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split(" [")[0]
    return {
        **report.circumstances(postgres, wrk),
        "users": given.users,
        "tasks": given.users * given.tasks,
        "rounds": given.rounds,
        "signed_in": min(given.users, USERS_SIGNED_IN),
        "each": min(given.tasks, targets.TASKS_EACH),
        "workers": settings.WEB_CONCURRENCY,
        "threads": settings.WEB_THREADS,
        "pool": POOL_SIZE,
    }


def publish(
    context: dict[str, Any],
    measured: Measured,
    open_loop: tuple[float, dict[str, dict[str, float]]] | None,
) -> None:
    """Print what was measured, and write it down where it is the whole."""
    ratios = report.ratio_values(measured)
    text = report.throughput(context, ratios, measured, open_loop)
    print(text)
    if open_loop:
        report.write_section("Throughput", text)
        latencies = {kind: round(row["p95"], 1) for kind, row in open_loop[1].items()}
        results = {**ratios, "open_loop_p95_ms": latencies, "circumstances": context}
        (ROOT / "bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")

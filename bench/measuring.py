"""Runs the benchmark: prepare, compare the servers, measure in rounds and in an open loop, publish."""

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
# The kind of request that needs the ETag of an earlier response.
NEEDS_ETAG = "unchanged"
# Tasks to delete in the first second. Later there are twice as many as were ever deleted in a second.
SUPPLY = 2000
OPEN_LOOP_CONNECTIONS, OPEN_LOOP_SECONDS = 100, 30
# Less CPU than this in 50 ms, in seconds, counts as idle.
IDLE_SECONDS = 0.02


class Bench:
    """The three servers, and the users and tasks of the requests."""

    def __init__(self, servers: list[Server], users: list[Target]) -> None:
        self.servers, self.users = servers, users
        self.postmaster = find_postmaster()
        self.max_deleted = SUPPLY // 2

    def measure_second(self, server: Server, work: str, connections: int) -> Second:
        """Run wrk on a server for a second. Return its result and the CPU time of server and PostgreSQL."""
        users = self.users
        if work == "delete":
            users = targets.add_tasks(users, 2 * self.max_deleted)
        elif work == NEEDS_ETAG and server.name == OURS:
            targets.fetch_etags(server.address, users)
        roots = [server.pid] if self.postmaster is None else [server.pid, self.postmaster]
        before = self.wait_until_idle(roots)
        outcome = load.drive(server, work, connections, users)
        spent = [after - earlier for after, earlier in zip(self.wait_until_idle(roots), before, strict=True)]
        if work == "delete":
            self.max_deleted = max(self.max_deleted, outcome.requests)
        return Second(outcome, spent[0], spent[1] if self.postmaster is not None else None)

    def wait_until_idle(self, roots: list[int]) -> list[float]:
        """Wait for the requests in flight, for half a second at most. Return the CPU seconds so far."""
        last = cpu.seconds_of(*roots)
        for _ in range(10):
            time.sleep(0.05)
            now = cpu.seconds_of(*roots)
            if sum(now) - sum(last) < IDLE_SECONDS:
                return now
            last = now
        return last

    def measure_round(self, work: str, connections: int, number: int) -> Round:
        """Measure a second of each server. The order depends on the number of the round."""
        targets.clean_up()
        order = self.servers if number % 2 else self.servers[::-1]
        turn = number // 2 % len(order)
        turns = order[turn:] + order[:turn]
        return {server.name: self.measure_second(server, work, connections) for server in turns}


def find_postmaster() -> int | None:
    """Return the main process of PostgreSQL, or None if it runs on another machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cpu.postmaster_of(cursor.fetchone()[0])


def plan_work(arguments: Namespace) -> list[tuple[str, int]]:
    """Return pairs of a kind of request and a number of connections."""
    works = [arguments.only] if arguments.only else list(load.STATUSES)
    numbers = [arguments.connections] if arguments.connections else CONNECTIONS
    return [(work, connections) for work in works for connections in numbers]


def measure(arguments: Namespace, database_url: str) -> None:
    """Run the benchmark. Raises SystemExit if the servers respond differently."""
    plan = plan_work(arguments)
    context = describe_environment(arguments)
    targets.prepare(arguments.users, arguments.tasks)
    users = targets.sign_in(min(arguments.users, USERS_SIGNED_IN))
    if not users or not users[0].ids:
        raise SystemExit("The database has no seeded users with tasks.")
    revoked = targets.sign_in(1)[0]
    targets.end_session(revoked)
    try:
        with serving(database_url) as servers:
            compare(servers, users[:USERS_COMPARED], revoked.token)
            bench = Bench(servers, users)
            measured = measure_rounds(bench, plan, arguments.rounds)
            is_complete = not arguments.only and not arguments.connections
            open_loop = measure_open_loop(bench, measured) if is_complete else None
    finally:
        targets.sign_out(users)
    publish(context, measured, open_loop)


def measure_rounds(bench: Bench, plan: list[tuple[str, int]], rounds: int) -> Measured:
    """Measure every pair of the plan in so many rounds. Shows the progress on stderr."""
    for server in bench.servers:
        load.drive(server, "mix", 16, bench.users, seconds=3)
    measured: Measured = {}
    with tqdm(total=len(plan) * rounds, unit=" rounds", file=sys.stderr, disable=None) as progress:
        for work, connections in plan:
            progress.set_description(f"{work} x{connections}")
            measured[work, connections] = []
            for number in range(rounds):
                measured[work, connections].append(bench.measure_round(work, connections, number))
                progress.update()
    return measured


def measure_open_loop(bench: Bench, measured: Measured) -> tuple[float, dict[str, dict[str, float]]]:
    """Send half of the requests that the mix reached to this project. Return the rate and the latencies."""
    read = MEASURES["requests/s"]
    rounds = measured["mix", OPEN_LOOP_CONNECTIONS]
    rate = median(read(round_[OURS]) or 0 for round_ in rounds) / 2
    ours = next(server for server in bench.servers if server.name == OURS)
    deletions = int(rate * OPEN_LOOP_SECONDS)
    sys.stderr.write(f"open loop: {OPEN_LOOP_SECONDS} s at {rate:.0f} requests/s\n")
    to_delete = targets.add_tasks(bench.users, deletions)
    targets.clean_up()
    arrivals = openloop.plan(ours, bench.users, to_delete, rate, OPEN_LOOP_SECONDS)
    return rate, openloop.drive(ours, arrivals, OPEN_LOOP_CONNECTIONS)


def describe_environment(arguments: Namespace) -> dict[str, Any]:
    """Return the versions, settings and sizes that the results depend on."""
    names = ("server_version", "shared_buffers", "fsync", "synchronous_commit")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) name", [list(names)])
        postgres = dict(cursor.fetchall())
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout.split(" [")[0]
    return {
        **report.describe_machine(postgres, wrk),
        "users": arguments.users,
        "tasks": arguments.users * arguments.tasks,
        "rounds": arguments.rounds,
        "signed_in": min(arguments.users, USERS_SIGNED_IN),
        "each": min(arguments.tasks, targets.TASKS_EACH),
        "workers": settings.WEB_CONCURRENCY,
        "threads": settings.WEB_THREADS,
        "pool": POOL_SIZE,
    }


def publish(
    context: dict[str, Any],
    measured: Measured,
    open_loop: tuple[float, dict[str, dict[str, float]]] | None,
) -> None:
    """Print the results. A complete run also writes RESULTS.md and results.json."""
    ratios = report.ratio_values(measured)
    text = report.throughput(context, ratios, measured, open_loop)
    print(text)
    if open_loop:
        report.write_section("Throughput", text)
        latencies = {kind: round(row["p95"], 1) for kind, row in open_loop[1].items()}
        results = {**ratios, "open_loop_p95_ms": latencies, "circumstances": context}
        (ROOT / "bench" / "results.json").write_text(json.dumps(results, indent=2) + "\n")

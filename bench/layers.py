"""`python -m bench.layers`: measure with cProfile in which library a request spends its time.

Runs in process and writes a section of bench/RESULTS.md. The time that a request waits for
PostgreSQL is not counted, nor is the server. cProfile slows down calls, so the shares are rough.
"""

import cProfile
import os
import pstats
import sys
from collections import Counter
from importlib import import_module
from itertools import count
from pathlib import Path

import django
from django.core.management import call_command

from bench.in_process import STATUSES, request, wsgi
from bench.report import write_section
from bench.servers import ENVIRONMENT, ROOT, database

# Requests of each kind in 100, as in bench/load.lua.
MIX = {"list": 50, "get": 25, "create": 12, "patch": 13}
ROUNDS = 20
# The first key that a file's path contains decides. A C function counts as the file that calls it.
LAYERS = {
    "psycopg": "psycopg",
    "django/db": "Django's database layer",
    "rest_framework": "Django REST framework, Simple JWT",
    "structlog": "request log (structlog, logging)",
    "/logging/": "request log (structlog, logging)",
    "config/request_log": "request log (structlog, logging)",
    "django/": "Django: handler, middleware, addresses, responses",
    "asgiref": "Django: handler, middleware, addresses, responses",
    "site-packages": "other libraries",
    f"{ROOT}/": "this project",
}
STANDARD = "the rest of the standard library"
METHOD = """\
The share of each library in the application's time, for a request of the mix, in process, under cProfile.
cProfile slows down calls, so the shares are rough. The server and the wait for PostgreSQL are not counted.
"""


def layer_of(file: str) -> str:
    """Return the layer of a source file."""
    return next((layer for part, layer in LAYERS.items() if part in file), STANDARD)


def profile() -> pstats.Stats:
    """Send the mix and return the profile. Raises SystemExit on a wrong status."""
    from bench import targets  # noqa: PLC0415  (models need the settings)

    call_command("migrate", verbosity=0)
    call_command("seed", users=20, tasks_per_user=200)
    users = [[user.token, *map(str, user.ids)] for user in targets.sign_in(20)]
    send, numbers = wsgi(import_module("config.wsgi").application), count()

    def send_mix(times: int) -> None:
        for kind in [kind for kind, share in MIX.items() for _ in range(share)] * times:
            number = next(numbers)
            query = "limit=20" if kind == "list" else ""
            if send(*request(kind, users[number % 20], number), query) != STATUSES[kind]:
                raise SystemExit(f"{kind} failed")

    send_mix(1)
    profiler = cProfile.Profile()
    profiler.runcall(send_mix, ROUNDS)
    return pstats.Stats(profiler)


def seconds_by_layer(stats: pstats.Stats) -> Counter[str]:
    """Return the seconds of each layer, without the wait for PostgreSQL and without this benchmark."""
    seconds: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]  # pstats does not declare it
        if file != "~":
            parts = [(file, name, own)]
        else:
            parts = [(caller, by, spent) for (caller, _, by), (_, _, spent, _) in callers.items()]
        for caller, by, spent in parts:
            if not (by == "wait" and "psycopg" in caller) and Path(caller).parent.name != "bench":
                seconds[layer_of(caller)] += spent
    return seconds


def main() -> None:
    """Measure, and write the section."""
    with database() as url:
        os.environ.update(ENVIRONMENT, DATABASE_URL=url)
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (hides the request log)
        django.setup()
        from django.db import connection  # noqa: PLC0415  (needs the settings)

        seconds = seconds_by_layer(profile())
        connection.close()
    whole = sum(seconds.values())
    rows = [f"| {layer} | {100 * spent / whole:.0f} |" for layer, spent in seconds.most_common()]
    text = "\n".join([METHOD, "| layer | % |", "|---|---|", *rows])
    write_section("Layers", text)
    print(text, file=sys.__stdout__)


if __name__ == "__main__":
    main()

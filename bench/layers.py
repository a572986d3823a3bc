"""`python -m bench.layers`: in whose code a request of the mix spends its time, in process, under cProfile.

Writes a section of bench/RESULTS.md. cProfile makes calls dearer than what they do, so that the
shares are rough; what is waited for PostgreSQL is left out, and so is the server in front.
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

# Of 100 requests, as in bench/load.lua.
MIX = {"list": 50, "get": 25, "create": 12, "patch": 13}
ROUNDS = 20
# The first that a file's path contains; the C functions of a file's callers are counted with it.
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
Where the application's time goes, of a request of the mix in process, in per cent under cProfile, which
makes calls dearer than what they do. Waiting for PostgreSQL and the server in front are not in it.
"""


def layer_of(file: str) -> str:
    """Return whose code a file is."""
    return next((layer for part, layer in LAYERS.items() if part in file), STANDARD)


def profile() -> pstats.Stats:
    """Send the mix, and return what was measured."""
    from bench import targets  # noqa: PLC0415  (models want the settings first)

    call_command("migrate", verbosity=0)
    call_command("seed", users=20, tasks_per_user=200)
    people = [[person.token, *map(str, person.ids)] for person in targets.sign_in(20)]
    send, numbers = wsgi(import_module("config.wsgi").application), count()

    def rounds(times: int) -> None:
        for kind in [kind for kind, share in MIX.items() for _ in range(share)] * times:
            number = next(numbers)
            query = "limit=20" if kind == "list" else ""
            if send(*request(kind, people[number % 20], number), query) != STATUSES[kind]:
                raise SystemExit(f"{kind} failed")

    rounds(1)
    profiler = cProfile.Profile()
    profiler.runcall(rounds, ROUNDS)
    return pstats.Stats(profiler)


def shares(stats: pstats.Stats) -> Counter[str]:
    """Return the seconds of each layer."""
    seconds: Counter[str] = Counter()
    for (file, _, name), (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
        if file != "~":
            parts = [(file, name, own)]
        else:
            parts = [(caller, by, spent) for (caller, _, by), (_, _, spent, _) in callers.items()]
        for caller, by, spent in parts:
            if not (by == "wait" and "psycopg" in caller) and Path(caller).parent.name != "bench":
                seconds[layer_of(caller)] += spent
    return seconds


def main() -> None:
    """Measure, and write it down."""
    with database() as url:
        os.environ.update(ENVIRONMENT, DATABASE_URL=url)
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  (where the request log goes)
        django.setup()
        from django.db import connection  # noqa: PLC0415  (wants the settings first)

        seconds = shares(profile())
        connection.close()
    whole = sum(seconds.values())
    rows = [f"| {layer} | {100 * spent / whole:.0f} |" for layer, spent in seconds.most_common()]
    text = "\n".join([METHOD, "| layer | % |", "|---|---|", *rows])
    write_section("Layers", text)
    print(text, file=sys.__stdout__)


if __name__ == "__main__":
    main()

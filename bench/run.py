"""`make bench`: this project, its FastAPI peer and the floor, doing the same work on one database.

Prints what it measured and writes bench/RESULTS.md and bench/results.json; with `--only` or
`--connections` it is a part, which is printed alone. BENCH_DATABASE_URL names a PostgreSQL
database of this machine to use and to keep; without it one is brought and thrown away.
"""

import argparse
import os

import django

from bench.load import STATUSES, require_wrk
from bench.servers import ENVIRONMENT, database


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure this project beside its peers.")
    parser.add_argument("--users", type=int, default=1000, help="users to seed (default 1000)")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of each (default 1000)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each work (default 9)")
    parser.add_argument("--only", choices=list(STATUSES), help="one work, printed and not written")
    parser.add_argument("--connections", type=int, help="one number of them, printed and not written")
    return parser.parse_args()


def main() -> None:
    """Bring the database, make Django ready on it, and measure."""
    given = arguments()
    require_wrk()
    with database() as url:
        # For this process alone: a time limit would cut the seed and VACUUM short.
        alone = {"DATABASE_STATEMENT_TIMEOUT": "0s", "LOG_LEVEL": "ERROR"}
        os.environ.update(ENVIRONMENT, DATABASE_URL=url, **alone)
        django.setup()
        from bench import measuring  # noqa: PLC0415  (models want the settings first)

        measuring.measure(given, url)


if __name__ == "__main__":
    main()

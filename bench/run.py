"""`make bench`: compare this project with its FastAPI peer and with the floor, on one database.

Prints the results, and writes bench/RESULTS.md and bench/results.json. With `--only` or
`--connections` it runs a part and writes nothing. BENCH_DATABASE_URL names a PostgreSQL database on
this machine, which is kept. Without it a temporary one is used.
"""

import argparse
import os

import django

from bench.load import STATUSES, require_wrk
from bench.servers import ENVIRONMENT, database


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description="Compare this project with its peers.")
    parser.add_argument("--users", type=int, default=1000, help="users to seed (default 1000)")
    parser.add_argument("--tasks", type=int, default=1000, help="tasks of each user (default 1000)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds to measure (default 9)")
    parser.add_argument("--only", choices=list(STATUSES), help="measure one kind of request, write nothing")
    parser.add_argument("--connections", type=int, help="measure one number of connections, write nothing")
    return parser.parse_args()


def main() -> None:
    """Start the database, set up Django, and measure."""
    arguments = parse_arguments()
    require_wrk()
    with database() as url:
        # Only for this process: a time limit would interrupt the seeding and VACUUM.
        limits = {"DATABASE_STATEMENT_TIMEOUT": "0s", "LOG_LEVEL": "ERROR"}
        os.environ.update(ENVIRONMENT, DATABASE_URL=url, **limits)
        django.setup()
        from bench import measuring  # noqa: PLC0415  (models need the settings)

        measuring.measure(arguments, url)


if __name__ == "__main__":
    main()

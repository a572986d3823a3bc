"""`make bench-growth`: measure what a page of 10 tasks costs for owners of 10 to a million tasks.

Runs in process, on PostgreSQL. Measures the milliseconds of a request, its SQL statements, and the
blocks of 8 KiB that PostgreSQL reads for them (EXPLAIN (ANALYZE, BUFFERS)). Writes bench/growth.json
and a section of bench/RESULTS.md.

Exits with 1 if the first page takes the owner of a million tasks more than 1.2 times as long as the
owner of 10, or if a query that must not grow reads more blocks than its limit.
"""

import json
import os
import time
from http import HTTPStatus
from statistics import median
from typing import Any
from urllib.parse import urlencode

import django
from django.core.management import call_command

from bench.report import write_section
from bench.servers import ENVIRONMENT, ROOT, database

OWNERS = (10, 1_000, 100_000, 1_000_000)
ROUNDS = 25
# Seconds after which a query of an owner is not repeated.
MAX_SECONDS = 3.0
MAX_RATIO = 1.2
FILL = """
INSERT INTO tasks_task (id, owner_id, title, description, completed, completed_at, created_at, updated_at,
                        version, deleted_at, creation_digest)
SELECT gen_random_uuid(), %s, (ARRAY['Buy', 'Call', 'Clean', 'Draft', 'Fix'])[1 + n %% 5] || ' thing ' || n,
       CASE WHEN n %% 50000 = 7 THEN 'zebra' ELSE 'Everyday' END,
       n %% 3 = 0, CASE WHEN n %% 3 = 0 THEN moment END, moment, moment, n,
       CASE WHEN n %% 20 = 0 THEN moment END, ''
FROM (SELECT n, TIMESTAMPTZ '2025-01-01' + random() * INTERVAL '365 days' AS moment
      FROM generate_series(1, %s) AS n) AS rows
"""
DEEP = "a page in the middle"
FIRST = "first page"
# The parameters in addition to limit=10, and the most blocks that the query may read for any owner. None: it
# may grow. A filter by status skips the rows of the other status. A third of the rows are completed.
QUERIES: dict[str, tuple[dict[str, str], int | None]] = {
    FIRST: ({}, 30),
    DEEP: ({}, 30),
    "status=pending": ({"status": "pending"}, 60),
    "status=completed": ({"status": "completed"}, 120),
    "created_after": ({"created_after": "2025-07-01T00:00:00Z"}, 30),
    "created_before": ({"created_before": "2025-07-01T00:00:00Z"}, 30),
    "deleted=true": ({"deleted": "true"}, 30),
    "ordering=created_at": ({"ordering": "created_at"}, 30),
    "ordering=title": ({"ordering": "title"}, 30),
    "ordering=-title": ({"ordering": "-title"}, 30),
    "search: a word of every task": ({"search": "everyday"}, 30),
    "search: a word of one in 50,000": ({"search": "zebra"}, None),
    "search: a word of none": ({"search": "unicorn"}, None),
    "count=true": ({"count": "true"}, None),
}
METHOD = """\
A page of 10 tasks, in process. Each column is an owner of so many tasks: milliseconds (the median of up to
{rounds} rounds) / blocks of 8 KiB that PostgreSQL reads. The number of SQL statements includes the one that
authenticates. The rows are in random order on the disk. A twentieth of them is in the trash, a third is
completed. A query that is not flat grows with the rows that it reads until the page is full or counted.
{date}; PostgreSQL {postgresql}.
"""
Cost = dict[str, float]


class Owner:
    """A user with `count` tasks, and a client that is signed in as this user."""

    def __init__(self, count: int) -> None:
        from django.contrib.auth import get_user_model  # noqa: PLC0415  (all of these need the settings)
        from django.db import connection  # noqa: PLC0415  (likewise)
        from django.test import Client  # noqa: PLC0415  (likewise)

        from tasks.counter import ChangeCounter  # noqa: PLC0415  (likewise)
        from users.authentication import AccessToken  # noqa: PLC0415  (likewise)
        from users.models import Session  # noqa: PLC0415  (likewise)

        user = get_user_model().objects.create_user(email=f"owner-of-{count}@example.com")
        ChangeCounter.advance(user.pk, count)
        with connection.cursor() as cursor:
            cursor.execute(FILL, [user.pk, count])
        token = str(AccessToken.of(Session.begin(user)))
        self.client = Client(headers={"authorization": f"Bearer {token}", "host": "127.0.0.1"})
        self.deep_cursor = ""

    def get(self, name: str) -> Any:
        """Send a query of QUERIES and return the response. Raises SystemExit unless it is 200."""
        query = {"limit": "10", **QUERIES[name][0]}
        if name == DEEP:
            query["cursor"] = self.deep_cursor = self.deep_cursor or self.find_deep_cursor()
        response = self.client.get(f"/api/v1/tasks?{urlencode(query)}")
        if response.status_code != HTTPStatus.OK:
            raise SystemExit(f"{name} returned {response.status_code}: {response.content.decode()}")
        return response

    def find_deep_cursor(self) -> str:
        """Return the cursor of a page behind 20,000 tasks, or of the last page that has one."""
        cursor, limit = "", 1000
        for _ in range(20):
            query = {"limit": limit, **({"cursor": cursor} if cursor else {})}
            response = self.client.get(f"/api/v1/tasks?{urlencode(query)}")
            if "Next-Cursor" not in response.headers:
                break
            cursor = response.headers["Next-Cursor"]
        return cursor or self.client.get("/api/v1/tasks?limit=1").headers["Next-Cursor"]


def measure(name: str, owners: dict[int, Owner]) -> dict[str, Cost]:
    """Return the costs of a query by the owner's number of tasks."""
    times: dict[int, list[float]] = {count: [] for count in owners}
    for _ in range(ROUNDS):
        for count, owner in owners.items():
            if sum(times[count]) < MAX_SECONDS:
                started = time.perf_counter()
                owner.get(name)
                times[count].append(time.perf_counter() - started)
    costs = {}
    for count, owner in owners.items():
        # The first request prepares the statements.
        spent = median(times[count][1:] or times[count]) * 1000
        statements = statements_of(owner, name)
        blocks = sum(map(blocks_of, statements))
        costs[str(count)] = {"ms": round(spent, 2), "blocks": blocks, "statements": len(statements)}
    return costs


def statements_of(owner: Owner, name: str) -> list[tuple[str, Any]]:
    """Return the SQL statements of a query, with their parameters."""
    from django.db import connection  # noqa: PLC0415  (needs the settings)

    statements: list[tuple[str, Any]] = []

    def record(execute: Any, sql: str, parameters: Any, *rest: Any) -> Any:
        statements.append((sql, parameters))
        return execute(sql, parameters, *rest)

    with connection.execute_wrapper(record):
        owner.get(name)
    return statements


def blocks_of(statement: tuple[str, Any]) -> int:
    """Return how many blocks PostgreSQL reads for a statement, from memory or from the disk."""
    from django.db import connection  # noqa: PLC0415  (needs the settings)

    sql, parameters = statement
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", parameters)
        (explained,) = cursor.fetchone()
    plan = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def table(measured: dict[str, dict[str, Cost]]) -> str:
    """Return the costs as a Markdown table for RESULTS.md."""
    lines = [
        f"| limit=10 and | {' | '.join(f'{count:,}' for count in OWNERS)} | statements | flat |",
        f"|{'---|' * (len(OWNERS) + 3)}",
    ]
    for name, costs in measured.items():
        cells = [f"{cost['ms']:,.2f} / {cost['blocks']:,}" for cost in costs.values()]
        statements = "/".join(sorted({str(cost["statements"]) for cost in costs.values()}))
        flat = "no" if QUERIES[name][1] is None else "yes"
        lines.append(f"| {name} | {' | '.join(cells)} | {statements} | {flat} |")
    return "\n".join(lines)


def exceeded_limits(measured: dict[str, dict[str, Cost]]) -> list[str]:
    """Return a message for each limit that the costs exceed."""
    least, most = str(OWNERS[0]), str(OWNERS[-1])
    messages = [
        f"{name}: {costs[most]['blocks']} blocks"
        for name, costs in measured.items()
        if costs[most]["blocks"] > (QUERIES[name][1] or float("inf"))
    ]
    ratio = measured[FIRST][most]["ms"] / measured[FIRST][least]["ms"]
    return messages + ([f"{FIRST}: {ratio:.2f} times as long"] if ratio > MAX_RATIO else [])


def main() -> None:
    """Fill a database, measure, and write the results. Raises SystemExit if a limit is exceeded."""
    with database() as url:
        os.environ.update(ENVIRONMENT, DATABASE_URL=url, DATABASE_STATEMENT_TIMEOUT="0s", LOG_LEVEL="ERROR")
        django.setup()
        from django.db import connection  # noqa: PLC0415  (needs the settings)

        call_command("migrate", verbosity=0)
        owners = {count: Owner(count) for count in OWNERS}
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0]
        measured = {name: measure(name, owners) for name in QUERIES}
        connection.close()
    (ROOT / "bench" / "growth.json").write_text(json.dumps(measured, indent=2) + "\n")
    text = METHOD.format(rounds=ROUNDS, date=time.strftime("%Y-%m-%d"), postgresql=version)
    text += f"\n{table(measured)}"
    write_section("Growth", text)
    print(text)
    if messages := exceeded_limits(measured):
        raise SystemExit(f"More than the limit: {'; '.join(messages)}.")


if __name__ == "__main__":
    main()

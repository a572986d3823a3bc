"""`make bench-growth`: what a page of 10 costs owners of 10 to a million tasks, whatever is asked for.

In process, on PostgreSQL: the milliseconds of a request, the statements that it sends, and the
blocks of 8 KiB that PostgreSQL touches for them (EXPLAIN (ANALYZE, BUFFERS)). Writes
bench/growth.json and a section of bench/RESULTS.md, and fails where the first page costs the owner
of a million more than 1.2 times that of the owner of 10, or what is claimed to be flat takes more blocks.
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
# An owner's question is not asked again once it took so many seconds in all.
PATIENCE = 3.0
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
DEEP = "a page amid"
FIRST = "first page"
# What is asked for beside limit=10, and at most how many blocks that is claimed to cost whomever.
# A status passes over the rows of the other: of three, one is completed.
QUESTIONS: dict[str, tuple[dict[str, str], int | None]] = {
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
A page of 10 in process, for owners of so many tasks: milliseconds (the median of up to {rounds} rounds
over the owners in turn) / blocks of 8 KiB that PostgreSQL touches; and the statements, with the one that
authenticates. The rows lie on the disk in no order of their times; a twentieth is in the trash, a third
completed. What is not claimed to be flat grows with the rows that are read until the page is full or counted.
{date}; PostgreSQL {postgresql}.
"""
Cost = dict[str, float]


class Owner:
    """A user with so many tasks, who asks for pages of them."""

    def __init__(self, count: int) -> None:
        from django.contrib.auth import get_user_model  # noqa: PLC0415  (all of these want the settings first)
        from django.db import connection  # noqa: PLC0415  (likewise)
        from django.test import Client  # noqa: PLC0415  (likewise)

        from tasks.models import ChangeCounter  # noqa: PLC0415  (likewise)
        from users.authentication import AccessToken  # noqa: PLC0415  (likewise)
        from users.models import Session  # noqa: PLC0415  (likewise)

        user = get_user_model().objects.create_user(email=f"owner-of-{count}@example.com")
        ChangeCounter.advance(user.pk, count)
        with connection.cursor() as cursor:
            cursor.execute(FILL, [user.pk, count])
        token = str(AccessToken.of(Session.begin(user)))
        self.client = Client(headers={"authorization": f"Bearer {token}", "host": "127.0.0.1"})
        self.amid = ""

    def get(self, question: str) -> Any:
        """Return the answer. Raises SystemExit for a wrong one."""
        query = {"limit": "10", **QUESTIONS[question][0]}
        if question == DEEP:
            query["cursor"] = self.amid = self.amid or self.find_amid()
        answer = self.client.get(f"/api/v1/tasks?{urlencode(query)}")
        if answer.status_code != HTTPStatus.OK:
            raise SystemExit(f"{question} answered {answer.status_code}: {answer.content.decode()}")
        return answer

    def find_amid(self) -> str:
        """Return the cursor of a page that thousands of tasks lie before, where there are so many."""
        cursor, limit = "", 1000
        for _ in range(20):
            query = {"limit": limit, **({"cursor": cursor} if cursor else {})}
            answer = self.client.get(f"/api/v1/tasks?{urlencode(query)}")
            if "Next-Cursor" not in answer.headers:
                break
            cursor = answer.headers["Next-Cursor"]
        return cursor or self.client.get("/api/v1/tasks?limit=1").headers["Next-Cursor"]


def ask(question: str, owners: dict[int, Owner]) -> dict[str, Cost]:
    """Return what a question costs each owner."""
    times: dict[int, list[float]] = {count: [] for count in owners}
    for _ in range(ROUNDS):
        for count, owner in owners.items():
            if sum(times[count]) < PATIENCE:
                began = time.perf_counter()
                owner.get(question)
                times[count].append(time.perf_counter() - began)
    costs = {}
    for count, owner in owners.items():
        # The first of a connection's is not like the rest.
        spent = median(times[count][1:] or times[count]) * 1000
        statements = statements_of(owner, question)
        blocks = sum(map(blocks_of, statements))
        costs[str(count)] = {"ms": round(spent, 2), "blocks": blocks, "statements": len(statements)}
    return costs


def statements_of(owner: Owner, question: str) -> list[tuple[str, Any]]:
    """Return the statements that a question sends, with their parameters."""
    from django.db import connection  # noqa: PLC0415  (wants the settings first)

    sent: list[tuple[str, Any]] = []

    def keep(execute: Any, sql: str, parameters: Any, *rest: Any) -> Any:
        sent.append((sql, parameters))
        return execute(sql, parameters, *rest)

    with connection.execute_wrapper(keep):
        owner.get(question)
    return sent


def blocks_of(statement: tuple[str, Any]) -> int:
    """Return how many blocks PostgreSQL touches for a statement, in memory or on the disk."""
    from django.db import connection  # noqa: PLC0415  (wants the settings first)

    sql, parameters = statement
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", parameters)
        (answer,) = cursor.fetchone()
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def table(measured: dict[str, dict[str, Cost]]) -> str:
    """Return the table of RESULTS.md."""
    lines = [
        f"| limit=10 and | {' | '.join(f'{count:,}' for count in OWNERS)} | statements | claimed flat |",
        f"|{'---|' * (len(OWNERS) + 3)}",
    ]
    for question, costs in measured.items():
        cells = [f"{cost['ms']:,.2f} / {cost['blocks']:,}" for cost in costs.values()]
        statements = "/".join(sorted({str(cost["statements"]) for cost in costs.values()}))
        flat = "no" if QUESTIONS[question][1] is None else "yes"
        lines.append(f"| {question} | {' | '.join(cells)} | {statements} | {flat} |")
    return "\n".join(lines)


def faults_of(measured: dict[str, dict[str, Cost]]) -> list[str]:
    """Return where a claim does not hold."""
    least, most = str(OWNERS[0]), str(OWNERS[-1])
    faults = [
        f"{question}: {costs[most]['blocks']} blocks"
        for question, costs in measured.items()
        if costs[most]["blocks"] > (QUESTIONS[question][1] or float("inf"))
    ]
    ratio = measured[FIRST][most]["ms"] / measured[FIRST][least]["ms"]
    return faults + ([f"{FIRST}: {ratio:.2f} times the time"] if ratio > MAX_RATIO else [])


def main() -> None:
    """Fill a database, measure, write it down. Raises SystemExit where what is claimed does not hold."""
    with database() as url:
        os.environ.update(ENVIRONMENT, DATABASE_URL=url, DATABASE_STATEMENT_TIMEOUT="0s", LOG_LEVEL="ERROR")
        django.setup()
        from django.db import connection  # noqa: PLC0415  (wants the settings first)

        call_command("migrate", verbosity=0)
        owners = {count: Owner(count) for count in OWNERS}
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("SHOW server_version")
            version = cursor.fetchone()[0]
        measured = {question: ask(question, owners) for question in QUESTIONS}
        connection.close()
    (ROOT / "bench" / "growth.json").write_text(json.dumps(measured, indent=2) + "\n")
    text = METHOD.format(rounds=ROUNDS, date=time.strftime("%Y-%m-%d"), postgresql=version)
    text += f"\n{table(measured)}"
    write_section("Growth", text)
    print(text)
    if faults := faults_of(measured):
        raise SystemExit(f"What is claimed does not hold. {'; '.join(faults)}.")


if __name__ == "__main__":
    main()

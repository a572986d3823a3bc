"""A page of the list in one statement, with the counter that it goes with.

Django builds the statement anew for each request, makes a model of each row and parses times
that are only to be written again: two thirds of the instructions of a list of 20. On PostgreSQL,
whose driver gives every value its type, the statement is put together here, always with its owner,
and its rows come as they are told. The trash, a search, a count and other engines go the plain way
of `TaskFilter` and `TaskSerializer`, which a test holds this against.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from django.db import connection

from tasks.filters import ORDERINGS
from tasks.models import Task
from tasks.reading import read_counter

if TYPE_CHECKING:
    from users.models import User

# In the order of the wire; what is told in another form than stored comes as text. The limit stands
# in the statement, because PostgreSQL makes a new plan each time for one with an open limit.
PAGE = """
SELECT tasks_task.id::text, %s::text, title, description, completed,
(completed_at AT TIME ZONE 'UTC')::text, (created_at AT TIME ZONE 'UTC')::text,
(updated_at AT TIME ZONE 'UTC')::text, version,
(SELECT change_seq FROM "tasks_changecounter" WHERE "owner_id" = %s)
FROM "tasks_task" WHERE "owner_id" = %s AND deleted_at IS NULL {conditions}
ORDER BY tasks_task.{column} {direction}, tasks_task.id {direction} LIMIT {limit:d}
"""
STATUSES = {"all": "", "pending": "AND NOT completed", "completed": "AND completed"}
TIMES = {
    "created_after": "AND tasks_task.created_at >= %s",
    "created_before": "AND tasks_task.created_at < %s",
}
BEYOND = "AND (tasks_task.{column}, tasks_task.id) {comparison} (%s, %s)"


def serves(query: Mapping[str, Any]) -> bool:
    """Tell whether `Listing` has what a list is asked for."""
    plain = query["deleted"] == "true" or query["search"] or query["count"] == "true"
    return connection.vendor == "postgresql" and not plain


class Listing:
    """The tasks that a validated query of the list asks for, as documents: a QuerySet to be cut once."""

    model = Task

    def __init__(self, user: "User", query: Mapping[str, Any]) -> None:
        self.user = user
        self.seq = 0
        self.query = SimpleNamespace(order_by=ORDERINGS[query["ordering"]])
        self.column = self.query.order_by[0].removeprefix("-")
        self.descending = self.query.order_by[0].startswith("-")
        times = [name for name in TIMES if name in query]
        self.conditions = [STATUSES[query["status"]], *(TIMES[name] for name in times)]
        self.values: list[Any] = [query[name] for name in times]

    def beyond(self, comparison: str, row: tuple[Any, ...], *, backward: bool) -> Self:
        """Keep to what compares so to a row of an order's column and id; backward, the nearest come first."""
        self.conditions.append(BEYOND.format(column=self.column, comparison=comparison))
        self.values += row
        self.descending ^= backward
        return self

    def __getitem__(self, rows: slice) -> list[dict[str, Any]]:
        """Return the first documents, and keep the user's `change_seq` of then."""
        found = self.read(rows.stop)
        if not found:
            # No row brought the counter. Read before the rows, it is not too new for them.
            self.seq, _ = read_counter(self.user)
            found = self.read(rows.stop)
        if found:
            self.seq = found[0][-1] or 0
        return [document_of(row) for row in found]

    def read(self, limit: int) -> list[tuple[Any, ...]]:
        """Return the first rows."""
        statement = PAGE.format(
            conditions=" ".join(self.conditions),
            column=self.column,
            direction="DESC" if self.descending else "ASC",
            limit=limit,
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [self.user.public_id, self.user.pk, self.user.pk, *self.values])
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def document_of(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return what `TaskSerializer` writes of a task."""
    pk, user_id, title, description, completed, completed_at, created_at, updated_at, version, _ = row
    return {
        "id": pk,
        "user_id": user_id,
        "title": title,
        "description": description,
        "completed": completed,
        "completed_at": completed_at and rfc3339(completed_at),
        "created_at": rfc3339(created_at),
        "updated_at": rfc3339(updated_at),
        "version": version,
    }


def rfc3339(text: str) -> str:
    """Return `2026-11-21T09:00:00.120000Z` for PostgreSQL's `2026-11-21 09:00:00.12` of UTC."""
    seconds, _, fraction = text.partition(".")
    return f"{seconds.replace(' ', 'T')}.{fraction:0<6}Z"

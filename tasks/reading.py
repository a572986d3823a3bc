"""What nearly every request reads, in statements that are compiled once.

Django builds the same SELECT anew for each request, which costs a GET of a task half of its
instructions, and makes a model of each row, which costs a list still more. On PostgreSQL, whose
driver gives every value its type, they are written out here, each with its owner; other engines
go the plain way, which a test holds these against.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

from tasks.models import ChangeCounter, Task

if TYPE_CHECKING:
    from users.models import User

# What a list is asked for that asks for nothing but how many.
PLAIN = {"status": "all", "deleted": "false", "search": "", "ordering": "-created_at", "count": "false"}
COUNTER = 'SELECT change_seq, purged_seq FROM "tasks_changecounter" WHERE "owner_id" = %s'
FIELDS = [field.attname for field in Task._meta.concrete_fields]  # noqa: SLF001  (public, for all its name)
# What stays open is nothing but the columns, which are ours, and how ids are compared: for a
# statement with an array PostgreSQL makes a plan each time.
NAMED = 'SELECT {columns} FROM "tasks_task" WHERE "owner_id" = %s AND id {comparison}'

# In the order of the wire; what is to be written there in another form comes as text. The limit
# stands in the statement, because PostgreSQL plans one with an open limit anew each time.
NEWEST = """
SELECT tasks_task.id::text, %s::text, title, description, completed,
completed_at::text, created_at::text, updated_at::text, version,
(SELECT change_seq FROM "tasks_changecounter" WHERE "owner_id" = %s)
FROM "tasks_task" WHERE "owner_id" = %s AND deleted_at IS NULL
ORDER BY tasks_task.created_at DESC, tasks_task.id DESC LIMIT {limit:d}
"""


@cache
def named_sql(comparison: str) -> str:
    """Return the SELECT of one owner's tasks by their ids."""
    return NAMED.format(columns=", ".join(FIELDS), comparison=comparison)


def read_counter(user: "User") -> tuple[int, int]:
    """Return what `ChangeCounter.read` does."""
    if connection.vendor != "postgresql":
        return ChangeCounter.read(user.pk)
    with connection.cursor() as cursor:
        cursor.execute(COUNTER, [user.pk])
        return cursor.fetchone() or (0, 0)


def read_named(user: "User", ids: Sequence[UUID]) -> list[Task]:
    """Return those of a user's tasks that have these ids, in the trash or not."""
    if connection.vendor != "postgresql":
        return list(Task.objects.owned_by(user).filter(pk__in=ids).order_by())
    with connection.cursor() as cursor:
        if len(ids) == 1:
            cursor.execute(named_sql("= %s"), [user.pk, *ids])
        else:
            cursor.execute(named_sql("= ANY(%s)"), [user.pk, list(ids)])
        return [Task.from_db(connection.alias, FIELDS, row) for row in cursor.fetchall()]


def serves(query: Mapping[str, Any]) -> bool:
    """Tell whether `Newest` is what a list was asked for: the first page, of all that is not in the trash."""
    return connection.vendor == "postgresql" and {**query, "limit": 0} == {**PLAIN, "limit": 0}


class Newest:
    """The tasks of a user, newest first, as clients read them: a QuerySet that can be cut once.

    No model, and no time that is parsed to be written again.
    """

    model = Task
    query = Task.objects.alive().order_by("-created_at", "-id").query

    def __init__(self, user: "User") -> None:
        self.user = user
        self.seq = 0

    def __getitem__(self, rows: slice) -> list[dict[str, Any]]:
        """Return the first documents, and keep the user's `change_seq` of then."""
        found = self.read(rows.stop)
        if not found:
            # No row brought the counter. Read before the rows, it is not too new for them.
            self.seq, _ = read_counter(self.user)
            found = self.read(rows.stop)
        if found:
            self.seq = found[0][-1]
        return [document_of(row) for row in found]

    def read(self, limit: int) -> list[tuple[Any, ...]]:
        """Return the first rows."""
        parameters: list[Any] = [self.user.public_id, self.user.pk, self.user.pk]
        with connection.cursor() as cursor:
            cursor.execute(NEWEST.format(limit=limit), parameters)
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
    """Return `2026-11-21T09:00:00.120000Z` for PostgreSQL's `2026-11-21 09:00:00.12+00`."""
    seconds, _, fraction = text.removesuffix("+00").partition(".")
    return f"{seconds.replace(' ', 'T')}.{fraction:0<6}Z"

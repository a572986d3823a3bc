"""What nearly every request reads, in statements that are compiled once.

Django builds the same SELECT anew for each request, which costs a GET of a task half of its
instructions. On PostgreSQL, whose driver gives every value its type, the two are written out
here, each with its owner; other engines go the plain way, which a test holds these against.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection

from tasks.models import ChangeCounter, Task

if TYPE_CHECKING:
    from users.models import User

COUNTER = 'SELECT change_seq, purged_seq FROM "tasks_changecounter" WHERE "owner_id" = %s'
FIELDS = [field.attname for field in Task._meta.concrete_fields]  # noqa: SLF001  (public, for all its name)
# What stays open is nothing but the columns, which are ours, and how ids are compared: for a
# statement with an array PostgreSQL makes a plan each time.
NAMED = 'SELECT {columns} FROM "tasks_task" WHERE "owner_id" = %s AND id {comparison}'


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

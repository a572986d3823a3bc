"""The raw statements: what Django's ORM has no words for, each one statement on every engine.

`ON CONFLICT DO UPDATE … RETURNING` with an expression, an upsert that stays inside one
owner, and `DELETE … RETURNING`. Every one of them names the owner.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connection

if TYPE_CHECKING:
    from django.db.models import Field

    from tasks.models import Task

ADVANCE = """
INSERT INTO "tasks_changecounter" (owner_id, change_seq, purged_seq) VALUES {rows}
ON CONFLICT (owner_id) DO UPDATE SET change_seq = tasks_changecounter.change_seq + excluded.change_seq
RETURNING owner_id, change_seq
"""
STORE = """
INSERT INTO "tasks_task" ({columns}) VALUES {rows}
ON CONFLICT (id) DO UPDATE SET {assignments} WHERE "tasks_task"."owner_id" = %s
RETURNING id
"""
FIXED = {'"id"', '"owner_id"', '"created_at"'}
ERASE = """
DELETE FROM "tasks_task" WHERE "owner_id" = %s AND id IN ({ids}) RETURNING version, deleted_at
"""


def as_uuid(value: object) -> UUID:
    """Return the UUID that a column has: SQLite keeps 32 digits."""
    return value if isinstance(value, UUID) else UUID(str(value))


def prepare(field: "Field[Any, Any]", value: object) -> Any:
    """Return a value as the engine's driver wants it."""
    return field.get_db_prep_save(value, connection)


def advance(pk_field: "Field[Any, Any]", owners: Iterable[UUID], by: int) -> dict[UUID, int]:
    """Add `by` to the counters of these owners, lock them in the owners' order, and return their values."""
    parameters = [prepare(pk_field, owner) for owner in sorted(owners)]
    rows = ", ".join([f"(%s, {by:d}, 0)"] * len(parameters))
    with connection.cursor() as cursor:
        cursor.execute(ADVANCE.format(rows=rows), parameters)
        return {as_uuid(owner): seq for owner, seq in cursor.fetchall()}


def store(owner: UUID, tasks: Sequence["Task"]) -> set[UUID]:
    """Insert or overwrite whole rows of one owner; return the ids of those that now are as given.

    An id that another owner holds is left as it is, and out of what is returned. The
    order of the ids is one for everybody, so that two who insert the same wait once.
    """
    fields = tasks[0]._meta.concrete_fields  # noqa: SLF001  (public, for all its name)
    columns = [f'"{field.column}"' for field in fields]
    row = f"({', '.join(['%s'] * len(columns))})"
    ordered = sorted(tasks, key=lambda task: task.id)
    sql = STORE.format(
        columns=", ".join(columns),
        rows=", ".join([row] * len(ordered)),
        assignments=", ".join(f"{column} = excluded.{column}" for column in columns if column not in FIXED),
    )
    parameters = [prepare(field, getattr(task, field.attname)) for task in ordered for field in fields]
    parameters.append(prepare(fields[0], owner))
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return {as_uuid(pk) for (pk,) in cursor.fetchall()}


def erase(pk_field: "Field[Any, Any]", owner: UUID, ids: Sequence[UUID]) -> list[tuple[int, bool]]:
    """Delete rows of one owner; return of each its version, and whether it was still out of the trash."""
    sql = ERASE.format(ids=", ".join(["%s"] * len(ids)))
    with connection.cursor() as cursor:
        cursor.execute(sql, [prepare(pk_field, pk) for pk in (owner, *ids)])
        # Judged here: SQLite says of `deleted_at IS NULL` in RETURNING that it is false.
        return [(version, deleted_at is None) for version, deleted_at in cursor.fetchall()]

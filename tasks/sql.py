"""The raw writes: what Django's ORM cannot say in one statement. Each names its owners.

Tables and columns come from the models' `_meta`, so a new field is in every statement. The models
are parameters, because `models.py` imports this module.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections
from django.utils import timezone

if TYPE_CHECKING:
    from django.db.models import Field, Model

# The INSERT makes a counter that does not exist yet. From here on the counter is locked.
ADVANCE = """
INSERT INTO {table} ({columns}) VALUES {rows}
ON CONFLICT ({owner}) DO UPDATE SET {change_seq} = {table}.{change_seq} + excluded.{change_seq}
RETURNING {owner}, {change_seq}, {clock} AS moment
"""
STORE = """
INSERT INTO {table} ({columns}) VALUES {rows}
ON CONFLICT ({id}) DO UPDATE SET {assignments} WHERE {table}.{owner} = %s RETURNING {id}
"""
ERASE = "DELETE FROM {table} WHERE {table}.{owner} = %s AND {id} IN ({ids}) RETURNING {version}, {deleted_at}"
# A single write takes the counter's next value in the same statement. PostgreSQL only.
INSERT_ONE = """
WITH counter AS ({advance}) INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {supplied}
"""
UPDATE_ONE = """
WITH counter AS ({advance}) UPDATE {table} SET {assignments} FROM counter
WHERE {table}.{owner} = %s AND {table}.{id} = %s AND {table}.{version} = %s AND {table}.{due_at} = %s
RETURNING {supplied}
"""
# Of one owner's tasks with due dates that are days. It begins with UPDATE: Python's SQLite does not count the
# rows of a statement that begins with WITH. Without DISTINCT and CAST, SQLite makes no index of the days, and
# 100,000 tasks take minutes.
MOVE_DUE = """
UPDATE {table} SET {due_at} = moved.moment
FROM (SELECT DISTINCT CAST(column1 AS text) AS day, column2 AS moment FROM (VALUES {rows}) AS days) AS moved
WHERE {table}.{owner} = %s AND {table}.{due_date} = moved.day AND {table}.{due_at} <> moved.moment
"""
# An existing row keeps these.
FIXED = {"id", "owner"}


class Supplied(NamedTuple):
    """A value that a write gets from its counter, and knows only then. `column` is the CTE's."""

    column: str


VERSION, MOMENT = Supplied("change_seq"), Supplied("moment")


class Stamp(NamedTuple):
    """What a locked counter gives to a write: the new version and the time of the change."""

    version: int
    moment: datetime

    def fill(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Return the changes with the time of the write in the place of MOMENT."""
        return {name: self.moment if value is MOMENT else value for name, value in changes.items()}


def clock() -> str:
    """Return the SQL of the clock of the API and the admin. NULL stands for the clock of this process.

    It is read when the counter is locked. So the times of a user's changes are in the order of
    their versions. `save()` and `bulk_create()` store the times that they are given.
    """
    return "clock_timestamp()" if connection.vendor == "postgresql" else "NULL"


def advance(counter: "type[Model]", owners: Iterable[UUID], by: int) -> dict[UUID, Stamp]:
    """Add `by` to the counters of these owners. Return the stamp of each.

    Locks the counters until the transaction ends. They are locked in the order of their owners, so
    that two writers of the same owners do not deadlock.
    """
    ordered = sorted(owners)
    parameters = [value for owner in ordered for value in counter_values(counter, owner, by)]
    with connection.cursor() as cursor:
        cursor.execute(advance_sql(counter, len(ordered)), parameters)
        rows = cursor.fetchall()
    return {to_uuid(owner): Stamp(seq, moment or timezone.now()) for owner, seq, moment in rows}


def store(tasks: "Sequence[Model]", owner: UUID) -> set[UUID]:
    """Insert or overwrite whole rows of one owner. Return the ids of the rows that were written.

    A row that another owner holds is left as it is. The rows are written in the order of their ids,
    so that two writers of the same ids do not deadlock.
    """
    model, ordered = type(tasks[0]), sorted(tasks, key=lambda task: task.pk)
    values = [(field, getattr(task, field.attname)) for task in ordered for field in fields_of(model)]
    parameters = [field.get_db_prep_save(value, connection) for field, value in values]
    columns = [names(model)[field.name] for field in updatable_fields(model)]
    assignments = ", ".join(f"{column} = excluded.{column}" for column in columns)
    sql = STORE.format(rows=placeholder_rows(model, len(tasks)), assignments=assignments, **names(model))
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, adapt_id(model, owner)])
        return {to_uuid(pk) for (pk,) in cursor.fetchall()}


def erase(model: "type[Model]", owner: UUID, ids: Sequence[UUID]) -> list[tuple[int, bool]]:
    """Delete rows of one owner. Return the version of each, and whether it was outside the trash."""
    sql = ERASE.format(ids=", ".join(["%s"] * len(ids)), **names(model))
    with connection.cursor() as cursor:
        cursor.execute(sql, [adapt_id(model, pk) for pk in (owner, *ids)])
        # Compared here: SQLite says that `deleted_at IS NULL` is false in RETURNING.
        return [(version, deleted_at is None) for version, deleted_at in cursor.fetchall()]


def move_due(model: "type[Model]", owner: UUID, moments: Sequence[tuple[str, datetime]]) -> int:
    """Set the moments of one owner's tasks by their due dates, and nothing else. Return how many moved."""
    sql = MOVE_DUE.format(rows=", ".join(["(%s, %s)"] * len(moments)), **names(model))
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        parameters = [value for day, moment in moments for value in (day, adapt(moment))]
        cursor.execute(sql, [*parameters, adapt_id(model, owner)])
        moved: int = cursor.rowcount
        return moved


def write_one(counter: "type[Model]", task: "Model", owner: UUID, stored: Any) -> bool:
    """Insert a task, or overwrite the one that is still as `stored`. Return whether it was written.

    Takes the next value of the counter and writes the task in one statement, and sets on the task
    what the counter supplied. An existing task is not written if its owner was deleted meanwhile.
    Raises IntegrityError if a new task violates a constraint. PostgreSQL only.
    """
    model, is_new = type(task), stored is None
    # Once, because each look at `connection` is a thread-local look-up.
    database = connections[DEFAULT_DB_ALIAS]
    parameters, supplied = counter_values(counter, owner, 1), {}
    for field in fields_of(model) if is_new else updatable_fields(model):
        value = getattr(task, field.attname)
        if isinstance(value, Supplied):
            supplied[field.attname] = value.column
        else:
            parameters.append(field.get_db_prep_save(value, database))
    if not is_new:
        # A new time zone moves `due_at` alone.
        parameters += [owner, task.pk, stored.version, stored.due_at]
    try:
        with database.cursor() as cursor:
            cursor.execute(write_one_sql(counter, model, tuple(supplied.items()), is_new=is_new), parameters)
            row = cursor.fetchone()
    except IntegrityError:
        if is_new:
            raise
        return False
    if row:
        vars(task).update(zip(supplied, row, strict=True))
    return row is not None


# --- the statements, made once -----------------------------------------------


def fields_of(model: "type[Model]") -> "Sequence[Field[Any, Any]]":
    """Return the fields that have a column."""
    return model._meta.concrete_fields  # noqa: SLF001  (documented)


@cache
def updatable_fields(model: "type[Model]") -> "list[Field[Any, Any]]":
    """Return the fields that a write may change."""
    return [field for field in fields_of(model) if field.name not in FIXED]


def counter_values(counter: "type[Model]", owner: UUID, by: int) -> list[Any]:
    """Return the values of a new counter's columns as the database driver wants them."""
    given, database = {"owner": owner, "change_seq": by}, connections[DEFAULT_DB_ALIAS]
    return [
        field.get_db_prep_save(given[field.name] if field.name in given else field.get_default(), database)
        for field in fields_of(counter)
    ]


def adapt_id(model: "type[Model]", pk: UUID) -> Any:
    """Return an id as the database driver wants it."""
    return model._meta.pk.get_db_prep_save(pk, connection)  # noqa: SLF001  (documented)


def to_uuid(value: object) -> UUID:
    """Return the UUID in a column. SQLite stores 32 hexadecimal digits."""
    return value if isinstance(value, UUID) else UUID(str(value))


@cache
def names(model: "type[Model]") -> dict[str, str]:
    """Return the quoted names of a model: `table`, `columns`, and the column of each field."""
    quote = connection.ops.quote_name
    columns = {field.name: quote(str(field.column)) for field in fields_of(model)}
    table = quote(model._meta.db_table)  # noqa: SLF001  (documented)
    return {**columns, "columns": ", ".join(columns.values()), "table": table}


def placeholder_rows(model: "type[Model]", rows: int) -> str:
    """Return `(%s, %s), (%s, %s)`."""
    return ", ".join([f"({', '.join(['%s'] * len(fields_of(model)))})"] * rows)


@lru_cache
def advance_sql(model: "type[Model]", rows: int) -> str:
    """Return the statement that advances so many counters."""
    return ADVANCE.format(rows=placeholder_rows(model, rows), clock=clock(), **names(model))


@cache
def write_one_sql(
    counter: "type[Model]", model: "type[Model]", supplied: tuple[tuple[str, str], ...], *, is_new: bool
) -> str:
    """Return the statement that writes one task. `supplied` has attributes and columns of the CTE."""
    column = {field.attname: names(model)[field.name] for field in fields_of(model)}
    parts = {
        "advance": advance_sql(counter, 1),
        "supplied": ", ".join(f"{names(model)['table']}.{column[name]}" for name, _ in supplied),
        **names(model),
    }
    if is_new:
        values = dict.fromkeys(column, "%s") | {
            name: f"(SELECT {source} FROM counter)"  # noqa: S608  (a constant)
            for name, source in supplied
        }
        return INSERT_ONE.format(values=", ".join(values.values()), **parts)
    values = dict.fromkeys([field.attname for field in updatable_fields(model)], "%s")
    values |= {name: f"counter.{source}" for name, source in supplied}
    assignments = ", ".join(f"{column[name]} = {value}" for name, value in values.items())
    return UPDATE_ONE.format(assignments=assignments, **parts)

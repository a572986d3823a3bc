"""Database functions and lookups."""

from typing import Any

from django.db.models import CharField, F, Func
from django.db.models.fields import tuple_lookups
from django.db.models.lookups import BuiltinLookup


def as_row_value(lookup: type[Any]) -> type[Any]:
    """Return a comparison of rows that SQLite's indexes serve too. Django writes an OR there."""
    return type(lookup.__name__, (lookup,), {"as_sqlite": BuiltinLookup.as_sql})


RowGreaterThan = as_row_value(tuple_lookups.TupleGreaterThan)
RowGreaterThanOrEqual = as_row_value(tuple_lookups.TupleGreaterThanOrEqual)
RowLessThan = as_row_value(tuple_lookups.TupleLessThan)
RowLessThanOrEqual = as_row_value(tuple_lookups.TupleLessThanOrEqual)


class Rfc3339(Func):
    """The text of a time in UTC with six fractional digits, as `2026-11-21T09:00:00.123456Z`.

    For a list: PostgreSQL writes the text that a response needs, in a quarter of the instructions that
    Python needs to make a `datetime` and to write it. A row of a prepared queryset has it under the
    name of the field.
    """

    template = """to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    output_field = CharField()

    def __init__(self, field_name: str) -> None:
        super().__init__(F(field_name))
        self.row_name = field_name

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        """Return the same for SQLite, which stores `2026-11-21 09:00:00.123456`, or no fraction."""
        template = (
            "replace(substr(%(expressions)s, 1, 19), ' ', 'T')"
            " || '.' || substr(substr(%(expressions)s, 21) || '000000', 1, 6) || 'Z'"
        )
        return self.as_sql(compiler, connection, template=template)

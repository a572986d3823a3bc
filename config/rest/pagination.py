"""Keyset pages: each costs the same, wherever it lies in the list. There is no OFFSET."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.core.signing import BadSignature, Signer
from django.db.models import DateTimeField, Field, Q, QuerySet, UUIDField
from django.db.models.expressions import F
from django.db.models.fields.tuple_lookups import (
    Tuple,
    TupleGreaterThan,
    TupleGreaterThanOrEqual,
    TupleLessThan,
    TupleLessThanOrEqual,
)
from rest_framework import serializers
from rest_framework.request import Request

from config.db.prepared import Param, Prepared, prepared
from config.rest.fields import CountField, TextField
from config.rest.problems import Problem, parameter_error

MAX_PAGE_SIZE = 1000
# Where a page lies relative to the row in its cursor: on which side, and with that row or without it.
BACKWARD = {"before", "upto"}
INCLUSIVE = {"upto", "from"}
# From an empty page, the way back begins with the row in the cursor, if it still exists.
OPPOSITE = {"after": "upto", "from": "before", "before": "from", "upto": "after"}
LOOKUPS = {
    # (greater, inclusive): lookup of the row, lookup of its first column
    (True, False): (TupleGreaterThan, "gte"),
    (True, True): (TupleGreaterThanOrEqual, "gte"),
    (False, False): (TupleLessThan, "lte"),
    (False, True): (TupleLessThanOrEqual, "lte"),
}


class LimitQuery(serializers.Serializer[Any]):
    """The parameter of a response that has many rows."""

    limit = CountField(
        min_value=1, max_value=MAX_PAGE_SIZE, default=MAX_PAGE_SIZE, help_text="Rows per page."
    )


class PageQuery(LimitQuery):
    """The parameters of a list that has pages."""

    cursor = TextField(required=False, help_text="Where the page begins: from `Link` or `Next-Cursor`.")
    count = serializers.ChoiceField(
        ["true", "false"], default="false", help_text="`true` adds X-Total-Count, for one more query."
    )


PAGE_PARAMETERS = frozenset(PageQuery().fields)


class Page(NamedTuple):
    """The rows of a page, the cursors of its neighbours, and what it belongs to.

    `version` is the collection's version. No row is older than it.
    """

    rows: list[Any]
    next: str | None
    previous: str | None
    total: int | None
    version: int

    def headers(self, request: Request) -> dict[str, str]:
        """Return `Link` (RFC 8288), `Next-Cursor` and `X-Total-Count`, each where it applies."""
        headers = {}
        if self.next or self.previous:
            here = without_cursor(request.build_absolute_uri(request.get_full_path()))
            headers["Link"] = ", ".join(
                f'<{here}cursor={cursor}>; rel="{relation}"'
                for relation, cursor in (("next", self.next), ("prev", self.previous))
                if cursor
            )
        if self.next:
            headers["Next-Cursor"] = self.next
        if self.total is not None:
            headers["X-Total-Count"] = str(self.total)
        return headers


def without_cursor(url: str) -> str:
    """Return a URL without its cursor, ready for another one. A cursor needs no quoting."""
    path, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part and unquote(part.partition("=")[0]) != "cursor"]
    return "&".join([f"{path}?{kept[0]}", *kept[1:], ""]) if kept else f"{path}?"


class Cursor(NamedTuple):
    """A position in a list: a relation to a row, and the texts of that row's ordering columns."""

    relation: str = "after"
    texts: tuple[str, ...] = ()

    def encode(self, signer: Signer) -> str:
        """Return the cursor as clients get it."""
        document = json.dumps([self.relation, *self.texts], ensure_ascii=False, separators=(",", ":"))
        return signer.sign(base64.urlsafe_b64encode(document.encode()).decode().rstrip("="))

    @classmethod
    def decode(cls, text: str, signer: Signer) -> "Cursor":
        """Return the cursor. Raises Problem("invalid_cursor") unless this signer made it."""
        try:
            document = signer.unsign(text)
        except BadSignature:
            error = parameter_error("cursor", "invalid_cursor", "This cursor is not valid here.")
            raise Problem.from_errors([error]) from None
        relation, *texts = json.loads(base64.urlsafe_b64decode(document + "=" * (-len(document) % 4)))
        return cls(relation, tuple(texts))


class KeysetPaginator:
    """Reads pages of the list that `build` returns.

    `build(parameters)` returns a queryset ordered by one column and then the id, in one direction,
    annotated with `collection_version`. It is called with `owner` and the validated parameters of a
    PageQuery. For a page, `owner` and times are Params: the statement is prepared once for each
    combination of the other parameters. `read_version(owner_id)` returns the current version.
    """

    def __init__(
        self, build: Callable[[Mapping[str, Any]], QuerySet[Any]], read_version: Callable[[Any], int]
    ) -> None:
        self.build, self.read_version = build, read_version

    def read(self, owner_id: Any, query: Mapping[str, Any]) -> Page:
        """Return the page that `limit`, `cursor` and `count` ask for. Raises Problem("invalid_cursor").

        A cursor is signed for one owner and one set of filters, and is not valid elsewhere.
        """
        filters = {name: value for name, value in query.items() if name not in PAGE_PARAMETERS}
        signer = make_signer(owner_id, filters)
        cursor = Cursor.decode(query["cursor"], signer) if "cursor" in query else Cursor()
        total = self.build({**filters, "owner": owner_id}).count() if query["count"] == "true" else None
        shape = tuple(
            (name, datetime if isinstance(value, datetime) else value) for name, value in filters.items()
        )
        statement = page_statement(self.build, shape, cursor.relation, bool(cursor.texts), query["limit"])
        fields = ordering_fields(statement)
        values = {
            f"row_{field.attname}": field.to_python(text)
            for field, text in zip(fields, cursor.texts, strict=False)
        }
        rows, version = self._read_rows(statement, {**filters, **values, "owner": owner_id})
        has_more = len(rows) > query["limit"]
        del rows[query["limit"] :]
        if cursor.relation in BACKWARD:
            rows.reverse()
        next_, previous = (
            each and each.encode(signer) for each in find_neighbours(cursor, rows, fields, has_more=has_more)
        )
        return Page(rows, next_, previous, total, version)

    def _read_rows(self, statement: Prepared[Any], values: dict[str, Any]) -> tuple[list[Any], int]:
        """Return the rows, and the collection's version that was read with them.

        An empty page brings no version. It is then read first and the rows again, because a version
        that is newer than the rows would let a client keep them for too long.
        """
        rows = statement.rows(**values)
        if rows:
            return rows, rows[0].collection_version or 0
        version = self.read_version(values["owner"])
        return statement.rows(**values), version


@prepared
def page_statement(
    build: Callable[[Mapping[str, Any]], QuerySet[Any]],
    shape: tuple[tuple[str, Any], ...],
    relation: str,
    beyond: bool,  # noqa: FBT001  (part of the statement's key)
    limit: int,
) -> QuerySet[Any]:
    """Return the rows of a page, nearest first, and one more."""
    parameters = {name: Param(name, DateTimeField()) if value is datetime else value for name, value in shape}
    queryset = build({**parameters, "owner": Param("owner", UUIDField())})
    if beyond:
        queryset = rows_beyond(queryset, relation)
    return queryset[: limit + 1]


def rows_beyond(queryset: QuerySet[Any], relation: str) -> QuerySet[Any]:
    """Return the rows on one side of the row in a cursor, nearest first.

    A row-value comparison is an index condition on PostgreSQL. SQLite gets an OR instead, which is
    not one: there the bound on the first column is, which is otherwise redundant.
    """
    names = [str(name) for name in queryset.query.order_by]
    backward, descending = relation in BACKWARD, names[0].startswith("-")
    fields = [queryset.model._meta.get_field(name.removeprefix("-")) for name in names]  # noqa: SLF001  (documented)
    values = tuple(Param(f"row_{field.attname}", field) for field in fields)
    lookup, bound = LOOKUPS[backward == descending, relation in INCLUSIVE]
    row = lookup(Tuple(*(F(field.name) for field in fields)), values)
    queryset = queryset.filter(Q(**{f"{fields[0].name}__{bound}": values[0]}), row)
    return queryset.reverse() if backward else queryset


def ordering_fields(statement: Prepared[Any]) -> "list[Field[Any, Any]]":
    """Return the fields that a page is ordered by."""
    get_field = statement.model._meta.get_field  # noqa: SLF001  (documented)
    return [get_field(name) for name in statement.order_by]


def make_signer(owner_id: Any, filters: Mapping[str, Any]) -> Signer:
    """Return the signer of the cursors for one owner and one set of filters."""
    return Signer(sep=".", salt=f"cursor:{owner_id}:{sorted(filters.items())!r}")


def find_neighbours(
    cursor: Cursor, rows: list[Any], fields: "list[Field[Any, Any]]", *, has_more: bool
) -> tuple[Cursor | None, Cursor | None]:
    """Return the cursors of the next and the previous page, None where there is no such page."""
    backward = cursor.relation in BACKWARD
    if rows:
        following = cursor_at("after", rows[-1], fields) if has_more or backward else None
        return following, cursor_at("before", rows[0], fields) if cursor.texts else None
    if not cursor.texts:
        return None, None
    way_back = Cursor(OPPOSITE[cursor.relation], cursor.texts)
    return (way_back, cursor) if backward else (None, way_back)


def cursor_at(relation: str, row: Any, fields: "list[Field[Any, Any]]") -> Cursor:
    """Return a cursor relative to a row."""
    return Cursor(relation, tuple(str(getattr(row, field.attname)) for field in fields))

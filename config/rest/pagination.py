"""Keyset pages: each costs the same, wherever it lies in the list. There is no OFFSET."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.core.signing import BadSignature, Signer
from django.db.models import DateTimeField, F, QuerySet, UUIDField
from django.db.models import TextField as TextColumn
from django.db.models.fields import tuple_lookups
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request

from config.db.functions import RowGreaterThan, RowGreaterThanOrEqual, RowLessThan, RowLessThanOrEqual
from config.db.prepared import Param, Prepared, prepared
from config.rest.fields import CountField, SwitchField, TextField
from config.rest.problems import Problem

MAX_PAGE_SIZE = 1000
Build = Callable[[Mapping[str, Any]], QuerySet[Any]]
# Where a page lies relative to the row in its cursor: on which side, and with that row or without it.
BACKWARD = {"before", "upto"}
INCLUSIVE = {"upto", "from"}
# From an empty page, the way back begins with the row in the cursor, if it still exists.
OPPOSITE = {"after": "upto", "from": "before", "before": "from", "upto": "after"}
LOOKUPS = {
    # Whether it is greater, and whether it is inclusive.
    (True, False): RowGreaterThan,
    (True, True): RowGreaterThanOrEqual,
    (False, False): RowLessThan,
    (False, True): RowLessThanOrEqual,
}


# The fields of the parameters that a statement leaves open.
OPEN: Any = {datetime: DateTimeField, str: TextColumn}


class LimitQuery(serializers.Serializer[Any]):
    """The parameter of a response that has many rows."""

    limit = CountField(min_value=1, max_value=MAX_PAGE_SIZE, default=MAX_PAGE_SIZE, help_text="Page size.")


class PageQuery(LimitQuery):
    """The parameters of a list that has pages."""

    cursor = TextField(required=False, help_text="Where the page begins: from `Link` or `Next-Cursor`.")
    count = SwitchField(help_text="`true` adds X-Total-Count, for one more query.")


class Cursor(NamedTuple):
    """A position in a list: a relation to a row, and that row's ordering columns as texts."""

    relation: str
    texts: list[str]

    def encode(self, signer: Signer) -> str:
        """Return the cursor as clients get it. It needs no quoting in a URL."""
        document = json.dumps([self.relation, *self.texts], ensure_ascii=False, separators=(",", ":"))
        return signer.sign(base64.urlsafe_b64encode(document.encode()).decode().rstrip("="))

    @classmethod
    def decode(cls, text: str, signer: Signer) -> "Cursor":
        """Return the cursor. Raises Problem("invalid_cursor") unless this signer made it."""
        try:
            document = signer.unsign(text)
        except BadSignature:
            raise Problem.at("cursor", "invalid_cursor", "This cursor is not valid here.") from None
        relation, *texts = json.loads(base64.urlsafe_b64decode(document + "=" * (-len(document) % 4)))
        return cls(relation, texts)


class Page(NamedTuple):
    """The rows of a page, the cursors of its neighbours, and how many rows match, if it was asked.

    `version` is the version of the collection. The rows are at least as recent.
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
            url = without_cursor(request.build_absolute_uri(request.get_full_path()))
            links = {"next": self.next, "prev": self.previous}
            headers["Link"] = ", ".join(
                f'<{url}cursor={cursor}>; rel="{relation}"' for relation, cursor in links.items() if cursor
            )
        if self.next:
            headers["Next-Cursor"] = self.next
        return headers if self.total is None else {**headers, "X-Total-Count": str(self.total)}


class ArrayPagination(BasePagination):
    """Describes a page in the OpenAPI document: a bare array. KeysetPaginator reads it."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of the body."""
        return schema


class KeysetPaginator:
    """Reads pages of the list that `build` returns.

    `build(parameters)` returns a queryset ordered by one column and then the id, in one direction,
    annotated with `collection_version`. Its parameters are `owner`, the fields of a PageQuery and the
    `values` of a page. For a page, `owner`, times and the texts of `values` are Params: the statement is
    prepared once for each combination of the others. `read_version(owner_id)` returns the current
    version of the collection.
    """

    def __init__(self, build: Build, read_version: Callable[[Any], int]) -> None:
        self.build, self.read_version = build, read_version

    def read(
        self, owner_id: Any, query: Mapping[str, Any], values: Mapping[str, Any], *, is_rare: bool = False
    ) -> Page:
        """Return the page that `limit`, `cursor` and `count` ask for. Raises Problem("invalid_cursor").

        A cursor is signed for one owner and one set of filters, and is not valid elsewhere. `values`
        are the parameters that filters stand for at this time, and replace those of the same name. The
        statement of a rare query is not kept, and is executed once even if it finds nothing.
        """
        limit, filters = query["limit"], dict(query)
        text, count = filters.pop("cursor", None), filters.pop("count")
        del filters["limit"]
        signer = Signer(sep=".", salt=f"cursor:{owner_id}:{sorted(filters.items())!r}")
        cursor = Cursor("after", []) if text is None else Cursor.decode(text, signer)
        filters |= values
        key = (self.build, shape_of(filters, values), cursor.relation, bool(text), limit)
        statement = Prepared(page_queryset(*key)) if is_rare else page_statement(*key)
        fields = ordering_fields(statement)
        row = {
            f"row_{field.attname}": field.to_python(value)
            for field, value in zip(fields, cursor.texts, strict=False)
        }
        rows, version = self.read_rows(statement, {**filters, **row, "owner": owner_id}, is_rare=is_rare)
        page = rows[:limit][::-1] if cursor.relation in BACKWARD else rows[:limit]
        neighbours = find_neighbours(cursor, page, fields, has_more=len(rows) > limit)
        total = self.build({**filters, "owner": owner_id}).count() if count == "true" else None
        next_, previous = (each and each.encode(signer) for each in neighbours)
        return Page(page, next_, previous, total, version)

    def read_rows(
        self, statement: Prepared[Any], values: dict[str, Any], *, is_rare: bool
    ) -> tuple[Any, int]:
        """Return the rows, and the collection's version that was read with them or before.

        An empty page brings no version. It is then read first and the rows again, because a version
        that is newer than the rows would let a client keep them for too long.
        """
        if not is_rare and (rows := statement.rows(**values)):
            return rows, rows[0].collection_version or 0
        version = self.read_version(values["owner"])
        return statement.rows(**values), version


def shape_of(filters: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Return the filters as a part of a statement's key, where times and the texts of `values` are open."""
    return tuple(
        (name, type(value) if type(value) is datetime or (name in values and type(value) is str) else value)
        for name, value in filters.items()
    )


def page_queryset(
    build: Build, shape: tuple[tuple[str, Any], ...], relation: str, has_cursor: Any, limit: int
) -> QuerySet[Any]:
    """Return the rows of a page, nearest first, and one more."""
    parameters = {
        name: Param(name, OPEN[value]()) if isinstance(value, type) else value for name, value in shape
    }
    queryset = build({**parameters, "owner": Param("owner", UUIDField())})
    if has_cursor:
        backward, descending = relation in BACKWARD, str(queryset.query.order_by[0]).startswith("-")
        fields = ordering_fields(queryset)
        lookup = LOOKUPS[backward == descending, relation in INCLUSIVE]
        values = tuple(Param(f"row_{field.attname}", field) for field in fields)
        rows = tuple_lookups.Tuple(*(F(field.name) for field in fields))
        queryset = queryset.filter(lookup(rows, values))
        queryset = queryset.reverse() if backward else queryset
    return queryset[: limit + 1]


page_statement = prepared(page_queryset)


def ordering_fields(ordered: QuerySet[Any] | Prepared[Any]) -> list[Any]:
    """Return the fields that a queryset is ordered by."""
    get_field = ordered.model._meta.get_field  # noqa: SLF001  (documented)
    return [get_field(str(name).removeprefix("-")) for name in ordered.query.order_by]


def find_neighbours(
    cursor: Cursor, page: list[Any], fields: list[Any], *, has_more: bool
) -> tuple[Cursor | None, Cursor | None]:
    """Return the cursors of the next and the previous page, None where there is no such page."""
    backward = cursor.relation in BACKWARD
    if page:
        following = cursor_at("after", page[-1], fields) if has_more or backward else None
        return following, cursor_at("before", page[0], fields) if cursor.texts else None
    if not cursor.texts:
        return None, None
    way_back = Cursor(OPPOSITE[cursor.relation], cursor.texts)
    return (way_back, cursor) if backward else (None, way_back)


def cursor_at(relation: str, row: Any, fields: list[Any]) -> Cursor:
    """Return a cursor relative to a row."""
    return Cursor(relation, [str(getattr(row, field.attname)) for field in fields])


def without_cursor(url: str) -> str:
    """Return a URL that another cursor can be appended to."""
    path, _, query = url.partition("?")
    kept = [part for part in query.split("&") if part and unquote(part.partition("=")[0]) != "cursor"]
    return f"{path}?" + "".join(f"{part}&" for part in kept)

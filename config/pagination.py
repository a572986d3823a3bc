"""Pages that cost the same wherever they lie: a keyset, never an OFFSET."""

import base64
import hashlib
import json
from types import SimpleNamespace
from typing import Any

from django.core.signing import BadSignature, Signer
from django.db.models import Q, QuerySet
from django.db.models.expressions import F
from django.db.models.fields.tuple_lookups import (
    Tuple,
    TupleGreaterThan,
    TupleGreaterThanOrEqual,
    TupleLessThan,
    TupleLessThanOrEqual,
)
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from config.wire import Problem, parameter_fault

# How the rows of a page stand to the row that its cursor holds: on which side, and itself included or not.
BACKWARD = {"before", "upto"}
INCLUSIVE = {"upto", "from"}
# An empty page leads back to the very row whose neighbours were deleted meanwhile.
OPPOSITE = {"after": "upto", "from": "before", "before": "from", "upto": "after"}
LOOKUPS = {
    # (greater, inclusive): lookup of the row, lookup of its first column, the same in SQL
    (True, False): (TupleGreaterThan, "gte", ">"),
    (True, True): (TupleGreaterThanOrEqual, "gte", ">="),
    (False, False): (TupleLessThan, "lte", "<"),
    (False, True): (TupleLessThanOrEqual, "lte", "<="),
}


class KeysetPagination(BasePagination):
    """Pages of a queryset that is ordered by one column and then the id, in one direction.

    Or of what can be cut as one, and says by `query.order_by` and `beyond` what it is ordered by and
    how it is read from a row on; its rows are documents.

    A cursor holds the two values of a row and is signed for one user and one set of
    parameters: used elsewhere, forged or damaged it is Problem("invalid_cursor").
    `Link` (RFC 8288) has the neighbours, `Next-Cursor` the bare cursor of the next.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return the rows of the page that `view.query` asks for with `limit`, `cursor` and `count`."""
        self.request = request
        self.limit: int = view.query["limit"]
        self.order_by = [str(name) for name in queryset.query.order_by]
        get_field = queryset.model._meta.get_field  # noqa: SLF001  (public, for all its name)
        self.fields = [get_field(name.removeprefix("-")) for name in self.order_by]
        self.signer = self._make_signer(request, view.query)
        self.total = queryset.count() if view.query["count"] == "true" else None
        self.relation, self.texts = self._decode(view.query.get("cursor"))
        rows = list(self.beyond_cursor(queryset)[: self.limit + 1])
        self.page = rows[: self.limit]
        self.has_more = len(rows) > self.limit
        if self.relation in BACKWARD:
            self.page.reverse()
        return self.page

    def beyond_cursor(self, queryset: Any) -> Any:
        """Return the rows on the cursor's side of its row, nearest first.

        A row-value comparison is an index condition on PostgreSQL. On SQLite it becomes an OR,
        which is none: there the bound on the first column, redundant otherwise, is one.
        """
        if not self.texts:
            return queryset
        backward = self.relation in BACKWARD
        descending = self.order_by[0].startswith("-")
        row_lookup, bound, comparison = LOOKUPS[backward == descending, self.relation in INCLUSIVE]
        values = tuple(field.to_python(text) for field, text in zip(self.fields, self.texts, strict=True))
        if not isinstance(queryset, QuerySet):
            return queryset.beyond(comparison, values, backward=backward)
        first = self.fields[0].name
        row = row_lookup(Tuple(*(F(field.name) for field in self.fields)), values)
        queryset = queryset.filter(Q(**{f"{first}__{bound}": values[0]}), row)
        return queryset.reverse() if backward else queryset

    def _make_signer(self, request: Request, query: dict[str, Any]) -> Signer:
        filters = {name: str(query[name]) for name in query.keys() - {"limit", "cursor", "count"}}
        use = json.dumps([str(request.user.pk), self.order_by, filters], sort_keys=True)
        return Signer(sep=".", salt=f"cursor:{hashlib.sha256(use.encode()).hexdigest()}")

    def _encode(self, relation: str, texts: list[str]) -> str:
        document = json.dumps([relation, *texts], ensure_ascii=False, separators=(",", ":"))
        return self.signer.sign(base64.urlsafe_b64encode(document.encode()).decode().rstrip("="))

    def _decode(self, cursor: str | None) -> tuple[str, list[str]]:
        if cursor is None:
            return "after", []
        try:
            document = self.signer.unsign(cursor)
        except BadSignature:
            fault = parameter_fault("cursor", "invalid_cursor", "This cursor cannot be used here.")
            raise Problem.of_faults([fault]) from None
        relation, *texts = json.loads(base64.urlsafe_b64decode(document + "=" * (-len(document) % 4)))
        return relation, texts

    def _beside(self, relation: str, row: Any) -> str:
        if isinstance(row, dict):
            row = SimpleNamespace(
                **{field.attname: field.to_python(row[field.name]) for field in self.fields}
            )
        return self._encode(relation, [field.value_to_string(row) for field in self.fields])

    def neighbours(self) -> dict[str, str]:
        """Return the cursors of the pages next to this one, as far as there are such pages."""
        links = {}
        backward = self.relation in BACKWARD
        if self.page:
            if self.has_more or backward:
                links["next"] = self._beside("after", self.page[-1])
            if self.texts:
                links["prev"] = self._beside("before", self.page[0])
        elif self.texts:
            way_back = self._encode(OPPOSITE[self.relation], self.texts)
            links["prev"] = self._encode(self.relation, self.texts) if backward else way_back
            if backward:
                links["next"] = way_back
        return links

    def get_paginated_response(self, data: Any) -> Response:
        """Return the bare array, with its neighbours and its total in headers."""
        response = Response(data)
        links = self.neighbours()
        if links:
            here = self.request.build_absolute_uri(self.request.get_full_path())
            response["Link"] = ", ".join(
                f'<{replace_query_param(here, "cursor", cursor)}>; rel="{rel}"'
                for rel, cursor in links.items()
            )
        if "next" in links:
            response["Next-Cursor"] = links["next"]
        if self.total is not None:
            response["X-Total-Count"] = str(self.total)
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of the body, which is the bare array."""
        return schema

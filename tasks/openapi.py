"""The OpenAPI description of the operations on tasks."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_view

from config.rest.openapi import operation
from tasks.batch import BatchSerializer, ResultsSerializer
from tasks.changes import ChangesQuery, ChangesSerializer
from tasks.etags import TAGS_PATTERN
from tasks.filters import DeletionQuery, TaskListQuery
from tasks.operations import KEY_PATTERN, OPERATIONS
from tasks.serializers import CompletionSerializer, TaskSerializer


def header(name: str, description: str, **options: Any) -> OpenApiParameter:
    """Return a header: of the request, or with `response` of the responses with these statuses."""
    options["description"] = description
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, **options)


UNCHANGED = OpenApiResponse(description="Nothing has changed.")
ETAG = header("ETag", "The version. Send it as `If-Match` or `If-None-Match`.", response=[200])
IF_MATCH = header("If-Match", "Write only if the task is at this version, else 412.", pattern=TAGS_PATTERN)
IF_NONE_MATCH = header(
    "If-None-Match", "The `ETag` of an earlier response: 304 if it is unchanged.", pattern=TAGS_PATTERN
)
LIST_HEADERS = [
    header("ETag", "Weak. Changes with the user's tasks. Absent if the list has `due`.", response=[200]),
    header("Link", "The URLs of the next and the previous page. RFC 8288.", response=[200]),
    header("Next-Cursor", "The cursor of the next page. Absent on the last page.", response=[200]),
    header("X-Total-Count", "How many tasks match, if `count=true`.", response=[200]),
]
CREATE_HEADERS = [
    header(
        "Idempotency-Key", "1 to 255 visible ASCII characters. A new key for each task.", pattern=KEY_PATTERN
    ),
    header("ETag", "The version.", response=[201]),
    header("Idempotent-Replayed", "`true` if an earlier request created the task.", response=[201]),
    header("Location", "The URL of the task.", response=[201]),
]
CREATION = ("id_unavailable", "task_deleted", "idempotency_mismatch")
CHANGE = ("read_only_field", "precondition_failed")
CONDITIONAL = {"parameters": [IF_MATCH, ETAG], "responses": TaskSerializer}


class OperationExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # drf-spectacular is untyped here
    """An operation of a batch: each kind has its own fields."""

    target_class = "tasks.batch.OperationSerializer"

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return one schema for each kind."""
        fields = auto_schema._map_basic_serializer(self.target, direction)["properties"]  # noqa: SLF001  (what an extension replaces)
        kinds = [self.describe(name, fields, auto_schema) for name in self.target.fields["op"].choices]
        return {"description": self.target.__doc__, "oneOf": kinds}

    def describe(self, name: str, fields: dict[str, Any], auto_schema: Any) -> dict[str, Any]:
        """Return the schema of one kind. `data` is the body of the operation alone."""
        creates = name == "create"
        body = auto_schema.resolve_serializer(OPERATIONS[name].serializer(partial=not creates), "request")
        key = "idempotency_key" if creates else "if_match"
        properties = {
            "op": {"type": "string", "const": name},
            "id": {"type": "string", "format": "uuid"} if creates else fields["id"],
            key: fields[key],
            "data": body.ref if body else {"type": "object", "maxProperties": 0},
        }
        required = ["op", *({"create": ["data"], "update": ["id", "data"]}.get(name, ["id"]))]
        kind = {"title": f"{name.title()}Operation", "type": "object", "additionalProperties": False}
        return {**kind, "properties": properties, "required": required}


documented = extend_schema_view(
    list=operation(
        "invalid_cursor",
        parameters=[TaskListQuery, IF_NONE_MATCH, *LIST_HEADERS],
        responses={200: TaskSerializer(many=True), 304: UNCHANGED},
    ),
    create=operation(*CREATION, parameters=CREATE_HEADERS),
    retrieve=operation(parameters=[IF_NONE_MATCH, ETAG], responses={200: TaskSerializer, 304: UNCHANGED}),
    update=operation(*CHANGE, parameters=[IF_MATCH, ETAG]),
    partial_update=operation("empty_patch", *CHANGE, parameters=[IF_MATCH, ETAG]),
    destroy=operation("precondition_failed", parameters=[DeletionQuery, IF_MATCH]),
    complete=operation("precondition_failed", request=CompletionSerializer, **CONDITIONAL),
    restore=operation("precondition_failed", request=None, **CONDITIONAL),
    changes=operation("sync_token_expired", parameters=[ChangesQuery], responses=ChangesSerializer),
    batch=operation(
        *("read_only_field", "empty_patch", "not_found", "precondition_failed", *CREATION),
        request=BatchSerializer,
        responses=ResultsSerializer,
    ),
)

"""The OpenAPI description of the operations on tasks."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema_view

from config.rest.openapi import operation
from tasks.batch import BatchSerializer, ResultsSerializer
from tasks.changes import ChangesQuery, ChangesSerializer
from tasks.filters import DeletionQuery, TaskListQuery
from tasks.serializers import CompletionSerializer, TaskSerializer


def header(name: str, status: int, description: str) -> OpenApiParameter:
    """Return a header of the responses with this status."""
    return OpenApiParameter(
        name, OpenApiTypes.STR, OpenApiParameter.HEADER, response=[status], description=description
    )


def request_header(name: str, description: str) -> OpenApiParameter:
    """Return an optional header of the request."""
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.HEADER, description=description)


UNCHANGED = OpenApiResponse(description="Nothing has changed.")
ETAG = header("ETag", 200, "The version. Send it as `If-Match` or `If-None-Match`.")
IF_MATCH = request_header("If-Match", "Write only if the task is at this version, else 412.")
IF_NONE_MATCH = request_header("If-None-Match", "The `ETag` of an earlier response: 304 if it is unchanged.")
LIST_HEADERS = [
    header("ETag", 200, "Weak. Changes with every change to the user's tasks."),
    header("Link", 200, "The URLs of the next and the previous page. RFC 8288."),
    header("Next-Cursor", 200, "The cursor of the next page. Absent on the last page."),
    header("X-Total-Count", 200, "How many tasks match, if `count=true`."),
]
CREATE_HEADERS = [
    request_header("Idempotency-Key", "1 to 255 visible ASCII characters. A new key for each task."),
    header("ETag", 201, "The version."),
    header("Idempotent-Replayed", 201, "`true` if an earlier request created the task."),
    header("Location", 201, "The URL of the task."),
]
CREATION = ("id_unavailable", "task_deleted", "idempotency_mismatch")
CHANGE = ("read_only_field", "precondition_failed")
CONDITIONAL = {"parameters": [IF_MATCH, ETAG], "responses": TaskSerializer}

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

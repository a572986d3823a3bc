"""The OpenAPI description of the operations on tasks."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view

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


TAGS = ["tasks"]
UNCHANGED = OpenApiResponse(description="Nothing has changed.")
ETAG = header("ETag", 200, "The version. Send it as `If-Match` or `If-None-Match`.")
IF_MATCH = request_header("If-Match", "Write only if the task is at this version, else 412.")
IF_NONE_MATCH = request_header("If-None-Match", "The `ETag` of an earlier response: 304 if it is unchanged.")


documented = extend_schema_view(
    list=extend_schema(
        tags=TAGS,
        summary="List tasks, newest first",
        parameters=[
            TaskListQuery,
            IF_NONE_MATCH,
            header("ETag", 200, "Weak. Changes with every change to the user's tasks."),
            header("Link", 200, "The URLs of the next and the previous page. RFC 8288."),
            header("Next-Cursor", 200, "The cursor of the next page. Absent on the last page."),
            header("X-Total-Count", 200, "How many tasks match, if `count=true`."),
        ],
        responses={200: TaskSerializer(many=True), 304: UNCHANGED},
        extensions={"x-problems": ["invalid_cursor"]},
    ),
    create=extend_schema(
        tags=TAGS,
        summary="Create a task",
        parameters=[
            request_header("Idempotency-Key", "1 to 255 visible ASCII characters. A new key for each task."),
            header("ETag", 201, "The version."),
            header("Idempotent-Replayed", 201, "`true` if an earlier request created the task."),
            header("Location", 201, "The URL of the task."),
        ],
        extensions={"x-problems": ["id_unavailable", "task_deleted", "idempotency_mismatch"]},
    ),
    retrieve=extend_schema(
        tags=TAGS,
        summary="Get a task",
        parameters=[IF_NONE_MATCH, ETAG],
        responses={200: TaskSerializer, 304: UNCHANGED},
    ),
    update=extend_schema(
        tags=TAGS,
        summary="Change a task, with its title",
        parameters=[IF_MATCH, ETAG],
        extensions={"x-problems": ["read_only_field", "precondition_failed"]},
    ),
    partial_update=extend_schema(
        tags=TAGS,
        summary="Change the fields that are sent",
        parameters=[IF_MATCH, ETAG],
        extensions={"x-problems": ["empty_patch", "read_only_field", "precondition_failed"]},
    ),
    destroy=extend_schema(
        tags=TAGS,
        summary="Move a task to the trash, or delete it for good",
        parameters=[DeletionQuery, IF_MATCH],
        extensions={"x-problems": ["precondition_failed"]},
    ),
    complete=extend_schema(
        tags=TAGS,
        summary="Complete or reopen a task",
        parameters=[IF_MATCH, ETAG],
        request=CompletionSerializer,
        responses=TaskSerializer,
        extensions={"x-problems": ["precondition_failed"]},
    ),
    restore=extend_schema(
        tags=TAGS,
        summary="Take a task out of the trash",
        parameters=[IF_MATCH, ETAG],
        request=None,
        responses=TaskSerializer,
        extensions={"x-problems": ["precondition_failed"]},
    ),
    changes=extend_schema(
        tags=TAGS,
        summary="List the changes since the last request",
        parameters=[ChangesQuery],
        responses=ChangesSerializer,
        extensions={"x-problems": ["sync_token_expired"]},
    ),
    batch=extend_schema(
        tags=TAGS,
        summary="Apply up to 100 operations",
        request=BatchSerializer,
        responses=ResultsSerializer,
        extensions={
            "x-problems": [
                *("read_only_field", "empty_patch", "not_found", "id_unavailable", "task_deleted"),
                *("precondition_failed", "idempotency_mismatch"),
            ]
        },
    ),
)

"""The JSON of a task."""

from functools import lru_cache
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.rest.fields import ContextField, FlagField, StrictUUIDField, TextField, TimestampField
from config.rest.strict import StrictSerializer
from tasks.due import FIRST_DAY, LAST_DAY
from tasks.fields import DueDateField, PriorityField, TagsField
from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_BLANK, TITLE_MAX_LENGTH
from tasks.tags import MAX_TAGS, TAG_MAX_LENGTH

OPTIONAL: Any = {"required": False, "allow_blank": True, "allow_null": True}
NAMES = {"id": "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69", "user_id": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10"}
TEXTS = {"title": "Buy milk", "description": "Two litres"}
PLANNED = {"due_date": "2026-11-30", "priority": "high", "tags": ["home"]}
TAGS = f"Up to {MAX_TAGS} of 1 to {TAG_MAX_LENGTH} characters, unique without case. Replaced as a whole."
DUE_DATE = f"A day, which ends where the user is, or a time. From {FIRST_DAY} to {LAST_DAY}."
TIMES = dict.fromkeys(("created_at", "updated_at"), "2026-11-21T09:00:00.123456Z")
EXAMPLE = {**NAMES, **TEXTS, **PLANNED, "completed": False, "completed_at": None, **TIMES, "version": 7}


@extend_schema_serializer(
    examples=[
        OpenApiExample("Task", EXAMPLE, response_only=True),
        OpenApiExample("Change", TEXTS | PLANNED, request_only=True),
    ],
    # null is accepted as "", and never returned.
    extensions={"x-response": {"optional": ("deleted_at",), "not_null": ("description",)}},
)
class TaskSerializer(StrictSerializer):
    """A task. On creation, `id` can be sent too.

    Its context needs `user_id`, the owner's public id, and for a change the `id` in the URL.
    """

    id = StrictUUIDField(required=False)
    user_id = ContextField()
    title = TextField(max_length=TITLE_MAX_LENGTH, error_messages={"blank": TITLE_BLANK})
    description = TextField(max_length=DESCRIPTION_MAX_LENGTH, trim_whitespace=False, **OPTIONAL)
    due_date = DueDateField(required=False, allow_null=True, help_text=DUE_DATE)
    priority = PriorityField(required=False)
    tags = TagsField(required=False, help_text=TAGS)
    completed = FlagField(required=False)
    completed_at = TimestampField(read_only=True, allow_null=True)
    created_at = TimestampField(read_only=True)
    updated_at = TimestampField(read_only=True)
    version = serializers.IntegerField(read_only=True, help_text="Send it in quotation marks as `If-Match`.")
    deleted_at = TimestampField(read_only=True, help_text="Only for a task in the trash.")

    def get_context_values(self) -> dict[str, Any]:
        """Return the owner's id."""
        return {"user_id": self.context["user_id"]}

    def get_read_only_values(self) -> dict[str, str]:
        """Return the owner's id, and the id in the URL if there is one."""
        chosen = self.context.get("id")
        return self.get_context_values() | ({} if chosen is None else {"id": chosen})

    def validate_description(self, value: str | None) -> str:
        """Read null as empty."""
        return value or ""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the document of a Task or a row of one."""
        document = super().to_representation(instance)
        if document["deleted_at"] is None:
            del document["deleted_at"]
        return document


@lru_cache(maxsize=1024)
def serializer_for_output(user_id: str) -> TaskSerializer:
    """Return a serializer that writes the tasks of one user.

    Cached, because DRF's serializers are slow to make: 3 % of a GET. Writing changes nothing in it.
    """
    return TaskSerializer(context={"user_id": user_id})


@extend_schema_serializer(examples=[OpenApiExample("Complete", {"completed": True})])
class CompletionSerializer(StrictSerializer):
    """The body of `complete`. Without `completed` it toggles."""

    completed = FlagField(required=False)

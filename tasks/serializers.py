"""The wire format of a task."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.wire import FlagField, StrictSerializer, TextField, TimestampField, parse_uuid, utc_timestamp
from tasks.models import DESCRIPTION_MAX_LENGTH, TITLE_BLANK, TITLE_MAX_LENGTH, Task


class TaskIdField(serializers.UUIDField):
    """A UUID of any version, in the 36 characters of RFC 9562."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the UUID."""
        if (value := parse_uuid(data)) is None:
            self.fail("invalid", value=data)
        return value


EXAMPLE = {
    "id": "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69",
    "user_id": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10",
    "title": "Buy milk",
    "description": "Two litres",
    "completed": False,
    "completed_at": None,
    "created_at": "2026-11-21T09:00:00.123456Z",
    "updated_at": "2026-11-21T09:00:00.123456Z",
    "version": 7,
}


@extend_schema_serializer(
    examples=[
        OpenApiExample("Task", EXAMPLE, response_only=True),
        OpenApiExample("Change", {"title": "Buy milk", "description": "Two litres"}, request_only=True),
    ]
)
class TaskSerializer(StrictSerializer):
    """A task as its owner sees it. Writable: `title`, `description`, `completed`; on creation also `id`."""

    id = TaskIdField(required=False)
    user_id = serializers.CharField(read_only=True)
    title = TextField(max_length=TITLE_MAX_LENGTH, error_messages={"blank": TITLE_BLANK})
    description = TextField(
        max_length=DESCRIPTION_MAX_LENGTH,
        required=False,
        allow_blank=True,
        allow_null=True,
        trim_whitespace=False,
    )
    completed = FlagField(required=False)
    completed_at = TimestampField(read_only=True, allow_null=True)
    created_at = TimestampField(read_only=True)
    updated_at = TimestampField(read_only=True)
    version = serializers.IntegerField(
        read_only=True, help_text="Moves with every change; `If-Match` takes it in quotation marks."
    )
    deleted_at = TimestampField(read_only=True, help_text="Only of what is in the trash.")

    def get_fixed_values(self) -> dict[str, str]:
        """Return what a body must not contradict: the caller, and the id in the address."""
        fixed = {"user_id": self.context["request"].user.public_id, "id": self.context.get("id")}
        return {name: value for name, value in fixed.items() if value is not None}

    def validate_description(self, value: str | None) -> str:
        """Read `null` as empty."""
        return value or ""

    def to_representation(self, instance: Task) -> dict[str, Any]:
        """Write the fields out by hand: the list spends its time here."""
        representation = {
            "id": str(instance.id),
            "user_id": self.context["request"].user.public_id,
            "title": instance.title,
            "description": instance.description,
            "completed": instance.completed,
            "completed_at": utc_timestamp(instance.completed_at) if instance.completed_at else None,
            "created_at": utc_timestamp(instance.created_at),
            "updated_at": utc_timestamp(instance.updated_at),
            "version": instance.version,
        }
        if instance.deleted_at:
            representation["deleted_at"] = utc_timestamp(instance.deleted_at)
        return representation


@extend_schema_serializer(examples=[OpenApiExample("Complete", {"completed": True})])
class CompletionSerializer(StrictSerializer):
    """What `complete` may be told. Without `completed` it toggles."""

    completed = FlagField(required=False)

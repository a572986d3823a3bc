"""Strict serializer fields: a value of the wrong JSON type is an error and is never converted."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from rest_framework import serializers

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def utc_timestamp(value: datetime) -> str:
    """Return a time as `2026-11-21T09:00:00.123456Z`. RFC 3339."""
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_uuid(text: object) -> UUID | None:
    """Return the UUID written in the 36 characters of RFC 9562, else None."""
    return UUID(text) if isinstance(text, str) and UUID_TEXT.fullmatch(text) else None


def is_same_id(given: object, value: str) -> bool:
    """Return whether two ids are equal. UUIDs are compared without case."""
    return given == value or (parse_uuid(given) or "") == parse_uuid(value)


class AsIsField:
    """A mixin before a field: it writes the value as it is, which the renderer can write."""

    def to_representation(self, value: Any) -> Any:
        """Return the value."""
        return value


class TextField(AsIsField, serializers.CharField):
    """A JSON string."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the text. Raises ValidationError("invalid") for a number, which DRF would convert."""
        if data is not serializers.empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


class ContextField(TextField):
    """A text that does not come from the instance: `get_context_values` of the serializer has it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)


class FlagField(AsIsField, serializers.BooleanField):
    """`true` or `false`. DRF would also take "yes" and 1."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the flag."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictUUIDField(AsIsField, serializers.UUIDField):
    """A UUID of any version, in the 36 characters of RFC 9562."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the UUID."""
        if (value := parse_uuid(data)) is None:
            self.fail("invalid", value=data)
        return value


class TimestampField(serializers.DateTimeField):
    """A time with an offset, read and written to the microsecond. RFC 3339."""

    default_error_messages = {"invalid": "Send a time such as 2026-11-21T09:00:00Z."}

    def to_internal_value(self, value: Any) -> datetime:
        """Return the time in UTC."""
        if isinstance(value, str) and RFC3339.fullmatch(value):
            with suppress(ValueError, OverflowError):
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
        return self.fail("invalid")

    def to_representation(self, value: datetime | str) -> Any:
        """Return the time in UTC, with six fractional digits. A text is already so, from `Rfc3339`.

        The renderer writes a `datetime` faster, but leaves out a fraction of zero.
        """
        if isinstance(value, str) or (value.microsecond and value.tzinfo is UTC):
            return value
        return utc_timestamp(value)


class OptionField(serializers.ChoiceField):
    """One of a few strings, which the error for another value lists."""

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        super().__init__(choices, **kwargs)
        self.error_messages["invalid_choice"] = f"Send one of: {', '.join(choices)}."


class SwitchField(OptionField):
    """`true` or `false` in a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(["true", "false"], default="false", **kwargs)


class ShortListField(serializers.ListField):
    """A list of up to `max_length` elements. DRF would validate all elements before it counts them."""

    def to_internal_value(self, data: Any) -> list[Any]:
        """Return the values of the elements."""
        if isinstance(data, list) and len(data) > cast("int", self.max_length):
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class CountField(serializers.IntegerField):
    """A number in a query: ASCII digits only, without sign, space, point or underscore."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number."""
        if not re.fullmatch("[0-9]{1,9}", data):
            self.fail("invalid")
        return int(data)

"""The serializer fields of planning: due dates, priorities and tags."""

import re
from contextlib import suppress
from datetime import date, datetime
from typing import Any
from unicodedata import normalize

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.rest.fields import (
    AsIsField,
    OptionField,
    ShortListField,
    TextField,
    TimestampField,
    utc_timestamp,
)
from tasks.due import FIRST_DAY, LAST_DAY
from tasks.models import PRIORITY_UNKNOWN, Priority
from tasks.tags import FORBIDDEN, MAX_TAGS, TAG_MAX_LENGTH, fold_tag, unique_tags

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
LOCAL_TIME = re.compile(rf"{DAY.pattern}[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
DAY_OR_TIME = [{"type": "string", "format": kind} for kind in ("date", "date-time")]
# NFC makes a text at most four times shorter. A longer one is not normalised, which can be slow.
MAX_DECOMPOSED_LENGTH = 4 * TAG_MAX_LENGTH
PRIORITY_NAMES = {each.value: each.name.lower() for each in Priority if each != Priority.NONE}
# What the OpenAPI document says of a tag: white space around it does not count.
SPACE, CHARACTER, VISIBLE = r"[\s\x1c-\x1f\x85]", r"[^,\x00-\x1f\x7f-\x9f]", r"[^\s,\x00-\x1f\x7f-\x9f]"
TAG_PATTERN = f"{SPACE}*{VISIBLE}({CHARACTER}{{0,{TAG_MAX_LENGTH - 2}}}{VISIBLE})?{SPACE}*"


@extend_schema_field({"anyOf": DAY_OR_TIME})
class DayOrTimeField(TimestampField):
    """A day, or a time with an offset."""

    default_error_messages = {
        "invalid": "Send a date such as 2026-11-30, or a time with an offset such as 2026-11-30T17:00:00Z, "
        f"from {FIRST_DAY} to {LAST_DAY}.",
        "offset_missing": "Add an offset, as in 2026-11-30T17:00:00Z, or send a date such as 2026-11-30.",
    }

    def to_internal_value(self, value: Any) -> Any:
        """Return a date, or a datetime in UTC."""
        text = value if isinstance(value, str) else ""
        if LOCAL_TIME.fullmatch(text):
            self.fail("offset_missing")
        with suppress(ValueError):
            found = date.fromisoformat(text) if DAY.fullmatch(text) else super().to_internal_value(text)
            if FIRST_DAY <= (found.date() if isinstance(found, datetime) else found) <= LAST_DAY:
                return found
        return self.fail("invalid")


class DueDateField(AsIsField, DayOrTimeField):
    """A due date, as the text that is stored."""

    def to_internal_value(self, value: Any) -> Any:
        """Return a day as it is, a time in UTC."""
        due: date | datetime = super().to_internal_value(value)
        return utc_timestamp(due) if isinstance(due, datetime) else due.isoformat()


@extend_schema_field({"anyOf": [{"type": "string", "enum": list(PRIORITY_NAMES.values())}]})
class PriorityField(OptionField):
    """A priority by its name. None is stored as a number too."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(list(PRIORITY_NAMES.values()), allow_null=True, **kwargs)
        self.error_messages["invalid_choice"] = PRIORITY_UNKNOWN

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the number."""
        name = super().run_validation(data)
        return Priority.NONE.value if name is None else Priority[name.upper()].value

    def to_representation(self, value: Any) -> Any:
        """Return the name, or None."""
        return PRIORITY_NAMES.get(value)


@extend_schema_field({"type": "string", "pattern": f"^{TAG_PATTERN}$"})
class TagField(TextField):
    """A tag: without surrounding white space, and in NFC, in which its length counts."""

    default_error_messages = {
        "invalid_tag": "Send a tag such as home, without a comma and without control characters.",
        "blank": "Send a tag such as home.",
    }

    def to_internal_value(self, data: str) -> str:
        """Return the tag. Its length is checked here: in the document it would count white space too."""
        tag = super().to_internal_value(data)
        if FORBIDDEN.search(tag):
            self.fail("invalid_tag")
        if len(tag) <= MAX_DECOMPOSED_LENGTH:
            tag = normalize("NFC", tag)
        return tag if len(tag) <= TAG_MAX_LENGTH else self.fail("max_length", max_length=TAG_MAX_LENGTH)


class TagsField(ShortListField):
    """The tags of a task, as the text that is stored. Of tags that differ in case alone the first stays."""

    default_error_messages = {
        "not_a_list": 'Send a list such as ["home", "errand"].',
        "null": "Send [] to remove all tags.",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=TagField(), max_length=MAX_TAGS, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Return the tags with commas between them."""
        return ",".join(unique_tags(super().run_validation(data)))

    def to_representation(self, value: Any) -> list[str]:
        """Return the tags."""
        return value.split(",") if value else []


@extend_schema_field({"type": "string", "pattern": f"^{TAG_PATTERN}(,{TAG_PATTERN}){{0,{MAX_TAGS - 1}}}$"})
class TagFilterField(TextField):
    """Tags in a query, with commas between them."""

    default_error_messages = {"too_many_tags": f"Send up to {MAX_TAGS} tags."}

    def to_internal_value(self, data: str) -> Any:
        """Return the folded tags, each once."""
        tags, field = data.split(","), TagField()
        if len(tags) > MAX_TAGS:
            self.fail("too_many_tags")
        return tuple(dict.fromkeys(fold_tag(field.run_validation(tag)) for tag in tags))

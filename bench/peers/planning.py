"""How both peers store due dates, priorities and tags: in the columns of this project's migrations."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from unicodedata import normalize
from zoneinfo import ZoneInfo

DAY_LENGTH = len("2026-11-30")
NUMBERS = {"high": 1, "medium": 5, "low": 9, None: 10}
PRIORITIES = {number: name for name, number in NUMBERS.items()}


def to_columns(fields: Mapping[str, Any], time_zone: str, never: datetime | None) -> dict[str, Any]:
    """Return the columns of these fields of a document, with those that follow from them.

    `never` is the moment of a task that is not due.
    """
    columns = dict(fields)
    if "due_date" in fields:
        columns["due_at"] = due_moment(fields["due_date"], time_zone) if fields["due_date"] else never
    if "priority" in fields:
        columns["priority"] = NUMBERS[fields["priority"]]
    if "tags" in fields:
        columns["tags"] = ",".join(fields["tags"])
        columns["tags_folded"] = f",{','.join(map(fold, fields['tags']))}," if fields["tags"] else ""
    return columns


def due_moment(due_date: str, time_zone: str) -> datetime:
    """Return the time of a due date, or the end of its day where the user is."""
    if len(due_date) > DAY_LENGTH:
        return datetime.fromisoformat(due_date)
    next_day = date.fromisoformat(due_date) + timedelta(days=1)
    return datetime.combine(next_day, time.min, ZoneInfo(time_zone)).astimezone(UTC) - datetime.resolution


def utc_text(moment: datetime) -> str:
    """Return a time as it is stored and shown: UTC, six digits, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def fold(tag: str) -> str:
    """Return the form of a tag that does not depend on case."""
    return normalize("NFC", tag.casefold())


def split_tags(tags: str) -> list[str]:
    """Return the tags in a column."""
    return tags.split(",") if tags else []

"""The columns of a task that follow from others. Every write of tasks derives them."""

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from tasks.due import due_moment
from tasks.tags import fold_tags

DERIVED = {"due_date": "due_at", "tags": "tags_folded"}


def derive(fields: Mapping[str, Any], time_zone: Callable[[], tzinfo]) -> dict[str, Any]:
    """Return what follows from those of these fields that have a derived column.

    `time_zone` returns the owner's. The caller holds the lock of the owner's counter, which keeps it.
    """
    derived: dict[str, Any] = {}
    if "due_date" in fields:
        derived["due_at"] = due_moment(fields["due_date"], time_zone)
    if "tags" in fields:
        derived["tags_folded"] = fold_tags(fields["tags"])
    return derived

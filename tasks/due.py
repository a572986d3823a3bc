"""Due dates: how one is stored, and the moment that lists compare.

A due date is a day (`2026-11-30`) or a time (`2026-11-30T17:00:00.000000Z`), and is stored as it is shown. A
day is due until it ends where the user is. RFC 5545, DUE.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth import get_user_model

# The moment of a task that is not due.
NEVER = datetime.max.replace(tzinfo=UTC)
# Between them, the moment of every day in every time zone is a datetime before NEVER.
FIRST_DAY, LAST_DAY = date(1, 1, 3), date(9999, 12, 29)
DAY_LENGTH = len("2026-11-30")
DUE_DATE_LENGTH = len("2026-11-30T17:00:00.000000Z")
ONE_DAY = timedelta(days=1)


def day_begins(day: date, zone: tzinfo) -> datetime:
    """Return the first moment at which the clock of a time zone reaches 00:00 of a day or later, in UTC.

    If the clock shows midnight twice, that is the first one. If it jumps over midnight, or over the
    whole day, it is the moment of the jump.
    """
    midnight = datetime.combine(day, time.min, zone)
    first, second = (midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    # PEP 495: of a midnight that is left out, these two lie on both sides of the jump.
    before, after = second, first
    while after - before > datetime.resolution:
        middle = before + (after - before) // 2
        if middle.astimezone(zone).date() < day:
            before = middle
        else:
            after = middle
    return after


def is_day(due_date: str) -> bool:
    """Return whether a due date is a day, and not a time."""
    return len(due_date) == DAY_LENGTH


def due_moment(due_date: str | None, time_zone: Callable[[], tzinfo]) -> datetime:
    """Return when a task with this due date becomes overdue: its time, or the end of its day."""
    if due_date is None:
        return NEVER
    if is_day(due_date):
        return day_begins(date.fromisoformat(due_date) + ONE_DAY, time_zone()) - datetime.resolution
    return datetime.fromisoformat(due_date)


@cache
def zone_named(name: str) -> ZoneInfo:
    """Return the time zone with this name. One that tzdata does not have any more counts as UTC.

    Cached, because zoneinfo keeps only eight.
    """
    with suppress(ValueError, ZoneInfoNotFoundError):
        return ZoneInfo(name)
    return ZoneInfo("UTC")


def time_zone_of(owner_id: UUID) -> ZoneInfo:
    """Return the time zone of a user. It does not change while the user's counter is locked."""
    users = get_user_model().objects.filter(pk=owner_id)
    # A user who has just been deleted has none, and nothing will be stored.
    return zone_named(users.values_list("time_zone", flat=True).first() or "UTC")

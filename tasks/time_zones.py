"""The moments of all-day tasks follow the time zone of their owner."""

from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from tasks import sql
from tasks.counter import ChangeCounter
from tasks.due import due_moment, time_zone_of, zone_named
from tasks.models import Task

# Of a user with 100,000 tasks it takes some seconds. The limit is raised until the transaction ends.
RAISE_STATEMENT_LIMIT = """
SELECT set_config('statement_timeout', '60s', true) FROM pg_settings
WHERE name = 'statement_timeout' AND setting::int BETWEEN 1 AND 59999
"""
DAYS_AT_ONCE = 500


def move_to_time_zone(user: Any, **_: Any) -> None:
    """Move the user's all-day tasks if another time zone is about to be stored.

    The counter advances, because lists have changed. The tasks keep their versions: what clients see
    of them is as it was.
    """
    ChangeCounter.lock(user.pk)
    zone = zone_named(user.time_zone)
    if time_zone_of(user.pk).key != zone.key:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(RAISE_STATEMENT_LIMIT)
        ChangeCounter.advance(user.pk)
        move_due(user.pk, zone)


def move_due(owner_id: UUID, zone: ZoneInfo) -> int:
    """Compute the moments of the owner's all-day tasks in a time zone. Return how many changed.

    The caller holds the lock of the owner's counter.
    """
    days = Task.objects.owned_by(owner_id).all_day().order_by().values_list("due_date", flat=True).distinct()
    moments = iter([(str(day), due_moment(day, lambda: zone)) for day in days])
    moved = 0
    while batch := list(islice(moments, DAYS_AT_ONCE)):
        # Filled up with the last one: PostgreSQL prepares a statement for each length.
        batch += batch[-1:] * (DAYS_AT_ONCE - len(batch))
        moved += sql.move_due(Task, owner_id, batch)
    return moved


def recompute_due(owner_id: UUID, *, dry_run: bool = False) -> int:
    """Compute the moments of the owner's all-day tasks again. Return how many changed."""
    with transaction.atomic():
        ChangeCounter.lock(owner_id)
        moved = move_due(owner_id, time_zone_of(owner_id))
        if moved:
            ChangeCounter.advance(owner_id)
        transaction.set_rollback(dry_run)
        return moved

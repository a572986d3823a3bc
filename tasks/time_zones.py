"""The moments of all-day tasks follow the time zone of their owner."""

from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from tasks import sql
from tasks.counter import BATCH_SIZE, ChangeCounter
from tasks.due import due_moment, time_zone_of
from tasks.models import Task

# Of a user with 100,000 tasks it takes some seconds. This limit holds until the transaction ends.
SET_STATEMENT_LIMIT = "SET LOCAL statement_timeout = '60s'"


def move_to_time_zone(user: Any, **_: Any) -> None:
    """Move the user's all-day tasks if another time zone is about to be stored.

    The counter advances, because lists have changed. The tasks keep their versions: what clients see
    of them is as it was.
    """
    ChangeCounter.lock(user.pk)
    if time_zone_of(user.pk).key != user.time_zone:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(SET_STATEMENT_LIMIT)
        ChangeCounter.advance(user.pk)
        move_due(user.pk, ZoneInfo(user.time_zone))


def move_due(owner_id: UUID, zone: ZoneInfo) -> int:
    """Compute the moments of the owner's all-day tasks in a time zone. Return how many changed.

    The caller holds the lock of the owner's counter.
    """
    days = Task.objects.owned_by(owner_id).all_day().order_by().values_list("due_date", flat=True).distinct()
    moments = {str(day): due_moment(day, lambda: zone) for day in days}
    items, moved = iter(moments.items()), 0
    while batch := dict(islice(items, BATCH_SIZE)):
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

"""`manage.py after_restore`: invalidate what clients hold of the time that a restore has undone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.db.models import BigIntegerField, F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from tasks.counter import ChangeCounter
from tasks.management.progress import progress_bar

STEP = 2**32
# A value from the clock is also past those that were used after an earlier restore of the same dump,
# because no user makes 4096 changes in a millisecond. JavaScript reads it exactly until the year 2095.
ORIGIN = datetime(2026, 1, 1, tzinfo=UTC)
CHANGES_PER_MILLISECOND = 4096
# The users of a batch cannot write until it is committed.
BATCH_SIZE = 1000


class Command(BaseCommand):
    """Moves every user's counter on, a few users at a time."""

    help = "After a restore: move every user's counter past what clients hold. A second run does no harm."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the dry run."""
        parser.add_argument("--dry-run", action="store_true", help="only say how many counters would move")

    def handle(self, *, dry_run: bool, **_: Any) -> str:
        """Move the counters and return a summary."""
        users = get_user_model().objects.order_by("pk").values_list("pk", flat=True)
        total, moved, last = users.count(), 0, UUID(int=0)
        if dry_run:
            return f"Would move the counters of {total} users."
        with progress_bar(total) as progress:
            while owners := list(users.filter(pk__gt=last)[:BATCH_SIZE]):
                moved += move_on(owners)
                progress.update(len(owners))
                last = owners[-1]
        return f"Moved the counters of {moved} users."


def move_on(owners: Sequence[UUID]) -> int:
    """Move these users' counters by at least STEP, past every sync token. Return how many."""
    with transaction.atomic():
        # Locks them as every write does, and creates those that are missing: a client may hold their values.
        ChangeCounter.advance_all(owners, by=0)
        # A range, because PostgreSQL compares each row with each of 1000 parameters.
        counters = ChangeCounter.objects.filter(owner__gte=owners[0], owner__lte=owners[-1])
        # The counters of accounts that were deleted before the lock.
        counters.exclude(
            owner__in=get_user_model().objects.filter(pk__range=(owners[0], owners[-1]))
        ).delete()
        milliseconds = int((timezone.now() - ORIGIN).total_seconds() * 1000)
        value = Greatest(F("change_seq") + bigint(STEP), bigint(milliseconds * CHANGES_PER_MILLISECOND))
        return counters.update(change_seq=value, purged_seq=value)


def bigint(number: int) -> Value:
    """Return a number for SQL. A plain one goes to PostgreSQL with 32 bits, where 2^32 is 0."""
    return Value(number, BigIntegerField())

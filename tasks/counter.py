"""The counter of a user's changes, which every write of tasks takes first."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import models

from config.db.prepared import Param, prepared
from tasks import sql

# PostgreSQL takes at most 65,535 parameters in a statement.
BATCH_SIZE = 5000


class CounterValues(NamedTuple):
    """A counter as it was read. All writes up to `change_seq` are committed."""

    change_seq: int = 0
    purged_seq: int = 0


class ChangeCounter(models.Model):
    """A user's counter of task changes: the source of versions, ETags and the change feed.

    Every write locks it first: a user's commits are in the order of its values. It is no column of the
    account, which a write must not lock.
    """

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="change_counter"
    )
    change_seq = models.BigIntegerField(default=0)
    # Rows up to here were deleted without a trace. A client that has not read so far must start again.
    purged_seq = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.change_seq)

    @classmethod
    def advance(cls, owner_id: UUID, by: int = 1) -> sql.Stamp:
        """Take the next value of a user's counter, or the next few. Return the last, with the time.

        Call it first in a transaction, which then holds the lock.
        """
        return cls.advance_all([owner_id], by)[owner_id]

    @classmethod
    def advance_all(cls, owner_ids: Iterable[UUID], by: int = 1) -> dict[UUID, sql.Stamp]:
        """Take the next value of several users' counters."""
        owners = iter(sorted(set(owner_ids)))
        batches = iter(lambda: list(islice(owners, BATCH_SIZE)), [])
        return dict(item for batch in batches for item in sql.advance(cls, batch, by).items())

    @classmethod
    def lock(cls, owner_id: UUID) -> None:
        """Lock a user's counter until the transaction ends. No other writer can proceed."""
        cls.advance(owner_id, by=0)

    @classmethod
    def read(cls, owner_id: UUID) -> CounterValues:
        """Return the values of a user's counter, which are 0 before the first write."""
        rows = counter_of_owner().rows(owner=owner_id)
        return CounterValues(*rows[0]) if rows else CounterValues()


@prepared
def counter_of_owner() -> "models.QuerySet[ChangeCounter, Any]":
    """Return the statement that reads a counter."""
    counters = ChangeCounter.objects.filter(owner=Param("owner", models.UUIDField()))
    return counters.order_by().values_list(*CounterValues._fields)

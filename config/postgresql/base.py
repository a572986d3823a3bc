"""Django's PostgreSQL backend, with a cheaper look at whether a connection still lives.

Django asks `SELECT 1` before the first statement of every request, a third of the statements that
a GET sends. A server that has gone says so: the connection's socket then has something to be read.
"""

import select
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus

# A firewall drops what has idled for minutes without a word: then only the server itself can tell.
TRUSTED_SECONDS = 10


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that was used a moment ago, and has heard nothing since, is alive."""

    seen_at = float("-inf")

    def is_usable(self) -> Any:
        """Tell whether the connection lives."""
        idle, self.seen_at = time.monotonic() - self.seen_at, time.monotonic()
        if idle < TRUSTED_SECONDS and not self.errors_occurred and self.is_quiet():
            return True
        return super().is_usable()

    def is_quiet(self) -> bool:
        """Tell whether the server owes no answer and has sent nothing unasked, its goodbye included."""
        pgconn = self.connection.pgconn
        # Of a connection that is lost or closed this is UNKNOWN, and there is no socket to be had.
        if pgconn.transaction_status != TransactionStatus.IDLE:
            return False
        poll = select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        return not poll.poll(0)

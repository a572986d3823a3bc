"""Security events: log lines of their own, apart from the request log.

A line has the time, the level, the event and `user_id`, which is never an e-mail. In a request it also
has its `request_id` and `client`. The README lists the events.
"""

from functools import partial
from typing import Any, Literal

import structlog
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.dispatch import receiver

log = structlog.get_logger(__name__)

SecurityEvent = Literal[
    "sign_in",
    "sign_in_refused",
    "session_ended",
    "token_reused",
    "password_changed",
    "throttled",
    "admin_permission_changed",
]
# These may be an attack.
WARNINGS = {"sign_in_refused", "token_reused", "throttled"}


def log_event(event: SecurityEvent, user_id: str | None, **details: Any) -> None:
    """Log an event of an account, once the transaction is committed."""
    write = log.warning if event in WARNINGS else log.info
    transaction.on_commit(partial(write, event, user_id=user_id, **details))


@receiver(user_logged_in)
def log_admin_sign_in(user: Any, **_: Any) -> None:
    """Log a sign-in to the admin. The API does not use Django's sessions."""
    log_event("sign_in", user.id_for_logs, via="admin")

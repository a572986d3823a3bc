"""Throttles that count exactly, across threads, processes and machines.

Each counter is a row, and counting is one statement. A counter that is read and then written lets
40 concurrent requests through a limit of 5. The ORM has no `ON CONFLICT DO UPDATE … RETURNING`.
"""

import hashlib
import hmac
import math
import time
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from rest_framework.request import Request

from config.rest.client import client_address
from config.rest.problems import Problem
from users.emails import fold_email
from users.events import log_event

COUNT = """
INSERT INTO users_throttle (key, count, expires_at) VALUES (%(key)s, 1, %(expires_at)s)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN users_throttle.expires_at <= %(now)s THEN 1 ELSE users_throttle.count + 1 END,
    expires_at = CASE WHEN users_throttle.expires_at <= %(now)s
                 THEN excluded.expires_at ELSE users_throttle.expires_at END
RETURNING count, expires_at
"""


def throttle_login(request: Request | HttpRequest, email: str) -> None:
    """Count an attempt to sign in. Call it before hashing. Raises Problem("throttled")."""
    throttle_login_from_address(request)
    throttle_login_to_account(request, email)


def throttle_login_from_address(request: Request | HttpRequest) -> None:
    """Count an attempt by its address alone. Needs no body. Raises Problem("throttled")."""
    hit("login address", client_address(request), rate=settings.LOGIN_RATE_PER_ADDRESS)


def throttle_login_to_account(request: Request | HttpRequest, email: str) -> None:
    """Count an attempt by its account and address. Raises Problem("throttled")."""
    hit("login account", fold_email(email), client_address(request), rate=settings.LOGIN_RATE_PER_ACCOUNT)


def throttle_registration(request: Request) -> None:
    """Count an attempt to register. Raises Problem("throttled")."""
    hit("registration", client_address(request), rate=settings.REGISTRATION_RATE)


def hit(*names: str, rate: tuple[int, timedelta]) -> None:
    """Count an attempt. Raises Problem("throttled") with the seconds to wait if it is over the rate."""
    # A keyed hash: no e-mail or address is stored.
    key = hmac.digest(settings.SECRET_KEY.encode(), "\0".join(names).encode(), hashlib.sha256).hex()
    limit, period = rate
    now = int(time.time() * 1000)
    expires_at = now + period // timedelta(milliseconds=1)
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"key": key, "now": now, "expires_at": expires_at})
        count, expires_at = cursor.fetchone()
    if count > limit:
        log_event("throttled", None, limit=names[0])
        seconds = math.ceil((expires_at - now) / 1000)
        detail = f"Too many attempts. Try again in {seconds} seconds."
        raise Problem("throttled", detail, headers={"Retry-After": str(seconds)})

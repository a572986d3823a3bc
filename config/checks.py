"""System checks on combinations of settings."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def check_proxy(**_: Any) -> list[checks.CheckMessage]:
    """Warn if a proxy is trusted for the scheme but not for the client's address."""
    if settings.NUM_PROXIES or not settings.TRUST_X_FORWARDED_PROTO:
        return []
    hint = "Set NUM_PROXIES to the number of proxies in front, or all clients have one address."
    message = "TRUST_X_FORWARDED_PROTO is on while NUM_PROXIES is 0."
    return [checks.Warning(message, hint=hint, id="config.W001")]


@checks.register(checks.Tags.security)
def check_timeouts(**_: Any) -> list[checks.CheckMessage]:
    """Warn if the lifetimes of tokens and sessions are not in order."""
    if settings.ACCESS_TOKEN_LIFETIME <= settings.SESSION_IDLE_TIMEOUT <= settings.SESSION_ABSOLUTE_TIMEOUT:
        return []
    hint = "Keep ACCESS_TOKEN_LIFETIME <= SESSION_IDLE_TIMEOUT <= SESSION_ABSOLUTE_TIMEOUT."
    message = "The lifetimes of tokens and sessions are not in order."
    return [checks.Warning(message, hint=hint, id="config.W002")]

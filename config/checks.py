"""System checks on settings that are each fine and together are not."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_proxy(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Warn when a proxy is trusted for the scheme and not counted for the address."""
    if settings.TRUST_X_FORWARDED_PROTO and not settings.NUM_PROXIES:
        return [
            Warning(
                "TRUST_X_FORWARDED_PROTO is on while NUM_PROXIES is 0.",
                hint="Set NUM_PROXIES to how many proxies stand in front, or every client has the proxy's address.",
                id="config.W001",
            )
        ]
    return []


@register(Tags.security)
def check_timeouts(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Warn when a session would outlive what ends it."""
    if settings.ACCESS_TOKEN_LIFETIME <= settings.SESSION_IDLE_TIMEOUT <= settings.SESSION_ABSOLUTE_TIMEOUT:
        return []
    return [
        Warning(
            "The lifetimes contradict each other.",
            hint="Keep ACCESS_TOKEN_LIFETIME <= SESSION_IDLE_TIMEOUT <= SESSION_ABSOLUTE_TIMEOUT.",
            id="config.W002",
        )
    ]

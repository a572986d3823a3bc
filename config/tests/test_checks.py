"""System checks on settings that are each fine and together are not."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks

DAY = timedelta(days=1)


def warnings(*, deploying):
    found = run_checks(include_deployment_checks=deploying)
    return [message.id for message in found if message.id.startswith("config.")]


def test_these_settings_are_fine():
    assert warnings(deploying=True) == []


@pytest.mark.parametrize(
    ("trusted", "proxies", "expected"),
    [(True, 0, ["config.W001"]), (True, 1, []), (False, 0, []), (False, 1, [])],
)
def test_a_proxy_that_is_trusted_must_be_counted(settings, trusted, proxies, expected):
    settings.TRUST_X_FORWARDED_PROTO = trusted
    settings.NUM_PROXIES = proxies
    assert warnings(deploying=True) == expected
    assert warnings(deploying=False) == []


@pytest.mark.parametrize(
    ("access", "idle", "absolute", "expected"),
    [
        (DAY, DAY, DAY, []),
        (DAY, 2 * DAY, 3 * DAY, []),
        (2 * DAY, DAY, 3 * DAY, ["config.W002"]),
        (DAY, 3 * DAY, 2 * DAY, ["config.W002"]),
    ],
)
def test_lifetimes_must_not_contradict_each_other(settings, access, idle, absolute, expected):
    settings.ACCESS_TOKEN_LIFETIME = access
    settings.SESSION_IDLE_TIMEOUT = idle
    settings.SESSION_ABSOLUTE_TIMEOUT = absolute
    assert warnings(deploying=False) == expected

"""The external issuer's settings are judged at start, by name and never by value."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from users.tests.issuer import SECRET

MINIMUM = {
    "ENV_FILE": "/dev/null",
    "SECRET_KEY": "the-key-that-signs-the-cookies-here",
    "JWT_SIGNING_KEY": "the-key-that-signs-the-tokens-here",
    "ALLOWED_HOSTS": "api.example.com",
}
HTTPS = "https://app.example.com"


def start(**environment):
    return subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **MINIMUM, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BETTER_AUTH_SECRET", MINIMUM["SECRET_KEY"]),
        ("BETTER_AUTH_SECRET", MINIMUM["JWT_SIGNING_KEY"]),
        ("BETTER_AUTH_SECRET", "thirty-one-bytes-are-too-short."),
        ("BETTER_AUTH_URL", "http://app.example.com"),
        ("BETTER_AUTH_URL", "http://localhost.example.com"),
        ("BETTER_AUTH_URL", f"{HTTPS}/"),
        ("BETTER_AUTH_URL", f"{HTTPS}?tenant=1"),
        ("BETTER_AUTH_URL", f"{HTTPS}#top"),
        ("BETTER_AUTH_URL", "app.example.com"),
        ("BETTER_AUTH_URL", "file:///etc/passwd"),
        ("BETTER_AUTH_URL", "https://[x"),
        ("BETTER_AUTH_URL", "https://user:password@app.example.com"),
        ("BETTER_AUTH_LABEL", "x" * 256),
        ("BETTER_AUTH_URL", "https:///front"),
        ("BETTER_AUTH_LEEWAY", "-1s"),
        ("TOMBSTONE_LIFETIME", "-7d"),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value):
    started = start(**{name: value})
    assert started.returncode != 0
    assert f"ImproperlyConfigured: {name}: " in started.stderr.replace("The environment is not valid.\n", "")
    assert value not in started.stderr.partition("ImproperlyConfigured")[2]


@pytest.mark.parametrize("address", [{"BETTER_AUTH_ISSUER": HTTPS}, {"BETTER_AUTH_URL": HTTPS}], ids=str)
def test_the_issuer_must_not_have_our_own_name(address):
    started = start(JWT_ISSUER=HTTPS, **address)
    assert started.returncode != 0
    assert "ImproperlyConfigured: BETTER_AUTH_ISSUER: " in started.stderr
    assert HTTPS not in started.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"BETTER_AUTH_URL": HTTPS},
        {"BETTER_AUTH_URL": f"{HTTPS}/front"},
        {"BETTER_AUTH_URL": "http://localhost:3000"},
        {"BETTER_AUTH_URL": "http://127.0.0.1:3000"},
        {"BETTER_AUTH_URL": "http://[::1]:3000"},
        {"BETTER_AUTH_URL": "http://app.test:3000", "DEBUG": "true"},
        {"BETTER_AUTH_SECRET": SECRET},
        {"BETTER_AUTH_SECRET": "é" * 16},
        {"BETTER_AUTH_URL": HTTPS, "BETTER_AUTH_SECRET": SECRET, "BETTER_AUTH_ISSUER": "app"},
    ],
    ids=str,
)
def test_a_good_environment_starts(environment):
    started = start(**environment)
    assert (started.returncode, started.stderr) == (0, "")

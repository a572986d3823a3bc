"""What the tests of accounts share: the external issuer, and a count of hashes."""

import pytest

from users.hashers import Argon2idPasswordHasher
from users.issuer import key_set
from users.tests.issuer import GENERATORS, SECRET, published, serving, signing_key


@pytest.fixture
def issuer(settings):
    """Run a Better Auth that has a key of each kind and shares a secret; it is configured by both."""
    key_set.cache_clear()
    with serving(published(*(signing_key(algorithm, algorithm) for algorithm in GENERATORS))) as server:
        settings.BETTER_AUTH_URL = server.url
        settings.BETTER_AUTH_ISSUER = settings.BETTER_AUTH_AUDIENCE = server.url
        settings.BETTER_AUTH_SECRET = SECRET
        yield server


@pytest.fixture
def hashings(monkeypatch):
    """The hashes that are made and verified, in a list that grows."""
    done = []

    for name in ("encode", "verify"):
        original = getattr(Argon2idPasswordHasher, name)

        def counted(*args, name=name, original=original):
            done.append(name)
            return original(*args)

        monkeypatch.setattr(Argon2idPasswordHasher, name, counted)
    return done

"""What the tests of the external issuer share."""

import pytest

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

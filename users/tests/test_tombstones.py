"""A deleted external account stays deleted, whatever key the service has by then."""

import pytest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from users.deletion import Tombstone
from users.models import User
from users.tests.issuer import SUBJECT, by_key, call


@pytest.fixture
def deleted(db, issuer):
    """Delete an external account through the API."""
    assert call(by_key(issuer), "auth/me", "delete").status_code == 204


def code(issuer):
    return call(by_key(issuer)).json().get("code")


def test_a_new_secret_key_brings_no_account_back(deleted, issuer, settings):
    settings.SECRET_KEY = "another secret key, which is long enough to be one"
    assert code(issuer) == "token_invalid"
    assert not User.objects.exists()


def test_a_tombstone_names_label_and_subject(deleted, issuer, settings):
    assert call(by_key(issuer, sub=f"{SUBJECT}x")).status_code == 200
    settings.BETTER_AUTH_LABEL = "another"
    assert call(by_key(issuer)).status_code == 200


@pytest.fixture
def keyed(db, settings):
    """A tombstone as it was made before: its hash depends on SECRET_KEY."""
    account = f"{settings.BETTER_AUTH_LABEL}\0{SUBJECT}"
    digest = salted_hmac("tombstone", account, algorithm="sha256").hexdigest()
    return Tombstone.objects.create(digest=digest)


def test_an_older_tombstone_stays_valid_until_it_expires(keyed, issuer, settings):
    assert code(issuer) == "token_invalid"
    Tombstone.objects.update(created_at=timezone.now() - settings.TOMBSTONE_LIFETIME)
    assert call(by_key(issuer)).json()["id"] == SUBJECT

"""Tokens that must not be believed all have one answer: nobody learns from it what was wrong."""

import pytest

from users.models import User
from users.tests.factories import UserFactory
from users.tests.hostile_tokens import HOSTILE, own
from users.tests.issuer import by_key, by_secret, call


@pytest.fixture
def refused(db, issuer):
    """Make Alice, and return the answer to what is no token at all."""
    UserFactory(email="alice@example.com")
    answer = call("refused")
    assert answer.status_code == 401
    assert answer.json()["code"] == "token_invalid"
    assert answer["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    return answer


def test_the_table_is_long_enough():
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_like_any_other(issuer, refused, name):
    answer = call(HOSTILE[name](issuer))
    assert (answer.status_code, answer.content) == (401, refused.content)
    assert answer["WWW-Authenticate"] == refused["WWW-Authenticate"]
    assert User.objects.count() == 1
    assert len(issuer.requests) <= 1


@pytest.mark.parametrize("make", [by_key, by_secret, own()], ids=["key", "secret", "own"])
def test_what_they_were_made_of_is_admitted(issuer, refused, make):
    assert call(make(issuer)).status_code == 200


def test_all_of_them_together_cost_one_fetch(issuer, refused):
    for name, make in HOSTILE.items():
        assert call(make(issuer), "me/tasks").content == refused.content, name
        assert User.objects.count() == 1
    assert len(issuer.requests) == 1


def test_without_an_external_issuer_all_of_them_are_refused_too(issuer, refused, settings):
    settings.BETTER_AUTH_URL = settings.BETTER_AUTH_SECRET = ""
    for name, make in {**HOSTILE, "by key": by_key, "by secret": by_secret}.items():
        assert call(make(issuer)).content == refused.content, name
        assert User.objects.count() == 1
    assert not issuer.requests

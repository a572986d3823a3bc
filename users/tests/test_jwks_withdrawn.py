"""A key that the issuer has withdrawn is not trusted for long, and no issuer that hangs holds anybody up."""

import pytest

from users import jwks
from users.jwks import KeySet
from users.tests.issuer import body, hang, published, serving, signing_key
from users.tests.test_jwks import LONGER_THAN_ANY_TEST, later, result_for, result_while_it_hangs, settled

OLD, NEW = signing_key(kid="old"), signing_key(kid="new")
TWICE_THE_INTERVAL = 2 * 600


@pytest.fixture
def server():
    with serving(published(OLD)) as server:
        yield server


@pytest.fixture
def keys(server, monkeypatch):
    """Keys that have been fetched once. A fetch may take longer than any test."""
    monkeypatch.setattr(jwks, "TIMEOUT", LONGER_THAN_ANY_TEST)
    keys = KeySet(f"{server.url}/api/auth/jwks")
    assert result_for(keys, "old") == "EdDSA"
    return keys


def test_keys_older_than_twice_the_interval_are_fetched_before_they_are_trusted(server, keys):
    server.answer = published(NEW)
    later(keys, TWICE_THE_INTERVAL + 1)
    assert result_for(keys, "old") == "unknown"
    assert len(server.requests) == 2


def test_younger_keys_are_trusted_while_they_are_fetched(server, keys):
    server.answer = hang
    later(keys, TWICE_THE_INTERVAL - 15)
    assert result_while_it_hangs(server, keys, "old") == {"EdDSA"}
    assert len(server.requests) == 2


def test_without_an_answer_old_keys_are_trusted_and_fetched_once_in_30_s(server, keys):
    server.answer = body(b"{}", status=500)
    later(keys, TWICE_THE_INTERVAL + 1)
    assert [result_for(keys, "old") for _ in range(3)] == ["EdDSA"] * 3
    assert len(server.requests) == 2
    later(keys, 30)
    assert [result_for(keys, "old") for _ in range(3)] == ["EdDSA"] * 3
    assert len(server.requests) == 3


def test_old_keys_wait_two_seconds_in_thirty_for_an_issuer_that_hangs(server, keys, monkeypatch):
    server.answer = hang
    monkeypatch.setattr(jwks, "TIMEOUT", 0.2)
    later(keys, TWICE_THE_INTERVAL + 1)
    assert result_for(keys, "old") == "EdDSA"
    settled(keys)
    assert {result_for(keys, "old") for _ in range(100)} == {"EdDSA"}
    assert len(server.requests) == 2


def test_requests_that_come_later_wait_for_the_rest_of_the_attempt_only(server, keys):
    server.answer = hang
    later(keys, TWICE_THE_INTERVAL + 1)
    keys.refresh(wait=False)
    server.arrived.acquire()
    keys.attempted_at -= LONGER_THAN_ANY_TEST
    assert result_while_it_hangs(server, keys, "old") == {"EdDSA"}

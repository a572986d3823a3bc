"""The issuer's keys, from a real server on loopback that does all that a server can do wrong.

Nothing here waits for the clock: time is moved on the KeySet, and what must not wait is
called while the server is known to hang.
"""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from rest_framework_simplejwt.exceptions import TokenError

from config.rest.problems import Problem
from users import jwks
from users.jwks import KeySet
from users.tests.issuer import SigningKey, body, document, drip, hang, published, raw, serving, signing_key

OLD, NEW = signing_key(kid="old"), signing_key(kid="new")
LONGER_THAN_ANY_TEST = 600.0
# What is promised, in seconds and bytes. Not imported: a change of them must be noticed here.
ATTEMPT_INTERVAL, REFRESH_INTERVAL, STALE_IF_ERROR = 30, 600, 24 * 3600
MAX_BYTES = 65_536
AWAY = "503 service_unavailable"


@pytest.fixture
def server():
    with serving(published(OLD)) as server:
        yield server


@pytest.fixture
def keys(server):
    return KeySet(f"{server.url}/api/auth/jwks")


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Set how long a fetch may take: what should succeed must not fail on a slow machine."""

    def set_timeout(seconds):
        monkeypatch.setattr(jwks, "TIMEOUT", seconds)

    set_timeout(LONGER_THAN_ANY_TEST)
    return set_timeout


def later(keys, seconds):
    keys.fetched_at -= seconds
    keys.attempted_at -= seconds


def result_for(keys, kid):
    """Return what asking for a key comes to: its algorithm, or the code of the refusal."""
    try:
        return keys.key(kid).algorithm_name
    except Problem as problem:
        return f"{problem.status_code} {problem.code}"
    except TokenError:
        return "unknown"


def result_while_it_hangs(server, keys, kid):
    """Ask a hundred times, then let the server go. Raises TimeoutError if the asking waits for it."""
    with ThreadPoolExecutor(1) as pool:
        try:
            told_each = pool.submit(lambda: {result_for(keys, kid) for _ in range(100)}).result(timeout=30)
            assert keys.is_fetching()
        finally:
            server.released.set()
    settled(keys)
    return told_each


def settled(keys):
    keys.fetching.join(30)
    assert not keys.is_fetching()


def nested(depth):
    return b'{"keys":' + b"[" * depth + b"]" * depth + b"}"


def spaced(size):
    """Return a usable set of exactly so many bytes."""
    return json.dumps({"keys": [OLD.jwk]}).encode().ljust(size)


LENGTH = b"HTTP/1.0 200 OK\r\nContent-Length: 100000\r\n\r\n"
FAILURES = {
    "500": body(b"{}", status=500),
    "404 with keys": body(spaced(1000), status=404),
    "html": body(b"<!doctype html><title>Sign in</title>", content_type="text/html"),
    "empty": body(b""),
    "empty set": document({"keys": []}),
    "no object": document([OLD.jwk]),
    "null": document(None),
    "keys null": document({"keys": None}),
    "keys an object": document({"keys": OLD.jwk}),
    "redirect": body(b"", status=302, Location="/elsewhere"),
    "100 KiB": body(spaced(100 * 1024)),
    "a byte too long": body(spaced(MAX_BYTES + 1)),
    "nested": body(nested(30_000)),
    "a long number": body(b'{"keys":[' + b"9" * 5000 + b"]}"),
    "not utf-8": body(b'{"keys":["\xff"]}'),
    "cut short": raw(LENGTH + spaced(1000)[:60]),
    "not http": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "bad chunks": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    "closed": raw(b""),
    "hangs": hang,
    "drips": drip(LENGTH, b" "),
}
SLOW = {"hangs", "drips"}


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_key_is_fetched_once_and_kept(server, keys, algorithm):
    server.answer = published(OLD, signing_key(algorithm, "kid"))
    assert [keys.key("kid").algorithm_name for _ in range(3)] == [algorithm] * 3
    assert result_for(keys, "old") == "EdDSA"
    assert server.requests == ["/api/auth/jwks"]


@pytest.mark.parametrize("failure", FAILURES)
def test_without_any_keys_a_failure_is_503_and_tried_once_in_30_s(server, keys, patience, failure):
    patience(0.2 if failure in SLOW else LONGER_THAN_ANY_TEST)
    server.answer = FAILURES[failure]
    assert [result_for(keys, kid) for kid in ("old", "new", "old")] == [AWAY] * 3
    settled(keys)
    server.arrived.acquire()
    assert len(server.requests) == 1
    patience(LONGER_THAN_ANY_TEST)
    server.answer = published(OLD)
    later(keys, ATTEMPT_INTERVAL - 15)
    assert result_for(keys, "old") == AWAY
    later(keys, 15)
    assert result_for(keys, "old") == "EdDSA"
    assert len(server.requests) == 2


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_keeps_known_keys_for_24_hours(server, keys, patience, failure):
    assert result_for(keys, "old") == "EdDSA"
    patience(0.2 if failure in SLOW else LONGER_THAN_ANY_TEST)
    server.answer = FAILURES[failure]
    later(keys, STALE_IF_ERROR - 15)
    assert result_for(keys, "old") == "EdDSA"
    settled(keys)
    assert result_for(keys, "new") == "unknown"
    for _ in range(2):
        server.arrived.acquire()
    assert len(server.requests) == 2
    later(keys, 15)
    assert result_for(keys, "old") == AWAY
    assert len(server.requests) == 2


def test_the_intervals_are_30_seconds_10_minutes_and_24_hours(server, keys, monkeypatch):
    def told_at(seconds, kid):
        """Return what asking at this time comes to, and how many requests there were by then."""
        monkeypatch.setattr(jwks, "time", SimpleNamespace(monotonic=lambda: seconds))
        answer = result_for(keys, kid)
        settled(keys)
        return answer, len(server.requests)

    assert told_at(0, "old") == ("EdDSA", 1)
    assert told_at(29.9, "new") == ("unknown", 1)
    assert told_at(30, "new") == ("unknown", 2)
    assert told_at(30 + 600, "old") == ("EdDSA", 2)
    server.answer = body(b"{}", status=500)
    assert told_at(30 + 600.1, "old") == ("EdDSA", 3)
    assert told_at(30 + 86_400, "old") == ("EdDSA", 4)
    assert told_at(30 + 86_400.1, "old") == (AWAY, 4)


def test_an_issuer_that_is_down_is_503_until_it_is_back():
    with serving(published(OLD)) as gone:
        keys = KeySet(gone.url)
    assert result_for(keys, "old") == AWAY
    with serving(published(OLD)) as back:
        keys.url = back.url
        assert result_for(keys, "old") == AWAY
        later(keys, ATTEMPT_INTERVAL)
        assert result_for(keys, "old") == "EdDSA"


def test_a_known_key_never_waits_for_a_fetch_that_hangs(server, keys):
    assert result_for(keys, "old") == "EdDSA"
    server.answer = hang
    later(keys, REFRESH_INTERVAL + 1)
    assert result_while_it_hangs(server, keys, "old") == {"EdDSA"}
    assert len(server.requests) == 2


def test_keys_are_asked_for_again_in_the_background(server, keys):
    assert result_for(keys, "old") == "EdDSA"
    server.answer = published(NEW)
    later(keys, REFRESH_INTERVAL - 15)
    assert result_for(keys, "old") == "EdDSA"
    assert len(server.requests) == 1
    later(keys, 15)
    assert result_for(keys, "old") == "EdDSA"
    settled(keys)
    assert len(server.requests) == 2
    assert result_for(keys, "new") == "EdDSA"
    assert result_for(keys, "old") == "unknown"
    assert len(server.requests) == 2


def test_an_unknown_key_asks_at_once_and_finds_the_rotated_one(server, keys):
    assert result_for(keys, "old") == "EdDSA"
    server.answer = published(OLD, NEW)
    later(keys, ATTEMPT_INTERVAL)
    assert result_for(keys, "new") == "EdDSA"
    assert result_for(keys, "old") == "EdDSA"
    assert len(server.requests) == 2


def test_forged_kids_cost_one_request_in_30_s(server, keys):
    assert result_for(keys, "old") == "EdDSA"
    assert {result_for(keys, f"forged-{n}") for n in range(50)} == {"unknown"}
    assert len(server.requests) == 1
    later(keys, ATTEMPT_INTERVAL)
    assert {result_for(keys, f"forged-{n}") for n in range(50)} == {"unknown"}
    assert len(server.requests) == 2


def test_eight_at_once_make_one_fetch(server, keys):
    barrier = threading.Barrier(8)

    def ask(_):
        barrier.wait()
        return result_for(keys, "old")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["EdDSA"] * 8
    assert len(server.requests) == 1


def test_whoever_comes_late_waits_for_the_rest_of_the_attempt_only(server, keys):
    """A worker that waited anew for each forged token would be held up for as long as the issuer is slow."""
    server.answer = hang
    keys.refresh(wait=False)
    server.arrived.acquire()
    keys.attempted_at -= LONGER_THAN_ANY_TEST
    assert result_while_it_hangs(server, keys, "old") == {AWAY}
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed(server, keys):
    with serving(published(OLD)) as elsewhere:
        server.answer = body(b"", status=307, Location=f"{elsewhere.url}/api/auth/jwks")
        assert result_for(keys, "old") == AWAY
        assert not elsewhere.requests


def test_64_kib_are_read(server, keys):
    server.answer = body(spaced(MAX_BYTES))
    assert result_for(keys, "old") == "EdDSA"


UNUSABLE = {
    "no object": "old",
    "null": None,
    "no kid": {"kty": "OKP", "crv": "Ed25519", "x": OLD.jwk["x"]},
    "kid empty": {**OLD.jwk, "kid": ""},
    "kid a number": {**OLD.jwk, "kid": 7},
    "kid a list": {**OLD.jwk, "kid": ["old"]},
    "oct": {"kty": "oct", "kid": "old", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "alg": "HS256"},
    "no kty": {"kid": "old", "crv": "Ed25519", "x": OLD.jwk["x"]},
    "kty a list": {**OLD.jwk, "kty": ["OKP"]},
    "crv a list": {**OLD.jwk, "crv": ["Ed25519"]},
    "crv unknown": {**OLD.jwk, "crv": "Ed448"},
    "P-384": {**signing_key("ES256", "old").jwk, "crv": "P-384", "alg": "ES384"},
    "kty unknown": {**OLD.jwk, "kty": "AKP", "alg": "ML-DSA-44"},
    "alg of another kind": {**OLD.jwk, "alg": "ES256"},
    "alg null": {**OLD.jwk, "alg": None},
    "RSA for PS256": {**signing_key("RS256", "old").jwk, "alg": "PS256"},
    "for encryption": {**OLD.jwk, "use": "enc"},
    "use a list": {**OLD.jwk, "use": ["sig"]},
    "x missing": {"kty": "OKP", "crv": "Ed25519", "kid": "old"},
    "x a number": {**OLD.jwk, "x": 5},
    "x too short": {**OLD.jwk, "x": "AA"},
    "not on the curve": {**signing_key("ES256", "old").jwk, "y": "A" * 43},
    "modulus empty": {**signing_key("RS256", "old").jwk, "n": ""},
}


@pytest.mark.parametrize("entry", UNUSABLE)
def test_an_unusable_key_is_passed_over(server, keys, entry):
    server.answer = published(UNUSABLE[entry], NEW, UNUSABLE[entry])
    assert result_for(keys, "new") == "EdDSA"
    assert set(keys.keys) == {"new"}


@pytest.mark.parametrize("entry", UNUSABLE)
def test_a_set_of_unusable_keys_is_none(server, keys, entry):
    server.answer = published(UNUSABLE[entry])
    assert result_for(keys, "old") == AWAY
    assert len(server.requests) == 1


def test_of_duplicates_the_last_counts(server, keys):
    first, last = SigningKey(kid="twice"), SigningKey(kid="twice")
    server.answer = published(first, last)
    assert keys.key("twice").key.public_bytes_raw() == last.private.public_key().public_bytes_raw()


def test_what_a_key_may_verify_is_told_by_its_kind(server, keys):
    kinds = [signing_key(algorithm, algorithm) for algorithm in ("EdDSA", "ES256", "RS256")]
    server.answer = published(*({**kind.jwk, "use": "sig", "ext": True} for kind in kinds))
    assert [result_for(keys, kind.kid) for kind in kinds] == ["EdDSA", "ES256", "RS256"]

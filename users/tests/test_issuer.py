"""The external issuer's tokens admit its users, whatever way it is configured."""

import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import InsecureKeyLengthWarning

from users import jwks
from users.authentication import AccessToken
from users.issuer import key_set
from users.models import Session, User
from users.tests.issuer import (
    GENERATORS,
    SECRET,
    SUBJECT,
    SigningKey,
    by_key,
    by_secret,
    call,
    claims_of,
    hang,
    published,
    serving,
    sign_with_secret,
    signing_key,
)


def configure(settings, *, keys, secret):
    settings.BETTER_AUTH_URL = settings.BETTER_AUTH_URL if keys else ""
    settings.BETTER_AUTH_SECRET = SECRET if secret else ""


WAYS = {"keys": {"keys": True, "secret": False}, "both": {"keys": True, "secret": True}}
SECRET_ONLY = {"keys": False, "secret": True}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("algorithm", GENERATORS)
def test_a_token_signed_by_a_key_admits(db, issuer, settings, way, algorithm):
    configure(settings, **WAYS[way])
    answer = call(by_key(issuer, algorithm))
    assert (answer.status_code, answer.json()["id"]) == (200, SUBJECT)
    assert issuer.requests == ["/api/auth/jwks"]


@pytest.mark.parametrize("way", [SECRET_ONLY, WAYS["both"]], ids=["secret", "both"])
def test_a_token_signed_by_the_secret_admits(db, issuer, settings, way):
    configure(settings, **way)
    assert call(by_secret(issuer)).json()["id"] == SUBJECT
    assert not issuer.requests


def test_by_the_secret_alone_a_kid_means_nothing(db, issuer, settings):
    configure(settings, **SECRET_ONLY)
    assert call(sign_with_secret(claims_of(issuer.url), kid="EdDSA")).status_code == 200


@pytest.mark.parametrize(
    ("way", "sign"), [(SECRET_ONLY, by_key), (WAYS["keys"], by_secret)], ids=["secret", "keys"]
)
def test_a_way_that_is_not_configured_admits_nobody(db, issuer, settings, way, sign):
    configure(settings, **way)
    assert call(sign(issuer)).json()["code"] == "token_invalid"
    assert not issuer.requests
    assert not User.objects.exists()


@pytest.mark.parametrize("way", [*WAYS.values(), SECRET_ONLY], ids=[*WAYS, "secret"])
def test_our_own_tokens_go_on_working_beside_it(alice, issuer, settings, way):
    configure(settings, **way)
    assert call(AccessToken.of(Session.begin(alice))).json()["email"] == "alice@example.com"
    assert not issuer.requests


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_in_any_case(db, issuer, scheme):
    assert call(by_key(issuer), scheme=scheme).status_code == 200


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "AT+JWT"])
def test_a_token_may_say_that_it_is_an_access_token(db, issuer, typ):
    token = signing_key("EdDSA", "EdDSA").sign(claims_of(issuer.url), typ=typ)
    assert call(token).status_code == 200


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"sub": "s", "user_id": "u", "id": "i"}, "s"),
        ({"sub": None, "user_id": "u", "id": "i"}, "u"),
        ({"sub": None, "id": "i"}, "i"),
        ({"sub": "s" * 255}, "s" * 255),
    ],
)
def test_sub_else_user_id_else_id_names_the_user(db, issuer, claims, subject):
    assert call(by_key(issuer, **claims)).json()["id"] == subject


def test_what_a_valid_token_may_say(db, issuer):
    now = time.time()
    for claims in (
        {"iat": None},
        {"iat": now - 1.5},
        {"exp": now + 600.5},
        {"nbf": 0},
        {"aud": ["somebody-else", issuer.url]},
        {"emailVerified": True, "image": None, "createdAt": "2026-11-21T09:00:00.000Z"},
    ):
        assert call(by_key(issuer, **claims)).status_code == 200, claims


def test_clocks_may_differ_by_the_leeway(db, issuer, settings):
    settings.BETTER_AUTH_LEEWAY = timedelta(minutes=10)
    now = int(time.time())
    assert call(by_key(issuer, exp=now - 300)).status_code == 200
    assert call(by_key(issuer, iat=now + 300, nbf=now + 300)).status_code == 200
    settings.BETTER_AUTH_LEEWAY = timedelta(0)
    assert call(by_key(issuer, exp=now - 300)).json()["code"] == "token_expired"
    assert call(by_key(issuer, iat=now + 300)).json()["code"] == "token_invalid"


@pytest.mark.parametrize("claim", ["iss", "aud"])
def test_iss_and_aud_are_checked_where_they_are_configured(db, issuer, settings, claim):
    tokens = [by_key(issuer, **{claim: value}) for value in ("https://elsewhere.example", None)]
    assert {call(token).json()["code"] for token in tokens} == {"token_invalid"}
    setattr(settings, {"iss": "BETTER_AUTH_ISSUER", "aud": "BETTER_AUTH_AUDIENCE"}[claim], "")
    assert {call(token).status_code for token in tokens} == {200}


def test_a_known_user_costs_one_query(db, issuer, django_assert_num_queries):
    token = by_key(issuer, name="Ada", email="ada@example.com")
    call(token)
    with django_assert_num_queries(1):
        call(token)


@pytest.mark.parametrize("sign", [by_key, by_secret])
def test_a_token_whose_time_is_over_says_so_and_creates_nobody(db, issuer, sign):
    token = sign(issuer, exp=int(time.time()) - 60)
    assert call(token).json()["code"] == "token_expired"
    assert not User.objects.exists()
    call(sign(issuer))
    assert call(token).json()["code"] == "token_expired"


@pytest.mark.parametrize(
    "fault", [{"iss": "https://elsewhere.example"}, {"aud": "x"}, {"sub": ""}, {"iat": "0"}], ids=str
)
def test_expired_is_said_only_where_nothing_else_is_wrong(db, issuer, fault):
    assert call(by_key(issuer, exp=0, **fault)).json()["code"] == "token_invalid"
    assert call(by_key(issuer, exp=0)).json()["code"] == "token_expired"


def test_keys_that_cannot_be_had_are_503_and_not_401(db, issuer, alice, monkeypatch):
    monkeypatch.setattr(jwks, "TIMEOUT", 0.2)
    issuer.answer = hang
    answer = call(by_key(issuer))
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer["Retry-After"] == "5"
    assert call(by_secret(issuer)).status_code == 200
    assert call(AccessToken.of(Session.begin(alice))).status_code == 200
    issuer.arrived.acquire()
    assert len(issuer.requests) == 1


def test_a_rotated_key_is_found_at_once(db, issuer, settings):
    assert call(by_key(issuer)).status_code == 200
    rotated = SigningKey(kid="k" * 128)
    issuer.answer = published(rotated)
    key_set(f"{issuer.url}/api/auth/jwks").attempted_at -= jwks.ATTEMPT_INTERVAL
    assert call(rotated.sign(claims_of(issuer.url))).status_code == 200
    assert call(by_key(issuer)).json()["code"] == "token_invalid"
    assert len(issuer.requests) == 2


@pytest.mark.parametrize("kid", ["", "k" * 129], ids=len)
def test_a_kid_that_no_key_may_have_is_not_asked_for(db, issuer, kid):
    token = signing_key("EdDSA", "EdDSA").sign(claims_of(issuer.url), kid=kid)
    assert call(token).json()["code"] == "token_invalid"
    assert not issuer.requests


def test_a_key_that_is_too_short_admits_nobody(db, issuer):
    short = SigningKey("RS256", "short", rsa.generate_private_key(65537, 1024))
    issuer.answer = published(short)
    with pytest.warns(InsecureKeyLengthWarning):
        token = short.sign(claims_of(issuer.url))
    assert call(token).json()["code"] == "token_invalid"


def test_an_issuer_that_moves_keeps_its_users(db, issuer, settings):
    call(by_key(issuer))
    with serving(issuer.answer) as moved:
        settings.BETTER_AUTH_URL = settings.BETTER_AUTH_ISSUER = settings.BETTER_AUTH_AUDIENCE = moved.url
        assert call(by_key(moved)).status_code == 200
        assert call(by_key(issuer)).json()["code"] == "token_invalid"
    assert User.objects.count() == 1


def test_another_label_is_another_world(db, issuer, settings):
    call(by_key(issuer))
    settings.BETTER_AUTH_LABEL = "staging"
    assert call(by_key(issuer)).status_code == 200
    assert sorted(User.objects.values_list("issuer", "subject")) == [
        ("better-auth", SUBJECT),
        ("staging", SUBJECT),
    ]

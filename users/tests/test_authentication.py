"""`Authorization: Bearer`: which access tokens admit whom."""

import hashlib
import time
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.forge import claims_of, encode, forge

ME = "/api/v1/auth/me"
INVALID = {
    "type": "about:blank",
    "title": "Unauthorized",
    "status": 401,
    "code": "token_invalid",
    "detail": "The token is not valid.",
    "request_id": "the-same",
}
INVALID_CHALLENGE = 'Bearer error="invalid_token", error_description="The token is not valid."'


@pytest.fixture
def session(alice):
    return Session.begin(alice)


@pytest.fixture
def claims(session):
    return claims_of(AccessToken.of(session))


@pytest.fixture
def ask(anonymous):
    def get(authorization):
        return anonymous.get(ME, HTTP_AUTHORIZATION=authorization, HTTP_X_REQUEST_ID="the-same")

    return get


def assert_invalid(answer):
    assert answer.json() == INVALID
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == INVALID_CHALLENGE
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"


def expired(claims):
    return claims | {"iat": claims["iat"] - 3600, "exp": claims["iat"] - 60}


def without(claims, name):
    return {key: value for key, value in claims.items() if key != name}


def nested_header(claims):
    return ".".join([encode(b'{"alg":"HS256","x":' + b"[" * 5000), *forge(claims).split(".")[1:]])


def test_an_access_token_says_who_where_from_what_for_and_until_when(session, alice):
    before = int(time.time())
    token = str(AccessToken.of(session))
    claims = claims_of(token)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "at+jwt"}
    assert UUID(claims.pop("jti"))
    issued_at = claims.pop("iat")
    assert before <= issued_at <= time.time()
    assert claims == {
        "sub": str(alice.id),
        "sid": str(session.id),
        "iss": "task-api",
        "aud": "task-api",
        "exp": issued_at + 900,
        "token_type": "access",
    }


def test_no_two_access_tokens_are_the_same(session):
    assert str(AccessToken.of(session)) != str(AccessToken.of(session))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_the_name_of_the_scheme_has_no_case(ask, session, alice, scheme):
    assert ask(f"{scheme} {AccessToken.of(session)}").json()["id"] == str(alice.id)


def test_a_forged_token_with_the_right_claims_and_key_is_a_token(ask, claims):
    assert ask(f"Bearer {forge(claims)}").status_code == 200


def test_authentication_costs_one_query(as_alice):
    as_alice.get(ME)
    assert len(as_alice.statements) == 1


def test_nobody_is_asked_for_a_token(anonymous):
    answer = anonymous.get(ME, HTTP_X_REQUEST_ID="the-same")
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == INVALID | {
        "code": "not_authenticated",
        "detail": "Send an access token: Authorization: Bearer <token>.",
    }


@pytest.mark.parametrize("scheme", ["", "{}", "Basic {}", "Token {}", "JWT {}", "Bearer:{}", "Bearer{}"])
def test_another_scheme_is_no_token(ask, session, scheme):
    answer = ask(scheme.format(AccessToken.of(session)))
    assert answer.json()["code"] == "not_authenticated"
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_token_counts_in_the_header_only(anonymous, session):
    token = str(AccessToken.of(session))
    assert anonymous.get(ME, {"access_token": token}).json()["code"] == "not_authenticated"
    anonymous.cookies["access_token"] = token
    assert anonymous.get(ME).json()["code"] == "not_authenticated"


@pytest.mark.parametrize(
    "make",
    {
        "empty": lambda claims: "",
        "garbage": lambda claims: "garbage",
        "three parts of garbage": lambda claims: "a.b.c",
        "dots": lambda claims: "..",
        "two tokens": lambda claims: f"{forge(claims)} {forge(claims)}",
        "two tokens with a comma": lambda claims: f"{forge(claims)},{forge(claims)}",
        "a fourth part": lambda claims: f"{forge(claims)}.e30",
        "no signature": lambda claims: forge(claims).rpartition(".")[0] + ".",
        "not ascii": lambda claims: "\xe9\xff.\xe9.\xe9",
        "not ascii in the signature": lambda claims: forge(claims)[:-1] + "\xe9",
        "a NUL": lambda claims: forge(claims) + "\0",
        "100 KiB of garbage": lambda claims: "a" * 100 * 1024,
        "100 KiB signed": lambda claims: forge(claims | {"pad": "a" * 100 * 1024}),
        "100 KiB after a good token": lambda claims: forge(claims) + "." + "a" * 100 * 1024,
        "a header nested too deep": nested_header,
        "a header that is no object": lambda claims: f"{encode(b'[]')}.{forge(claims).split('.', 1)[1]}",
        "alg none": lambda claims: forge(claims, alg="none").rpartition(".")[0] + ".",
        "alg none, signed": lambda claims: forge(claims, alg="none"),
        "alg of another type": lambda claims: forge(claims, alg=["HS256"]),
        "HS384": lambda claims: forge(claims, alg="HS384", digest=hashlib.sha384),
        "HS512": lambda claims: forge(claims, alg="HS512", digest=hashlib.sha512),
        "RS256": lambda claims: forge(claims, alg="RS256"),
        "a critical extension": lambda claims: forge(claims, crit=["exp"]),
        "another key": lambda claims: forge(claims, key="x" * 40),
        "the key of cookies": lambda claims: forge(claims, key=settings.SECRET_KEY),
    }.items(),
    ids=lambda item: item[0],
)
def test_a_token_that_we_did_not_sign_is_invalid_without_a_query(ask, anonymous, claims, make):
    assert_invalid(ask(f"Bearer {make[1](claims)}"))
    assert anonymous.statements == []


@pytest.mark.parametrize("name", ["sub", "sid", "jti", "exp", "iss", "aud", "token_type"])
def test_a_token_without_a_claim_is_invalid(ask, claims, name):
    assert_invalid(ask(f"Bearer {forge(without(claims, name))}"))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"iss": ["task-api"]},
        {"aud": "another"},
        {"aud": 5},
        {"token_type": "refresh"},
        {"token_type": None},
        {"sub": ""},
        {"sub": 5},
        {"sub": None},
        {"sub": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10"},
        {"sid": ""},
        {"sid": 5},
        {"sid": None},
        {"sid": ["x"]},
        {"sid": "not-a-uuid"},
        {"sid": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10"},
        {"jti": ""},
        {"jti": 5},
        {"exp": "4102444800"},
        {"exp": "1"},
        {"exp": "soon"},
        {"exp": None},
        {"exp": []},
        {"exp": {}},
        {"exp": 10**18},
        {"exp": 10**400},
        {"exp": 1e308},
        {"iat": 4102444800},
        {"iat": "now"},
        {"nbf": 4102444800},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_token_with_a_wrong_claim_is_invalid(ask, claims, change):
    assert_invalid(ask(f"Bearer {forge(claims | change)}"))


def test_a_token_naming_another_user_than_its_session_does_is_invalid(ask, claims, bob):
    assert_invalid(ask(f"Bearer {forge(claims | {'sub': str(bob.id)})}"))


def test_a_token_naming_another_users_session_is_invalid(ask, claims, bob):
    assert_invalid(ask(f"Bearer {forge(claims | {'sid': str(Session.begin(bob).id)})}"))


def test_a_refresh_token_is_no_access_token(ask, session):
    assert_invalid(ask(f"Bearer {RefreshToken.of(session)}"))


@pytest.fixture
def at(monkeypatch):
    """Return a function that sets the clock by which tokens expire. Seconds since 1970."""

    def set_clock(now):
        monkeypatch.setattr("users.authentication.time", SimpleNamespace(time=lambda: now))

    return set_clock


def test_an_access_token_expires_for_a_process_that_has_accepted_it(ask, claims, at):
    token = f"Bearer {forge(claims)}"
    at(claims["exp"])
    assert [ask(token).status_code for _ in range(2)] == [200, 200]
    at(claims["exp"] + 4.9)
    assert ask(token).status_code == 200
    at(claims["exp"] + 5)
    assert ask(token).json()["code"] == "token_expired"
    at(claims["exp"])
    assert ask(token).status_code == 200


def test_a_refresh_token_expires_for_a_process_that_has_accepted_it(anonymous, session, at):
    token = str(RefreshToken.of(session))
    expires_at = claims_of(token)["exp"]
    at(expires_at)
    assert anonymous.post("/api/v1/auth/refresh", {"refresh": token}).status_code == 200
    at(expires_at + 5)
    assert anonymous.post("/api/v1/auth/refresh", {"refresh": token}).json()["code"] == "token_expired"


def test_an_expired_token_says_so(ask, claims):
    answer = ask(f"Bearer {forge(expired(claims))}")
    assert answer.status_code == 401
    assert answer.json() == INVALID | {"code": "token_expired", "detail": "The token has expired."}
    assert (
        answer["WWW-Authenticate"]
        == 'Bearer error="invalid_token", error_description="The token has expired."'
    )


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"token_type": "refresh"},
        {"sub": str(uuid4())},
        {"sid": str(uuid4())},
        {"sid": "not-a-uuid"},
        {"jti": ""},
        {"iat": 4102444800},
    ],
    ids=str,
)
def test_an_expired_token_with_another_fault_is_invalid(ask, claims, change):
    assert_invalid(ask(f"Bearer {forge(expired(claims) | change)}"))


def test_an_expired_token_of_another_key_is_invalid(ask, claims):
    assert_invalid(ask(f"Bearer {forge(expired(claims), key='x' * 40)}"))


def test_an_expired_token_without_an_id_is_invalid(ask, claims):
    assert_invalid(ask(f"Bearer {forge(without(expired(claims), 'jti'))}"))


@pytest.mark.parametrize(
    "end",
    [
        lambda session: Session.objects.filter(pk=session.pk).end(),
        lambda session: Session.objects.filter(pk=session.pk).update(
            expires_at=timezone.now() - timedelta(seconds=1)
        ),
        lambda session: User.objects.filter(pk=session.user.pk).update(is_active=False),
        lambda session: session.user.delete(),
        lambda session: session.delete(),
    ],
    ids=["revoked", "past its absolute age", "user deactivated", "user deleted", "session deleted"],
)
def test_a_token_dies_with_its_session(ask, session, claims, end):
    good, old = f"Bearer {forge(claims)}", f"Bearer {forge(expired(claims))}"
    assert ask(good).status_code == 200
    end(session)
    assert_invalid(ask(good))
    assert_invalid(ask(old))


def test_another_session_of_the_same_user_lives_on(as_alice, session):
    Session.objects.filter(pk=session.pk).end()
    assert as_alice.get(ME).status_code == 200


def test_a_bad_token_is_refused_before_what_else_is_wrong(ask, anonymous, session):
    answer = anonymous.patch(f"{ME}?x=1", {"nope": 1}, HTTP_AUTHORIZATION="Bearer x")
    assert answer.json()["code"] == "token_invalid"

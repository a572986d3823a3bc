"""`auth/logout`: any refresh token of a session ends it, and to end it twice is no fault."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.forge import claims_of, forge

LOGOUT = "/api/v1/auth/logout"
REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/auth/me"


@pytest.fixture
def session(alice):
    return Session.begin(alice)


@pytest.fixture
def token(session):
    return str(RefreshToken.of(session))


@pytest.fixture
def log_out(anonymous):
    def post(token):
        return anonymous.post(LOGOUT, {"refresh": token})

    return post


@pytest.mark.parametrize("path", [LOGOUT, LOGOUT + "/", "/api/auth/logout", "/api/auth/logout/"])
def test_logging_out_ends_the_session_at_once(anonymous, session, token, path):
    access = f"Bearer {AccessToken.of(session)}"
    assert anonymous.get(ME, HTTP_AUTHORIZATION=access).status_code == 200
    answer = anonymous.post(path, {"refresh": token})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Cache-Control"] == "no-store"
    assert anonymous.get(ME, HTTP_AUTHORIZATION=access).json()["code"] == "token_invalid"
    assert anonymous.post(REFRESH, {"refresh": token}).json()["code"] == "token_invalid"


def test_logging_out_again_changes_nothing(log_out, session, token):
    assert log_out(token).status_code == 204
    session.refresh_from_db()
    ended = session.revoked_at
    assert log_out(token).status_code == 204
    session.refresh_from_db()
    assert session.revoked_at == ended


def test_logging_out_costs_one_statement(anonymous, log_out, token):
    log_out(token)
    assert len(anonymous.statements) == 1


def test_only_that_session_ends(log_out, token, as_alice, as_bob):
    assert log_out(token).status_code == 204
    assert as_alice.get(ME).status_code == 200
    assert as_bob.get(ME).status_code == 200


@pytest.mark.parametrize("rotations", [1, 2])
def test_a_replaced_token_still_logs_out(anonymous, log_out, session, token, rotations):
    latest = token
    for _ in range(rotations):
        latest = anonymous.post(REFRESH, {"refresh": latest}).json()["refresh"]
    assert log_out(token).status_code == 204
    assert anonymous.post(REFRESH, {"refresh": latest}).json()["code"] == "token_invalid"


def test_an_expired_token_still_logs_out(anonymous, log_out, session, token):
    claims = claims_of(token)
    expired = forge(claims | {"iat": claims["iat"] - 3600, "exp": claims["iat"] - 60}, typ="JWT")
    assert anonymous.post(REFRESH, {"refresh": expired}).json()["code"] == "token_expired"
    assert log_out(expired).status_code == 204
    session.refresh_from_db()
    assert session.revoked_at


def test_logging_out_of_a_session_past_its_age_is_no_fault(log_out, session, token):
    Session.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(days=1))
    assert log_out(token).status_code == 204


def test_logging_out_after_the_account_is_gone_is_no_fault(log_out, alice, token):
    alice.delete()
    assert log_out(token).status_code == 204


def test_a_deactivated_user_logs_out_for_good(anonymous, log_out, alice, token):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert log_out(token).status_code == 204
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert anonymous.post(REFRESH, {"refresh": token}).json()["code"] == "token_invalid"


@pytest.mark.parametrize(
    "make",
    [
        lambda session: "garbage",
        lambda session: str(AccessToken.of(session)),
        lambda session: forge(claims_of(RefreshToken.of(session)), key="x" * 40),
        lambda session: forge(claims_of(RefreshToken.of(session)) | {"aud": "another"}),
        lambda session: forge(claims_of(RefreshToken.of(session)) | {"jti": "not-a-uuid"}),
    ],
    ids=["garbage", "an access token", "of another key", "for another audience", "without an id"],
)
def test_what_is_no_refresh_token_ends_nothing(log_out, session, make):
    answer = log_out(make(session))
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert answer["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    session.refresh_from_db()
    assert session.revoked_at is None


def test_a_session_that_never_was_is_ended_already(log_out, token):
    assert log_out(forge(claims_of(token) | {"sid": str(uuid4())})).status_code == 204


@pytest.mark.parametrize("body", [{}, {"refresh": None}, {"refresh": 5}, {"refresh": ""}, {"token": "x"}, []])
def test_a_body_without_a_token_is_refused(anonymous, db, body):
    answer = anonymous.post(LOGOUT, body)
    assert answer.status_code == 400
    assert answer.json()["errors"]


def test_a_bearer_token_alone_does_not_log_out(as_alice):
    assert as_alice.post(LOGOUT, {}).status_code == 400
    assert as_alice.get(ME).status_code == 200

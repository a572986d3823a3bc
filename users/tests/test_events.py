"""Security events: who, when, from where, and why a sign-in was refused. Never an e-mail."""

import io
import logging
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from conftest import ApiClient
from users.authentication import RefreshToken
from users.models import Session, User
from users.tests.factories import UserFactory
from users.tests.issuer import SECRET as ISSUER_SECRET
from users.tests.issuer import call, claims_of, sign_with_secret

AUTH = "/api/v1/auth"
EMAIL, PASSWORD, NEW = "ada@example.com", "a long pass phrase", "another long one"
HERE = "2001:db8:1:2::7"
WARNINGS = {"sign_in_refused", "token_reused", "throttled"}

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return UserFactory(email=EMAIL, password=PASSWORD, name="Ada Lovelace")


@pytest.fixture
def anybody():
    return ApiClient(REMOTE_ADDR=HERE)


@pytest.fixture
def as_ada(anybody, ada):
    return anybody.sign_in(ada)


@pytest.fixture
def operator(admin_user):
    client = Client(REMOTE_ADDR=HERE)
    client.force_login(admin_user)
    return client


def events_of(log):
    """Return the security events, each without what all of them have, after checking that."""
    requests = {line["request_id"]: line for line in log if line["event"].startswith("request_")}
    events = [line for line in log if not line["event"].startswith("request_")]
    for line in events:
        assert line.pop("time") >= "2026"
        assert line.pop("client") == "2001:db8:1:2::/64" == requests[line.pop("request_id")]["client"]
        assert (line.pop("level") == "warning") == (line["event"] in WARNINGS)
    assert "@" not in log.text
    assert "Lovelace" not in log.text
    return events


def user_of_the_request(log):
    return next(line["user_id"] for line in log if line["event"] == "request_finished")


def post(client, path, **body):
    return client.post(f"{AUTH}/{path}", body)


def test_signing_in_is_logged(anybody, ada, log):
    assert post(anybody, "login", email=EMAIL, password=PASSWORD).status_code == 200
    assert events_of(log) == [{"event": "sign_in", "user_id": str(ada.pk), "via": "login"}]
    assert user_of_the_request(log) == str(ada.pk)


def test_registering_is_signing_in(anybody, log):
    assert post(anybody, "register", email=EMAIL, password=PASSWORD).status_code == 201
    user_id = str(User.objects.get().pk)
    assert events_of(log) == [{"event": "sign_in", "user_id": user_id, "via": "register"}]
    assert user_of_the_request(log) == user_id


def test_a_registration_that_is_refused_is_no_sign_in(anybody, ada, log):
    assert post(anybody, "register", email=EMAIL, password=PASSWORD).status_code == 409
    assert events_of(log) == []
    assert user_of_the_request(log) is None


@pytest.mark.parametrize(
    ("reason", "credentials"),
    [
        ("wrong_password", (EMAIL, "wrong")),
        ("wrong_password", (EMAIL.upper(), "wrong")),
        ("inactive", (EMAIL, PASSWORD)),
        ("unknown_account", ("nobody@example.com", PASSWORD)),
    ],
)
def test_a_refused_sign_in_is_logged_with_its_reason_and_answered_without(
    anybody, ada, log, reason, credentials
):
    User.objects.filter(pk=ada.pk).update(is_active=reason != "inactive")
    answers = [
        post(anybody, "login", email=email, password=word) for email, word in (credentials, ("x", "x"))
    ]
    document, other = [{**answer.json(), "request_id": ""} for answer in answers]
    assert document == other
    user_id = None if reason == "unknown_account" else str(ada.pk)
    event, _ = events_of(log)
    assert event == {"event": "sign_in_refused", "user_id": user_id, "reason": reason}
    assert user_of_the_request(log) == user_id


def test_a_password_that_changes_during_the_sign_in_refuses_it(anybody, ada, log):
    with patch.object(Session, "begin_verified", lambda _: None):
        assert post(anybody, "login", email=EMAIL, password=PASSWORD).status_code == 401
    expected = {"event": "sign_in_refused", "user_id": str(ada.pk), "reason": "password_changed"}
    assert events_of(log) == [expected]


def test_what_a_throttle_refuses_is_logged(anybody, settings, log):
    settings.LOGIN_RATE_PER_ACCOUNT = settings.REGISTRATION_RATE = (0, timedelta(hours=1))
    assert post(anybody, "login", email=EMAIL, password=PASSWORD).status_code == 429
    settings.LOGIN_RATE_PER_ADDRESS = (0, timedelta(hours=1))
    assert post(anybody, "login", email=EMAIL, password=PASSWORD).status_code == 429
    assert post(anybody, "register", email=EMAIL, password=PASSWORD).status_code == 429
    limits = ["login account", "login address", "registration"]
    assert events_of(log) == [{"event": "throttled", "user_id": None, "limit": limit} for limit in limits]


def test_a_refresh_names_its_user_and_a_reused_token_is_logged(anybody, ada, log):
    session = Session.begin(ada)
    token = str(RefreshToken.of(session))
    assert post(anybody, "refresh", refresh=token).status_code == 200
    assert events_of(log) == []
    assert user_of_the_request(log) == str(ada.pk)
    Session.objects.update(last_refreshed_at=timezone.now() - timedelta(hours=1))
    assert post(anybody, "refresh", refresh=token).status_code == 401
    assert events_of(log) == [{"event": "token_reused", "user_id": str(ada.pk)}]


def test_the_end_of_a_session_is_logged_once(anybody, ada, log):
    token = str(RefreshToken.of(Session.begin(ada)))
    for _ in range(2):
        assert post(anybody, "logout", refresh=token).status_code == 204
    assert events_of(log) == [{"event": "session_ended", "user_id": str(ada.pk)}]


def test_the_user_ends_one_session_or_all(as_ada, ada, log):
    other = Session.begin(ada)
    assert as_ada.delete(f"{AUTH}/sessions/{other.pk}").status_code == 204
    assert post(as_ada, "logout-all").status_code == 204
    assert events_of(log) == [{"event": "session_ended", "user_id": str(ada.pk)}] * 2


def test_a_new_password_is_logged_with_the_end_of_the_sessions(as_ada, ada, log):
    Session.begin(ada)
    assert post(as_ada, "password", current_password=PASSWORD, new_password=NEW).status_code == 204
    names = [event["event"] for event in events_of(log) if event["user_id"] == str(ada.pk)]
    assert names == ["password_changed", "session_ended"]


def test_a_wrong_password_is_refused_wherever_it_is_asked_for(as_ada, ada, log):
    assert post(as_ada, "password", current_password="wrong", new_password=NEW).status_code == 400
    assert as_ada.delete(f"{AUTH}/me", {"password": "wrong"}).status_code == 400
    expected = {"event": "sign_in_refused", "user_id": str(ada.pk), "reason": "wrong_password"}
    assert events_of(log) == [expected] * 2


def test_an_operators_sign_in_is_logged(admin_user, log):
    client = Client(REMOTE_ADDR=HERE)
    for password in ("wrong", "password"):
        client.post("/admin/login/?next=/admin/", {"username": admin_user.email, "password": password})
    user_id = str(admin_user.pk)
    assert events_of(log) == [
        {"event": "sign_in_refused", "user_id": user_id, "reason": "wrong_password"},
        {"event": "sign_in", "user_id": user_id, "via": "admin"},
    ]
    assert [line["user_id"] for line in log if line["event"] == "request_finished"] == [user_id] * 2


def test_who_is_not_staff_is_refused_by_the_admin(ada, log):
    Client(REMOTE_ADDR=HERE).post("/admin/login/", {"username": EMAIL, "password": PASSWORD})
    assert events_of(log) == [{"event": "sign_in_refused", "user_id": str(ada.pk), "reason": "not_staff"}]


def test_an_operator_ends_sessions_of_several_users(operator, ada, alice, log):
    sessions = [Session.begin(user) for user in (ada, ada, alice)]
    form = {"action": "end", "_selected_action": [str(session.pk) for session in sessions]}
    operator.post("/admin/users/session/", form)
    events = events_of(log)
    assert {event["event"] for event in events} == {"session_ended"}
    assert sorted(event["user_id"] for event in events) == sorted([str(ada.pk), str(alice.pk)])


def test_an_operator_sets_a_password(operator, ada, log):
    form = {"password1": NEW, "password2": NEW, "usable_password": "true"}
    operator.post(f"/admin/users/user/{ada.pk}/password/", form)
    assert {"event": "password_changed", "user_id": str(ada.pk)} in events_of(log)


@pytest.mark.parametrize(("subject", "is_email"), [("auth0|66f", False), ("ada@example.com", True)])
def test_an_external_user_signs_in_once(settings, log, subject, is_email):
    settings.BETTER_AUTH_SECRET = ISSUER_SECRET
    token = sign_with_secret(claims_of(None, sub=subject))
    for _ in range(2):
        assert call(token, "tasks").status_code == 200
    user = User.objects.get()
    (event,) = [line for line in log if line["event"] == "sign_in"]
    assert (event["user_id"], event["via"]) == (str(user.pk) if is_email else subject, "external")
    assert "@" not in log.text


def test_a_twin_of_the_first_request_signs_nobody_in(log):
    for _ in range(2):
        User.objects.get_or_create_external("better-auth", "auth0|66f")
    assert log.only()["event"] == "sign_in"


def test_an_external_users_logout_from_everywhere_is_logged(settings, log):
    settings.BETTER_AUTH_SECRET = ISSUER_SECRET
    token = sign_with_secret(claims_of(None, sub="auth0|66f"))
    assert call(token, "auth/logout-all", method="post").status_code == 204
    assert [line["event"] for line in log if "request" not in line["event"]] == ["sign_in", "session_ended"]


def test_the_command_logs_a_new_password_without_a_request(ada, log):
    with patch("getpass.getpass", lambda _: NEW):
        call_command("changepassword", EMAIL, stdout=io.StringIO())
    lines = list(log)
    assert [line["event"] for line in lines] == ["password_changed", "session_ended"]
    for line in lines:
        assert line.keys() == {"time", "level", "event", "user_id"}
        assert line["user_id"] == str(ada.pk)


def test_what_is_rolled_back_did_not_happen(ada, log):
    Session.begin(ada)
    with transaction.atomic():
        ada.end_all_sessions()
        transaction.set_rollback(True)
    assert list(log) == []


def test_credentials_are_checked_without_a_request_too(ada, log):
    assert authenticate(email=EMAIL, password=PASSWORD) == ada
    assert authenticate(email=EMAIL, password="wrong") is None
    assert log.only()["event"] == "sign_in_refused"


@pytest.mark.parametrize("log", [{"level": logging.WARNING}], indirect=True)
def test_what_may_be_an_attack_is_a_warning(anybody, ada, log):
    post(anybody, "login", email=EMAIL, password=PASSWORD)
    post(anybody, "login", email=EMAIL, password="wrong")
    assert log.only()["event"] == "sign_in_refused"

"""Sessions are listed, ended one by one, and ended all at once; their access tokens die with them."""

from datetime import timedelta

import pytest
from django.utils import timezone
from uuid_utils.compat import uuid7

from config.rest.fields import utc_timestamp
from conftest import ApiClient
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.factories import UserFactory

SESSIONS = "/api/v1/auth/sessions"
ME = "/api/v1/auth/me"


def client_of(session):
    return ApiClient(HTTP_AUTHORIZATION=f"Bearer {AccessToken.of(session)}", HTTP_X_REQUEST_ID="fixed")


def end(client, session_id):
    return client.delete(f"{SESSIONS}/{session_id}")


def refresh(session):
    return ApiClient().post("/api/v1/auth/refresh", {"refresh": str(RefreshToken.of(session))})


def refusal(answer):
    assert answer.status_code == 401
    return answer.json()["code"]


@pytest.fixture
def sessions(alice):
    """Three sign-ins of one user, oldest first."""
    return [Session.begin(alice) for _ in range(3)]


# --- the list ----------------------------------------------------------------


def test_sessions_are_listed_newest_first_and_the_asking_one_is_marked(sessions):
    oldest, middle, newest = sessions
    answer = client_of(middle).get(SESSIONS)
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == [
        {
            "id": str(session.id),
            "created_at": utc_timestamp(session.created_at),
            "last_refreshed_at": utc_timestamp(session.last_refreshed_at),
            "current": session is middle,
        }
        for session in (newest, middle, oldest)
    ]


def test_a_refresh_shows_in_the_list_and_moves_nothing(sessions):
    Session.objects.update(last_refreshed_at=timezone.now() - timedelta(hours=1))
    assert refresh(sessions[0]).status_code == 200
    listed = client_of(sessions[1]).get(SESSIONS).json()
    sessions[0].refresh_from_db()
    assert [row["id"] for row in listed] == [str(session.id) for session in reversed(sessions)]
    assert listed[2]["last_refreshed_at"] == utc_timestamp(sessions[0].last_refreshed_at)
    assert listed[2]["last_refreshed_at"] > listed[0]["last_refreshed_at"]
    assert listed[2]["created_at"] == utc_timestamp(sessions[0].created_at)


@pytest.mark.parametrize(
    ("field", "age"),
    [
        ("revoked_at", timedelta(0)),
        ("expires_at", timedelta(0)),
        ("last_refreshed_at", timedelta(days=30)),
    ],
)
def test_a_session_that_is_over_is_not_listed(sessions, field, age):
    over, *others = sessions
    Session.objects.filter(pk=over.pk).update(**{field: timezone.now() - age})
    listed = client_of(others[0]).get(SESSIONS).json()
    assert {row["id"] for row in listed} == {str(session.id) for session in others}


def test_nobody_elses_session_is_listed(sessions, as_bob):
    assert [row["current"] for row in as_bob.get(SESSIONS).json()] == [True]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_list_costs_two_queries_however_long(as_alice, alice, count):
    for _ in range(count):
        Session.begin(alice)
    assert len(as_alice.get(SESSIONS).json()) == count + 1
    assert len(as_alice.statements) == 2


# --- ending one --------------------------------------------------------------


def test_the_access_token_of_an_ended_session_dies_at_the_next_request(sessions):
    mine, other, third = map(client_of, sessions)
    assert other.get(ME).status_code == 200
    answer = end(mine, sessions[1].id)
    assert (answer.status_code, answer.content) == (204, b"")
    assert refusal(other.get(ME)) == "token_invalid"
    assert [mine.get(ME).status_code, third.get(ME).status_code] == [200, 200]


def test_an_ended_session_is_refreshed_no_more(sessions):
    end(client_of(sessions[0]), sessions[1].id)
    assert refusal(refresh(sessions[1])) == "token_invalid"
    assert refresh(sessions[2]).status_code == 200


def test_ending_again_is_no_fault_and_keeps_the_first_time(sessions):
    client = client_of(sessions[0])
    assert end(client, sessions[1].id).status_code == 204
    revoked_at = Session.objects.get(pk=sessions[1].pk).revoked_at
    assert end(client, sessions[1].id).status_code == 204
    assert Session.objects.get(pk=sessions[1].pk).revoked_at == revoked_at


def test_a_session_may_end_itself(sessions):
    client = client_of(sessions[0])
    assert end(client, sessions[0].id).status_code == 204
    assert refusal(client.get(ME)) == "token_invalid"
    assert client_of(sessions[1]).get(ME).status_code == 200


def test_an_id_is_understood_in_upper_case(sessions):
    assert end(client_of(sessions[0]), str(sessions[1].id).upper()).status_code == 204
    assert refusal(client_of(sessions[1]).get(ME)) == "token_invalid"


def test_what_is_not_the_callers_is_what_never_was(sessions):
    strangers = Session.begin(UserFactory())
    client = client_of(sessions[0])
    malformed = ("1", "not-a-uuid", sessions[1].id.hex, f"{{{sessions[1].id}}}", "%00", "%ED%A0%80", "é")
    answers = [end(client, name) for name in (uuid7(), strangers.id, *malformed)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1
    assert client_of(strangers).get(ME).status_code == 200


# --- ending all --------------------------------------------------------------


@pytest.mark.parametrize("body", [None, {}])
def test_logging_out_everywhere_ends_every_token_at_once(sessions, as_bob, body):
    answer = client_of(sessions[0]).post("/api/v1/auth/logout-all", body)
    assert (answer.status_code, answer.content) == (204, b"")
    assert {refusal(client_of(session).get(ME)) for session in sessions} == {"token_invalid"}
    assert {refusal(refresh(session)) for session in sessions} == {"token_invalid"}
    assert as_bob.get(ME).status_code == 200


def test_after_logging_out_everywhere_one_may_sign_in_again(sessions):
    client_of(sessions[0]).post("/api/v1/auth/logout-all")
    session = Session.begin(User.objects.get())
    assert client_of(session).get(ME).status_code == 200
    assert [row["id"] for row in client_of(session).get(SESSIONS).json()] == [str(session.id)]


@pytest.mark.parametrize("path", ["logout-all", "sessions/{id}"])
def test_a_body_that_is_not_understood_ends_nothing(sessions, path):
    client = client_of(sessions[0])
    method = client.post if path == "logout-all" else client.delete
    answer = method(f"/api/v1/auth/{path.format(id=sessions[1].id)}", {"everywhere": True})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/everywhere"]
    assert [client_of(session).get(ME).status_code for session in sessions] == [200] * 3


# --- what it costs -----------------------------------------------------------


def test_to_know_of_revocation_costs_no_query_of_its_own(sessions):
    client = client_of(sessions[0])
    assert client.get(ME).status_code == 200
    assert len(client.statements) == 1
    Session.objects.filter(pk=sessions[0].pk).end()
    assert refusal(client.get(ME)) == "token_invalid"
    assert len(client.statements) == 1

"""`auth/refresh`: a refresh token is good once, and for 30 seconds more."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.utils import timezone

from conftest import ApiClient, at_once
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.forge import claims_of, forge, post_escaped

REFRESH = "/api/v1/auth/refresh"
ME = "/api/v1/auth/me"


@pytest.fixture
def session(alice):
    return Session.begin(alice)


@pytest.fixture
def token(session):
    return str(RefreshToken.of(session))


@pytest.fixture
def refresh(anonymous):
    def post(token):
        return anonymous.post(REFRESH, {"refresh": token})

    return post


def let_pass(session, **duration):
    """Move a session as far into the past as if that much time had passed since its last refresh."""
    Session.objects.filter(pk=session.pk).update(
        last_refreshed_at=F("last_refreshed_at") - timedelta(**duration)
    )


def admits(access):
    return ApiClient().get(ME, HTTP_AUTHORIZATION=f"Bearer {access}").status_code == 200


def assert_refused(answer, code):
    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert answer["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", [REFRESH, REFRESH + "/", "/api/auth/refresh", "/api/auth/refresh/"])
def test_refreshing_gives_the_next_pair_of_tokens(anonymous, token, alice, path):
    answer = anonymous.post(path, {"refresh": token})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"access", "refresh", "expires_in"}
    assert body["expires_in"] == 900
    assert body["refresh"] != token
    me = anonymous.get(ME, HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert me.json()["id"] == str(alice.id)


def test_refreshing_costs_two_statements(anonymous, refresh, token):
    refresh(token)
    assert len(anonymous.statements) == 2


def test_a_session_stays_one_through_many_refreshes(refresh, token, session):
    for _ in range(3):
        body = refresh(token).json()
        assert claims_of(body["access"])["sid"] == claims_of(body["refresh"])["sid"] == str(session.id)
        token = body["refresh"]
    assert Session.objects.count() == 1


def test_older_access_tokens_outlive_a_refresh(refresh, token, session):
    access = AccessToken.of(session)
    refresh(token)
    assert admits(access)


def test_the_same_token_gets_the_same_successor_again(refresh, token):
    first, second = refresh(token).json(), refresh(token).json()
    assert first["refresh"] == second["refresh"]
    assert admits(first["access"])
    assert admits(second["access"])
    assert refresh(first["refresh"]).status_code == 200


def test_the_grace_lasts_for_a_while(refresh, token, session):
    refresh(token)
    let_pass(session, seconds=20)
    again = refresh(token)
    assert again.status_code == 200
    session.refresh_from_db()
    assert again.json()["refresh"] == str(RefreshToken.of(session))


def test_the_grace_is_not_prolonged_by_its_use(refresh, token, session):
    refresh(token)
    let_pass(session, seconds=20)
    refresh(token)
    let_pass(session, seconds=11)
    assert_refused(refresh(token), "token_reused")


def test_a_used_refresh_token_ends_its_session(transactional_db, refresh, token, session):
    successor = refresh(token).json()
    let_pass(session, seconds=31)
    assert_refused(refresh(token), "token_reused")
    assert not admits(successor["access"])
    for old_or_new in (successor["refresh"], token, successor["refresh"]):
        assert_refused(refresh(old_or_new), "token_invalid")
    assert Session.objects.get().revoked_at


def test_a_token_replaced_twice_ends_its_session_even_at_once(refresh, token):
    second = refresh(token).json()["refresh"]
    third = refresh(second).json()
    assert_refused(refresh(token), "token_reused")
    assert not admits(third["access"])
    assert_refused(refresh(third["refresh"]), "token_invalid")


def test_a_token_that_the_session_never_gave_ends_it(refresh, token, session):
    stranger = forge(claims_of(token) | {"jti": str(uuid4())}, typ="JWT")
    assert_refused(refresh(stranger), "token_reused")
    assert not admits(AccessToken.of(session))


def test_a_theft_ends_one_session_only(refresh, token, session, as_alice):
    refresh(token)
    let_pass(session, seconds=31)
    assert_refused(refresh(token), "token_reused")
    assert as_alice.get(ME).status_code == 200


def test_of_eight_at_once_all_get_the_one_living_successor(transactional_db, alice):
    session = Session.begin(alice)
    token = str(RefreshToken.of(session))
    for _ in range(5):
        answers = at_once(8, lambda _, token=token: ApiClient().post(REFRESH, {"refresh": token}))
        assert [answer.status_code for answer in answers] == [200] * 8
        assert len({answer.json()["refresh"] for answer in answers}) == 1
        session.refresh_from_db()
        token = answers[0].json()["refresh"]
        assert token == str(RefreshToken.of(session))
        assert admits(answers[7].json()["access"])


def test_a_session_ends_after_30_days_unused(refresh, session):
    let_pass(session, days=30, seconds=60)
    session.refresh_from_db()
    assert_refused(refresh(str(RefreshToken.of(session))), "token_expired")


def test_a_session_that_is_used_goes_on(refresh, session):
    let_pass(session, days=29)
    session.refresh_from_db()
    answer = refresh(str(RefreshToken.of(session)))
    assert answer.status_code == 200
    session.refresh_from_db()
    expected = int((session.last_refreshed_at + timedelta(days=30)).timestamp())
    assert claims_of(answer.json()["refresh"])["exp"] == expected


def test_no_refresh_token_outlives_the_absolute_age_of_its_session(refresh, session):
    end = timezone.now() + timedelta(days=2)
    Session.objects.filter(pk=session.pk).update(expires_at=end)
    session.refresh_from_db()
    answer = refresh(str(RefreshToken.of(session)))
    assert claims_of(answer.json()["refresh"])["exp"] == int(end.timestamp())


def test_a_new_session_ends_after_180_days_at_the_latest(session):
    assert session.expires_at - session.created_at == timedelta(days=180)
    assert session.refresh_expires_at - session.created_at == timedelta(days=30)


def test_lifetimes_are_settings(settings, alice):
    settings.SESSION_IDLE_TIMEOUT = timedelta(days=3)
    settings.SESSION_ABSOLUTE_TIMEOUT = timedelta(days=5)
    session = Session.begin(alice)
    assert session.expires_at - session.created_at == timedelta(days=5)
    assert session.refresh_expires_at - session.created_at == timedelta(days=3)


def past_its_absolute_age(session):
    Session.objects.filter(pk=session.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def revoked(session):
    Session.objects.filter(pk=session.pk).end()


def of_an_inactive_user(session):
    User.objects.filter(pk=session.user.pk).update(is_active=False)


def of_a_deleted_user(session):
    session.user.delete()


@pytest.mark.parametrize("end", [past_its_absolute_age, revoked, of_an_inactive_user, of_a_deleted_user])
def test_an_ended_session_is_not_refreshed(refresh, token, session, end):
    end(session)
    assert_refused(refresh(token), "token_invalid")
    expired = forge(claims_of(token) | {"exp": claims_of(token)["iat"] - 60}, typ="JWT")
    assert_refused(refresh(expired), "token_invalid")


def test_a_deactivated_users_session_is_kept_for_their_return(refresh, token, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert_refused(refresh(token), "token_invalid")
    User.objects.filter(pk=alice.pk).update(is_active=True)
    assert refresh(token).status_code == 200


def test_an_access_token_is_no_refresh_token(refresh, session):
    assert_refused(refresh(str(AccessToken.of(session))), "token_invalid")
    assert refresh(str(RefreshToken.of(session))).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "another"},
        {"aud": "another"},
        {"sid": "not-a-uuid"},
        {"sid": str(uuid4())},
        {"jti": "not-a-uuid"},
        {"jti": 5},
        {"exp": "4102444800"},
        {"iat": 4102444800},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_ends_nothing(refresh, token, change):
    assert_refused(refresh(forge(claims_of(token) | change)), "token_invalid")
    assert refresh(token).status_code == 200


@pytest.mark.parametrize("text", ["garbage", "a.b.c", "é.é.é", "x" * 8192])
def test_garbage_is_no_token(anonymous, refresh, db, text):
    assert_refused(refresh(text), "token_invalid")
    assert anonymous.statements == []


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "#/refresh", "required"),
        ({"refresh": None}, "#/refresh", "null"),
        ({"refresh": ""}, "#/refresh", "blank"),
        ({"refresh": 5}, "#/refresh", "invalid"),
        ({"refresh": "x" * 8193}, "#/refresh", "max_length"),
        ({"refresh": "\0"}, "#/refresh", "null_characters_not_allowed"),
        ({"refresh": "\ud800"}, "#/refresh", "surrogate_characters_not_allowed"),
        ({"refresh": "x", "access": "y"}, "#/access", "unknown_field"),
        ([], "#", "invalid"),
    ],
)
def test_a_body_with_a_fault_is_refused(anonymous, db, body, pointer, code):
    answer = post_escaped(anonymous, REFRESH, body)
    assert answer.status_code == 400
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]

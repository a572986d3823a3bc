"""The users of the external issuer: made on first sight, shown as it shows them, and gone when they wish."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote, unquote, urlsplit

import pytest
from django.conf import settings as configured
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.authentication import AccessToken
from users.deletion import Tombstone
from users.models import Session, User
from users.tests.issuer import SUBJECT, by_key, by_secret, call

MINUTE = 60


def external_user():
    return User.objects.get(issuer="better-auth", subject=SUBJECT)


def shown(answer):
    return answer.json()["name"], answer.json()["email"]


def refusal(answer):
    assert answer.status_code == 401
    return answer.json()["code"]


# --- first sight -------------------------------------------------------------


def test_first_sight_creates_one_user_by_label_and_subject(db, issuer):
    for token in (by_key(issuer), by_secret(issuer), by_key(issuer, "RS256")):
        assert call(token).json()["id"] == SUBJECT
    assert list(User.objects.values_list("issuer", "subject", "is_staff")) == [
        ("better-auth", SUBJECT, False)
    ]
    assert not external_user().has_usable_password()


def test_eight_first_sights_at_once_create_one_user(transactional_db, issuer):
    token, barrier = by_key(issuer, name="Ada"), threading.Barrier(8)

    def arrive(_):
        barrier.wait()
        try:
            return shown(call(token))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(arrive, range(8))) == [("Ada", None)] * 8
    assert external_user().name == "Ada"
    assert User.objects.count() == 1
    assert len(issuer.requests) == 1


def test_unknown_subjects_are_refused_where_none_are_to_be_created(db, issuer, settings):
    call(by_key(issuer))
    settings.BETTER_AUTH_CREATE_USERS = False
    assert call(by_key(issuer)).status_code == 200
    assert refusal(call(by_key(issuer, sub="unknown"))) == "token_invalid"
    assert refusal(call(by_key(issuer, sub="unknown", exp=0))) == "token_invalid"
    assert User.objects.count() == 1


def test_a_deactivated_user_is_refused(db, issuer):
    call(by_key(issuer))
    User.objects.update(is_active=False)
    assert refusal(call(by_key(issuer))) == "token_invalid"
    assert refusal(call(by_key(issuer, exp=0))) == "token_invalid"


# --- where they are ----------------------------------------------------------


@pytest.mark.parametrize(
    "subject", [SUBJECT, "ada@example.com", "a b", "a+b&c=d;e", "ключ", "auth0|66f", "50%"]
)
def test_the_subject_names_the_user_in_addresses(db, issuer, subject):
    token = by_key(issuer, sub=subject)
    tasks = f"{quote(subject, safe='')}/tasks"
    created = call(token, tasks, "post", {"title": "Buy milk"})
    assert (created.status_code, created.json()["user_id"]) == (201, subject)
    assert [task["id"] for task in call(token, tasks).json()] == [created.json()["id"]]
    own_address = urlsplit(created["Location"]).path.removeprefix("/api/v1/")
    assert unquote(own_address) == f"{subject}/tasks/{created.json()['id']}"
    assert call(token, own_address).json() == created.json()
    call(token, tasks, "post", {"title": "Buy bread"})
    neighbour = urlsplit(re.fullmatch('<(.*)>; rel="next"', call(token, f"{tasks}?limit=1")["Link"])[1])
    assert call(token, f"{tasks}?{neighbour.query}").json() == [created.json()]
    assert unquote(neighbour.path) == f"/api/v1/{subject}/tasks"


def test_a_subject_with_a_slash_goes_by_me(db, issuer):
    token = by_key(issuer, sub="team/ada")
    created = call(token, "me/tasks", "post", {"title": "Buy milk"}).json()
    assert created["user_id"] == "team/ada"
    assert call(token, "tasks").json() == [created]
    assert call(token, f"{quote('team/ada', safe='')}/tasks").status_code == 404


def test_another_name_in_the_address_is_refused_whoever_has_it(alice, issuer):
    token = by_key(issuer)
    call(token)
    call(by_key(issuer, sub="bob"))
    names = ["bob", "nobody", str(alice.id), str(external_user().id), str(external_user().id).upper()]
    answers = [call(token, f"{name}/tasks") for name in names]
    assert {answer.status_code for answer in answers} == {403}
    assert answers[0].json()["code"] == "user_mismatch"
    assert len({answer.content for answer in answers}) == 1


def test_a_subject_that_spells_a_local_id_reaches_nothing_of_it(alice, issuer):
    theirs = TaskFactory(owner=alice)
    token = by_key(issuer, sub=str(alice.id))
    assert call(token, f"{alice.id}/tasks").json() == []
    assert call(token, f"{alice.id}/tasks/{theirs.id}").status_code == 404
    mine = call(token, f"{alice.id}/tasks", "post", {"title": "Mine"}).json()
    own = AccessToken.of(Session.begin(alice))
    assert [task["id"] for task in call(own, f"{alice.id}/tasks").json()] == [str(theirs.id)]
    assert Task.objects.get(pk=mine["id"]).owner.issuer == "better-auth"


# --- what they are called ----------------------------------------------------


def test_name_and_email_follow_the_issuer(db, issuer):
    assert shown(call(by_key(issuer))) == ("", None)
    assert shown(call(by_key(issuer, name="Ada", email="ada@example.com"))) == ("Ada", "ada@example.com")
    assert shown(call(by_key(issuer, name="Ada L.", email="l@example.com"))) == ("Ada L.", "l@example.com")
    assert shown(call(by_key(issuer))) == ("Ada L.", "l@example.com")


@pytest.mark.parametrize(
    ("claims", "updates"),
    [
        ({"name": "Ada", "email": "ada@example.com"}, 0),
        ({"name": "Ada"}, 0),
        ({}, 0),
        ({"name": "Ada L.", "email": "ada@example.com"}, 1),
        ({"email": "l@example.com"}, 1),
    ],
    ids=str,
)
def test_a_profile_is_written_when_it_has_changed(db, issuer, claims, updates):
    call(by_key(issuer, name="Ada", email="ada@example.com"))
    for expected in (updates, 0):
        with CaptureQueriesContext(connection) as queries:
            assert call(by_key(issuer, **claims)).status_code == 200
        assert sum('UPDATE "users_user"' in query["sql"] for query in queries) == expected
        assert len(queries) == 1 + expected


@pytest.mark.parametrize("name", ["山田\u3000太郎", "ন\u200d", "👩\u200d💻", "Ada\u00a0L.", "A" * 150])
def test_names_of_every_script_are_shown(db, issuer, name):
    assert shown(call(by_key(issuer, name=name)))[0] == name


@pytest.mark.parametrize(
    "value", ["", "a\0b", "a\nb", "\x1b[2J", "\x85", "\ud800", "A" * 255, 7, True, ["Ada"], {"first": "Ada"}]
)
def test_a_display_that_cannot_be_used_is_ignored(db, issuer, value):
    call(by_key(issuer, name="Ada", email="ada@example.com"))
    assert shown(call(by_key(issuer, name=value, email=value))) == ("Ada", "ada@example.com")


def test_the_same_email_is_not_the_same_account(alice, issuer):
    TaskFactory(owner=alice)
    token = by_key(issuer, email=alice.email, emailVerified=True)
    assert shown(call(token)) == ("", alice.email)
    assert call(token, "tasks").json() == []
    assert User.objects.filter(email=alice.email).count() == 2
    alice.refresh_from_db()
    assert (alice.issuer, alice.subject) == (None, None)


def test_two_subjects_may_share_an_email(db, issuer):
    for subject in ("a", "b"):
        assert shown(call(by_key(issuer, sub=subject, email="us@example.com")))[1] == "us@example.com"
    assert User.objects.count() == 2


def test_the_password_is_the_issuers(db, issuer):
    passwords = {"current_password": "a long pass phrase", "new_password": "a longer pass phrase"}
    answer = call(by_key(issuer), "auth/password", "post", passwords)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert call(by_key(issuer), "auth/sessions").json() == []


# --- how they leave ----------------------------------------------------------


def test_logout_all_refuses_older_tokens_and_those_of_no_age(db, issuer, settings):
    settings.BETTER_AUTH_LEEWAY = timedelta(minutes=5)
    now = int(time.time())
    older, ageless = by_key(issuer, iat=now - MINUTE), by_secret(issuer, iat=None)
    assert call(ageless).status_code == 200
    assert call(older, "auth/logout-all", "post").status_code == 204
    assert {refusal(call(token)) for token in (older, ageless, by_key(issuer, exp=0))} == {"token_invalid"}
    newer = by_key(issuer, iat=int(time.time()) + MINUTE)
    assert call(newer).status_code == 200
    assert call(by_key(issuer, sub="somebody else", iat=now - MINUTE)).status_code == 200


@pytest.mark.parametrize("age", [6 * MINUTE, None], ids=["older", "of no age"])
def test_deleting_the_account_wants_a_fresh_token(db, issuer, age):
    token = by_key(issuer, iat=int(time.time()) - age if age else None)
    answer = call(token, "auth/me", "delete")
    assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    assert call(token).status_code == 200


def test_deleting_the_account_leaves_a_tombstone_that_names_nobody(db, issuer):
    bystander = TaskFactory()
    token = by_key(issuer, iat=int(time.time()) - 4 * MINUTE, name="Ada", email="ada@example.com")
    call(token, "tasks", "post", {"title": "Buy milk"})
    assert call(token, "auth/me", "delete").status_code == 204
    assert list(Task.objects.all()) == [bystander]
    assert list(User.objects.all()) == [bystander.owner]
    [digest] = Tombstone.objects.values_list("digest", flat=True)
    assert len(digest) == 64
    assert not {SUBJECT, "Ada", "ada@example.com"} & set(map(str, Tombstone.objects.values_list().get()))


def test_after_the_deletion_no_token_brings_the_account_back(db, issuer, settings):
    call(by_key(issuer), "auth/me", "delete")
    settings.BETTER_AUTH_LEEWAY = timedelta(minutes=5)
    tokens = [by_key(issuer), by_secret(issuer, iat=int(time.time()) + MINUTE), by_key(issuer, exp=0)]
    assert {refusal(call(token)) for token in tokens} == {"token_invalid"}
    assert not User.objects.exists()
    assert call(by_key(issuer, sub="somebody else")).status_code == 200


def test_a_tombstone_lasts_its_lifetime(db, issuer):
    call(by_key(issuer), "auth/me", "delete")
    lifetime = configured.TOMBSTONE_LIFETIME
    Tombstone.objects.update(created_at=timezone.now() - lifetime + timedelta(minutes=1))
    assert refusal(call(by_key(issuer))) == "token_invalid"
    Tombstone.objects.update(created_at=timezone.now() - lifetime - timedelta(minutes=1))
    assert call(by_key(issuer)).json()["id"] == SUBJECT
    assert call(by_key(issuer), "tasks").json() == []

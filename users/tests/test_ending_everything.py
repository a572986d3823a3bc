"""Ending all sessions of a user ends the cookies of the admin and the external issuer's tokens too."""

import re
import time
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from conftest import ApiClient
from users.models import User
from users.tests.factories import UserFactory
from users.tests.issuer import SUBJECT, by_secret, call

OLD, NEW = "a long pass phrase", "a longer pass phrase"
AUTH = "/api/v1/auth"
NEW_PASSWORD = {"password1": NEW, "password2": NEW, "usable_password": "true"}


def with_cookie(user):
    client = Client()
    client.force_login(user)
    return client


def is_in(*clients):
    """Return for each cookie whether the admin accepts it."""
    return [client.get("/admin/").status_code == 200 for client in clients]


def operator():
    return with_cookie(UserFactory(is_staff=True, is_superuser=True))


@pytest.fixture
def alice(db):
    return UserFactory(email="alice@example.com", password=OLD, is_staff=True, is_superuser=True)


@pytest.fixture
def bob(db):
    return UserFactory(email="bob@example.com", is_staff=True)


def log_out_everywhere(user):
    return ApiClient().sign_in(user).post(f"{AUTH}/logout-all")


def change_password(user):
    body = {"current_password": OLD, "new_password": NEW}
    return ApiClient().sign_in(user).post(f"{AUTH}/password", body)


def run_the_command(user):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("getpass.getpass", lambda _: NEW)
        call_command("changepassword", user.email, stdout=StringIO())


def end_in_the_admin(user, client=None):
    data = {"action": "end_sessions", "_selected_action": [str(user.pk)]}
    return (client or operator()).post(reverse("admin:users_user_changelist"), data)


def set_in_the_admin(user, client=None):
    page = reverse("admin:auth_user_password_change", args=[user.pk])
    return (client or operator()).post(page, NEW_PASSWORD)


@pytest.mark.parametrize(
    "end", [log_out_everywhere, change_password, run_the_command, end_in_the_admin, set_in_the_admin]
)
def test_every_door_ends_the_cookies_of_the_admin(alice, bob, end):
    cookies = [with_cookie(user) for user in (alice, alice, bob)]
    assert is_in(*cookies) == [True, True, True]
    end(alice)
    assert is_in(*cookies) == [False, False, True]
    assert is_in(with_cookie(User.objects.get(pk=alice.pk))) == [True]


@pytest.mark.parametrize("end", [end_in_the_admin, set_in_the_admin])
def test_an_operator_ends_the_external_issuers_tokens(db, issuer, end):
    token = by_secret(issuer, iat=int(time.time()) - 60)
    assert call(token).status_code == 200
    end(User.objects.get(subject=SUBJECT))
    assert call(token).json()["code"] == "token_invalid"
    assert call(by_secret(issuer, iat=int(time.time()) + 1)).status_code == 200


def change_in_the_admin(_user, client):
    form = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW}
    return client.post(reverse("admin:password_change"), form)


@pytest.mark.parametrize("change", [change_in_the_admin, set_in_the_admin])
def test_operators_who_change_their_own_password_stay_in_where_they_did(alice, change):
    here, there, token = with_cookie(alice), with_cookie(alice), ApiClient().sign_in(alice)
    assert change(alice, here).status_code == 302
    assert is_in(here, there) == [True, False]
    assert token.get(f"{AUTH}/me").status_code == 401


def test_operators_can_end_their_own_sessions(alice):
    here, there = with_cookie(alice), with_cookie(alice)
    end_in_the_admin(alice, here)
    assert is_in(here, there) == [False, False]


def test_other_changes_end_no_cookie(alice):
    cookie = with_cookie(alice)
    assert ApiClient().sign_in(alice).patch(f"{AUTH}/me", {"name": "Alice L."}).status_code == 200
    assert is_in(cookie) == [True]


def test_a_cookie_that_an_older_key_signed_ends_too(alice, settings):
    used, unused = with_cookie(alice), with_cookie(alice)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret, which signs the cookies from now on"
    assert is_in(used) == [True]
    end_in_the_admin(alice)
    assert is_in(used, unused) == [False, False]


def test_the_admin_locks_an_account_before_its_sessions(alice):
    """Two requests that lock them in different orders would deadlock."""
    ApiClient().sign_in(alice)
    client = operator()
    with CaptureQueriesContext(connection) as queries:
        end_in_the_admin(alice, client)
    statements = "\n".join(query["sql"] for query in queries)
    assert re.search(r'UPDATE "users_user"(.|\n)*UPDATE "users_session"', statements)

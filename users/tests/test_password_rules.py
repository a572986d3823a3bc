"""What a new password must be, at every door: the API, the admin and the commands."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from conftest import ApiClient
from users.models import User
from users.tests.factories import UserFactory

AUTH = "/api/v1/auth"
EMAIL, NAME = "ada.lovelace@example.com", "Ada Lo King"
OLD = "a long pass phrase"
MESSAGES = {
    "password_too_repetitive": "It must have at least 5 different characters.",
    "password_too_similar": "It must have at least 6 characters besides the words of your e-mail address, "
    "your name and this service's name.",
    "password_unchanged": "The new password must differ from the current one.",
}


def faults(response, pointer):
    assert response.status_code == 400
    for error in response.json()["errors"]:
        assert error["pointer"] == pointer
        assert error["detail"].endswith(MESSAGES[error["code"]])
    return [error["code"] for error in response.json()["errors"]]


def register(password, email=EMAIL, name=NAME):
    return ApiClient().post(f"{AUTH}/register", {"email": email, "password": password, "name": name})


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("abcdabcdabcd", "password_too_repetitive"),
        ("\u0436\u044f\u0436\u044f\u0436\u044f\u0436\u044f\u0436\u044f", "password_too_repetitive"),
        ("ada.lovelace12345", "password_too_similar"),
        ("ADA.LOVELACE-1815", "password_too_similar"),
        ("12345lovelace", "password_too_similar"),
        ("12adalovelace345ADA", "password_too_similar"),
        ("ada.lovelace@example.com", "password_too_similar"),
        ("Ada Lo King 181", "password_too_similar"),
        ("King_Ada_181", "password_too_similar"),
        ("Task-API-1234", "password_too_similar"),
        ("taskAPI12345", "password_too_similar"),
    ],
)
def test_a_password_that_is_easy_to_guess_is_refused(db, password, code):
    assert faults(register(password), "#/password") == [code]
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "password",
    [
        "abcdeabcde",
        "ada.lovelace123456",
        "Task-API-12345",
        # Two letters of a name are in any password.
        "lololo-hihi",
        # The same letters as the e-mail and the name, in another order.
        "evol ecal mon gik da",
    ],
)
def test_a_password_just_within_the_rules_is_accepted(db, password):
    assert register(password).status_code == 201


@pytest.mark.parametrize("account", [{"name": ""}, {"email": "a@b.co", "name": "Al"}])
def test_short_names_make_no_password_similar(db, account):
    assert register("a passphrase at all", **account).status_code == 201


# --- the current one -------------------------------------------------------------


@pytest.fixture
def ada(db):
    return UserFactory(email=EMAIL, name=NAME, password=OLD, is_staff=True, is_superuser=True)


@pytest.fixture
def as_ada(ada):
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture
def hashings(ada, hashings):
    """What is hashed after the account was created."""
    return hashings


def change(ada, current, new):
    body = {"current_password": current, "new_password": new}
    return ApiClient().sign_in(ada).post(f"{AUTH}/password", body)


def test_the_api_refuses_the_current_password_and_the_rules_at_the_new_one(ada):
    assert faults(change(ada, OLD, OLD), "#/new_password") == ["password_unchanged"]
    assert faults(change(ada, OLD, "ada.lovelace1815"), "#/new_password") == ["password_too_similar"]
    assert change(ada, OLD, f"{OLD} ").status_code == 204


def test_a_guess_at_the_current_password_costs_an_attempt(ada, hashings, settings):
    """Without the throttle, nothing in the response depends on the current password."""
    settings.LOGIN_RATE_PER_ACCOUNT = (1, settings.LOGIN_RATE_PER_ACCOUNT[1])
    right, wrong = change(ada, OLD, OLD), change(ada, "not the password", "not the password")
    assert faults(right, "#/new_password") == faults(wrong, "#/new_password")
    assert faults(change(ada, "not the password", "aaaaaaaaaaaa"), "#/new_password") != []
    assert hashings == []
    assert change(ada, "not the password", OLD).json()["errors"][0]["code"] == "password_incorrect"
    assert change(ada, "not the password", OLD).status_code == 429
    assert hashings == ["verify"]


def set_for_another(client, ada, password):
    form = {"password1": password, "password2": password, "usable_password": "true"}
    return client.post(reverse("admin:auth_user_password_change", args=[ada.pk]), form)


def change_own(client, _ada, password):
    form = {"old_password": OLD, "new_password1": password, "new_password2": password}
    return client.post(reverse("admin:password_change"), form)


def messages(page):
    assert page.status_code == 200
    return [message for messages in page.context["form"].errors.values() for message in messages]


@pytest.mark.parametrize("post", [set_for_another, change_own])
def test_the_admin_has_the_same_rules(ada, as_ada, post):
    for password, code in (
        (OLD, "password_unchanged"),
        ("ada.lovelace1815", "password_too_similar"),
        ("aaaabbbbccccc", "password_too_repetitive"),
    ):
        [message] = messages(post(as_ada, ada, password))
        assert message.endswith(MESSAGES[code])
    assert post(as_ada, ada, "quite another phrase").status_code == 302


def test_in_the_admin_a_refused_password_is_not_compared(ada, as_ada, hashings):
    """Else it could be guessed by passwords that are refused for another reason, and so are not stored."""
    ada.set_password("aaaabbbbccccc")
    ada.save()
    as_ada.force_login(ada)
    hashings.clear()
    [message] = messages(set_for_another(as_ada, ada, "aaaabbbbccccc"))
    assert message.endswith(MESSAGES["password_too_repetitive"])
    assert hashings == []


def test_an_operator_adds_users_by_the_same_rules(as_ada):
    form = {"email": "mary@example.com", "name": "Mary", "time_zone": "UTC", "usable_password": "true"}
    for password, status in (("mary-example1", 200), ("quite another phrase", 302)):
        form |= {"password1": password, "password2": password}
        assert as_ada.post(reverse("admin:users_user_add"), form).status_code == status


@pytest.mark.parametrize(
    ("password", "code"), [(OLD, "password_unchanged"), ("ada.lovelace1815", "password_too_similar")]
)
def test_the_command_has_the_same_rules(ada, monkeypatch, password, code):
    monkeypatch.setattr("getpass.getpass", lambda _: password)
    with pytest.raises(CommandError, match=MESSAGES[code]):
        call_command("changepassword", EMAIL, stdout=StringIO())


def test_an_account_without_a_password_gets_its_first(db, monkeypatch):
    UserFactory(email=EMAIL)
    monkeypatch.setattr("getpass.getpass", lambda _: OLD)
    call_command("changepassword", EMAIL, stdout=StringIO())
    assert User.objects.get().check_password(OLD)

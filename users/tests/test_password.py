"""A new password ends every other session, by whatever door it comes."""

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from config.tests.problems import assert_problem
from conftest import ApiClient
from users.authentication import RefreshToken
from users.hashers import Argon2idPasswordHasher
from users.models import Session, User
from users.tests.factories import UserFactory
from users.tests.issuer import SECRET, call, claims_of, sign_with_secret

EMAIL = "alice@example.com"
OLD, NEW = "a long pass phrase", "a longer pass phrase"
ME = "/api/v1/auth/me"


@pytest.fixture
def alice(db):
    return UserFactory(email=EMAIL, name="Alice Liddell", password=OLD)


@pytest.fixture
def other(alice):
    """Another session of the same user."""
    return ApiClient().sign_in(alice)


def change(client, current=OLD, new=NEW, **more):
    body = {"current_password": current, "new_password": new, **more}
    return client.post("/api/v1/auth/password", body)


def log_in(password):
    return ApiClient().post("/api/v1/auth/login", {"email": EMAIL, "password": password}).status_code


def faults(answer):
    assert answer.status_code == 400
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


def refresh(session):
    return ApiClient().post("/api/v1/auth/refresh", {"refresh": str(RefreshToken.of(session))})


# --- changing it -------------------------------------------------------------


def test_a_changed_password_ends_every_session_but_this_one(as_alice, other, as_bob):
    answer = change(as_alice)
    assert (answer.status_code, answer.content) == (204, b"")
    assert as_alice.get(ME).status_code == 200
    assert other.get(ME).json()["code"] == "token_invalid"
    assert as_bob.get(ME).status_code == 200


def test_the_session_it_was_changed_in_can_be_refreshed(as_alice, other, alice):
    change(as_alice)
    newest, oldest = Session.objects.filter(user=alice)
    assert [refresh(oldest).status_code, refresh(newest).status_code] == [200, 401]


def test_only_the_new_password_signs_in(as_alice):
    change(as_alice)
    assert [log_in(NEW), log_in(OLD)] == [200, 401]


def test_a_wrong_current_password_changes_nothing(as_alice, other):
    answer = change(as_alice, current="not the password")
    assert faults(answer) == [("#/current_password", "password_incorrect")]
    assert other.get(ME).status_code == 200
    assert [log_in(OLD), log_in(NEW)] == [200, 401]


@pytest.mark.parametrize(
    ("weak", "codes"),
    [
        ("short", ["password_too_short"]),
        ("qwertyuiop", ["password_too_common"]),
        ("86420975318642", ["password_entirely_numeric"]),
        ("1234567890", ["password_too_common", "password_entirely_numeric"]),
        ("alice@example.com", ["password_too_similar"]),
        ("ALICE@example.org", ["password_too_similar"]),
        ("Alice Liddell 1", ["password_too_similar"]),
        ("x" * 1025, ["max_length"]),
        ("", ["blank"]),
    ],
)
def test_a_weak_new_password_is_refused(as_alice, other, weak, codes):
    assert faults(change(as_alice, new=weak)) == [("#/new_password", code) for code in codes]
    assert other.get(ME).status_code == 200
    assert log_in(OLD) == 200


@pytest.mark.parametrize("missing", ["current_password", "new_password"])
def test_both_passwords_are_needed(as_alice, missing):
    body = {"current_password": OLD, "new_password": NEW}
    del body[missing]
    answer = as_alice.post("/api/v1/auth/password", body)
    assert faults(answer) == [(f"#/{missing}", "required")]


def test_an_unknown_field_is_refused(as_alice, other):
    assert faults(change(as_alice, email="new@example.com")) == [("#/email", "unknown_field")]
    assert other.get(ME).status_code == 200


def test_spaces_are_part_of_a_password(as_alice):
    assert change(as_alice, new=f" {NEW} ").status_code == 204
    assert [log_in(NEW), log_in(f" {NEW} ")] == [401, 200]


def test_an_external_account_has_no_password_here(db, settings):
    settings.BETTER_AUTH_SECRET = SECRET
    token = sign_with_secret(claims_of(None))
    body = {"current_password": OLD, "new_password": NEW}
    answer = call(token, "auth/password", "post", body)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not User.objects.get().has_usable_password()
    assert call(token).status_code == 200


@pytest.mark.parametrize("meanwhile", ["changed", "deleted"])
def test_a_sign_in_with_the_old_password_does_not_outlive_it(alice, monkeypatch, meanwhile):
    """What happens between the verification and the session is made to happen there."""
    verify = Argon2idPasswordHasher.verify

    def verify_then_lose(*args):
        verified = verify(*args)
        if meanwhile == "changed":
            alice.set_password(NEW)
            alice.save()
        else:
            alice.delete()
        return verified

    monkeypatch.setattr(Argon2idPasswordHasher, "verify", verify_then_lose)
    assert log_in(OLD) == 401
    assert Session.objects.count() == 0


# --- operators ---------------------------------------------------------------


def test_the_command_ends_every_session(alice, as_alice, other, as_bob, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: NEW)
    call_command("changepassword", EMAIL)
    assert [client.get(ME).status_code for client in (as_alice, other, as_bob)] == [401, 401, 200]
    assert {refresh(session).status_code for session in alice.sessions.all()} == {401}
    assert [log_in(NEW), log_in(OLD)] == [200, 401]


def test_a_weak_password_from_the_command_ends_nothing(as_alice, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda prompt: "1234567890")
    with pytest.raises(CommandError):
        call_command("changepassword", EMAIL)
    assert as_alice.get(ME).status_code == 200


def test_the_admins_form_ends_every_session(alice, as_alice, other, as_bob, client):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = reverse("admin:auth_user_password_change", args=[alice.pk])
    answer = client.post(page, {"password1": NEW, "password2": NEW, "usable_password": "true"})
    assert answer.status_code == 302
    assert [person.get(ME).status_code for person in (as_alice, other, as_bob)] == [401, 401, 200]
    assert [log_in(NEW), log_in(OLD)] == [200, 401]


def test_saving_anything_else_ends_no_session(alice, as_alice):
    alice.refresh_from_db()
    alice.name = "Alice L."
    alice.save()
    assert as_alice.patch(ME, {"name": "A. Liddell"}).status_code == 200
    assert as_alice.get(ME).status_code == 200


def answer_prompts(monkeypatch, *answers):
    prompts = iter(answers)
    monkeypatch.setattr("getpass.getpass", lambda _: next(prompts))


def test_the_command_finds_the_local_account_whoever_shares_its_email(alice, monkeypatch, capsys):
    User.objects.create(issuer="elsewhere", subject="s-1", email="alice@example.com")
    answer_prompts(monkeypatch, NEW, NEW)
    call_command("changepassword", "ALICE@example.com")
    alice.refresh_from_db()
    assert alice.check_password(NEW)
    assert "every session" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("email", "answers", "complaint"),
    [
        ("nobody@example.com", (), "no local account"),
        ("alice@example.com", (NEW, NEW + "x"), "not the same"),
        ("alice@example.com", ("short", "short"), "too short"),
    ],
)
def test_the_command_refuses(alice, monkeypatch, email, answers, complaint):
    answer_prompts(monkeypatch, *answers)
    before = alice.password
    with pytest.raises(CommandError, match=complaint):
        call_command("changepassword", email)
    alice.refresh_from_db()
    assert alice.password == before


@pytest.mark.parametrize(
    ("method", "body"), [("patch", {"name": "A"}), ("post", {"current_password": OLD, "new_password": NEW})]
)
def test_an_account_that_is_deleted_meanwhile_is_not_written(as_alice, monkeypatch, method, body):
    save = User.save

    def delete_and_save(user, **options):
        User.objects.get(pk=user.pk).delete()
        save(user, **options)

    monkeypatch.setattr(User, "save", delete_and_save)
    address = ME if method == "patch" else "/api/v1/auth/password"
    assert_problem(getattr(as_alice, method)(address, body), "token_invalid")
    assert not User.objects.exists()

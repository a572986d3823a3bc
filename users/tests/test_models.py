"""What the database itself refuses, and when sessions end."""

import io
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth import authenticate, hashers
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from conftest import ApiClient
from users.hashers import Argon2idPasswordHasher
from users.models import Session, User
from users.tests.factories import UserFactory

PASSWORD = "correct horse battery"
ME = "/api/v1/auth/me"


class HastyHasher(Argon2idPasswordHasher):
    time_cost = 1


def refused_by(*names):
    """Expect that the database refuses, for the sake of a constraint. SQLite may name its columns instead."""
    return pytest.raises(IntegrityError, match="|".join(names))


@pytest.mark.parametrize("email", ["alice@example.com", "ALICE@EXAMPLE.COM", "Alice@example.com"])
def test_two_local_accounts_cannot_share_an_email(alice, email):
    with refused_by("user_email_folded_unique"):
        UserFactory(email=email)


def test_an_email_cannot_be_changed_to_a_taken_one(alice, bob):
    bob.email = "Alice@Example.com"
    with refused_by("user_email_folded_unique"):
        bob.save()


def test_external_accounts_may_share_an_email_or_have_none(alice):
    emails = [alice.email, alice.email, None, None]
    for number, email in enumerate(emails):
        UserFactory(email=email, issuer="example", subject=str(number))
    assert User.objects.count() == 5


@pytest.mark.parametrize(
    "account",
    [
        {"email": None},
        {"email": "carol@example.com", "subject": "carol"},
        {"email": None, "subject": "carol"},
        {"email": "carol@example.com", "issuer": "example"},
        {"email": None, "issuer": "example"},
    ],
    ids=str,
)
def test_an_account_is_local_with_an_email_or_external_with_a_subject(db, account):
    with refused_by("user_local_or_external"):
        UserFactory(**account)


def test_a_subject_is_unique_for_its_issuer(db):
    UserFactory(issuer="example", subject="carol")
    UserFactory(issuer="another", subject="carol")
    UserFactory(issuer="example", subject="Carol")
    with refused_by("user_issuer_subject_unique", "users_user.issuer, users_user.subject"):
        UserFactory(issuer="example", subject="carol")


@pytest.mark.parametrize(
    ("account", "reason"),
    [
        ({"email": "ALICE@example.com"}, "An account with this e-mail exists."),
        ({"email": None}, "A local account needs an e-mail; one of another issuer a subject."),
    ],
)
def test_forms_say_what_the_constraints_want(alice, account, reason):
    with pytest.raises(ValidationError) as refusal:
        User(**account, password="!").full_clean()
    assert reason in refusal.value.messages


def test_a_user_is_found_by_email_in_any_case(alice):
    UserFactory(email="ALICE@example.com", issuer="example", subject="alice")
    assert User.objects.get_by_natural_key("Alice@Example.Com") == alice


@pytest.mark.parametrize("email", ["carol@example.com", "", None])
def test_an_email_of_nobody_finds_nobody(db, email):
    UserFactory(email="carol@example.com", issuer="example", subject="carol")
    UserFactory(email=None, issuer="example", subject="none")
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key(email)


def test_clients_know_a_local_user_by_uuid_and_an_external_one_by_subject(alice):
    assert alice.public_id == str(alice.id)
    assert UserFactory(email=None, issuer="example", subject="a/b").public_id == "a/b"


def test_ids_are_in_order_of_creation(db):
    users = [UserFactory() for _ in range(3)]
    sessions = [Session.begin(users[0]) for _ in range(3)]
    assert all(UUID(str(row.id)).version == 7 for row in users + sessions)
    assert list(User.objects.all()) == users[::-1]
    assert list(Session.objects.all()) == sessions[::-1]


def test_users_and_sessions_have_a_name_for_operators(alice):
    nameless = UserFactory(email=None, issuer="example", subject="x")
    session = Session.begin(alice)
    assert [str(alice), str(nameless), str(session)] == [alice.email, str(nameless.id), str(session.id)]


def test_without_a_password_an_account_cannot_sign_in(db):
    user = User.objects.create_user("carol@example.com")
    assert not user.has_usable_password()
    for password in ("", None, user.password, "None"):
        assert authenticate(email="carol@example.com", password=password) is None


def test_a_superuser_can_be_created_by_a_script(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", "--noinput", email="Root@Example.com", stdout=io.StringIO())
    user = User.objects.get()
    assert (user.email, user.is_staff, user.is_superuser, user.is_active) == (
        "Root@Example.com",
        True,
        True,
        True,
    )
    assert authenticate(email="root@example.com", password=PASSWORD) == user


@pytest.fixture
def signed_in(alice):
    """Return alice's two clients, and tell how many of them still are signed in."""
    clients = [ApiClient().sign_in(alice) for _ in range(2)]
    return lambda: sum(client.get(ME).status_code == 200 for client in clients)


@pytest.mark.parametrize("fields", [None, ["password"]])
def test_a_new_password_ends_every_session(alice, signed_in, as_bob, fields):
    assert signed_in() == 2
    alice.set_password(PASSWORD)
    assert signed_in() == 2
    alice.save(update_fields=fields)
    assert signed_in() == 0
    assert as_bob.get(ME).status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_taking_the_password_away_ends_every_session(alice, signed_in):
    alice.set_unusable_password()
    assert signed_in() == 2
    alice.save()
    assert signed_in() == 0
    alice.refresh_from_db()
    assert not alice.has_usable_password()


@pytest.mark.parametrize("change", ["set_password", "set_unusable_password"])
def test_the_session_that_is_named_is_kept_once(alice, signed_in, change):
    kept = Session.objects.filter(user=alice).first()
    alice.kept_session_id = kept.pk
    {"set_password": lambda: alice.set_password(PASSWORD)}.get(change, alice.set_unusable_password)()
    alice.save()
    assert signed_in() == 1
    assert Session.objects.alive().get() == kept
    User.objects.get(pk=alice.pk).end_all_sessions()
    assert signed_in() == 0


def test_an_operator_who_disables_the_password_ends_every_session(client, alice):
    alice.set_password(PASSWORD)
    alice.save()
    session = ApiClient().sign_in(alice)
    client.force_login(User.objects.create_superuser("operator@example.com", PASSWORD))
    page = reverse("admin:auth_user_password_change", args=[alice.pk])
    assert client.post(page, {"usable_password": "false", "unset-password": "1"}).status_code == 302
    assert session.get(ME).status_code == 401


def test_the_operators_command_ends_every_session(alice, signed_in, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda _: PASSWORD)
    call_command("changepassword", alice.email, stdout=io.StringIO())
    assert signed_in() == 0
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)


def test_a_session_begun_after_the_change_lives_on(alice, signed_in):
    alice.set_password(PASSWORD)
    alice.save()
    client = ApiClient().sign_in(alice)
    alice.name = "Alice L."
    alice.save()
    assert client.get(ME).status_code == 200


def test_other_changes_end_no_session(alice, signed_in):
    alice.name, alice.email = "Alice L.", "alice.l@example.com"
    alice.save()
    assert signed_in() == 2


def test_a_stronger_hash_of_the_same_password_ends_no_session(alice, signed_in):
    hasty = HastyHasher()
    alice.password = hasty.encode(PASSWORD, hasty.salt())
    alice.save()
    assert alice.check_password(PASSWORD)
    alice.refresh_from_db()
    assert "t=2" in alice.password
    assert signed_in() == 2


def test_a_password_that_could_not_be_saved_ends_no_session(alice, bob, signed_in):
    alice.email = bob.email
    alice.set_password(PASSWORD)
    with refused_by("user_email_folded_unique"), transaction.atomic():
        alice.save()
    assert signed_in() == 2


def test_ending_sessions_counts_those_that_lived(alice):
    first, _ = Session.begin(alice), Session.begin(alice)
    earlier = timezone.now() - timedelta(days=1)
    Session.objects.filter(pk=first.pk).update(revoked_at=earlier)
    assert alice.sessions.end() == 1
    first.refresh_from_db()
    assert first.revoked_at == earlier
    assert not Session.objects.alive().exists()


def test_sessions_go_with_their_user(alice, bob):
    Session.begin(alice)
    Session.begin(bob)
    alice.delete()
    assert [session.user for session in Session.objects.all()] == [bob]


def test_upgrading_a_hash_does_not_undo_a_new_password(db, monkeypatch):
    """The new one is set while the old one is being hashed anew."""
    user = UserFactory(password=PASSWORD)
    old = Argon2idPasswordHasher()
    old.time_cost = 1
    User.objects.filter(pk=user.pk).update(password=old.encode(PASSWORD, old.salt()))
    user = User.objects.get(pk=user.pk)
    make, new = hashers.make_password, hashers.make_password("another pass phrase")

    def be_slow(password):
        User.objects.filter(pk=user.pk).update(password=new)
        return make(password)

    monkeypatch.setattr(hashers, "make_password", be_slow)
    assert user.check_password(PASSWORD)
    assert User.objects.get(pk=user.pk).password == new
    assert Session.begin_verified(user) is None

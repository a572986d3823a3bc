"""Two e-mails that differ in case alone are one, at every door and on every engine."""

import re
from io import StringIO

import pytest
from django.contrib.auth.hashers import make_password
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from conftest import ApiClient
from users.emails import fold_email
from users.models import Throttle, User
from users.tests.factories import UserFactory

AUTH = "/api/v1/auth"
PASSWORD = "correct horse battery"
# What a folding by `lower()`, by the database or without normalisation takes for two e-mails.
SAME = {
    "Kelvin sign": ("\u212aelvin@example.com", "kelvin@example.com"),
    "long s": ("\u017fam@example.com", "SAM@example.com"),
    "accent": ("ada@caf\u00e9.com", "ADA@CAFE\u0301.com"),
    "sharp s": ("ada@stra\u00dfe.de", "ada@STRASSE.de"),
    "accent after sharp s": ("ada@ma\u00df\u0301e.de", "ada@mas\u015ae.de"),
    "dotted I": ("ada@\u0130zmir.com", "ADA@i\u0307ZMIR.com"),
    "marks in another order": ("ada@\u03b1\u0327\u0399.gr", "ada@\u03b1\u0345\u0327.gr"),
}
# What some databases fold to one.
DIFFERENT = {
    "dotted I": ("adam\u0130@example.com", "adami@example.com"),
    "dotless i": ("adam\u0131@example.com", "adami@example.com"),
    "wide letters": ("ada@\uff45xample.com", "ada@example.com"),
}
same = pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
different = pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)


def register(email):
    return ApiClient().post(f"{AUTH}/register", {"email": email, "password": PASSWORD})


def log_in(email, password=PASSWORD):
    return ApiClient().post(f"{AUTH}/login", {"email": email, "password": password})


def stored(user):
    return User.objects.values_list("email", "email_folded").get(pk=user.pk)


# --- one account ---------------------------------------------------------------


@same
def test_an_email_is_taken_and_signs_in_however_it_is_written(db, one, other):
    for first, second in ((one, other), (other, one)):
        registered = register(first)
        assert registered.status_code == 201
        assert registered.json()["user"]["email"] == first
        assert (register(second).status_code, register(second).json()["code"]) == (409, "email_taken")
        assert log_in(second).json()["user"] == registered.json()["user"]
        User.objects.all().delete()


@different
def test_emails_that_differ_in_more_than_case_are_two_accounts(db, one, other):
    assert [register(email).status_code for email in (one, other)] == [201, 201]
    ids = {log_in(email).json()["user"]["id"] for email in (one, other)}
    assert len(ids) == 2


@same
def test_an_email_is_one_counter_however_it_is_written(db, settings, one, other):
    settings.LOGIN_RATE_PER_ACCOUNT = (2, settings.LOGIN_RATE_PER_ACCOUNT[1])
    assert [log_in(email).status_code for email in (one, other, one)] == [401, 401, 429]
    assert Throttle.objects.count() == 2


@same
def test_operators_find_and_refuse_it_too(client, db, one, other, monkeypatch):
    user = UserFactory(email=one)
    monkeypatch.setattr("getpass.getpass", lambda _: PASSWORD)
    call_command("changepassword", other, stdout=StringIO())
    call_command("issue_token", other, force=True, stdout=StringIO())
    assert user.sessions.count() == 1
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    form = {
        "email": other,
        "time_zone": "UTC",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
    }
    assert "An account with this e-mail exists." in client.post(reverse("admin:users_user_add"), form).text


@pytest.mark.parametrize("email", [email for pair in SAME.values() for email in pair])
def test_folding_twice_changes_nothing(email):
    assert fold_email(fold_email(email)) == fold_email(email)


def test_the_admin_keeps_an_email_as_typed(client, db):
    one, other = DIFFERENT["wide letters"]
    user = UserFactory(email=other)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    form = {
        "email": one,
        "time_zone": "UTC",
        "password1": PASSWORD,
        "password2": PASSWORD,
        "usable_password": "true",
    }
    assert client.post(reverse("admin:users_user_add"), form).status_code == 302
    assert User.objects.exclude(pk=user.pk).filter(email=one).exists()


# --- the column ------------------------------------------------------------------


def save(user, email):
    user.email = email
    user.save()


def save_one_field(user, email):
    user.email = email
    user.save(update_fields=["email"])


def update(user, email):
    User.objects.filter(pk=user.pk).update(email=email, name="Ada")


def update_or_create(user, email):
    User.objects.update_or_create(pk=user.pk, defaults={"email": email})


@pytest.mark.parametrize("write", [save, save_one_field, update, update_or_create])
def test_every_write_folds_the_email(alice, bob, write):
    write(alice, "AdA@ExAmple.com")
    assert stored(alice) == ("AdA@ExAmple.com", "ada@example.com")
    with pytest.raises(IntegrityError, match="user_email_folded_unique"), transaction.atomic():
        write(bob, "\u0041DA@example.com")


def test_rows_created_together_are_folded(db):
    local, external = User(email="Ada@example.com"), User(email="Ada@example.com", issuer="x", subject="s")
    User.objects.bulk_create([local, external])
    assert [stored(user)[1] for user in (local, external)] == ["ada@example.com", None]


def test_the_email_of_an_external_account_is_not_folded(db):
    user = User.objects.create(issuer="x", subject="s", email="Ada@example.com")
    user.update_profile("Ada", "ADA@example.com")
    assert stored(user) == ("ADA@example.com", None)


def test_the_longest_email_fits(db):
    labels = ["\ufb03" * 62] * 3 + ["\ufb03" * 59, "com"]
    email = f"a@{'.'.join(labels)}"
    assert len(email) == 254
    user = UserFactory(email=email)
    assert len(stored(user)[1]) == 2 + 3 * 245 + 7
    assert User.objects.get_by_natural_key(email.upper()) == user


def test_an_account_is_found_by_the_index(db):
    # With few rows, or without statistics, PostgreSQL may prefer any other index.
    User.objects.bulk_create(User(email=f"user{number}@example.com", password="!") for number in range(1000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE users_user")
    plan = User.objects.local_with_email("ada@example.com").order_by().explain()
    assert "user_email_folded_unique" in plan


# --- while the service is updated --------------------------------------------------


def insert_as_before(email, password="!"):
    """Insert an account as the release before the column did."""
    user = UserFactory.build(email=email, password=password)
    later = {"email_folded", "time_zone"}
    fields = [field for field in User._meta.concrete_fields if field.name not in later]
    values = [field.get_db_prep_save(getattr(user, field.attname), connection) for field in fields]
    columns = ", ".join(field.column for field in fields)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO users_user ({columns}) VALUES ({', '.join(['%s'] * len(fields))})", values
        )
    return user


def test_an_account_that_the_release_before_inserts_is_one_too(db):
    user = insert_as_before("Ada@Example.com", make_password(PASSWORD))
    assert log_in("ADA@example.com").json()["user"]["id"] == str(user.pk)
    assert register("ada@EXAMPLE.com").json()["code"] == "email_taken"
    with pytest.raises(IntegrityError, match="user_email_folded_unique"):
        insert_as_before("ADA@Example.com")
    User.objects.get(pk=user.pk).save()
    assert stored(user) == ("Ada@Example.com", "ada@example.com")


def test_it_inserts_no_second_account_for_an_email(alice):
    with pytest.raises(IntegrityError, match="user_email_folded_unique"):
        insert_as_before(alice.email.upper())


@pytest.fixture
def release_before(transactional_db):
    """Undo the migrations of the column, and do them again after the test."""
    call_command("migrate", "users", "0002", verbosity=0)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM users_user")
    call_command("migrate", verbosity=0)


def test_the_accounts_that_exist_are_folded_and_keep_their_emails(release_before):
    local = [insert_as_before(f"Ada.{n}\u212a@Example.com") for n in range(1001)]
    call_command("migrate", "users", verbosity=0)
    assert stored(local[0]) == ("Ada.0\u212a@Example.com", "ada.0k@example.com")
    assert stored(local[1000]) == ("Ada.1000\u212a@Example.com", "ada.1000k@example.com")


def test_accounts_that_collide_are_named_by_id_and_nothing_is_changed(release_before):
    pairs = [[insert_as_before(email) for email in SAME[name]] for name in ("sharp s", "accent")]
    insert_as_before("ada@example.com")
    for _ in range(2):
        with pytest.raises(CommandError) as refused:
            call_command("migrate", "users", verbosity=0)
        lines = {frozenset(line.split(", ")) for line in str(refused.value).splitlines()[1:]}
        assert lines == {frozenset(str(user.pk) for user in pair) for pair in pairs}
        assert not re.search("@|stra|caf", str(refused.value), re.IGNORECASE)
    assert {stored(user)[0] for pair in pairs for user in pair} == {*SAME["sharp s"], *SAME["accent"]}
    for pair in pairs:
        User.objects.filter(pk=pair[0].pk).update(email=f"{pair[0].pk}@example.com")
    call_command("migrate", "users", verbosity=0)
    assert stored(pairs[0][1])[1] == fold_email(SAME["sharp s"][1])

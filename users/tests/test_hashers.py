"""How passwords are stored."""

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from users.hashers import Argon2idPasswordHasher
from users.models import User
from users.tests.factories import UserFactory

PASSWORD = "correct horse battery"
LOGIN = "/api/v1/auth/login"
CREDENTIALS = {"email": "alice@example.com", "password": PASSWORD}
PARAMETERS = "argon2$argon2id$v=19$m=19456,t=2,p=1$"


class HastyHasher(Argon2idPasswordHasher):
    time_cost = 1


@pytest.fixture
def stored(db):
    """Yield what a way of making an account writes into the row."""

    def hash_of(make):
        make()
        return User.objects.get(email="alice@example.com").password

    return hash_of


@pytest.mark.parametrize("make", [User.objects.create_user, User.objects.create_superuser])
def test_a_password_is_stored_as_argon2id(stored, make):
    assert stored(lambda: make("alice@example.com", PASSWORD)).startswith(PARAMETERS)


def test_a_registered_password_is_stored_as_argon2id(stored, anonymous):
    assert stored(lambda: anonymous.post("/api/v1/auth/register", CREDENTIALS)).startswith(PARAMETERS)


def test_one_password_is_stored_differently_for_two(db):
    one, other = UserFactory(password=PASSWORD), UserFactory(password=PASSWORD)
    assert one.password != other.password


def test_signing_in_brings_an_older_hash_up_to_date(anonymous, alice, as_alice):
    hasty = HastyHasher()
    User.objects.filter(pk=alice.pk).update(password=hasty.encode(PASSWORD, hasty.salt()))
    assert anonymous.post(LOGIN, CREDENTIALS).status_code == 200
    alice.refresh_from_db()
    assert alice.password.startswith(PARAMETERS)
    assert anonymous.post(LOGIN, CREDENTIALS).status_code == 200
    assert as_alice.get("/api/v1/auth/me").status_code == 200


@pytest.mark.parametrize("stored", ["", "gibberish", PBKDF2PasswordHasher().encode(PASSWORD, "salt", 1)])
def test_a_hash_of_another_kind_admits_nobody(anonymous, alice, stored):
    User.objects.filter(pk=alice.pk).update(password=stored)
    assert anonymous.post(LOGIN, CREDENTIALS).json()["code"] == "invalid_credentials"

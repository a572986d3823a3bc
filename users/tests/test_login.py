"""`auth/login`: one answer and one cost for everybody who is not let in."""

import pytest

from users.hashers import Argon2idPasswordHasher
from users.models import Session, User
from users.tests.factories import UserFactory
from users.tests.forge import claims_of, post_escaped

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/auth/me"
EMAIL = "carol@example.com"
PASSWORD = "correct horse battery"
NOBODY = {"email": "nobody@example.com", "password": PASSWORD}


@pytest.fixture
def carol(db):
    return UserFactory(email=EMAIL, name="Carol", password=PASSWORD)


@pytest.fixture
def hashes(monkeypatch):
    """Return the list that every use of the password hasher adds its name to."""
    used = []

    def count(name):
        original = getattr(Argon2idPasswordHasher, name)

        def counted(*args, **kwargs):
            used.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(Argon2idPasswordHasher, name, counted)

    count("encode")
    count("verify")
    return used


def sign_in(client, email=EMAIL, password=PASSWORD):
    return client.post(LOGIN, {"email": email, "password": password}, HTTP_X_REQUEST_ID="the-same")


def wrong_password():
    UserFactory(email=EMAIL, password="another password")


def inactive():
    UserFactory(email=EMAIL, password=PASSWORD, is_active=False)


def no_usable_password():
    UserFactory(email=EMAIL)


def external_account():
    UserFactory(email=EMAIL, password=PASSWORD, issuer="example", subject="carol")


REFUSED = [wrong_password, inactive, no_usable_password, external_account]


@pytest.mark.parametrize("path", [LOGIN, LOGIN + "/", "/api/auth/login", "/api/auth/login/"])
def test_the_right_password_signs_in(anonymous, carol, path):
    answer = anonymous.post(path, {"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == {"user", "access", "refresh", "expires_in"}
    assert body["user"].keys() == {"id", "email", "name", "time_zone", "created_at"}
    assert body["user"]["id"] == str(carol.id)
    assert body["expires_in"] == 900
    me = anonymous.get(ME, HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert me.json() == body["user"]


@pytest.mark.parametrize("email", ["CAROL@EXAMPLE.COM", "Carol@Example.com", " carol@example.com "])
def test_the_email_is_compared_without_case(anonymous, carol, email):
    assert sign_in(anonymous, email).json()["user"]["email"] == EMAIL


@pytest.mark.parametrize("make", REFUSED)
def test_all_who_are_refused_get_the_same_bytes(anonymous, db, make):
    unknown = sign_in(anonymous, **NOBODY)
    make()
    answer = sign_in(anonymous)
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert answer.content == unknown.content
    assert answer.headers.items() == unknown.headers.items()
    assert not Session.objects.exists()


@pytest.mark.parametrize("make", [lambda: None, *REFUSED])
def test_every_refusal_costs_one_hash_and_three_statements(anonymous, db, hashes, make):
    make()
    hashes.clear()
    assert sign_in(anonymous).status_code == 401
    assert len(hashes) == 1
    assert len(anonymous.statements) == 3


def test_signing_in_costs_one_hash_and_five_statements(anonymous, carol, hashes):
    hashes.clear()
    assert sign_in(anonymous).status_code == 200
    assert hashes == ["verify"]
    assert len(anonymous.statements) == 5


def test_a_refusal_challenges_and_blames_no_token(anonymous, db):
    answer = sign_in(anonymous, **NOBODY)
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "code": "invalid_credentials",
        "detail": "No active account has this e-mail and password.",
        "request_id": "the-same",
    }


def test_a_local_account_is_found_beside_external_ones_of_its_email(anonymous, carol):
    for subject in ("one", "two"):
        UserFactory(email=EMAIL, password=PASSWORD, issuer="example", subject=subject)
    assert sign_in(anonymous).json()["user"]["id"] == str(carol.id)


@pytest.mark.parametrize("password", [PASSWORD.upper(), f" {PASSWORD}", f"{PASSWORD} ", PASSWORD[:-1]])
def test_a_password_is_compared_as_typed(anonymous, carol, password):
    assert sign_in(anonymous, password=password).json()["code"] == "invalid_credentials"


def test_every_sign_in_is_a_session_of_its_own(anonymous, carol):
    first, second = sign_in(anonymous).json(), sign_in(anonymous).json()
    assert claims_of(first["access"])["sid"] != claims_of(second["access"])["sid"]
    assert Session.objects.filter(user=carol).count() == 2


def test_an_old_token_does_not_stand_in_the_way(anonymous, carol):
    answer = anonymous.post(
        LOGIN, {"email": EMAIL, "password": PASSWORD}, HTTP_AUTHORIZATION="Bearer of-another-time"
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"email": 5}, "#/email", "invalid"),
        ({"email": None}, "#/email", "null"),
        ({"email": ""}, "#/email", "blank"),
        ({"email": ["carol@example.com"]}, "#/email", "invalid"),
        ({"email": "a" * 255}, "#/email", "max_length"),
        ({"email": "carol\0@example.com"}, "#/email", "null_characters_not_allowed"),
        ({"password": 1234567890}, "#/password", "invalid"),
        ({"password": True}, "#/password", "invalid"),
        ({"password": None}, "#/password", "null"),
        ({"password": ""}, "#/password", "blank"),
        ({"password": "p" * 1025}, "#/password", "max_length"),
        ({"password": "p\0"}, "#/password", "null_characters_not_allowed"),
        ({"password": "p\ud800"}, "#/password", "surrogate_characters_not_allowed"),
        ({"username": "carol"}, "#/username", "unknown_field"),
    ],
)
@pytest.mark.django_db
def test_a_body_with_a_fault_is_refused_before_any_hash(anonymous, hashes, change, pointer, code):
    answer = post_escaped(anonymous, LOGIN, {"email": EMAIL, "password": PASSWORD} | change)
    assert answer.status_code == 400
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [(pointer, code)]
    assert hashes == []
    assert PASSWORD not in answer.content.decode()


@pytest.mark.parametrize("missing", ["email", "password"])
def test_a_missing_field_is_named(anonymous, carol, missing):
    body = {"email": EMAIL, "password": PASSWORD}
    del body[missing]
    answer = anonymous.post(LOGIN, body)
    assert answer.status_code == 400
    assert [(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]] == [
        (f"#/{missing}", "required")
    ]


def test_an_account_deactivated_later_cannot_sign_in_again(anonymous, carol):
    assert sign_in(anonymous).status_code == 200
    User.objects.filter(pk=carol.pk).update(is_active=False)
    assert sign_in(anonymous).json()["code"] == "invalid_credentials"

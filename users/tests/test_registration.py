"""`auth/register`."""

import pytest

from conftest import ApiClient, at_once
from users.models import Session, User
from users.tests.factories import UserFactory
from users.tests.forge import post_escaped

REGISTER = "/api/v1/auth/register"
LOGIN = "/api/v1/auth/login"
EMAIL = "Dora.Quill@Example.com"
PASSWORD = "correct horse battery"
ACCOUNT = {"email": EMAIL, "password": PASSWORD, "name": "Dora"}


def faults_of(answer):
    assert answer.status_code == 400, answer.content
    return {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]}


@pytest.mark.parametrize("path", [REGISTER, REGISTER + "/", "/api/auth/register", "/api/auth/register/"])
def test_registering_makes_an_account_and_signs_in(anonymous, db, path):
    answer = anonymous.post(path, ACCOUNT)
    assert answer.status_code == 201
    body = answer.json()
    user = User.objects.get()
    assert body.keys() == {"user", "access", "refresh", "expires_in"}
    assert body["user"] == {
        "id": str(user.id),
        "email": EMAIL,
        "name": "Dora",
        "time_zone": "UTC",
        "created_at": user.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    assert body["expires_in"] == 900
    assert (user.is_staff, user.is_superuser, user.issuer, user.subject) == (False, False, None, None)


def test_both_tokens_work_at_once(anonymous, db):
    body = anonymous.post(REGISTER, ACCOUNT).json()
    me = anonymous.get("/api/v1/auth/me", HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert me.json() == body["user"]
    tasks = anonymous.get("/api/v1/tasks", HTTP_AUTHORIZATION=f"Bearer {body['access']}")
    assert tasks.json() == []
    assert anonymous.post("/api/v1/auth/refresh", {"refresh": body["refresh"]}).status_code == 200


def test_the_new_account_can_sign_in(anonymous, db):
    anonymous.post(REGISTER, ACCOUNT)
    assert anonymous.post(LOGIN, {"email": EMAIL.lower(), "password": PASSWORD}).status_code == 200


def test_registering_costs_three_statements(anonymous, db):
    anonymous.post(REGISTER, ACCOUNT)
    assert len(anonymous.statements) == 3


@pytest.mark.parametrize("name", [{}, {"name": ""}])
def test_a_name_is_optional(anonymous, db, name):
    answer = anonymous.post(REGISTER, {"email": EMAIL, "password": PASSWORD} | name)
    assert answer.json()["user"]["name"] == ""


@pytest.mark.parametrize("email", [EMAIL, EMAIL.lower(), EMAIL.upper()])
def test_an_email_is_taken_in_any_case(anonymous, db, email):
    anonymous.post(REGISTER, ACCOUNT)
    answer = anonymous.post(REGISTER, {"email": email, "password": PASSWORD})
    assert answer.status_code == 409
    assert answer.json()["code"] == "email_taken"
    assert answer.json()["errors"] == [
        {"pointer": "#/email", "code": "email_taken", "detail": "An account with this e-mail exists."}
    ]
    assert User.objects.get().email == EMAIL
    assert Session.objects.count() == 1


def test_an_inactive_account_still_holds_its_email(anonymous, db):
    UserFactory(email=EMAIL, is_active=False)
    assert anonymous.post(REGISTER, ACCOUNT).json()["code"] == "email_taken"


def test_an_external_account_does_not_hold_its_email(anonymous, db):
    UserFactory(email=EMAIL, issuer="example", subject="dora")
    assert anonymous.post(REGISTER, ACCOUNT).status_code == 201


def test_of_eight_at_once_one_gets_the_email(transactional_db):
    answers = at_once(8, lambda _: ApiClient().post(REGISTER, ACCOUNT))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"email_taken"}
    assert User.objects.count() == Session.objects.count() == 1


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("xq7!vz-pk", {"password_too_short"}),
        ("basketball", {"password_too_common"}),
        ("82736451907264", {"password_entirely_numeric"}),
        ("1234567890", {"password_too_common", "password_entirely_numeric"}),
        ("dora.quill@example", {"password_too_similar"}),
        ("theodora-wetherby", {"password_too_similar"}),
    ],
)
def test_a_weak_password_is_refused_for_djangos_reasons(anonymous, db, password, codes):
    answer = anonymous.post(REGISTER, ACCOUNT | {"password": password, "name": "Theodora Wetherby"})
    assert faults_of(answer) == {("#/password", code) for code in codes}
    assert answer.json()["detail"].startswith("password: ")
    assert password not in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize(
    "password", ["xq7!vz-pkw", "жизнь" + "я" * 5, "long " * 204 + "pass", " edges kept \t"]
)
def test_a_password_is_kept_as_typed(anonymous, db, password):
    assert len(password) <= 1024
    assert anonymous.post(REGISTER, ACCOUNT | {"password": password}).status_code == 201
    assert anonymous.post(LOGIN, {"email": EMAIL, "password": password}).status_code == 200
    changed = password.strip() if password.strip() != password else password + " "
    assert anonymous.post(LOGIN, {"email": EMAIL, "password": changed[-1024:]}).status_code == 401


def test_a_password_has_at_most_1024_characters(anonymous, db):
    password = "long " * 204 + "pass"
    assert faults_of(anonymous.post(REGISTER, ACCOUNT | {"password": password + "!"})) == {
        ("#/password", "max_length")
    }
    assert anonymous.post(REGISTER, ACCOUNT | {"password": password}).status_code == 201


def test_registration_can_be_closed(anonymous, db, settings):
    settings.ALLOW_REGISTRATION = False
    for body in (ACCOUNT, {}):
        answer = anonymous.post(REGISTER, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
    assert not User.objects.exists()


def test_those_with_an_account_still_sign_in_when_registration_is_closed(anonymous, db, settings):
    UserFactory(email=EMAIL, password=PASSWORD)
    settings.ALLOW_REGISTRATION = False
    assert anonymous.post(LOGIN, {"email": EMAIL, "password": PASSWORD}).status_code == 200


@pytest.mark.parametrize(
    "email", ["dora", "dora@", "@example.com", "dora@example", "do ra@example.com", "a@b@example.com", 5, {}]
)
def test_an_email_that_is_none_is_refused(anonymous, db, email):
    assert faults_of(anonymous.post(REGISTER, ACCOUNT | {"email": email})) == {("#/email", "invalid")}


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"email": None}, "#/email", "null"),
        ({"email": ""}, "#/email", "blank"),
        ({"email": "a" * 64 + "@" + "b." * 95 + "com"}, "#/email", "max_length"),
        ({"password": None}, "#/password", "null"),
        ({"password": ""}, "#/password", "blank"),
        ({"password": 12345678901}, "#/password", "invalid"),
        ({"password": [PASSWORD]}, "#/password", "invalid"),
        ({"password": f"{PASSWORD}\0"}, "#/password", "null_characters_not_allowed"),
        ({"password": f"{PASSWORD}\udfff"}, "#/password", "surrogate_characters_not_allowed"),
        ({"name": None}, "#/name", "null"),
        ({"name": 5}, "#/name", "invalid"),
        ({"name": "n" * 151}, "#/name", "max_length"),
        ({"name": "a\0b"}, "#/name", "null_characters_not_allowed"),
        ({"name": "a\ud800b"}, "#/name", "surrogate_characters_not_allowed"),
        ({"is_staff": True}, "#/is_staff", "unknown_field"),
        ({"issuer": "example"}, "#/issuer", "unknown_field"),
        ({"id": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10"}, "#/id", "unknown_field"),
        ({"user~/name": ""}, "#/user~0~1name", "unknown_field"),
    ],
)
def test_a_field_with_a_fault_is_refused_and_named(anonymous, db, change, pointer, code):
    answer = post_escaped(anonymous, REGISTER, ACCOUNT | change)
    assert faults_of(answer) == {(pointer, code)}
    assert PASSWORD not in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("email", ["dora\0@example.com", "dora\ud800@example.com"])
def test_an_email_that_cannot_be_stored_is_refused(anonymous, db, email):
    answer = post_escaped(anonymous, REGISTER, ACCOUNT | {"email": email})
    assert {pointer for pointer, _ in faults_of(answer)} == {"#/email"}


def test_all_faults_are_told_at_once(anonymous, db):
    answer = anonymous.post(REGISTER, {"email": "dora", "nmae": "Dora"})
    assert faults_of(answer) == {
        ("#/email", "invalid"),
        ("#/password", "required"),
        ("#/nmae", "unknown_field"),
    }
    assert answer.json()["code"] == "validation_error"


@pytest.mark.parametrize("body", [None, [], [ACCOUNT], "account", 5, True])
def test_a_body_that_is_no_object_is_refused(anonymous, db, body):
    answer = post_escaped(anonymous, REGISTER, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"#"}


def test_an_empty_body_names_what_is_missing(anonymous, db):
    assert faults_of(anonymous.post(REGISTER)) == {("#/email", "required"), ("#/password", "required")}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"email": "a@example.com", "email": "b@example.com"}',
        b'{"email": NaN}',
        b'{"email": "\xff"}',
        b'{"\\ud800": 1}',
        b'{"email": ' + b"[" * 16_000,
    ],
)
def test_a_body_that_cannot_be_read_is_refused(anonymous, db, body):
    answer = anonymous.generic("POST", REGISTER, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == ("malformed_json" if body else "validation_error")


@pytest.mark.parametrize("form", ["application/x-www-form-urlencoded", "text/plain"])
def test_a_form_is_not_taken(anonymous, db, form):
    answer = anonymous.generic("POST", REGISTER, b"email=a@example.com", content_type=form)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")

"""`auth/me`, and what every address below `auth` has in common."""

import json

import pytest

from conftest import ApiClient
from users.models import User
from users.tests.factories import UserFactory

ME = "/api/v1/auth/me"
DOORS = ["register", "login", "refresh", "logout"]


@pytest.fixture
def external(db):
    return UserFactory(email=None, name="", issuer="example", subject="Xq81")


def faults_of(answer):
    assert answer.status_code == 400, answer.content
    return [(fault.get("pointer") or fault["parameter"], fault["code"]) for fault in answer.json()["errors"]]


@pytest.mark.parametrize("path", [ME, ME + "/", "/api/auth/me", "/api/auth/me/"])
def test_me_is_the_user_of_the_token(as_alice, as_bob, alice, path):
    answer = as_alice.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer.json() == {
        "id": str(alice.id),
        "email": "alice@example.com",
        "name": "Alice",
        "time_zone": "UTC",
        "created_at": alice.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    assert as_bob.get(path).json()["email"] == "bob@example.com"


def test_an_external_user_is_known_by_their_subject(external):
    me = ApiClient().sign_in(external).get(ME).json()
    assert (me["id"], me["email"], me["name"]) == ("Xq81", None, "")


@pytest.mark.parametrize("path", [ME, ME + "/", "/api/auth/me", "/api/auth/me/"])
def test_a_name_can_be_changed(as_alice, alice, as_bob, bob, path):
    answer = as_alice.patch(path, {"name": "Alice L."})
    assert answer.status_code == 200
    assert answer.json() == as_alice.get(ME).json()
    assert answer.json()["name"] == "Alice L."
    bob.refresh_from_db()
    assert bob.name == "Bob"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("", ""), ("  Alice  ", "Alice"), ("n" * 150, "n" * 150), ("💬" * 150, "💬" * 150), ("عائشة", "عائشة")],
)
def test_a_name_is_kept_trimmed_and_counted_in_characters(as_alice, alice, given, kept):
    assert as_alice.patch(ME, {"name": given}).json()["name"] == kept
    alice.refresh_from_db()
    assert alice.name == kept


def test_changing_a_name_touches_nothing_else(as_alice, alice):
    alice.refresh_from_db()
    before = User.objects.filter(pk=alice.pk).values().get()
    as_alice.patch(ME, {"name": "Alice L."})
    assert len(as_alice.statements) == 2
    assert User.objects.filter(pk=alice.pk).values().get() == before | {"name": "Alice L."}


def test_what_was_read_can_be_sent_back(as_alice):
    me = as_alice.get(ME).json()
    answer = as_alice.patch(ME, me)
    assert answer.status_code == 200
    assert answer.json() == me


def test_an_external_user_can_send_back_what_was_read(external):
    client = ApiClient().sign_in(external)
    me = client.get(ME).json()
    assert client.patch(ME, me | {"name": "Xenia"}).json() == me | {"name": "Xenia"}


@pytest.mark.parametrize("field", ["id", "email", "created_at"])
def test_a_patch_that_changes_nothing_writes_nothing(as_alice, field):
    me = as_alice.get(ME).json()
    assert as_alice.patch(ME, {field: me[field]}).json() == me
    assert len(as_alice.statements) == 1


def test_an_id_may_be_written_in_capitals(as_alice, alice):
    assert as_alice.patch(ME, {"id": str(alice.id).upper()}).json()["id"] == str(alice.id)


@pytest.mark.parametrize(
    "body",
    [
        {"id": "0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10"},
        {"id": None},
        {"id": 5},
        {"id": []},
        {"email": "bob@example.com"},
        {"email": "ALICE@example.com"},
        {"email": None},
    ],
    ids=str,
)
def test_the_id_and_the_email_cannot_be_changed(as_alice, alice, body):
    answer = as_alice.patch(ME, body | {"name": "Mallory"})
    assert faults_of(answer) == [(f"#/{next(iter(body))}", "read_only_field")]
    assert answer.json()["code"] == "read_only_field"
    alice.refresh_from_db()
    assert (alice.name, alice.email) == ("Alice", "alice@example.com")


def test_an_external_user_cannot_give_themselves_an_email(external):
    answer = ApiClient().sign_in(external).patch(ME, {"email": "alice@example.com"})
    assert answer.json()["code"] == "read_only_field"


@pytest.mark.parametrize("path", ["password", "is_staff", "is_active", "issuer", "subject", "public_id"])
def test_other_columns_are_not_known(as_alice, path):
    answer = as_alice.patch(ME, {path: "x", "name": "Mallory"})
    assert faults_of(answer) == [(f"#/{path}", "unknown_field")]
    assert answer.json()["code"] == "unknown_field"
    assert as_alice.get(ME).json()["name"] == "Alice"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": None}, ("#/name", "null")),
        ({"name": 5}, ("#/name", "invalid")),
        ({"name": True}, ("#/name", "invalid")),
        ({"name": ["Alice"]}, ("#/name", "invalid")),
        ({"name": "n" * 151}, ("#/name", "max_length")),
        ({"name": "a\0b"}, ("#/name", "null_characters_not_allowed")),
        ({"name": "a\ud800b"}, ("#/name", "surrogate_characters_not_allowed")),
        ([], ("#", "invalid")),
        ([{"name": "x"}], ("#", "invalid")),
        ("name", ("#", "invalid")),
        (None, ("#", "null")),
    ],
)
def test_a_name_that_is_none_is_refused(as_alice, body, fault):
    answer = as_alice.generic("PATCH", ME, json.dumps(body), content_type="application/json")
    assert faults_of(answer) == [fault]
    assert as_alice.get(ME).json()["name"] == "Alice"


def test_a_patch_of_nothing_is_refused(as_alice):
    answer = as_alice.patch(ME, {})
    assert (answer.status_code, answer.json()["code"]) == (400, "empty_patch")


@pytest.mark.parametrize("method", ["post", "put"])
def test_me_takes_no_other_method(as_alice, method):
    answer = getattr(as_alice, method)(ME)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert {"GET", "PATCH"} <= set(answer["Allow"].split(", "))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_a_door_takes_post_only(anonymous, db, door, method):
    answer = getattr(anonymous, method)(f"/api/v1/auth/{door}")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "POST"
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("door", DOORS)
def test_a_door_knows_no_parameter(anonymous, db, door):
    answer = anonymous.post(f"/api/v1/auth/{door}?next=/", {})
    assert faults_of(answer) == [("next", "unknown_parameter")]
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["get", "patch"])
def test_me_knows_no_parameter(as_alice, method):
    answer = getattr(as_alice, method)(f"{ME}?fields=name&fields=id")
    assert faults_of(answer) == [("fields", "unknown_parameter")]
    assert answer["Cache-Control"] == "no-store"


def test_nothing_of_me_is_stored_by_caches(as_alice, anonymous):
    answers = [as_alice.get(ME), as_alice.patch(ME, {"name": "A"}), as_alice.patch(ME, {}), anonymous.get(ME)]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 401]
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
    assert all("Authorization" in answer["Vary"] for answer in answers)


@pytest.mark.parametrize("door", DOORS)
def test_nothing_of_a_door_is_stored_by_caches(anonymous, db, door):
    account = {"email": "new@example.com", "password": "correct horse battery"}
    for body in ({}, account, {"refresh": "x"}):
        assert anonymous.post(f"/api/v1/auth/{door}", body)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/api/v1/auth", "/api/v1/auth/", "/api/v1/auth/nope", "/api/v1/auth/me//"])
def test_other_addresses_are_not_found(as_alice, path):
    answer = as_alice.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer["Cache-Control"] == "no-store"

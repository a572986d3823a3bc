"""An account that is deleted is gone, with everything it owned, whole or not at all."""

from contextlib import contextmanager

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection

from config.request_log import make_formatter
from conftest import ApiClient
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.deletion import Tombstone
from users.models import Session, User
from users.tests.factories import UserFactory

EMAIL, NAME = "alice@example.com", "Alice Liddell"
PASSWORD = "a long pass phrase"
ME = "/api/v1/auth/me"


@pytest.fixture
def alice(db):
    return UserFactory(email=EMAIL, name=NAME, password=PASSWORD, is_staff=True)


@pytest.fixture
def belongings(alice, bob):
    """Two tasks, two sessions and a line in the admin's log, for alice and for bob."""
    for user in (alice, bob):
        TaskFactory.create_batch(2, owner=user, title="Feed the rabbit")
        Session.begin(user)
        Session.begin(user)
        subject = ContentType.objects.get_for_model(User)
        LogEntry.objects.create(user=user, content_type=subject, object_id=bob.pk, action_flag=CHANGE)


def delete(client, password=PASSWORD):
    return client.delete(ME, {"password": password})


def owned():
    """Return how many rows each user has, by e-mail."""
    return {
        user.email: (
            Task.objects.filter(owner=user).count(),
            Session.objects.filter(user=user).count(),
            LogEntry.objects.filter(user=user).count(),
        )
        for user in User.objects.all()
    }


def faults(answer):
    assert answer.status_code == 400
    return [(error["pointer"], error["code"]) for error in answer.json()["errors"]]


@contextmanager
def failing_at(beginning):
    """Let the database go away at the statement that begins so."""

    def execute(proceed, sql, *rest):
        if sql.startswith(beginning):
            raise OperationalError("gone")
        return proceed(sql, *rest)

    with connection.execute_wrapper(execute):
        yield


def test_everything_that_an_account_owned_is_gone_and_nothing_else(belongings, as_alice, bob):
    answer = delete(as_alice)
    assert (answer.status_code, answer.content) == (204, b"")
    assert owned() == {bob.email: (2, 2, 1)}
    assert (Task.objects.count(), Session.objects.count(), LogEntry.objects.count()) == (2, 2, 1)
    assert Tombstone.objects.count() == 0


def test_its_tokens_are_refused_at_the_next_request(alice, as_alice):
    other = ApiClient().sign_in(alice)
    session = Session.objects.filter(user=alice).first()
    delete(as_alice)
    for client in (as_alice, other):
        answer = client.get(ME)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    assert not Session.objects.filter(pk=session.pk).exists()
    assert delete(as_alice).status_code == 401


def test_the_account_can_be_signed_in_to_no_more(as_alice):
    delete(as_alice)
    answer = ApiClient().post("/api/v1/auth/login", {"email": EMAIL, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")


def test_the_same_email_registers_again_and_sees_nothing(alice, belongings, as_alice):
    delete(as_alice)
    answer = ApiClient().post("/api/v1/auth/register", {"email": EMAIL, "password": PASSWORD})
    assert answer.status_code == 201
    assert answer.json()["user"]["id"] != str(alice.pk)
    client = ApiClient(headers={"authorization": f"Bearer {answer.json()['access']}"})
    assert client.get("/api/v1/tasks").json() == []
    assert [row["current"] for row in client.get("/api/v1/auth/sessions").json()] == [True]
    assert client.get(ME).json()["name"] == ""


# --- what keeps the account --------------------------------------------------


def test_a_wrong_password_deletes_nothing(belongings, as_alice):
    before = owned()
    assert faults(delete(as_alice, "not the password")) == [("#/password", "password_incorrect")]
    assert owned() == before
    assert as_alice.get(ME).status_code == 200


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (None, ("#/password", "required")),
        ({}, ("#/password", "required")),
        ({"password": ""}, ("#/password", "blank")),
        ({"password": None}, ("#/password", "null")),
        ({"password": 1}, ("#/password", "invalid")),
        ({"password": PASSWORD, "sure": True}, ("#/sure", "unknown_field")),
    ],
)
def test_a_body_that_does_not_confirm_deletes_nothing(belongings, as_alice, body, fault):
    before = owned()
    assert faults(as_alice.delete(ME, body)) == [fault]
    assert owned() == before


@pytest.mark.parametrize("table", ["tasks_task", "users_session", "django_admin_log", "users_user"])
def test_a_deletion_that_breaks_in_the_middle_deletes_nothing(belongings, as_alice, table):
    before = owned()
    with failing_at(f'DELETE FROM "{table}"'):
        answer = delete(as_alice)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert owned() == before
    assert delete(as_alice).status_code == 204


# --- what it costs, and what it says -----------------------------------------


def test_the_cost_does_not_grow_with_what_is_owned(db):
    costs = set()
    for count in (1, 5, 20, 200):
        user = UserFactory(password=PASSWORD)
        TaskFactory.create_batch(count, owner=user)
        for _ in range(count):
            Session.begin(user)
        client = ApiClient().sign_in(user)
        assert delete(client).status_code == 204
        costs.add(len(client.statements))
    assert len(costs) == 1


def test_nothing_of_the_person_is_logged(alice, belongings, as_alice, caplog):
    delete(as_alice, "not the password")
    delete(as_alice)
    as_alice.get(ME)
    lines = [make_formatter(readable=False).format(record) for record in caplog.records]
    assert sum("request_finished" in line for line in lines) == 3
    text = "\n".join(lines).lower()
    for secret in (EMAIL, "alice", "liddell", PASSWORD, "not the password", "rabbit", "eyj"):
        assert secret not in text

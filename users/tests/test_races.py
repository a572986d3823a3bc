"""Concurrent requests, in threads and in two processes, leave one consistent state."""

import re
import threading
from collections import Counter
from datetime import timedelta

import pytest

from conftest import ApiClient, at_once, send, serve
from tasks.models import Task
from users.authentication import AccessToken, RefreshToken
from users.models import Session, User
from users.tests.factories import UserFactory

PASSWORD = "a long pass phrase"
AUTH = "/api/v1/auth"
pytestmark = pytest.mark.usefixtures("patience")


@pytest.fixture(scope="module")
def processes(django_db_setup, django_db_blocker):
    """Yield the addresses of two servers with one process each."""
    with serve(WEB_CONCURRENCY="1") as one, serve(WEB_CONCURRENCY="1") as other:
        yield one, other


@pytest.fixture
def alice(transactional_db):
    return UserFactory(email="alice@example.com", password=PASSWORD)


@pytest.fixture(params=["threads", "processes"])
def post(request, transactional_db):
    """Return `post(number, path, body)`, which returns the status and the body of the response."""
    if request.param == "processes":
        addresses = request.getfixturevalue("processes")
        return lambda number, path, body: send(f"{addresses[number % 2]}{AUTH}/{path}", body)

    def call(number, path, body):
        response = ApiClient().post(f"{AUTH}/{path}", body)
        return response.status_code, response.json()

    return call


def test_eight_concurrent_refreshes_get_one_successor(post, alice, settings):
    settings.REFRESH_GRACE_PERIOD = timedelta(hours=1)
    session = Session.begin(alice)
    spent = {str(RefreshToken.of(session))}
    for _ in range(10):
        body = {"refresh": str(RefreshToken.of(session))}
        responses = at_once(8, lambda number, body=body: post(number, "refresh", body))
        assert Counter(status for status, _ in responses) == {200: 8}
        successors = {tokens["refresh"] for _, tokens in responses}
        assert len(successors) == 1
        assert not successors & spent
        spent |= successors
        session.refresh_from_db()
        assert successors == {str(RefreshToken.of(session))}
    assert Session.objects.alive().count() == 1


def test_of_eight_concurrent_registrations_of_one_email_one_succeeds(post):
    emails = ["alice@example.com", "ALICE@example.com"]
    responses = at_once(8, lambda n: post(n, "register", {"email": emails[n // 4], "password": PASSWORD}))
    assert Counter(body.get("code", status) for status, body in responses) == {201: 1, "email_taken": 7}
    assert User.objects.count() == Session.objects.count() == 1


def test_a_session_that_ends_while_it_is_refreshed_stays_ended(alice):
    for _ in range(5):
        session = Session.begin(alice)
        body = {"refresh": str(RefreshToken.of(session))}
        responses = at_once(
            8, lambda n, body=body: ApiClient().post(f"{AUTH}/{'refresh' if n else 'logout'}", body)
        )
        assert responses[0].status_code == 204
        assert {response.status_code for response in responses[1:]} <= {200, 401}
    assert Session.objects.alive().count() == 0


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "logout-all", None),
        ("post", "password", {"current_password": PASSWORD, "new_password": "a longer pass phrase"}),
        ("delete", "me", {"password": PASSWORD}),
    ],
)
def test_an_account_is_locked_before_its_sessions(alice, method, path, body):
    """Two requests that lock them in different orders would deadlock."""
    client = ApiClient().sign_in(alice)
    assert getattr(client, method)(f"{AUTH}/{path}", body).status_code == 204
    account, sessions = (
        next(n for n, sql in enumerate(client.statements) if re.match(pattern, sql))
        for pattern in (r'(SELECT|UPDATE) "users_user"', r'(UPDATE|DELETE FROM) "users_session"')
    )
    assert account < sessions


def test_an_account_is_deleted_while_it_is_written_to(alice):
    token = {"HTTP_AUTHORIZATION": f"Bearer {AccessToken.of(Session.begin(alice))}"}
    deleted = threading.Event()

    def write():
        while not deleted.is_set():
            response = ApiClient(**token).post("/api/v1/tasks", {"title": "Feed the rabbit"})
            if response.status_code != 201:
                return response.status_code
        return 201

    def act(number):
        if number:
            return write()
        try:
            return ApiClient(**token).delete(f"{AUTH}/me", {"password": PASSWORD}).status_code
        finally:
            deleted.set()

    deletion, *writes = at_once(8, act)
    assert deletion == 204
    assert set(writes) <= {201, 401, 409}
    assert (User.objects.count(), Task.objects.count(), Session.objects.count()) == (0, 0, 0)

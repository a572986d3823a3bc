"""Whatever was raised, one shape. Each code of the closed list is provoked here once, and seen."""

from contextlib import closing
from datetime import timedelta
from unittest.mock import patch

import psycopg
import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, InternalError
from django.http import Http404, UnreadablePostError
from django.test import Client, override_settings
from django.utils import timezone
from rest_framework import exceptions

from config.rest.problems import PROBLEMS, Problem
from config.tests.problems import assert_problem, faults_of
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.views import TaskViewSet
from users.authentication import AccessToken, RefreshToken
from users.issuer import ExternalToken
from users.models import Session, User
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
AUTH = "/api/v1/auth"
JSON = "application/json"
ACCOUNT = {"email": "carol@example.com", "password": "correct horse battery"}
SECRET = "Tr0ub4dor-of-the-cause"


def raising(exception):
    """Return a patch under which the list of tasks raises this."""

    def raise_it(*_, **__):
        raise exception

    return patch.object(TaskViewSet, "list", raise_it)


def raised(client, exception):
    with raising(exception):
        return client.get(TASKS)


def a_task(client):
    return f"{TASKS}/{client.post(TASKS, {'title': 'x'}).json()['id']}"


def bearing(client, authorization):
    client.credentials(HTTP_AUTHORIZATION=authorization)
    return client.get(TASKS)


def with_expired_token(client, user):
    token = AccessToken.of(Session.begin(user))
    token.set_exp(from_time=timezone.now() - timedelta(days=1))
    return bearing(client, f"Bearer {token}")


def with_reused_token(client, user):
    session = Session.begin(user)
    body = {"refresh": str(RefreshToken.of(session))}
    client.post(f"{AUTH}/refresh", body)
    long_ago = timezone.now() - timedelta(hours=1)
    Session.objects.filter(pk=session.pk).update(last_refreshed_at=long_ago)
    return client.post(f"{AUTH}/refresh", body)


def past_the_serializer(client, user):
    with patch.object(TaskViewSet, "list", lambda *_: Task.objects.create(owner=user, title="")):
        return client.get(TASKS)


def with_registration_closed(client):
    with override_settings(ALLOW_REGISTRATION=False):
        return client.post(f"{AUTH}/register", ACCOUNT)


def with_a_taken_email(client):
    UserFactory(**ACCOUNT)
    return client.post(f"{AUTH}/register", ACCOUNT)


def with_too_many_attempts(client):
    with override_settings(LOGIN_RATE_PER_ACCOUNT=(0, timedelta(minutes=1))):
        return client.post(f"{AUTH}/login", ACCOUNT)


def with_an_old_sign_in(client):
    external = User.objects.create(issuer="elsewhere", subject="s-1")
    long_ago = timezone.now().timestamp() - 3600
    client.force_authenticate(external, ExternalToken("s-1", long_ago, expired=False, name="", email=None))
    return client.delete(f"{AUTH}/me")


def with_a_foreign_id(client):
    return client.post(TASKS, {"id": str(TaskFactory().id), "title": "y"})


def with_a_key_twice(client, second, *, trashed=False):
    once = {"HTTP_IDEMPOTENCY_KEY": "once"}
    path = f"{TASKS}/{client.post(TASKS, {'title': 'x'}, **once).json()['id']}"
    if trashed:
        client.delete(path)
    return client.post(TASKS, second, **once)


def over_http(client):
    with override_settings(SECURE_SSL_REDIRECT=True):
        return Client(**client.defaults).get(TASKS)


PROVOKED = {
    "bad_request": lambda c, _: c.get(TASKS, headers={"host": "evil.example"}),
    "malformed_json": lambda c, _: c.generic("POST", TASKS, b"{", content_type=JSON),
    "validation_error": lambda c, _: c.post(TASKS, {"title": " "}),
    "unknown_field": lambda c, _: c.post(TASKS, {"title": "x", "titel": "x"}),
    "read_only_field": lambda c, _: c.post(TASKS, {"title": "x", "user_id": "x"}),
    "empty_patch": lambda c, _: c.patch(a_task(c), {}),
    "invalid_cursor": lambda c, _: c.get(f"{TASKS}?cursor=forged"),
    "not_authenticated": lambda c, _: bearing(c, ""),
    "token_expired": with_expired_token,
    "token_invalid": lambda c, _: bearing(c, "Bearer x"),
    "token_reused": with_reused_token,
    "invalid_credentials": lambda c, _: c.post(f"{AUTH}/login", ACCOUNT),
    "permission_denied": lambda c, _: raised(c, exceptions.PermissionDenied(SECRET)),
    "https_required": lambda c, _: over_http(c),
    "user_mismatch": lambda c, _: c.get("/api/v1/somebody/tasks"),
    "registration_closed": lambda c, _: with_registration_closed(c),
    "reauthentication_required": lambda c, _: with_an_old_sign_in(c),
    "not_found": lambda c, _: c.get("/nowhere"),
    "method_not_allowed": lambda c, _: c.delete(TASKS),
    "conflict": past_the_serializer,
    "email_taken": lambda c, _: with_a_taken_email(c),
    "id_unavailable": lambda c, _: with_a_foreign_id(c),
    "task_deleted": lambda c, _: with_a_key_twice(c, {"title": "x"}, trashed=True),
    "sync_token_expired": lambda c, _: c.get(f"{TASKS}/changes?since=forged"),
    "request_timeout": lambda c, _: raised(c, UnreadablePostError(SECRET)),
    "length_required": lambda c, _: c.post(TASKS, {"title": "x"}, headers={"transfer-encoding": "chunked"}),
    "precondition_failed": lambda c, _: c.patch(a_task(c), {"title": "y"}, HTTP_IF_MATCH='"0"'),
    "content_too_large": lambda c, _: c.post(TASKS, {"title": "x" * 1024 * 1024}),
    "unsupported_media_type": lambda c, _: c.post(TASKS, "x", content_type="text/plain"),
    "idempotency_mismatch": lambda c, _: with_a_key_twice(c, {"title": "y"}),
    "throttled": lambda c, _: with_too_many_attempts(c),
    "internal_error": lambda c, _: raised(c, RuntimeError(SECRET)),
    "service_unavailable": lambda c, _: raised(c, Problem("service_unavailable")),
}
PLACES = {
    "validation_error": ["#/title"],
    "unknown_field": ["#/titel"],
    "read_only_field": ["#/user_id"],
    "empty_patch": ["#"],
    "invalid_cursor": ["cursor"],
    "email_taken": ["#/email"],
    "id_unavailable": ["#/id"],
    "sync_token_expired": ["since"],
}


@pytest.fixture
def client_of_alice(as_alice):
    """Alice's client, which is answered as over a network: a bug is 500, not an exception."""
    as_alice.handler.raise_request_exception = as_alice.raise_request_exception = False
    return as_alice


def test_every_code_is_provoked():
    assert PROVOKED.keys() == PROBLEMS.keys()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("code", PROVOKED)
def test_an_error_has_the_one_shape(client_of_alice, alice, settings, code, debug):
    settings.DEBUG = debug
    client_of_alice.defaults.update(HTTP_ORIGIN="https://app.example.com", HTTP_X_REQUEST_ID="by-hand.1")
    answer = PROVOKED[code](client_of_alice, alice)
    document = assert_problem(answer, code)
    assert SECRET not in answer.content.decode()
    assert document["request_id"] == "by-hand.1"
    places = [fault.get("pointer") or fault["parameter"] for fault in document.get("errors", [])]
    assert places == PLACES.get(code, [])
    assert "no-store" in answer.headers["Cache-Control"] or "no-cache" in answer.headers["Cache-Control"]
    if code != "not_found":
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize(
    ("exception", "code"),
    [
        (exceptions.ParseError(SECRET), "bad_request"),
        (exceptions.AuthenticationFailed(SECRET), "not_authenticated"),
        (exceptions.NotAuthenticated(SECRET), "not_authenticated"),
        (exceptions.PermissionDenied(SECRET), "permission_denied"),
        (PermissionDenied(SECRET), "permission_denied"),
        (exceptions.NotFound(SECRET), "not_found"),
        (Http404(SECRET), "not_found"),
        (exceptions.MethodNotAllowed("GET", SECRET), "method_not_allowed"),
        (exceptions.UnsupportedMediaType(SECRET), "unsupported_media_type"),
        (SuspiciousOperation(SECRET), "bad_request"),
        (BadRequest(SECRET), "bad_request"),
        (InterfaceError(SECRET), "service_unavailable"),
        (DatabaseError(SECRET), "internal_error"),
        (exceptions.APIException(SECRET), "internal_error"),
        (KeyError(SECRET), "internal_error"),
        (SystemError(SECRET), "internal_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{type(value).__module__}.{type(value).__name__}",
)
def test_what_frameworks_raise_maps_to_a_code(client_of_alice, exception, code):
    answer = raised(client_of_alice, exception)
    assert "errors" not in assert_problem(answer, code)
    assert SECRET not in str(answer.headers) + answer.content.decode()


def test_a_validation_error_without_a_field_blames_the_whole(client_of_alice):
    answer = raised(client_of_alice, exceptions.ValidationError("No."))
    assert faults_of(answer, "validation_error") == [("#", "invalid")]


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1//", "/api/v2", "/api/v2/nowhere", "/static/x"])
@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_path_is_not_found(client, method, path):
    assert_problem(getattr(client, method)(path), "not_found")


@pytest.mark.parametrize("host", ["evil.example", "testserver.evil.example", "bad host", "[::1", "a_b/c", ""])
@pytest.mark.parametrize("path", [TASKS, "/admin/", "/nowhere"])
@pytest.mark.parametrize("redirect", [False, True])
def test_a_host_that_is_not_ours_is_refused(settings, host, path, redirect):
    settings.SECURE_SSL_REDIRECT = redirect
    answer = Client().get(path, headers={"host": host})
    assert_problem(answer, "bad_request")
    assert (host or "<") not in answer.content.decode()


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", TASKS, {"GET", "POST"}),
        ("OPTIONS", TASKS, {"GET", "POST"}),
        ("POST", f"{TASKS}/x", {"GET", "PUT", "PATCH", "DELETE"}),
        ("GET", f"{TASKS}/x/complete", {"PATCH"}),
        ("POST", "/health", {"GET"}),
        ("GET", f"{AUTH}/login", {"POST"}),
        ("TRACE", f"{AUTH}/me", {"GET", "PATCH", "DELETE"}),
        ("BREW", f"{AUTH}/me", {"GET", "PATCH", "DELETE"}),
    ],
)
def test_a_method_that_is_not_taken_says_which_are(as_alice, method, path, allow):
    answer = as_alice.generic(method, path)
    assert_problem(answer, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == allow


@pytest.mark.parametrize(("method", "path"), [("GET", f"{AUTH}/login"), ("TRACE", f"{TASKS}?x=1")])
def test_the_method_is_judged_before_the_query_and_the_body(as_alice, method, path):
    assert_problem(as_alice.generic(method, path, b'{"x": 1}', content_type=JSON), "method_not_allowed")


@pytest.mark.parametrize("path", ["/health?=x", f"{TASKS}?=", f"{AUTH}/me?=x"])
def test_a_parameter_without_a_name_is_a_fault_and_no_bug(as_alice, path):
    answer = as_alice.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation_error")
    assert [(fault["parameter"], fault["code"]) for fault in answer.json()["errors"]] == [
        ("", "unknown_parameter")
    ]


def test_what_django_refuses_itself_keeps_its_headers(client):
    answer = client.generic("TRACE", "/")
    assert_problem(answer, "method_not_allowed")
    assert "GET" in answer.headers["Allow"]


def test_a_transaction_that_idled_too_long_is_tried_again_later(client_of_alice):
    idled = InternalError("terminating connection")
    idled.__cause__ = psycopg.errors.IdleInTransactionSessionTimeout()
    assert_problem(raised(client_of_alice, idled), "service_unavailable")
    assert_problem(raised(client_of_alice, InternalError("a bug")), "internal_error")


@pytest.mark.parametrize(
    ("provocation", "challenge"),
    [
        ("not_authenticated", "Bearer"),
        ("invalid_credentials", "Bearer"),
        (
            "token_expired",
            'Bearer error="invalid_token", error_description="The token has expired."',
        ),
        (
            "token_invalid",
            'Bearer error="invalid_token", error_description="The token is not valid."',
        ),
    ],
)
def test_401_challenges_as_rfc_6750_says(client_of_alice, alice, provocation, challenge):
    answer = PROVOKED[provocation](client_of_alice, alice)
    assert answer.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Token x", "x", "Bearer"])
def test_401_of_another_scheme_or_none(anonymous, db, header):
    code = "token_invalid" if header == "Bearer" else "not_authenticated"
    assert_problem(anonymous.get(TASKS, headers={"authorization": header}), code)


def test_a_401_costs_no_query(anonymous, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert_problem(anonymous.get(TASKS), "not_authenticated")


def test_a_head_of_an_error_has_its_headers_and_no_body(as_alice):
    answer = as_alice.head(f"{TASKS}/x")
    assert (answer.status_code, answer.content) == (404, b"")
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_admin_keeps_its_pages(admin_client):
    answer = admin_client.get("/admin/nowhere/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    forged = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x", "password": "y"})
    assert (forged.status_code, forged.headers["Content-Type"]) == (403, "text/html; charset=utf-8")


def test_a_status_without_a_code_of_its_own_is_no_bug(client, db):
    with closing(client.get("/static/admin/css/base.css", headers={"range": "bytes=99999999-"})) as refused:
        assert_problem(refused, "bad_request")

"""One JSON line a request, and nothing secret in any of them."""

import json
import logging
import re
import time
from unittest.mock import patch

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client

from config.request_log import route_template
from config.tests.problems import assert_problem
from config.tests.serving import gunicorn, send
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.views import TaskViewSet
from users.models import Session
from users.tests.issuer import SECRET as ISSUER_SECRET
from users.tests.issuer import call, claims_of, sign_with_secret

TASKS = "/api/v1/tasks"
FIELDS = {
    "time",
    "level",
    "event",
    "request_id",
    "client",
    "method",
    "route",
    "status",
    "duration_ms",
    "user_id",
    "queries",
}
SECRET = "Tr0ub4dor"
EMAIL = "tr0ub4dor@example.com"


@pytest.fixture
def as_alice_over_the_wire(as_alice):
    as_alice.handler.raise_request_exception = as_alice.raise_request_exception = False
    return as_alice


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"GET {TASKS}", ("/api/v1/tasks", 200, "alice")),
        (f"GET {TASKS}/?status=all", ("/api/v1/tasks", 200, "alice")),
        ("GET /api/tasks", ("/api/tasks", 200, "alice")),
        (f"GET /api/v1/me/tasks/{SECRET}", ("/api/v1/<user_id>/tasks/<id>", 404, "alice")),
        (f"POST {TASKS}", ("/api/v1/tasks", 400, "alice")),
        (f"PATCH {TASKS}/{SECRET}/complete", ("/api/v1/tasks/<id>/complete", 404, "alice")),
        ("GET /health", ("/health", 200, None)),
        ("GET /nowhere", (None, 404, None)),
        ("GET /api/docs", ("/api/docs", 200, None)),
        ("GET /", ("/", 302, None)),
    ],
    ids=str,
)
def test_a_request_is_one_line_with_these_fields(as_alice, alice, log, line, expected):
    method, path = line.split()
    answer = getattr(as_alice, method.lower())(path)
    written = log.only()
    user = str(alice.pk) if written["user_id"] else None
    assert written.keys() == FIELDS | ({"path"} if written["route"] is None else set())
    assert (written["route"], written["status"], user and "alice") == expected
    assert written["user_id"] == user
    assert (written["event"], written["method"], written["level"]) == ("request_finished", method, "info")
    assert written["request_id"] == answer.headers["X-Request-ID"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", written["time"])
    assert written["duration_ms"] >= 0
    assert written["queries"] >= len(as_alice.statements)
    assert SECRET not in log.text


def test_the_line_counts_the_queries(as_alice, alice, log):
    TaskFactory.create_batch(3, owner=alice)
    as_alice.get(TASKS)
    as_alice.get(f"{TASKS}?count=true")
    first, second = log
    assert (first["queries"], second["queries"]) == (2, 3)


def test_the_line_of_an_operator_names_them_and_costs_no_query(admin_client, admin_user, log):
    admin_client.get("/admin/")
    Client().get("/health")
    of_the_admin, of_nobody = log
    assert (of_the_admin["user_id"], of_nobody["user_id"]) == (str(admin_user.pk), None)
    assert of_nobody["queries"] == 0


def test_the_line_of_an_external_user_has_their_subject(db, settings, log):
    settings.BETTER_AUTH_SECRET = ISSUER_SECRET
    token = sign_with_secret(claims_of(None, sub="auth0|66f"))
    # On the first request the user is created, on the second found.
    for _ in range(2):
        assert call(token, "tasks").status_code == 200
    assert [line["user_id"] for line in log] == ["auth0|66f"] * 2
    assert str(get_user_model().objects.get().pk) not in log.text


def test_a_cookie_of_the_admin_costs_the_api_nothing(admin_client, log):
    assert_problem(admin_client.get(TASKS), "not_authenticated")
    assert (log.only()["queries"], log.only()["user_id"]) == (0, None)


@pytest.mark.parametrize("own", ["a", "a" * 64, "Ab0._-", "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69", "..."])
def test_the_clients_own_request_id_is_kept(anonymous, log, own):
    answer = anonymous.get("/nowhere", headers={"x-request-id": own})
    assert answer.headers["X-Request-ID"] == assert_problem(answer, "not_found")["request_id"] == own
    assert log.only()["request_id"] == own


@pytest.mark.parametrize(
    "bad", ["", "a" * 65, "a b", "a,b", 'a"b', "é", "a\n", "<script>", "a/b", "a;b", " ", "٣", "a\x00"]
)
def test_any_other_request_id_is_replaced(anonymous, log, bad):
    answer = anonymous.get("/nowhere", headers={"x-request-id": bad})
    given = answer.headers["X-Request-ID"]
    assert given == assert_problem(answer, "not_found")["request_id"] == log.only()["request_id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given)
    assert anonymous.get("/nowhere").headers["X-Request-ID"] != given


def test_no_other_header_adds_a_field(anonymous, log):
    for name in ("x-correlation-id", "user-agent", "referer", "x-forwarded-for", "cookie", "origin"):
        anonymous.get("/health", headers={name: SECRET})
    assert [line.keys() for line in log] == [FIELDS] * 6
    assert SECRET not in log.text


def use_the_secret_everywhere(client):
    """Put the secret wherever a client can: queries, paths, bodies, headers, wrong and right."""
    account = {"email": EMAIL, "password": f"{SECRET} horse battery", "name": SECRET}
    signed_in = client.post("/api/v1/auth/register", account).json()
    client.post("/api/v1/auth/register", account)
    client.post("/api/v1/auth/login", {"email": EMAIL, "password": SECRET})
    tokens = client.post("/api/v1/auth/refresh", {"refresh": signed_in["refresh"]}).json()
    client.post("/api/v1/auth/refresh", {"refresh": SECRET})
    client.get(f"{TASKS}?search={SECRET}&{SECRET}={SECRET}")
    client.get(f"{TASKS}?cursor={SECRET}")
    client.post(TASKS, {"title": SECRET, "description": SECRET})
    client.post(TASKS, {SECRET: SECRET})
    client.generic("POST", TASKS, SECRET.encode(), content_type="application/json")
    client.generic("POST", TASKS, SECRET.encode(), content_type=f"text/{SECRET}")
    client.get(f"/api/v1/{SECRET}/tasks")
    client.get(
        f"/nowhere/{EMAIL}/?q={SECRET}", headers={"referer": SECRET, "user-agent": SECRET, "cookie": SECRET}
    )
    client.get("/health", headers={"host": f"{SECRET}.example"})
    client.post("/admin/login/", {"username": EMAIL, "password": SECRET})
    client.get(TASKS, headers={"authorization": f"Bearer {SECRET}"})
    return [signed_in["access"], signed_in["refresh"], tokens["access"], tokens["refresh"]]


@pytest.mark.parametrize(
    "log", [{}, {"level": "DEBUG"}, {"readable": True}], indirect=True, ids=["default", "debug", "readable"]
)
def test_no_line_has_a_secret(as_alice, alice, log):
    own = as_alice._credentials["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    tokens = use_the_secret_everywhere(as_alice)
    written = log.text.lower()
    assert written.count("request_finished") >= 15
    for secret in (SECRET, EMAIL, alice.email, own, *tokens, *(token.split(".")[2] for token in tokens)):
        assert secret.lower() not in written


def fail_with_secrets(*_, **__):
    try:
        get_user_model().objects.get(email=EMAIL)
    except get_user_model().DoesNotExist:
        raise RuntimeError(f"{SECRET} {EMAIL}") from ValueError(SECRET)


@pytest.mark.parametrize("log", [{}, {"level": "DEBUG"}], indirect=True, ids=["default", "debug"])
def test_a_failure_is_logged_with_its_frames_and_without_its_messages(as_alice_over_the_wire, alice, log):
    with patch.object(TaskViewSet, "list", fail_with_secrets):
        answer = as_alice_over_the_wire.get(f"{TASKS}?status=all")
    document = assert_problem(answer, "internal_error")
    line = log.only()
    assert line.keys() == FIELDS | {"exception"}
    assert (line["event"], line["level"], line["status"]) == ("request_failed", "error", 500)
    assert (line["request_id"], line["user_id"]) == (document["request_id"], str(alice.pk))
    assert line["route"] == TASKS
    assert "in fail_with_secrets" in line["exception"]
    assert line["exception"].endswith("builtins.RuntimeError")
    assert "builtins.ValueError" in line["exception"]
    assert SECRET not in log.text
    assert EMAIL not in log.text


def test_a_refusal_of_the_database_is_logged_without_the_row(as_alice, alice, log):
    with patch.object(
        TaskViewSet, "list", lambda *_: Task.objects.create(owner=alice, title="", description=SECRET)
    ):
        answer = as_alice.get(TASKS)
    refused, finished = log
    assert (refused["event"], refused["code"], refused["level"]) == (
        "database_error",
        "conflict",
        "warning",
    )
    assert "IntegrityError" in refused["exception"]
    assert finished.keys() == FIELDS
    assert refused["request_id"] == finished["request_id"] == answer.headers["X-Request-ID"]
    assert SECRET not in log.text


def test_lines_of_others_get_the_same_clothes(log):
    try:
        {}[SECRET]
    except KeyError:
        logging.getLogger("somebody").exception("It %s.", "broke")
    line = log.only()
    assert line.keys() == {"event", "level", "time", "exception"}
    assert (line["event"], line["level"]) == ("It broke.", "error")
    assert line["exception"].endswith("builtins.KeyError")
    assert SECRET not in log.text


@pytest.mark.parametrize("log", [{"readable": True}], indirect=True)
def test_people_get_a_readable_line(anonymous, log):
    anonymous.get("/health")
    assert not log.text.startswith("{")
    assert "request_finished" in log.text
    assert "/health" in log.text


def test_a_static_file_is_one_line(client, log):
    b"".join(client.get("/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui.css").streaming_content)
    assert log.only()["status"] == 200


def test_routes_are_templates():
    assert route_template("api/v1/^tasks/(?P<id>[^/]+)/complete/?$") == "/api/v1/tasks/<id>/complete"


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
@pytest.mark.django_db(transaction=True)
def test_a_server_writes_one_line_a_request_to_stdout(as_alice, alice, tmp_path, level):
    authorization = as_alice._credentials["HTTP_AUTHORIZATION"]
    output = tmp_path / "server.log"
    with gunicorn(output, LOG_LEVEL=level) as (server, _):
        for line, *headers in (
            (f"GET {TASKS}?search={SECRET}", f"Authorization: {authorization}"),
            (f"GET {TASKS}?{SECRET}", f"Authorization: Bearer {SECRET}", f"User-Agent: {SECRET}"),
            ("GET /nowhere", f"Host: {SECRET}.example"),
            (f"GET /health?{SECRET}={SECRET}", f"X-Request-ID: by-hand {SECRET}", f"Cookie: a={SECRET}"),
        ):
            send(server, line, *headers)
    text = output.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    ours = [line for line in lines if line["event"] == "request_finished"]
    assert [line["status"] for line in ours] == [200, 401, 400, 400]
    assert [line.keys() for line in ours] == [FIELDS, FIELDS, FIELDS | {"path"}, FIELDS]
    assert [line["user_id"] for line in ours] == [str(alice.pk), None, None, None]
    assert SECRET not in text
    assert authorization.removeprefix("Bearer ") not in text
    assert Session.objects.get().user_id == alice.pk
    assert connection.settings_dict["NAME"] not in text


def test_the_line_of_a_user_whose_subject_is_an_email_has_no_email(db, log, settings):
    settings.BETTER_AUTH_SECRET = "a secret of at least thirty-two bytes"
    claims = {"sub": "ada@example.com", "exp": int(time.time()) + 60, "iat": int(time.time())}
    token = jwt.encode(claims, settings.BETTER_AUTH_SECRET, "HS256")
    assert Client().get(TASKS, headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert log.only()["user_id"] == str(get_user_model().objects.get(subject="ada@example.com").pk)

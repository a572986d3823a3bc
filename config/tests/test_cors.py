"""Which front ends a browser lets in."""

import pytest
from django.test import Client

from config.tests.problems import assert_problem

TASKS = "/api/v1/tasks"
OURS = "https://app.example.com"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
REQUEST_HEADERS = {
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "idempotency-key",
    "x-request-id",
}
EXPOSED = {
    "Link",
    "Next-Cursor",
    "ETag",
    "X-Total-Count",
    "X-Request-ID",
    "Location",
    "Retry-After",
    "Idempotent-Replayed",
}
STRANGERS = [
    "https://evil.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.evil.example",
    "https://xapp.example.com",
    "null",
    "",
    "nonsense",
    "https://[::1",
    "*",
]


def listed(answer, name):
    return set(answer.headers[name].split(", "))


def preflight(client, path, origin=OURS, method="PATCH"):
    headers = {"origin": origin, "access-control-request-method": method}
    headers["access-control-request-headers"] = "authorization,content-type"
    return client.options(path, headers=headers)


def cors_headers(answer):
    return {name for name in answer.headers if name.lower().startswith("access-control-")}


@pytest.mark.parametrize("path", [TASKS, "/api/tasks/", "/health", "/health/ready", "/api/schema"])
def test_our_front_end_may_read_answers(as_alice, path):
    answer = as_alice.get(path, headers={"origin": OURS})
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert listed(answer, "Access-Control-Expose-Headers") == EXPOSED
    assert "origin" in answer.headers["Vary"].lower()
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("path", "code"), [(TASKS, "not_authenticated"), ("/api/nowhere", "not_found")], ids=["401", "404"]
)
def test_our_front_end_may_read_errors(anonymous, path, code):
    answer = anonymous.get(path, headers={"origin": OURS})
    assert_problem(answer, code)
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert listed(answer, "Access-Control-Expose-Headers") == EXPOSED


@pytest.mark.parametrize("origin", STRANGERS)
def test_another_origin_is_told_nothing(as_alice, origin):
    answer = as_alice.get(TASKS, headers={"origin": origin})
    assert answer.status_code == 200
    assert cors_headers(answer) == set()
    assert cors_headers(preflight(as_alice, TASKS, origin)) == set()


@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/x", "/api/v1/me/tasks/", "/api/v1/auth/login", "/health"])
@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_preflight_asks_neither_for_a_token_nor_the_database(anonymous, path, method):
    answer = preflight(anonymous, path, method=method)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS
    assert listed(answer, "Access-Control-Allow-Methods") == METHODS
    assert listed(answer, "Access-Control-Allow-Headers") == REQUEST_HEADERS
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert answer.headers["X-Request-ID"]


def test_the_admin_is_for_no_front_end(client):
    assert cors_headers(client.get("/admin/login/", headers={"origin": OURS})) == set()


@pytest.mark.parametrize("origin", [OURS, "http://localhost:3000", "https://anybody.example"])
def test_every_origin_is_let_in_while_debugging(settings, origin):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    answer = Client().get("/health", headers={"origin": origin})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers

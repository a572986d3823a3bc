"""What every answer tells a browser about itself."""

import pytest
from django.test import Client

from config.tests.problems import assert_problem

PAGES = ["/api/docs", "/api/redoc", "/admin/login/", "/", "/static/admin/css/base.css"]
ANSWERS = [
    "/health",
    "/health/ready",
    "/api/v1/tasks",
    "/api/v1/tasks/x",
    "/api/schema",
    "/nowhere",
    "/api/v1/x",
]
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def assert_guarded(answer):
    assert set(answer.headers["Content-Security-Policy"].split("; ")) == POLICY
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in answer.headers
    assert "X-Powered-By" not in answer.headers


@pytest.mark.parametrize("path", PAGES + ANSWERS)
def test_every_answer_is_guarded(as_alice, path):
    answer = as_alice.get(path)
    assert_guarded(answer)
    assert not answer.cookies or path == "/admin/login/"
    answer.close()


@pytest.mark.parametrize("path", ANSWERS)
def test_errors_are_guarded(anonymous, db, path):
    answer = anonymous.post(path, {})
    assert answer.status_code >= 400
    assert_guarded(answer)


@pytest.mark.parametrize(
    ("code", "headers"),
    [
        ("length_required", {"transfer-encoding": "chunked"}),
        ("content_too_large", {"content-length": str(1024 * 1024 + 1)}),
        ("bad_request", {"host": "evil.example"}),
    ],
)
def test_refusals_before_any_view_are_guarded(anonymous, code, headers):
    answer = anonymous.generic("POST", "/api/v1/auth/login", b"{}", headers=headers)
    assert_problem(answer, code)
    assert_guarded(answer)


def test_a_bad_host_is_refused_before_it_is_redirected_to(settings):
    settings.SECURE_SSL_REDIRECT = True
    answer = Client().get("/admin/", headers={"host": "evil.example"})
    assert_problem(answer, "bad_request")


def test_over_tls_browsers_are_told_to_stay_there(settings):
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 3600
    client = Client()
    assert client.get("/health", secure=True).headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client.get("/health").headers


def test_the_admins_cookies_go_to_the_admin_alone(settings, admin_user):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    client = Client()
    client.get("/admin/login/", secure=True)
    form = {"username": admin_user.email, "password": "password"}
    answer = client.post("/admin/login/?next=/admin/", form, secure=True)
    assert answer.status_code == 302
    assert answer.cookies.keys() == {"admin_session", "csrftoken"}
    for cookie in answer.cookies.values():
        assert (cookie["path"], cookie["samesite"]) == ("/admin/", "Lax")
        assert cookie["secure"]
        assert not cookie["domain"]
    assert answer.cookies["admin_session"]["httponly"]
    assert answer.cookies["admin_session"]["max-age"] <= 12 * 3600


def test_an_operator_is_nobody_at_the_api(admin_client):
    for path in ("/api/v1/tasks", "/api/v1/auth/me"):
        assert_problem(admin_client.get(path), "not_authenticated")


@pytest.mark.parametrize("host", ["testserver", "TESTSERVER", "localhost:8000", "127.0.0.1"])
def test_our_hosts_are_served(client, host):
    assert client.get("/health", headers={"host": host}).status_code == 200

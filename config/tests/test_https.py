"""Over http the API is refused and the pages are redirected, where https is served."""

import pytest
from django.test import Client

from config.tests.problems import assert_problem
from config.tests.test_middleware_headers import assert_guarded

OURS = "https://app.example.com"
BODY = {"email": "alice@example.com", "password": "a long pass phrase"}


@pytest.fixture
def over_http(settings):
    settings.SECURE_SSL_REDIRECT = True
    return Client()


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/tasks",
        "/api/tasks/",
        "/api/v1/me/tasks/x/complete",
        "/api/v1/auth/login",
        "/api/nowhere",
        "/api/v1/docs",
        "/api/docs/x",
        "/api/v1//",
        "/api/v2/",
    ],
)
def test_an_api_request_is_refused(over_http, method, path):
    answer = getattr(over_http, method)(path, headers={"origin": OURS})
    if method == "head":
        assert answer.status_code == 403
    else:
        assert_problem(answer, "https_required")
    assert "Location" not in answer.headers
    assert_guarded(answer)


def test_a_front_end_may_read_the_refusal(over_http):
    answer = over_http.post("/api/v1/auth/login", BODY, "application/json", headers={"origin": OURS})
    assert_problem(answer, "https_required")
    assert answer.headers["Access-Control-Allow-Origin"] == OURS


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/admin",
        "/admin/",
        "/admin/login/",
        "/docs",
        "/redoc",
        "/openapi.json",
        "/favicon.ico",
        "/nowhere",
        "/api/docs",
        "/api/docs/",
        "/api/redoc",
        "/api/schema",
        "/api/schema/",
        "/api/",
        "/api/v1/",
        "/api",
        "/static/admin/css/base.css",
        "/healthy",
        "/apis",
    ],
)
def test_a_page_is_redirected(over_http, path):
    answer = over_http.get(f"{path}?q=1")
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://testserver{path}?q=1")


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/ready"])
def test_health_is_answered(over_http, db, path):
    assert over_http.get(path).status_code == 200


def test_over_https_everything_is_served(over_http, db, settings):
    assert_problem(over_http.get("/api/v1/tasks", secure=True), "not_authenticated")
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    by_proxy = {"x-forwarded-proto": "https"}
    assert_problem(over_http.get("/api/v1/tasks", headers=by_proxy), "not_authenticated")
    assert_problem(over_http.get("/api/v1/tasks", headers={"x-forwarded-proto": "http"}), "https_required")


def test_a_wrong_host_is_refused_first(over_http):
    assert_problem(over_http.get("/api/v1/tasks", headers={"host": "evil.example"}), "bad_request")

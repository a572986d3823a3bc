"""What fails before and between the middleware is a problem too, with an id and a log line."""

import json
from unittest.mock import patch

import pytest
from django.core.signals import request_started
from django.test import RequestFactory

from config.tests.problems import assert_problem
from config.tests.serving import Response, gunicorn, send
from config.tests.test_middleware_headers import assert_guarded
from config.wsgi import application

OURS = "https://app.example.com"
SECRET = "Tr0ub4dor"
MANY = "&".join(f"a{number}=1" for number in range(1_001))
CONTENT_TYPES = [
    "a; b*=bogus''c",
    "a; b*0*=bogus''c; b*1=d",
    "a; b*=\xff''c",
    "a; b*=a'b'c'd",
    "a; b*1*=x''y; b*0*=z",
    "a; b*" + "9" * 5_000 + "=x",
    "a; charset*=utf-8''%00",
    "application/json; charset=base64",
    "application/json; charset=punycode",
    "application/json; charset=undefined",
]
# Each is refused by Django or by us, and never by gunicorn.
READABLE = {
    "GET /%00": "not_found",
    "GET /%ff%fe%80/%c3%28": "not_found",
    "GET /" + "%ff" * 2_600: "not_found",
    "GET //[": "not_found",
    "GET //evil.example/%2e%2e": "not_found",
    "GET http://evil.example/nowhere": "not_found",
    f"GET /api/v1/tasks?{MANY}": "not_authenticated",
    "GET /api/v1/tasks?" + "a" * 8_000: "not_authenticated",
    "OPTIONS *": "not_found",
    "CONNECT 127.0.0.1:80": "not_found",
    "TRACE /health": "method_not_allowed",
    "FOO /health": "method_not_allowed",
}


def call(**environ):
    """Call the WSGI application, and return its response."""
    environ = RequestFactory()._base_environ(**{"QUERY_STRING": ""} | environ)
    started = []
    body = application(environ, lambda *arguments: started.append(arguments))
    content = b"".join(body)
    body.close()
    status, headers, *_ = started[-1]
    return Response(int(status[:3]), dict(headers), content)


@pytest.mark.django_db(transaction=True)
def test_what_no_middleware_can_read_is_a_problem_with_an_id_and_a_line(tmp_path, subtests):
    output = tmp_path / "server.log"
    with gunicorn(output) as (server, _):
        for number, content_type in enumerate(CONTENT_TYPES):
            with subtests.test(content_type[:40]):
                answer = send(
                    server,
                    f"GET /api/v1/tasks?search={SECRET}",
                    f"Content-Type: {content_type}",
                    f"X-Request-ID: number-{number}",
                    f"Origin: {OURS}",
                )
                document = assert_problem(answer, "bad_request")
                assert document["request_id"] == f"number-{number}"
                assert answer.headers["Access-Control-Allow-Origin"] == OURS
        # With a charset Django reads the query at once.
        charset = "Content-Type: application/json; charset=utf-8"
        assert_problem(send(server, f"GET /health?{MANY}", charset), "bad_request")
        assert send(server, "GET /health").status_code == 200
    text = output.read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [line["status"] for line in lines] == [400] * (len(CONTENT_TYPES) + 1) + [200]
    assert [line["request_id"] for line in lines[:-2]] == [f"number-{n}" for n in range(len(CONTENT_TYPES))]
    assert {line["path"] for line in lines[:-2]} == {"/api/v1/tasks"}
    assert "Error handling request" not in text
    assert SECRET not in text


@pytest.mark.django_db(transaction=True)
def test_what_gunicorn_refuses_is_logged_without_its_query_and_its_tokens(tmp_path):
    refused = [
        (f"GET /api/v1/tasks?search={SECRET}\xe9",),
        (f"GET /api/v1/tasks?search={SECRET}'\xe9",),
        (f"GET api/v1/tasks?search={SECRET}",),
        ("GET /api/v1/tasks", f"Authorization Bearer {SECRET}"),
        ("GET /api/v1/tasks", f"Expect: {SECRET}"),
    ]
    output = tmp_path / "server.log"
    with gunicorn(output) as (server, _):
        statuses = [send(server, *request).status_code for request in refused]
    assert statuses == [400, 400, 400, 400, 417]
    text = output.read_text()
    assert text.count("Invalid request from ip=127.0.0.1: Invalid HTTP request line.\n") == 3
    assert text.count("Invalid request from") == len(refused)
    assert SECRET not in text


@pytest.mark.django_db(transaction=True)
def test_odd_but_readable_requests_are_problems(server, subtests):
    for line, code in READABLE.items():
        with subtests.test(line[:40]):
            assert_problem(send(server, line), code)


def test_a_server_that_passes_a_path_in_another_encoding_gets_a_problem(db):
    answer = call(PATH_INFO="/\N{SNOWMAN}")
    assert_problem(answer, "bad_request")
    assert_guarded(answer)


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "SCRIPT_URL", "REDIRECT_URL"])
@pytest.mark.parametrize("value", ["/evil", "\xff"])
def test_nothing_but_the_path_says_what_is_asked_for(db, name, value):
    assert call(PATH_INFO="/health", **{name: value}).status_code == 200


def fail(*_, **__):
    raise RuntimeError(SECRET)


def test_a_bug_before_the_middleware_is_ours(db, log):
    request_started.connect(fail)
    try:
        answer = call(PATH_INFO="/health", QUERY_STRING=f"x={SECRET}")
    finally:
        request_started.disconnect(fail)
    document = assert_problem(answer, "internal_error")
    assert_guarded(answer)
    line = log.only()
    assert (line["event"], line["status"], line["path"]) == ("request_failed", 500, "/health")
    assert line["request_id"] == document["request_id"]
    assert line["exception"].endswith("builtins.RuntimeError")
    assert SECRET not in log.text


@pytest.mark.parametrize(
    "middleware",
    [
        "corsheaders.middleware.CorsMiddleware",
        "django.middleware.security.SecurityMiddleware",
        "config.middleware.ContentSecurityPolicyMiddleware",
        "config.middleware.ProblemMiddleware",
    ],
)
def test_a_bug_in_a_middleware_is_ours(client, log, middleware):
    client.raise_request_exception = False
    with patch(f"{middleware}.__call__", fail):
        answer = client.get("/health")
    document = assert_problem(answer, "internal_error")
    line = log.only()
    assert (line["event"], line["status"]) == ("request_failed", 500)
    assert line["request_id"] == document["request_id"]
    assert SECRET not in log.text


def test_a_bug_in_the_admin_is_djangos_page(admin_client):
    admin_client.raise_request_exception = False
    with patch("django.contrib.admin.sites.AdminSite.each_context", fail):
        answer = admin_client.get("/admin/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")


def test_what_fails_while_the_response_starts_is_answered_as_pep_3333_says(db):
    started = []

    def start_response(*arguments):
        started.append(arguments)
        if len(started) == 1:
            raise RuntimeError(SECRET)

    environ = RequestFactory()._base_environ(PATH_INFO="/health", QUERY_STRING="")
    body = application(environ, start_response)
    assert json.loads(b"".join(body))["code"] == "internal_error"
    body.close()
    status, _, exc_info = started[1]
    assert status == "500 Internal Server Error"
    assert exc_info[0] is RuntimeError

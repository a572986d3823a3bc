"""What breaks a default DRF app, sent to the running server: each is refused in the one shape."""

import json

import pytest

from config.tests.problems import assert_problem, faults_of
from config.tests.serving import send
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
JSON = "Content-Type: application/json"
ID = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def authorization(as_alice):
    return f"Authorization: {as_alice._credentials['HTTP_AUTHORIZATION']}"


@pytest.fixture(autouse=True)
def still_alive(server, authorization):
    """After whatever was sent, everybody is served."""
    yield
    assert send(server, f"GET {TASKS}", authorization).status_code == 200


BODIES = {
    "nested 100,000 deep": (b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "malformed_json"),
    "objects 100,000 deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "malformed_json"),
    "NUL in a title": (b'{"title": "a\\u0000b"}', "validation_error"),
    "NUL in a description": (b'{"title": "x", "description": "\\u0000"}', "validation_error"),
    "a lone surrogate": (b'{"title": "\\ud800"}', "validation_error"),
    "a lone surrogate in a description": (b'{"title": "x", "description": "\\udfff"}', "validation_error"),
    "a lone surrogate as a key": (b'{"\\ud800": 1}', "malformed_json"),
    "NUL as a key": (b'{"title": "x", "\\u0000": 1}', "unknown_field"),
    "a key twice": (b'{"title": "a", "title": "b"}', "malformed_json"),
    "NaN": (b'{"title": NaN}', "malformed_json"),
    "an integer of 5,000 digits": (b'{"title": ' + b"9" * 5_000 + b"}", "malformed_json"),
    "no UTF-8": (b'{"title": "\xff\xfe"}', "malformed_json"),
    "a number as a title": (b'{"title": 5}', "validation_error"),
    "a list as a title": (b'{"title": [{"title": {}}]}', "validation_error"),
    "an object as an id": (b'{"title": "x", "id": {"$ne": null}}', "validation_error"),
    "a number past any date": (b'{"title": "x", "completed": 1e308}', "validation_error"),
    "the owner": (b'{"title": "x", "user_id": "somebody"}', "read_only_field"),
    "a typo": (b'{"title": "x", "descripton": "y"}', "unknown_field"),
    "a title of 201 emoji": (json.dumps({"title": "🎉" * 201}).encode(), "validation_error"),
    "a body of 1 MiB of blanks": (b" " * 1024 * 1024, "malformed_json"),
}


def test_a_hostile_body_is_refused(server, authorization, alice, subtests):
    for name, (body, code) in BODIES.items():
        with subtests.test(name):
            assert_problem(send(server, f"POST {TASKS}", authorization, JSON, body=body), code)
    assert not alice.tasks.exists()


QUERIES = {
    "limit=1e9": "limit",
    "limit=-1": "limit",
    "limit=" + "9" * 4_000: "limit",
    "limit=%D9%A5": "limit",
    "created_after=abc": "created_after",
    "created_after=9999-12-31T23:59:59-23:59": "created_after",
    "created_before=2026-02-30T00:00:00Z": "created_before",
    "cursor=forged": "cursor",
    "cursor=W10.x": "cursor",
    "cursor=%00": "cursor",
    "cursor=%ff.%ff": "cursor",
    "search=%00": "search",
    "search=" + "a" * 201: "search",
    "ordering=owner__password": "ordering",
    "ordering=created_at&ordering=title": "ordering",
    "status=%F0%9F%8E%89": "status",
    "owner=1": "owner",
    "owner__email__contains=a": "owner__email__contains",
    "user_id=x": "user_id",
    "format=xml": "format",
    "page=2": "page",
}


def test_a_hostile_query_is_refused_by_name(server, authorization, subtests):
    for query, parameter in QUERIES.items():
        code = "invalid_cursor" if query.startswith("cursor=") and "%00" not in query else "validation_error"
        with subtests.test(query[:30]):
            answer = send(server, f"GET {TASKS}?{query}", authorization)
            assert [fault["parameter"] for fault in assert_problem(answer, code)["errors"]] == [parameter]


def test_more_parameters_than_are_read_are_refused(server, authorization):
    query = "&".join(f"a{n}" for n in range(1_100))
    assert_problem(send(server, f"GET {TASKS}?{query}", authorization), "bad_request")


PATHS = {
    "/nowhere": "not_found",
    "/%00": "not_found",
    "/%ff%fe": "not_found",
    "//evil.example/": "not_found",
    "/api/v1/tasks//": "not_found",
    "/api/v1/../v1/tasks": "not_found",
    "/static/../config/settings.py": "not_found",
    "/static/%2e%2e/config/settings.py": "not_found",
    f"{TASKS}/5": "not_found",
    f"{TASKS}/%00": "not_found",
    f"{TASKS}/%ff": "not_found",
    f"{TASKS}/{ID}%0a": "not_found",
    f"{TASKS}/{ID}": "not_found",
    f"{TASKS}/{{{ID}}}": "not_found",
    f"{TASKS}/{ID.replace('0', '%D9%A0')}": "not_found",
    f"{TASKS}/{'a' * 4_000}": "not_found",
    "/api/v1/5/tasks": "user_mismatch",
    "/api/v1/%00/tasks": "user_mismatch",
    "/api/v1/%ff/tasks": "user_mismatch",
    f"/api/v1/{'a' * 4_000}/tasks": "user_mismatch",
    f"/api/v1/{ID}/tasks/{ID}": "user_mismatch",
}


def test_a_hostile_address_is_refused(server, authorization, subtests):
    for path, code in PATHS.items():
        with subtests.test(path[:60]):
            assert_problem(send(server, f"GET {path}", authorization), code)


HEADERS = {
    "charset utf-7": (["Content-Type: application/json; charset=utf-7"], "unsupported_media_type"),
    "no content type": ([], "unsupported_media_type"),
    "a content type of nonsense": (["Content-Type: ;;;=\xff"], "unsupported_media_type"),
    "a form without a boundary": (["Content-Type: multipart/form-data"], "unsupported_media_type"),
    "another host": ([JSON, "Host: evil.example"], "bad_request"),
    "a host of nonsense": ([JSON, "Host: a b<script>"], "bad_request"),
    "a compressed body": ([JSON, "Content-Encoding: gzip"], "validation_error"),
    "another method": ([JSON, "X-HTTP-Method-Override: DELETE"], "validation_error"),
}


def test_hostile_headers_are_refused(server, authorization, subtests):
    for name, (headers, code) in HEADERS.items():
        with subtests.test(name):
            answer = send(server, f"POST {TASKS}", authorization, *headers, body=b'{"title": ""}')
            assert_problem(answer, code)


def test_conditions_that_cannot_be_read_are_refused(server, authorization, subtests):
    for header in ("If-None-Match: nonsense", 'If-None-Match: "1" 2', "If-None-Match: W/7"):
        with subtests.test(header):
            answer = send(server, f"GET {TASKS}", authorization, header)
            assert faults_of(answer, "validation_error") == [("If-None-Match", "invalid")]


def test_a_header_that_means_nothing_here_changes_nothing(server, authorization, subtests):
    for header in (
        "Origin: https://[::1",
        "Accept: ;;;",
        "Accept-Language: \xff",
        "Cookie: admin_session=\xff; csrftoken=nonsense",
        "X-Forwarded-For: <script>",
        "X-Forwarded-Host: evil.example",
        "Range: bytes=5-1",
        "X-Request-ID: " + "a" * 4_000,
    ):
        with subtests.test(header[:20]):
            answer = send(server, f"GET {TASKS}", authorization, header)
            assert (answer.status_code, answer.content) == (200, b"[]")
            assert len(answer.headers["X-Request-ID"]) == 36


def test_a_hostile_token_is_refused(server, subtests):
    for credentials in (
        "Bearer",
        "Bearer \xff",
        "Bearer a.b.c",
        "bearer " + "a" * 8_000,
        "Bearer null",
        "Bearer x\ty",
        "Bearer ,",
    ):
        with subtests.test(credentials[:12]):
            answer = send(server, f"GET {TASKS}", f"Authorization: {credentials}")
            assert_problem(answer, "token_invalid")


def test_the_scheme_of_a_token_is_understood_in_any_case(server, authorization):
    for scheme in ("bearer", "BEARER"):
        answer = send(server, f"GET {TASKS}", authorization.replace("Bearer", scheme))
        assert answer.status_code == 200


def test_a_chunked_body_is_refused_and_toggles_nothing(server, authorization, alice):
    task = TaskFactory(owner=alice)
    answer = send(
        server,
        f"PATCH {TASKS}/{task.pk}/complete",
        authorization,
        JSON,
        "Transfer-Encoding: chunked",
        body=b'13\r\n{"completed": true}\r\n0\r\n\r\n',
    )
    assert_problem(answer, "length_required")
    assert not alice.tasks.get().completed


def test_a_body_past_the_limit_is_refused_before_it_is_sent(server, authorization, subtests):
    for path in (TASKS, "/api/v1/auth/login", "/nowhere"):
        for length in (1024 * 1024 + 1, 10**12, 10**30):
            with subtests.test(f"{path} {length}"):
                line, announced = f"POST {path}", f"Content-Length: {length}"
                assert_problem(send(server, line, authorization, JSON, announced), "content_too_large")


def test_a_body_at_the_limit_is_read_and_a_slash_loses_none(server, authorization, alice):
    body = b'{"title": "x"' + b" " * (1024 * 1024 - 14) + b"}"
    assert len(body) == 1024 * 1024
    for path in (TASKS, f"{TASKS}/"):
        answer = send(server, f"POST {path}", authorization, JSON, body=body)
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{server}{TASKS}/{answer.json()['id']}"
    assert alice.tasks.count() == 2


ACCOUNTS = [
    {"email": "a\x00@example.com", "password": "correct horse battery"},
    {"email": "\ud800@example.com", "password": "correct horse battery"},
    {"email": "b@example.com", "password": "correct\x00horse battery"},
    {"email": "b@example.com", "password": "\ud800correct horse battery"},
    {"email": "b@example.com", "password": "x" * 10_000},
    {"email": "b@example.com", "password": ["correct horse battery"]},
    {"email": "b@example.com", "password": "correct horse battery", "name": "\x00"},
]


def test_a_hostile_account_is_refused(server, subtests):
    for account in ACCOUNTS:
        for door, codes in (
            ("register", {"validation_error"}),
            ("login", {"validation_error", "unknown_field", "invalid_credentials"}),
        ):
            with subtests.test(f"{door} {account!r:.80}"):
                answer = send(server, f"POST /api/v1/auth/{door}", JSON, body=json.dumps(account).encode())
                assert_problem(answer, answer.json()["code"])
                assert answer.json()["code"] in codes

"""How large a body may be: 1 MiB, and 16 KiB below `auth/` and at `/health`. It is refused unread."""

import re

import pytest

from config import middleware
from config.rest.problems import PROBLEMS
from config.tests.problems import assert_problem

KIB, MIB = 1024, 1024 * 1024
AUTH = ["register", "login", "refresh", "logout", "me", "password", "sessions", "sessions/x", "logout-all"]


def send(client, path, size):
    body = b'{"x": "' + b"x" * (size - 9) + b'"}'
    assert len(body) == size
    return client.generic("POST", path, body, content_type="application/json")


@pytest.mark.parametrize("name", [*AUTH, "nowhere"])
@pytest.mark.parametrize("prefix", ["/api/v1/auth/", "/api/auth/"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_below_auth_a_body_has_16_kib(as_alice, prefix, name, slash):
    path = f"{prefix}{name}{slash}"
    document = assert_problem(send(as_alice, path, 16 * KIB + 1), "content_too_large")
    assert document["detail"] == "The body is larger than 16 KiB."
    assert send(as_alice, path, 16 * KIB).status_code != 413


@pytest.mark.parametrize(
    "path",
    ["/api/v1/tasks", "/api/tasks/", "/api/v1/auth/tasks", "/health", "/api/docs", "/x/api/v1/auth/me"],
)
def test_elsewhere_a_body_has_1_mib(as_alice, path):
    is_open = path.startswith(("/api/v1/auth/", "/health"))
    document = assert_problem(send(as_alice, path, MIB + 1), "content_too_large")
    assert document["detail"] == f"The body is larger than {'16 KiB' if is_open else '1 MiB'}."
    assert (send(as_alice, path, MIB).status_code == 413) == is_open


def test_the_document_names_both_limits(settings):
    sizes = {f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE // MIB} MiB"}
    sizes |= {f"{size // KIB} KiB" for size in settings.MAX_BODY_SIZES.values()}
    assert set(re.findall(r"\d+ [KM]iB", PROBLEMS["content_too_large"][1])) == sizes


def test_a_path_has_the_first_limit_that_matches(settings):
    settings.MAX_BODY_SIZES = {"/a/": 1, "/a/b": 2, r"/[^/]+/import/?$": 3}
    paths = {"/a/b": 1, "/a": MIB, "/x/a/": MIB, "/me/import": 3, "/me/import/": 3, "/me/imports": MIB}
    assert {path: middleware.max_body_size(path) for path in paths} == paths

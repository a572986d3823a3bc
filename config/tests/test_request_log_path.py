"""A request without a route is logged with its path: a 404, a wrong Host, a redirect to https."""

import pytest
from django.test import Client

from config.tests.problems import assert_problem

SECRET = "Tr0ub4dor"


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/nowhere", "/nowhere"),
        (f"/nowhere?q={SECRET}", "/nowhere"),
        ("/a%0Ab%1B%5B31m%00", "/a%0Ab%1B%5B31m%00"),
        ("/%E2%80%AE%C3%A9", "/%E2%80%AE%C3%A9"),
        ("/%FF", "/%25FF"),
        ("/50%25", "/50%25"),
        ("/" + "a" * 300, "/" + "a" * 199),
        ("/" + "%00" * 300, ("/" + "%00" * 300)[:200]),
        (f"/nowhere/{SECRET}@example.com/x", "/nowhere/@/x"),
        (f"/{SECRET}%40example.com", "/@"),
    ],
    ids=lambda path: path[:40],
)
def test_a_404_logs_its_path_and_never_its_query(anonymous, log, path, logged):
    assert_problem(anonymous.get(path), "not_found")
    line = log.only()
    assert (line["path"], line["route"]) == (logged, None)
    assert SECRET not in log.text


def test_a_request_with_a_route_logs_no_path(as_alice, log):
    assert as_alice.get("/api/v1/tasks").status_code == 200
    assert_problem(as_alice.get(f"/api/v1/tasks/{SECRET}"), "not_found")
    assert [line.get("path") for line in log] == [None, None]
    assert SECRET not in log.text


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("path", ["/api/v1/tasks", "/admin/", "/nowhere", "/"])
def test_a_wrong_host_is_logged_and_says_so(settings, log, path, debug):
    settings.DEBUG = debug
    answer = Client().get(f"{path}?q={SECRET}", headers={"host": "evil.example"})
    document = assert_problem(answer, "bad_request")
    assert document["detail"] == "This host name is not served here."
    assert log.only()["path"] == path
    assert SECRET not in log.text


def test_a_redirect_to_https_is_logged(settings, log):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get(f"/admin/users/?q={SECRET}").status_code == 301
    line = log.only()
    assert (line["path"], line["route"], line["status"]) == ("/admin/users/", None, 301)
    assert SECRET not in log.text


@pytest.mark.parametrize("path", ["/health", "/health/", "/health/ready"])
@pytest.mark.parametrize("host", ["evil.example", "10.0.0.7:8000", "a b", ""])
@pytest.mark.parametrize("secure", [False, True])
def test_health_is_answered_whatever_the_host(db, settings, path, host, secure):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get(path, headers={"host": host}, secure=secure).status_code == 200

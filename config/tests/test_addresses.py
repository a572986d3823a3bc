"""Addresses that people type or browsers ask for lead somewhere."""

import json

import pytest
from django.test import Client

from config.tests.problems import assert_problem

TARGETS = {
    "/": "/api/docs",
    "/docs": "/api/docs",
    "/api": "/api/docs",
    "/api/": "/api/docs",
    "/api/v1": "/api/docs",
    "/api/v1/": "/api/docs",
    "/redoc": "/api/redoc",
    "/openapi.json": "/api/schema?format=json",
    "/admin": "/admin/",
}


@pytest.mark.parametrize(("path", "target"), TARGETS.items())
@pytest.mark.parametrize("method", ["get", "head"])
def test_an_address_leads_to_its_page(client, log, method, path, target):
    answer = getattr(client, method)(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, target)
    assert log.only()["level"] == "info"


@pytest.mark.parametrize("path", TARGETS)
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_only_reading_leads_there(client, method, path):
    answer = getattr(client, method)(path)
    assert_problem(answer, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/api/docs", "/api/redoc", "/api/schema"])
@pytest.mark.parametrize("method", ["options", "post"])
def test_a_document_is_only_read(client, method, path):
    answer = getattr(client, method)(path)
    assert_problem(answer, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


def test_openapi_json_is_json(client):
    answer = client.get("/openapi.json", follow=True)
    assert answer.headers["Content-Type"].endswith("json")
    assert json.loads(answer.content)["openapi"].startswith("3.1")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/admin"])
def test_an_address_leads_to_a_page_that_is_there(client, db, path):
    answer = client.get(path, follow=True)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_the_icon_is_served(log):
    answer = Client().get("/favicon.ico")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert b"".join(answer.streaming_content).startswith(b"\x89PNG")
    since = {"if-modified-since": answer.headers["Last-Modified"]}
    assert Client().get("/favicon.ico", headers=since).status_code == 304
    assert [(line["level"], line["route"]) for line in log] == [("info", "/favicon.ico")] * 2

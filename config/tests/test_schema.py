"""The OpenAPI document, and the pages that show it."""

import json
import re
from contextlib import closing

import pytest
import yaml
from django.conf import settings
from django.test import Client

from config.rest.problems import PROBLEMS
from config.rest.schema import SchemaView
from conftest import at_once

GOLDEN = settings.BASE_DIR / "config" / "openapi.yaml"
DOCUMENT = yaml.safe_load(GOLDEN.read_text())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def test_the_document_is_the_golden_one(client):
    answer = client.get("/api/schema", headers={"accept": "application/json"})
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.content) == DOCUMENT


@pytest.mark.parametrize("accept", ["*/*", "application/vnd.oai.openapi", "text/html", "nonsense"])
def test_yaml_is_what_is_served_unless_json_is_asked_for(client, accept):
    answer = client.get("/api/schema/", headers={"accept": accept})
    assert answer.status_code == 200
    assert yaml.safe_load(answer.content) == DOCUMENT


@pytest.mark.parametrize(("form", "media_type"), [("json", "json"), ("yaml", "openapi;"), ("x", "o")])
@pytest.mark.parametrize("accept", ["*/*", "text/html", "application/json"])
def test_the_format_is_chosen_by_a_parameter_too(client, form, media_type, accept):
    answer = client.get(f"/api/schema?format={form}", headers={"accept": accept})
    assert yaml.safe_load(answer.content) == DOCUMENT
    assert media_type in answer.headers["Content-Type"]


def test_the_document_is_made_once_by_one_thread(monkeypatch):
    monkeypatch.setattr(SchemaView, "made", {})
    get_schema, made = SchemaView.generator_class.get_schema, []

    def count(*args, **kwargs):
        made.append(kwargs)
        return get_schema(*args, **kwargs)

    monkeypatch.setattr(SchemaView.generator_class, "get_schema", count)
    answers = at_once(8, lambda _: Client().get("/api/schema?format=json"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == len(made) == 1


def test_a_client_does_not_choose_what_others_get(client, monkeypatch):
    monkeypatch.setattr(SchemaView, "made", {})
    for query in ("version=9&lang=de", "x=1"):
        answer = client.get(f"/api/schema?{query}", headers={"accept": "application/json; indent=1"})
        assert answer.headers["Content-Disposition"] == 'inline; filename="Task API.json"'
        assert json.loads(answer.content) == DOCUMENT


def test_operations_have_names_for_methods():
    names = sorted(operation["operationId"] for operation in OPERATIONS.values())
    tasks = [
        "batch",
        "changes",
        "complete",
        "create",
        "destroy",
        "list",
        "partial_update",
        "restore",
        "retrieve",
        "update",
    ]
    assert names == sorted(
        [f"{form}_{name}" for form in ("tasks", "user_tasks") for name in tasks]
        + ["auth_login", "auth_logout", "auth_logout_all", "auth_me", "auth_me_delete", "auth_me_update"]
        + ["auth_password", "auth_refresh", "auth_register", "auth_session_end", "auth_sessions"]
        + ["health", "health_ready"]
    )


def test_addresses_are_canonical():
    assert all(path.startswith(("/api/v1/", "/health")) for path in DOCUMENT["paths"])
    assert not any(path.endswith("/") for path in DOCUMENT["paths"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_tells_all_its_answers(name):
    operation = OPERATIONS[name]
    statuses = set(operation["responses"])
    secured = "security" in operation
    assert statuses >= {"400", "500"}
    assert ("401" in statuses) == (secured or name.split("/")[-1] in {"login", "refresh", "logout"})
    assert secured == (
        "/health" not in name and not name.endswith(("register", "login", "refresh", "logout"))
    )
    assert ({"411", "413", "415"} <= statuses) == ("requestBody" in operation)
    assert ("404" in statuses) == ("{id}" in name or name.endswith("/batch"))
    assert ("503" in statuses) == (not name.endswith("/health"))
    assert operation["summary"]
    for status, answer in operation["responses"].items():
        assert answer["headers"]["X-Request-ID"]
        assert answer["description"]
        if status >= "400":
            body = answer["content"]["application/problem+json"]
            assert body["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert body["example"]["status"] == int(status)
        elif status not in {"204", "304"}:
            assert answer["content"]["application/json"]["schema"]
            assert answer["content"]["application/json"].get("examples") or "/health" in name


def test_every_code_is_listed():
    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == list(PROBLEMS)


@pytest.mark.parametrize("page", ["/api/docs", "/api/docs/", "/api/redoc"])
def test_the_pages_fetch_nothing_from_elsewhere(client, page, db):
    answer = client.get(page)
    assert answer.status_code == 200
    text = answer.content.decode()
    for address in re.findall(r'(?:src|href|spec-url)="([^"]+)"', text):
        assert address.startswith("/")
        with closing(client.get(address)) as found:
            assert found.status_code == 200
    assert "<script>" not in text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"].split("; ")

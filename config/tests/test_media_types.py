"""JSON in, strictly; JSON out, whatever was asked for."""

import json

import pytest

from config.tests.problems import assert_problem, faults_of

TASKS = "/api/v1/tasks"
JSON = "application/json"


def post(client, body, content_type=JSON):
    body = body.encode() if isinstance(body, str) else body
    return client.generic("POST", TASKS, body, content_type=content_type)


def nested(levels, opening="[", closing="]"):
    """Return a body whose deepest container is at this level; the body itself is the first."""
    return f'{{"title": "x", "more": {opening * (levels - 1)}1{closing * (levels - 1)}}}'


def brief(value):
    return f"{str(value)[:30]} ({len(value)})"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (" ", "not JSON"),
        ("{", "not JSON"),
        ('{"title": "x"', "line 1, column 14"),
        ('{"title": "x"} x', "not JSON"),
        ("{'title': 'x'}", "not JSON"),
        ('{"title": "x",}', "not JSON"),
        ('{"title": "a\nb"}', "not JSON"),
        ('{"title": "\\x41"}', "not JSON"),
        ('{"title": 01}', "not JSON"),
        ('\ufeff{"title": "x"}', "not JSON"),
        (b'{"title": "\xff"}', "UTF-8"),
        (b'{"title": "\xed\xa0\x80"}', "UTF-8"),
        (b'{"title": "\xc0\xaf"}', "UTF-8"),
        ('{"title": "x"}'.encode("utf-16"), "UTF-8"),
        ('{"title": "x"}'.encode("utf-16-le"), "not JSON"),
        ('{"title": "x", "title": "y"}', "twice"),
        ('{"title": "x", "more": [{"a": 1, "a": 1}]}', "twice"),
        ('{"title": "x", "\\u0074itle": "y"}', "twice"),
        ('{"title": "x", "\\ud800": 1}', "surrogate"),
        ('{"title": NaN}', "NaN"),
        ('{"title": Infinity}', "Infinity"),
        ('{"more": [-Infinity]}', "-Infinity"),
        ('{"title": 1e999}', "largest double"),
        ('{"more": [-1e999]}', "largest double"),
        ('{"title": 9223372036854775808}', "64 bits"),
        ('{"more": {"a": -9223372036854775809}}', "64 bits"),
        ('{"title": ' + "9" * 5_000 + "}", "64 bits"),
        ('{"title": -' + "9" * 5_000 + "}", "64 bits"),
        (nested(33), "nested deeper than 32"),
        (nested(33, '{"a":', "}"), "nested deeper than 32"),
        (nested(100_000), "nested deeper than 32"),
        ("[" * 100_000, "nested deeper than 32"),
        ('{"a":' * 100_000, "nested deeper than 32"),
    ],
    ids=brief,
)
def test_what_parsers_disagree_on_is_malformed(as_alice, alice, body, says):
    answer = post(as_alice, body)
    document = assert_problem(answer, "malformed_json")
    assert says in document["detail"]
    assert "errors" not in document
    assert not alice.tasks.exists()


@pytest.mark.parametrize(
    "more",
    ["9223372036854775807", "-9223372036854775808", "-0", "1e308", "5e-324", '"\\ud83d\\ude00"', "[[], {}]"],
)
def test_the_edges_of_what_json_allows_are_read(as_alice, more):
    assert faults_of(post(as_alice, f'{{"title": "x", "more": {more}}}'), "unknown_field") == [
        ("#/more", "unknown_field")
    ]


@pytest.mark.parametrize("container", ["[]", ('{"a":', "}")])
def test_nesting_of_32_is_read(as_alice, container):
    answer = post(as_alice, nested(32, *container))
    assert faults_of(answer, "unknown_field") == [("#/more", "unknown_field")]


def test_no_body_is_an_object_of_nothing(as_alice):
    assert faults_of(post(as_alice, b""), "validation_error") == [("#/title", "required")]


@pytest.mark.parametrize("title", ["a\x00b", "\ud800", "a\udfff"])
def test_text_that_no_database_takes_is_a_fault_of_its_field(as_alice, title):
    answer = post(as_alice, json.dumps({"title": title}))
    assert [pointer for pointer, _ in faults_of(answer, "validation_error")] == ["#/title"]


@pytest.mark.parametrize("body", ["[]", '[{"title": "x"}]', '"title"', "null", "5", "true"])
def test_a_body_that_is_no_object_is_a_fault_of_the_whole(as_alice, body):
    assert [pointer for pointer, _ in faults_of(post(as_alice, body), "validation_error")] == ["#"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'application/json; charset="UTF-8"',
        "Application/JSON;charset=UTF8",
    ],
)
def test_utf_8_may_be_named(as_alice, content_type):
    answer = post(as_alice, '{"title": "Grüße 🎉 مرحبا"}', content_type)
    assert answer.status_code == 201
    assert answer.json()["title"] == "Grüße 🎉 مرحبا"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json; charset=utf-7",
        "application/json; charset=latin-1",
        "application/json; charset=nonsense",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/json",
        "application/xml",
        "application/merge-patch+json",
        "nonsense",
    ],
)
def test_anything_but_json_in_utf_8_is_an_unsupported_media_type(as_alice, alice, content_type):
    assert_problem(post(as_alice, '{"title": "x"}', content_type), "unsupported_media_type")
    assert not alice.tasks.exists()


@pytest.mark.parametrize(
    "accept", ["*/*", "text/html", "application/xml", "application/json;q=0", "", "nonsense", "image/*;q=x"]
)
def test_accept_is_not_judged(as_alice, accept):
    answer = as_alice.get(TASKS, headers={"accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == []
    assert_problem(as_alice.get(f"{TASKS}/nonsense", headers={"accept": accept}), "not_found")


def test_format_is_a_parameter_like_any_other(as_alice):
    answer = as_alice.get(f"{TASKS}?format=xml")
    assert faults_of(answer, "validation_error") == [("format", "unknown_parameter")]


def test_the_schema_is_yaml_unless_accept_can_be_met(client):
    for accept, expected in (
        ("application/json", "application/json"),
        ("application/yaml", "application/yaml"),
        ("text/html", "application/vnd.oai.openapi"),
    ):
        answer = client.get("/api/schema", headers={"accept": accept})
        assert answer.headers["Content-Type"].partition(";")[0] == expected


def test_an_answer_without_a_body_has_none(as_alice):
    task = as_alice.post(TASKS, {"title": "x"}).json()
    answer = as_alice.delete(f"{TASKS}/{task['id']}")
    assert (answer.status_code, answer.content) == (204, b"")

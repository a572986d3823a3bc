"""What the apps share on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from rest_framework.exceptions import ErrorDetail, ValidationError

from config.rest.fields import TimestampField, parse_uuid, utc_timestamp
from config.rest.problems import PROBLEMS, Problem
from config.rest.problems import flatten_errors as faults_of
from config.tests.problems import faults_of as faults_in

TASKS = "/api/v1/tasks"
ID = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"


def detail(text="Wrong.", code="wrong"):
    return ErrorDetail(text, code)


@pytest.mark.parametrize(
    ("tree", "places"),
    [
        ({"title": [detail()]}, ["#/title"]),
        ({"title": [detail(), detail()], "more": [detail()]}, ["#/title", "#/title", "#/more"]),
        ({"outer": {"inner": [detail()]}}, ["#/outer/inner"]),
        ({"list": {0: [detail()], 2: {"a": [detail()]}}}, ["#/list/0", "#/list/2/a"]),
        ({"non_field_errors": [detail()]}, ["#"]),
        ({"outer": {"non_field_errors": [detail()]}}, ["#/outer"]),
        ([detail()], ["#"]),
        (detail(), ["#"]),
        ({"a/b": [detail()], "a~b": [detail()], "a b%": [detail()]}, ["#/a~1b", "#/a~0b", "#/a%20b%25"]),
        ({"": [detail()], "ключ": [detail()]}, ["#/", "#/%D0%BA%D0%BB%D1%8E%D1%87"]),
    ],
)
def test_each_fault_gets_a_pointer(tree, places):
    assert faults_of(tree) == [{"pointer": place, "code": "wrong", "detail": "Wrong."} for place in places]


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (["unknown_field"], "unknown_field"),
        (["unknown_field", "unknown_field"], "unknown_field"),
        (["unknown_field", "blank"], "validation_error"),
        (["blank"], "validation_error"),
        # A field's code that happens to be the name of a problem of another status is not that problem.
        (["not_found"], "validation_error"),
    ],
)
def test_a_problem_has_the_code_of_all_its_faults(codes, code):
    faults = [{"pointer": f"#/{n}", "code": each, "detail": "Wrong."} for n, each in enumerate(codes)]
    problem = Problem.from_errors(faults)
    assert (problem.code, problem.status_code, problem.errors) == (code, 400, faults)


def test_the_detail_names_every_place():
    problem = Problem.from_errors(
        [
            {"pointer": "#/title", "code": "blank", "detail": "May not be blank."},
            {"parameter": "limit", "code": "invalid", "detail": "Not a number."},
            {"pointer": "#", "code": "invalid", "detail": "Not an object."},
        ]
    )
    assert str(problem.detail) == "title: May not be blank. limit: Not a number. Not an object."


def test_a_problem_outside_the_closed_list_cannot_be_made():
    with pytest.raises(KeyError):
        Problem("made_up")


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_says_a_sentence(code):
    status, sentence = PROBLEMS[code]
    assert 400 <= status <= 599
    assert sentence.endswith(".")
    assert Problem(code).detail == sentence


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 21, 9, tzinfo=UTC), "2026-11-21T09:00:00.000000Z"),
        (datetime(2026, 11, 21, 9, 0, 0, 7, tzinfo=UTC), "2026-11-21T09:00:00.000007Z"),
        (
            datetime(2026, 11, 21, 0, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            "2026-11-20T18:45:00.000000Z",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_timestamps_are_utc_with_six_digits(moment, text):
    assert utc_timestamp(moment) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T09:00:00Z", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("2026-11-21t09:00:00z", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ("2026-11-21T09:00:00.5Z", datetime(2026, 11, 21, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-21T09:00:00.123456789Z", datetime(2026, 11, 21, 9, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-21T09:00:00+05:45", datetime(2026, 11, 21, 3, 15, tzinfo=UTC)),
        ("2026-11-21T09:00:00-00:00", datetime(2026, 11, 21, 9, tzinfo=UTC)),
    ],
)
def test_a_timestamp_of_rfc_3339_is_read(text, moment):
    assert TimestampField().to_internal_value(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-21",
        "2026-11-21T09:00",
        "2026-11-21T09:00:00",
        "2026-11-21 09:00:00Z",
        "20261121T090000Z",
        "2026-W47-6T09:00:00Z",
        "2026-02-30T09:00:00Z",
        "2026-11-21T25:00:00Z",
        "2026-11-21T09:00:00+25:00",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "2026-11-21T09:00:00Z\n",
        "٢٠٢٦-11-21T09:00:00Z",
        "2026-11-21T09:00:00,5Z",
        1_763_715_600,
        None,
        ["2026-11-21T09:00:00Z"],
    ],
)
def test_any_other_time_is_refused(text):
    with pytest.raises(ValidationError):
        TimestampField().to_internal_value(text)


@pytest.mark.parametrize(
    "text", [ID, ID.upper(), "00000000-0000-0000-0000-000000000000", "d9428888-122b-11e1-b85c-61cd3cbb3210"]
)
def test_a_uuid_of_any_version_and_either_case_is_read(text):
    assert str(parse_uuid(text)) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        ID[:-1],
        ID + "0",
        ID + "\n",
        " " + ID,
        ID.replace("-", ""),
        "{" + ID + "}",
        "urn:uuid:" + ID,
        ID.replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
        ID.replace("a", "g"),
        "0199d2a45-c3e-7b1f-9a40-3f1d2c4b5a69",
        None,
        5,
        ["x"],
        {},
    ],
)
def test_anything_else_is_no_uuid(text):
    assert parse_uuid(text) is None


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("x=abc", [("x", "unknown_parameter")]),
        ("x", [("x", "unknown_parameter")]),
        ("x=1&x=2", [("x", "unknown_parameter")]),
        ("limit=5&limit=5", [("limit", "repeated_parameter")]),
        ("limit=", [("limit", "invalid")]),
        ("limit=0", [("limit", "min_value")]),
        ("limit=1001", [("limit", "max_value")]),
        ("limit=1e9", [("limit", "invalid")]),
        ("limit=%2B5", [("limit", "invalid")]),
        ("limit=5_0", [("limit", "invalid")]),
        ("limit=%D9%A5", [("limit", "invalid")]),
        ("limit=" + "9" * 5_000, [("limit", "invalid")]),
        ("count=1", [("count", "invalid_choice")]),
        ("status=done&limit=x", [("limit", "invalid"), ("status", "invalid_choice")]),
        ("limit=1001&limit=1", [("limit", "repeated_parameter")]),
        ("search=%00", [("search", "null_characters_not_allowed")]),
        ("Limit=5", [("Limit", "unknown_parameter")]),
        ("created_after=2026-11-21", [("created_after", "invalid")]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_fault_of_the_query_names_the_parameter(as_alice, query, faults):
    assert faults_in(as_alice.get(f"{TASKS}?{query}"), "validation_error") == faults


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/health"),
        ("get", "/health/ready"),
        ("get", "/api/v1/auth/me"),
        ("patch", "/api/v1/auth/me"),
        ("post", "/api/v1/auth/login"),
        ("post", "/api/v1/auth/register"),
        ("post", "/api/v1/auth/refresh"),
        ("post", "/api/v1/auth/logout"),
        ("post", TASKS),
        ("get", f"{TASKS}/{ID}"),
        ("put", f"{TASKS}/{ID}"),
        ("patch", f"{TASKS}/{ID}"),
        ("delete", f"{TASKS}/{ID}"),
        ("patch", f"{TASKS}/{ID}/complete"),
        ("get", "/api/me/tasks"),
    ],
)
def test_no_operation_takes_an_unknown_parameter(as_alice, method, path):
    answer = getattr(as_alice, method)(f"{path}?x=abc")
    assert faults_in(answer, "validation_error") == [("x", "unknown_parameter")]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"title": "x", "a/b": 1}, [("#/a~1b", "unknown_field")]),
        ({"title": "x", "": 1}, [("#/", "unknown_field")]),
        ({"title": "x", "user_id": "somebody"}, [("#/user_id", "read_only_field")]),
        ({"title": 5}, [("#/title", "invalid")]),
        ({"title": True}, [("#/title", "invalid")]),
        ({"title": None}, [("#/title", "null")]),
        ({"title": []}, [("#/title", "invalid")]),
        ({"title": "x", "completed": "yes"}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": 1}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": None}, [("#/completed", "null")]),
        ({"title": "x", "completed": []}, [("#/completed", "invalid")]),
        ({}, [("#/title", "required")]),
        ({"titel": "x"}, [("#/title", "required"), ("#/titel", "unknown_field")]),
    ],
)
def test_a_fault_of_the_body_has_its_pointer(as_alice, body, faults):
    codes = {code for _, code in faults}
    code = codes.pop() if len(codes) == 1 else ""
    known = code if code in {"unknown_field", "read_only_field"} else "validation_error"
    assert faults_in(as_alice.post(TASKS, body), known) == faults


def test_a_get_with_a_body_is_held_to_it(as_alice):
    def get(body):
        return as_alice.generic("GET", TASKS, body, content_type="application/json")

    assert get(b"{}").status_code == 200
    assert faults_in(get(b'{"title": "x"}'), "unknown_field") == [("#/title", "unknown_field")]

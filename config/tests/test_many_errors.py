"""However much is wrong with a request, what is collected, quoted and returned is bounded."""

import json
import tracemalloc

import pytest
from rest_framework.exceptions import ErrorDetail

from config.rest.problems import MAX_ERRORS
from config.tests.problems import assert_problem, faults_of

TASKS = "/api/v1/tasks"
KIB, MIB = 1024, 1024 * 1024
# The widest text in JSON and in a pointer: each takes 12 bytes.
EMOJI = "\N{PARTY POPPER}"


def body_of(names):
    return json.dumps(dict.fromkeys(names, 1), separators=(",", ":")).encode()


# 104,857 names in exactly 1 MiB, the most that a request can have.
MANY = [f"{n:05x}" for n in range(104_857)]


@pytest.fixture
def post(as_alice):
    return lambda body: as_alice.generic("POST", TASKS, body, content_type="application/json")


@pytest.fixture
def made(monkeypatch):
    """Return a list that grows with each ErrorDetail."""
    done = []
    original = ErrorDetail.__new__

    def counted(cls, *args, **kwargs):
        done.append(args)
        return original(cls, *args, **kwargs)

    monkeypatch.setattr(ErrorDetail, "__new__", counted)
    return done


def test_of_a_hundred_thousand_unknown_fields_twenty_are_named(post, made):
    answer = post(body_of(MANY))
    document = assert_problem(answer, "validation_error")
    # `title` is required. It comes first.
    assert [error["pointer"][2:] for error in document["errors"]] == ["title", *MANY[: MAX_ERRORS - 1]]
    assert document["detail"].endswith(f"{MANY[18]}: Unknown field. There are {len(MANY) - 19} more errors.")
    assert len(answer.content) < 4 * KIB
    # DRF copies the collected ones a few times.
    assert len(made) < 10 * MAX_ERRORS


# What takes the most memory for its bytes.
COSTLY = {
    "names": body_of(MANY),
    "empty objects": b"[" + b",".join([b"{}"] * 349_000) + b"]",
    "arrays in arrays": b"[" + b",".join([b"[" * 31 + b"]" * 31] * 16_600) + b"]",
    "objects in objects": b"[" + b",".join([b'{"":' * 31 + b"1" + b"}" * 31] * 6_500) + b"]",
    "objects": b"[" + b",".join([b'{"":{}}'] * 131_000) + b"]",
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_body_takes_less_than_40_mib(post, name):
    assert 0.9 * MIB < len(COSTLY[name]) <= MIB
    post(b"{}")
    tracemalloc.start()
    try:
        assert post(COSTLY[name]).status_code == 400
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB


def test_texts_full_of_brackets_are_read(as_alice):
    data = {"title": "[" * 200, "description": "{" * 1000}
    answer = as_alice.post(f"{TASKS}/batch", {"operations": [{"op": "create", "data": data}] * 100})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("count", "rest"),
    [(20, ""), (21, " There is 1 more error."), (22, " There are 2 more errors.")],
)
def test_the_detail_says_how_many_more_there_are(as_alice, count, rest):
    body = dict.fromkeys(MANY[:count], 1)
    document = assert_problem(as_alice.patch("/api/v1/auth/me", body), "unknown_field")
    assert len(document["errors"]) == MAX_ERRORS
    assert document["detail"] == " ".join(f"{name}: Unknown field." for name in MANY[:20]) + rest


def test_parameters_are_counted_as_fields_are(as_alice):
    unknown = [f"x{n}" for n in range(700)]
    answer = as_alice.get(f"{TASKS}?limit=0&{'&'.join(unknown)}&limit=0&status=&count=&count=")
    document = assert_problem(answer, "validation_error")
    faults = [(error["parameter"], error["code"]) for error in document["errors"]]
    # Those that are declared come first, whatever their place.
    assert faults[:5] == [
        ("limit", "min_value"),
        ("limit", "repeated_parameter"),
        ("count", "invalid_choice"),
        ("count", "repeated_parameter"),
        ("status", "invalid_choice"),
    ]
    assert faults[5:] == [(name, "unknown_parameter") for name in unknown[:15]]
    assert document["detail"].endswith("x14: Unknown parameter. There are 685 more errors.")


@pytest.mark.parametrize(
    ("name", "pointer", "quoted"),
    [
        ("a" * 64, "a" * 64, "a" * 64),
        ("a" * 65, "a" * 64 + "%E2%80%A6", "a" * 64 + "…"),
        ("/" * 65, "~1" * 64 + "%E2%80%A6", "/" * 64 + "…"),
        ("%" * 10_000, "%25" * 64 + "%E2%80%A6", "%" * 64 + "…"),
        (EMOJI * 65, "%F0%9F%8E%89" * 64 + "%E2%80%A6", EMOJI * 64 + "…"),
    ],
    ids=["64", "65", "escaped", "quoted", "emoji"],
)
def test_a_long_name_is_quoted_to_64_characters(as_alice, name, pointer, quoted):
    document = assert_problem(as_alice.patch("/api/v1/auth/me", {name: 1}), "unknown_field")
    assert document["errors"][0]["pointer"] == f"#/{pointer}"
    assert document["detail"] == f"{quoted}: Unknown field."


def test_so_is_the_long_name_of_a_parameter(as_alice):
    for url in (f"{TASKS}?{'x' * 7_000}=1", f"{TASKS}?{'x' * 64}=1"):
        document = assert_problem(as_alice.get(url), "validation_error")
        dots = "…" if len(url) > 1000 else ""
        assert document["errors"][0]["parameter"] == "x" * 64 + dots
        assert document["detail"] == f"{'x' * 64}{dots}: Unknown parameter."


@pytest.mark.parametrize(
    ("parameter", "options"),
    [
        ("status", "all, pending, completed"),
        ("due", "overdue, today, upcoming, none"),
        ("priority", "high, medium, low, none"),
        ("count", "true, false"),
    ],
)
def test_a_value_that_is_none_of_the_options_is_refused_with_them(as_alice, parameter, options):
    for value in ("x", "x" * 7_000):
        document = assert_problem(as_alice.get(f"{TASKS}?{parameter}={value}"), "validation_error")
        assert document["detail"] == f"{parameter}: Send one of: {options}."


@pytest.mark.parametrize(
    "op", ["x" * 900_000, ["x" * 900_000], {"x" * 900_000: 1}], ids=["text", "list", "object"]
)
def test_so_is_an_op_of_a_batch(as_alice, op):
    answer = as_alice.post(f"{TASKS}/batch", {"operations": [{"op": op}]})
    document = assert_problem(answer, "validation_error")
    assert faults_of(answer, "validation_error") == [("#/operations/0/op", "invalid_choice")]
    assert document["errors"][0]["detail"] == "Send one of: create, update, complete, delete, restore."


def test_the_largest_error_response_has_64_kib(post, as_alice):
    wide = [f"{n:02x}{EMOJI * 66}" for n in range(1_000)]
    operations = [{"op": EMOJI * 66, **dict.fromkeys(wide[:4], 1)} for _ in range(100)]
    for answer in (
        post(body_of(wide)),
        as_alice.post(f"{TASKS}/batch", {"operations": operations}),
        as_alice.get(f"{TASKS}?" + "&".join(f"{n:02x}{EMOJI * 70}" for n in range(25))),
    ):
        document = assert_problem(answer, "validation_error")
        assert len(document["errors"]) == MAX_ERRORS
        assert 16 * KIB < len(answer.content) <= 64 * KIB

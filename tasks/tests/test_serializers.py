"""The wire format of a task: what is answered, and what a body may say."""

import re
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from config.tests.problems import assert_problem, faults_of
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.tests.forge import post_escaped

TASKS = "/api/v1/tasks"
ID = "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"
FIELDS = {
    "id",
    "user_id",
    "title",
    "description",
    "due_date",
    "priority",
    "tags",
    "completed",
    "completed_at",
    "created_at",
    "updated_at",
    "version",
}
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
# PUT reads a body as PATCH does; where it differs it has tests of its own.
WRITES = ["post", "patch"]


@pytest.fixture
def task(alice):
    moment = datetime(2026, 11, 21, 9, tzinfo=UTC)
    return TaskFactory(owner=alice, title="Before", description="Before", created_at=moment)


@pytest.fixture
def write(as_alice, task):
    """Return what sends a body by a method: to the list a new task, to the task a change."""

    def send(method, body):
        return getattr(as_alice, method)(TASKS if method == "post" else f"{TASKS}/{task.id}", body)

    return send


def test_a_task_has_the_fields_of_the_contract(as_alice, alice):
    created = as_alice.post(TASKS, {"title": "Buy milk"}).json()
    assert created.keys() == FIELDS
    assert UUID(created["id"]).version == 7
    assert created["user_id"] == alice.public_id
    assert (created["description"], created["completed"], created["completed_at"]) == ("", False, None)
    assert (created["due_date"], created["priority"], created["tags"]) == (None, None, [])
    assert created["created_at"] == created["updated_at"]
    assert TIMESTAMP.fullmatch(created["created_at"])
    assert as_alice.get(f"{TASKS}/{created['id']}").json() == created
    assert as_alice.get(TASKS).json() == [created]


@pytest.mark.parametrize("microsecond", [0, 7, 120_000, 999_999])
def test_times_have_six_fractional_digits_and_z(as_alice, alice, microsecond):
    moment = datetime(2026, 11, 21, 9, 0, 0, microsecond, tzinfo=timezone(timedelta(hours=5, minutes=45)))
    task = TaskFactory(owner=alice, completed=True, created_at=moment)
    written = f"2026-11-21T03:15:00.{microsecond:06}Z"
    for answer in (as_alice.get(f"{TASKS}/{task.id}").json(), as_alice.get(TASKS).json()[0]):
        assert {answer["created_at"], answer["updated_at"], answer["completed_at"]} == {written}


# --- text --------------------------------------------------------------------


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    "text",
    [
        "🦄 \U0001f469\u200d\U0001f467",
        "שלם \u200fעלם",
        "مرحبا",
        "\u00e9",
        "e\u0301",
        "ﬁ Ⅷ",
        "a\u200bb",
        "<b>&amp;\"'\\/",
        "\u0001\u007f",
        "%s {}",
    ],
    ids=ascii,
)
def test_text_is_stored_as_it_was_sent(as_alice, write, method, text):
    answer = write(method, {"title": text, "description": text}).json()
    assert (answer["title"], answer["description"]) == (text, text)
    assert as_alice.get(f"{TASKS}/{answer['id']}").json() == answer


@pytest.mark.parametrize("method", WRITES)
def test_white_space_is_trimmed_from_titles_and_kept_in_descriptions(write, method):
    for space in (" ", "\t", "\r\n", "\u0085", "\u00a0", "\u2003", "\u2028", "\u3000"):
        text = f"{space}a{space}b{space}"
        answer = write(method, {"title": text, "description": text}).json()
        assert (answer["title"], answer["description"]) == (f"a{space}b", text)


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u00a0\u2003\u3000"], ids=ascii)
def test_a_title_of_white_space_is_blank(write, method, blank):
    assert faults_of(write(method, {"title": blank}), "validation_error") == [("#/title", "blank")]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("null_or_empty", [None, ""])
def test_a_description_may_be_empty_and_null_reads_so(write, method, null_or_empty):
    assert write(method, {"title": "x", "description": null_or_empty}).json()["description"] == ""


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("character", ["x", "ß", "ש", "🦄"])
def test_lengths_count_code_points(write, method, character):
    title, description = character * 200, character * 1000
    answer = write(method, {"title": f"  {title}\u3000", "description": description}).json()
    assert (answer["title"], answer["description"]) == (title, description)
    too_long = write(method, {"title": title + character, "description": description + character})
    expected = [("#/title", "max_length"), ("#/description", "max_length")]
    assert faults_of(too_long, "validation_error") == expected


@pytest.mark.parametrize("field", ["title", "description"])
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a\0b", "null_characters_not_allowed"),
        ("a\ud800b", "surrogate_characters_not_allowed"),
        ("a\udfff", "surrogate_characters_not_allowed"),
        ("\ude84\ud83e", "surrogate_characters_not_allowed"),
    ],
    ids=ascii,
)
def test_nul_and_lone_surrogates_are_refused(as_alice, field, text, code):
    refused = post_escaped(as_alice, TASKS, {"title": "x"} | {field: text})
    assert set(faults_of(refused, "validation_error")) == {(f"#/{field}", code)}
    assert not Task.objects.exists()


def test_a_pair_of_surrogates_is_one_character(as_alice):
    body = r'{"title": "\ud83e\udd84"}'
    assert as_alice.post(TASKS, body, content_type="application/json").json()["title"] == "🦄"


@pytest.mark.parametrize("text", ["\0", "\ud800"], ids=ascii)
@pytest.mark.parametrize("field", ["id", "user_id"])
def test_nul_and_surrogates_are_refused_in_ids(as_alice, field, text):
    refused = post_escaped(as_alice, TASKS, {"title": "x", field: text})
    code = "read_only_field" if field == "user_id" else "validation_error"
    assert [place for place, _ in faults_of(refused, code)] == [f"#/{field}"]


def test_a_nul_in_a_name_makes_it_unknown_and_a_surrogate_unreadable(as_alice):
    refused = post_escaped(as_alice, TASKS, {"title": "x", "a\0": 1})
    assert faults_of(refused, "unknown_field") == [("#/a%00", "unknown_field")]
    assert_problem(post_escaped(as_alice, TASKS, {"title": "x", "a\ud800": 1}), "malformed_json")


# --- types -------------------------------------------------------------------


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({"title": 5}, [("#/title", "invalid")]),
        ({"title": 5.5}, [("#/title", "invalid")]),
        ({"title": True}, [("#/title", "invalid")]),
        ({"title": ["x"]}, [("#/title", "invalid")]),
        ({"title": {"x": 1}}, [("#/title", "invalid")]),
        ({"title": None}, [("#/title", "null")]),
        ({"title": "x", "description": 0}, [("#/description", "invalid")]),
        ({"title": "x", "description": False}, [("#/description", "invalid")]),
        ({"title": "x", "description": []}, [("#/description", "invalid")]),
        ({"title": "x", "completed": "yes"}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": "true"}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": 1}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": 0}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": []}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": {}}, [("#/completed", "invalid")]),
        ({"title": "x", "completed": None}, [("#/completed", "null")]),
    ],
    ids=str,
)
def test_a_value_of_another_type_is_refused(write, task, method, body, faults):
    assert faults_of(write(method, body), "validation_error") == faults
    assert Task.objects.get() == task


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    ("body", "code"),
    [("[]", "invalid"), ('"x"', "invalid"), ("5", "invalid"), ("true", "invalid"), ("null", "null")],
)
def test_a_body_that_is_no_object_is_refused(as_alice, task, method, body, code):
    path = TASKS if method == "post" else f"{TASKS}/{task.id}"
    refused = getattr(as_alice, method)(path, body, content_type="application/json")
    assert faults_of(refused, "validation_error") == [("#", code)]


# --- fields that cannot be written -------------------------------------------


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("titel", "#/titel"),
        ("Title", "#/Title"),
        ("owner", "#/owner"),
        ("owner_id", "#/owner_id"),
        ("due_at", "#/due_at"),
        ("tags_folded", "#/tags_folded"),
        ("", "#/"),
        ("a/b", "#/a~1b"),
        ("a~b", "#/a~0b"),
        ("~1", "#/~01"),
        ("a b%", "#/a%20b%25"),
        ("größe", "#/gr%C3%B6%C3%9Fe"),
        ("🦄", "#/%F0%9F%A6%84"),
    ],
)
def test_an_unknown_field_is_named(write, task, method, name, pointer):
    assert faults_of(write(method, {"title": "x", name: 1}), "unknown_field") == [(pointer, "unknown_field")]
    assert Task.objects.get().title == "Before"


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_client_may_send_back_what_it_read(as_alice, write, task, method):
    read = as_alice.get(f"{TASKS}/{task.id}").json()
    assert write(method, read).json() == read
    changed = write(method, read | {"title": "After"}).json()
    moved = {"updated_at": changed["updated_at"], "version": read["version"] + 1}
    assert changed == read | {"title": "After"} | moved
    upper = {name: read[name].upper() for name in ("id", "user_id")}
    assert write(method, read | upper).json()["id"] == read["id"]


@pytest.mark.parametrize("method", WRITES)
@pytest.mark.parametrize("value", ["2001-01-01T00:00:00Z", "rubbish", 5, None, []], ids=str)
def test_the_servers_own_fields_are_ignored_in_a_body(as_alice, write, task, method, value):
    ignored = dict.fromkeys(("created_at", "updated_at", "completed_at", "version", "deleted_at"), value)
    answer = write(method, {"title": "After"} | ignored).json()
    assert answer["title"] == "After"
    assert answer["completed_at"] is None
    assert "2001" not in answer["created_at"] + answer["updated_at"]


@pytest.mark.parametrize(
    ("method", "field"),
    [("post", "user_id"), ("put", "id"), ("put", "user_id"), ("patch", "id"), ("patch", "user_id")],
)
def test_an_id_that_contradicts_is_refused(write, task, method, field):
    for value in ("0199d2a4-1d2c-7e8f-8a01-6b5c4d3e2f10", "rubbish", "", "me", None, 5, [], {}):
        refused = write(method, {"title": "x", field: value})
        assert faults_of(refused, "read_only_field") == [(f"#/{field}", "read_only_field")]
    assert Task.objects.get().title == "Before"


def test_the_owner_may_be_named_on_creation(write, alice):
    assert write("post", {"title": "x", "user_id": alice.public_id.upper()}).status_code == 201


# --- several faults ----------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "faults"),
    [
        (
            {"title": "x", "tag": 1, "due": 2},
            "unknown_field",
            {("#/tag", "unknown_field"), ("#/due", "unknown_field")},
        ),
        (
            {"title": "x", "id": ID, "user_id": "bob"},
            "read_only_field",
            {("#/id", "read_only_field"), ("#/user_id", "read_only_field")},
        ),
        (
            {"title": 5, "description": "x" * 1001, "completed": "yes"},
            "validation_error",
            {("#/title", "invalid"), ("#/description", "max_length"), ("#/completed", "invalid")},
        ),
        (
            {"title": "", "tag": 1, "user_id": "bob"},
            "validation_error",
            {("#/title", "blank"), ("#/tag", "unknown_field"), ("#/user_id", "read_only_field")},
        ),
        (
            {"title": "x", "tag": 1, "user_id": "bob"},
            "validation_error",
            {("#/tag", "unknown_field"), ("#/user_id", "read_only_field")},
        ),
    ],
    ids=["unknown", "read-only", "values", "all kinds", "two kinds"],
)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_all_faults_are_told_at_once(write, method, body, code, faults):
    assert set(faults_of(write(method, body), code)) == faults


def test_the_detail_can_be_shown_to_people(write):
    detail = assert_problem(write("post", {"title": "", "completed": 1}), "validation_error")["detail"]
    assert detail == "title: This field may not be blank. completed: Must be a valid boolean."

"""`search`: every word, anywhere in title or description, and nothing but text."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from config.tests.problems import faults_of
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)


@pytest.fixture
def titles(as_alice):
    """Return what lists the titles that a search finds, newest first."""

    def read(search):
        answer = as_alice.get(TASKS, {"search": search})
        assert answer.status_code == 200, answer.json()
        return [task["title"] for task in answer.json()]

    return read


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("milk", ["Buy milk"]),
        ("uy mil", ["Buy milk"]),
        ("milk buy", ["Buy milk"]),
        ("milk litres", ["Buy milk"]),
        ("  milk \t litres\u3000", ["Buy milk"]),
        ("milkbuy", []),
        ("milktwo", []),
        ("milk sell", []),
        ("milk milk", ["Buy milk"]),
        ("e", ["Sell bread", "Buy milk"]),
        ("BREAD", ["Sell bread"]),
        ("mILK tWO", ["Buy milk"]),
        ("", ["Sell bread", "Buy milk"]),
        (" \t\u3000", ["Sell bread", "Buy milk"]),
    ],
)
def test_every_word_is_sought_in_title_or_description(alice, titles, search, found):
    TaskFactory(owner=alice, title="Buy milk", description="Two litres", created_at=NOON)
    TaskFactory(owner=alice, title="Sell bread", created_at=NOON + TICK)
    assert titles(search) == found


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("%", {"100%"}),
        ("0%", {"100%"}),
        ("_", {"a_c"}),
        ("a_c", {"a_c"}),
        ("\\", {"a\\c"}),
        ("a\\c", {"a\\c"}),
        ("\\%", set()),
        ("'", {"it's"}),
        ('"', set()),
        (".*", set()),
        ("a", {"a_c", "a\\c", "abc"}),
    ],
)
def test_what_is_a_wildcard_elsewhere_is_sought_as_it_is(alice, titles, search, found):
    for title in ("100%", "a_c", "a\\c", "abc", "it's", "1000"):
        TaskFactory(owner=alice, title=title)
    assert set(titles(search)) == found


@pytest.mark.parametrize(
    ("title", "search", "ascii_only"),
    [
        ("MILK", "milk", True),
        ("milk", "MILK", True),
        ("Größe", "größe", True),
        ("Größe", "GRÖßE", False),
        ("ÉTÉ", "été", False),
        ("ключ", "КЛЮЧ", False),
        ("🦄 שלום", "שלום 🦄", True),
    ],
)
def test_case_folds_as_the_database_folds_it(alice, titles, title, search, ascii_only):
    TaskFactory(owner=alice, title=title)
    folds = ascii_only or connection.vendor == "postgresql"
    assert titles(search) == ([title] if folds else [])


def test_text_that_is_composed_differently_is_other_text(alice, titles):
    TaskFactory(owner=alice, title="\u00e9")
    assert titles("\u00e9") == ["\u00e9"]
    assert titles("e\u0301") == []


def test_a_search_has_up_to_200_code_points(alice, as_alice, titles):
    TaskFactory(owner=alice, title="🦄" * 200)
    assert titles("🦄" * 200) == ["🦄" * 200]
    assert titles("🦄 " * 100) == ["🦄" * 200]
    refused = as_alice.get(TASKS, {"search": "🦄 " * 100 + "🦄"})
    assert faults_of(refused, "validation_error") == [("search", "max_length")]
    refused = as_alice.get(TASKS, {"search": "🦄" * 201})
    assert faults_of(refused, "validation_error") == [("search", "max_length")]


def test_a_search_has_up_to_eight_different_words(alice, as_alice, titles):
    TaskFactory(owner=alice, title="a b c d e f g h i")
    assert titles("a b c d e f g h") == ["a b c d e f g h i"]
    assert titles("a b c d e f g h H A a b") == ["a b c d e f g h i"]
    refused = as_alice.get(TASKS, {"search": "a b c d e f g h i"})
    assert faults_of(refused, "validation_error") == [("search", "too_many_words")]
    assert refused.json()["detail"] == "search: Send up to 8 different words."


@pytest.mark.parametrize(
    ("search", "conditions"),
    [
        ("", 0),
        (" \t\u3000", 0),
        ("a", 2),
        ("a b", 4),
        ("a " * 100, 2),
        ("aB Ab ab AB " * 16, 2),
        ("a ß SS ss", 4),
    ],
)
def test_a_repeated_word_is_compared_once(as_alice, search, conditions):
    assert as_alice.get(TASKS, {"search": search}).status_code == 200
    statement = next(sql for sql in as_alice.statements if "tasks_task" in sql)
    assert statement.count(" LIKE ") == conditions


def test_a_cursor_is_valid_for_the_same_words(alice, as_alice):
    first, second = (TaskFactory(owner=alice, title="milk") for _ in range(2))
    page = as_alice.get(TASKS, {"search": "milk", "limit": 1})
    cursor = page["Next-Cursor"]
    following = as_alice.get(TASKS, {"search": " milk milk", "limit": 1, "cursor": cursor})
    assert ids(page) + ids(following) == [str(second.pk), str(first.pk)]
    refused = as_alice.get(TASKS, {"search": "milk tea", "limit": 1, "cursor": cursor})
    assert faults_of(refused, "invalid_cursor") == [("cursor", "invalid_cursor")]


def test_a_search_for_bytes_that_are_no_text_finds_nothing(as_alice, alice):
    TaskFactory(owner=alice)
    assert ids(as_alice.get(f"{TASKS}?search=%FF%ED%A0%80")) == []
    refused = as_alice.get(f"{TASKS}?search=a%00b")
    assert faults_of(refused, "validation_error") == [("search", "null_characters_not_allowed")]

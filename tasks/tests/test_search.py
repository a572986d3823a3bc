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
    refused = as_alice.get(TASKS, {"search": "🦄" * 201})
    assert faults_of(refused, "validation_error") == [("search", "max_length")]


def test_a_search_for_bytes_that_are_no_text_finds_nothing(as_alice, alice):
    TaskFactory(owner=alice)
    assert ids(as_alice.get(f"{TASKS}?search=%FF%ED%A0%80")) == []
    refused = as_alice.get(f"{TASKS}?search=a%00b")
    assert faults_of(refused, "validation_error") == [("search", "null_characters_not_allowed")]

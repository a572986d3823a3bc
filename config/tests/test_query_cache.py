"""Query strings that were validated are remembered, but only so many, and no long ones."""

import pytest

from config.rest.strict import validate_cached_query
from config.tests.problems import assert_problem

TASKS = "/api/v1/tasks"


@pytest.fixture
def cache():
    """Empty the cache, and return a function that returns its hits and entries."""
    validate_cached_query.cache_clear()

    def counts():
        info = validate_cached_query.cache_info()
        return info.hits, info.currsize

    return counts


def query_of(length):
    return "search=".ljust(length, "x") if length else ""


@pytest.mark.parametrize("length", [0, 10, 99, 100])
def test_a_short_query_is_validated_once(as_alice, cache, length):
    for hits in range(3):
        assert as_alice.get(f"{TASKS}?{query_of(length)}").status_code == 200
        assert cache() == (hits, 1)


@pytest.mark.parametrize("length", [101, 150, 200])
def test_a_long_query_takes_no_place_in_the_cache(as_alice, cache, length):
    """It has a cursor or a token, and such a request is seldom repeated."""
    for _ in range(2):
        assert as_alice.get(f"{TASKS}?{query_of(length)}").status_code == 200
        assert cache() == (0, 0)


def test_the_cache_is_bounded():
    """Otherwise a client could fill the memory with queries."""
    assert validate_cached_query.cache_info().maxsize == 512


def test_a_query_that_is_refused_is_not_cached(as_alice, cache):
    for _ in range(2):
        assert_problem(as_alice.get(f"{TASKS}?limit=0"), "validation_error")
        assert cache() == (0, 0)


def test_the_same_query_of_another_operation_is_another(as_alice, cache):
    assert as_alice.get(f"{TASKS}?status=all").status_code == 200
    assert_problem(as_alice.get(f"{TASKS}/changes?status=all"), "validation_error")

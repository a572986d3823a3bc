"""A connection is taken to live without asking only where that is certain enough."""

import time

import pytest
from django.conf import settings
from django.db import DataError, connection, transaction
from django.db.backends.postgresql import base

from config.db.postgresql.base import TRUSTED_SECONDS
from config.tests.test_database_faults import another_connection

pytestmark = [
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no server to lose"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def asked(monkeypatch):
    """Return the list of answers that the server itself gave, or did not."""
    answers = []
    ask = base.DatabaseWrapper.is_usable

    def ask_and_tell(wrapper):
        answers.append(ask(wrapper))
        return answers[-1]

    connection.ensure_connection()
    connection.seen_at = float("-inf")
    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", ask_and_tell)
    return answers


def test_one_that_was_just_used_is_not_asked(asked):
    assert [connection.is_usable() for _ in range(3)] == [True] * 3
    assert asked == [True]


def test_one_that_has_idled_is_asked(asked):
    assert connection.is_usable()
    connection.seen_at = time.monotonic() - TRUSTED_SECONDS
    assert connection.is_usable()
    assert asked == [True, True]


@pytest.mark.skipif(settings.DATABASE_POOLER != "none", reason="a pooler keeps what the server cuts")
def test_one_that_was_cut_is_found_out(asked):
    assert connection.is_usable()
    with another_connection() as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    deadline = time.monotonic() + 30
    while connection.is_usable() and time.monotonic() < deadline:
        time.sleep(0.01)
    connection.close()
    assert asked == [True, False]


def test_one_that_failed_is_asked(asked):
    assert connection.is_usable()
    connection.errors_occurred = True
    assert connection.is_usable()
    assert asked == [True, True]


def test_one_whose_transaction_is_lost_is_not_usable(asked):
    assert connection.is_usable()
    with transaction.atomic(), connection.cursor() as cursor:
        with pytest.raises(DataError):
            cursor.execute("SELECT 1/0")
        assert not connection.is_usable()
        transaction.set_rollback(True)
    assert asked == [True, False]


def test_one_that_was_closed_underneath_is_not_usable(asked):
    assert connection.is_usable()
    connection.connection.close()
    assert not connection.is_usable()
    connection.close()
    assert asked == [True, False]

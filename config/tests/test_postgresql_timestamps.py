"""PostgreSQL's timestamps, read by the loader of ours and by Django's own."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.db.backends.postgresql.psycopg_any import BaseTzLoader

from config.db.postgresql.base import TimestamptzLoader

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has no timestamps of its own"),
]
TIMES = [
    "2026-11-21 09:00:00.123456+00",
    "2026-11-21 09:00:00+00",
    "2026-11-21 09:00:00.1+00",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "1900-02-28 12:30:00.000001+00",
]


@pytest.mark.parametrize("text", TIMES)
def test_both_read_the_same(text):
    class OfDjango(BaseTzLoader):
        timezone = UTC

    raw = connection.connection
    one = TimestamptzLoader(1184, raw).load(text.encode())
    other = OfDjango(1184, raw).load(text.encode())
    assert one == other
    assert one.tzinfo is UTC is other.tzinfo


@pytest.mark.parametrize("text", TIMES)
def test_it_is_what_a_connection_reads_by(text):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::timestamptz", [text])
        (value,) = cursor.fetchone()
    assert value == datetime.fromisoformat(text)
    loader = connection.connection.adapters.get_loader(1184, 0)
    assert loader is TimestamptzLoader

"""The compiled statements equal the plain way, on the same inputs."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import connection

from config.wire import validate_query
from tasks import reading, views
from tasks.filters import TaskListQuery
from tasks.models import ChangeCounter, Task
from tasks.reading import read_counter, read_named, serves
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids, links


@pytest.fixture
def tasks(alice, bob):
    """Tasks of every kind, of two owners."""
    moment = datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=UTC)
    kinds = [
        {},
        {"completed": True},
        {"deleted_at": moment},
        {"title": "🦄 שלום", "description": "x" * 1000},
        {"idempotency_key": "k", "creation_digest": "d" * 64},
        {"created_at": moment.replace(microsecond=0)},
        {"created_at": datetime(1900, 1, 1, tzinfo=UTC), "completed": True},
        {"created_at": datetime(9999, 12, 31, 23, 59, 59, 7, tzinfo=UTC)},
    ]
    return [TaskFactory(owner=owner, **kind) for owner in (alice, bob) for kind in kinds]


def everything(rows):
    fields = [field.attname for field in Task._meta.concrete_fields]
    return sorted(({name: getattr(row, name) for name in fields} for row in rows), key=lambda row: row["id"])


@pytest.mark.parametrize("count", [0, 1, 5, 16])
def test_tasks_are_read_as_the_queryset_reads_them(alice, tasks, count):
    ids = [task.pk for task in tasks[:count]] + [uuid4()]
    found = read_named(alice, ids)
    assert everything(found) == everything(Task.objects.owned_by(alice).filter(pk__in=ids))
    assert len(found) == min(count, 8)
    assert all(task.owner_id == alice.pk for task in found)
    assert not any(task.get_deferred_fields() for task in found)


def test_the_counter_is_read_as_the_model_reads_it(alice, bob, tasks):
    Task.erase(bob.pk, [tasks[-1].pk])
    for user in (alice, bob):
        assert read_counter(user) == ChangeCounter.read(user.pk)
    assert read_counter(alice) == (8, 0)
    assert read_counter(bob) == (9, 9)


def test_of_who_never_wrote_too(alice):
    assert read_counter(alice) == ChangeCounter.read(alice.pk) == (0, 0)


# --- the plain list ----------------------------------------------------------

TASKS = "/api/v1/tasks"
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="other engines go the plain way")


def both_ways(monkeypatch, ask):
    """Return what `ask` returns by the compiled list, and what it returns by the queryset."""
    compiled = ask()
    with monkeypatch.context() as patch:
        patch.setattr(views, "serves", lambda _: False)
        return compiled, ask()


def everything_told(answer):
    told = {name: value for name, value in answer.headers.items() if name not in {"X-Request-ID", "Link"}}
    # Cursors may write a time in two ways that mean the same.
    return answer.content, {**told, "Next-Cursor": bool(told.get("Next-Cursor"))}, set(links(answer))


@on_postgresql
@pytest.mark.parametrize(
    "query", ["", "?limit=1", "?limit=3", "?limit=7", "?limit=1000", "?status=all&search="]
)
def test_the_list_is_told_as_the_queryset_tells_it(as_alice, tasks, monkeypatch, query):
    compiled, plain = both_ways(monkeypatch, lambda: everything_told(as_alice.get(f"{TASKS}{query}")))
    assert compiled == plain


@on_postgresql
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_its_pages_go_on_where_it_ends(as_alice, tasks, monkeypatch, limit):
    def walk():
        url, found = f"{TASKS}?limit={limit}", []
        while url:
            answer = as_alice.get(url)
            found += ids(answer)
            url = links(answer).get("next")
        return found

    compiled, plain = both_ways(monkeypatch, walk)
    assert compiled == plain
    assert len(compiled) == 7


@on_postgresql
def test_rows_of_the_same_moment_are_in_one_order(as_alice, alice, monkeypatch):
    TaskFactory.create_batch(20, owner=alice, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    with connection.cursor() as cursor:
        # An index would have them in this order by itself.
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    compiled, plain = both_ways(monkeypatch, lambda: ids(as_alice.get(TASKS)))
    assert compiled == plain == sorted(compiled, reverse=True)


@on_postgresql
@pytest.mark.parametrize(
    "query",
    [
        "status=pending",
        "status=completed",
        "deleted=true",
        "search=a",
        "ordering=title",
        "ordering=created_at",
        "count=true",
        "created_after=2026-01-01T00:00:00Z",
        "created_before=2026-01-01T00:00:00Z",
    ],
)
def test_whatever_else_is_asked_for_goes_the_plain_way(query):
    asked = validate_query(query, TaskListQuery)
    assert not serves(asked)
    assert serves(validate_query("limit=5", TaskListQuery))
    assert not serves({**validate_query("", TaskListQuery), "cursor": "x"})


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_tag_of_an_empty_list_is_not_newer_than_the_list(as_alice, alice, monkeypatch):
    """The first task comes while the counter is looked for: it is in the list, or not in the tag."""
    read = reading.read_counter

    def read_and_create(user):
        counter = read(user)
        TaskFactory(owner=alice)
        return counter

    monkeypatch.setattr(reading, "read_counter", read_and_create)
    answer = as_alice.get(TASKS)
    monkeypatch.undo()
    again = as_alice.get(TASKS, headers={"if-none-match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert len(ids(answer)) == 1


@on_postgresql
def test_it_is_read_from_its_index_unsorted(alice, many_for_a_plan):
    statement = reading.NEWEST.format(limit=21)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}", [alice.public_id, alice.pk, alice.pk])
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "using task_owner_created" in plan, plan
    assert "Sort" not in plan, plan


@pytest.fixture
def many_for_a_plan(alice):
    Task.objects.bulk_create(TaskFactory.build_batch(1000, owner=alice))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_task")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-21 09:00:00.123456+00", "2026-11-21T09:00:00.123456Z"),
        ("2026-11-21 09:00:00.12+00", "2026-11-21T09:00:00.120000Z"),
        ("2026-11-21 09:00:00+00", "2026-11-21T09:00:00.000000Z"),
        ("0001-01-01 00:00:00.000001+00", "0001-01-01T00:00:00.000001Z"),
    ],
)
def test_postgresqls_times_are_told_as_rfc_3339_has_them(text, told):
    assert reading.rfc3339(text) == told

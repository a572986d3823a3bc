"""How many statements a request costs, and that a page is read from an index."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids, links

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("rows", [1, 5, 100])
@pytest.mark.parametrize(
    ("method", "rest", "body", "count"),
    [
        # on PostgreSQL, and on SQLite where it differs
        ("get", "", None, 2),
        ("head", "", None, 2),
        ("get", "?limit=3", None, 2),
        ("get", "?count=true", None, 3),
        ("get", "?limit=3&search=Task&status=pending&ordering=title", None, 3),
        ("get", "?limit=3&search=a b&status=pending&ordering=title", None, 3),
        # An empty page brings no counter: it is read, and the page once more.
        ("get", "?deleted=true", None, 4),
        ("get", "/{id}", None, 2),
        ("get", "/changes", None, 3),
        ("post", "", {"title": "x"}, (2, 3)),
        ("post", "", {"title": "x", "id": "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"}, 4),
        ("put", "/{id}", {"title": "x"}, (3, 4)),
        ("patch", "/{id}", {"title": "x"}, (3, 4)),
        ("delete", "/{id}", None, (3, 4)),
        ("delete", "/{id}?permanent=true", None, 4),
        ("patch", "/{id}/complete", None, (3, 4)),
        ("patch", "/{id}/complete", {"completed": False}, (2, 3)),
        ("post", "/{id}/restore", None, (2, 3)),
        ("get", "/0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69", None, 2),
        ("get", "/no-id", None, 1),
    ],
)
def test_an_operation_costs_the_same_however_many_tasks_there_are(
    as_alice, alice, *, rows, method, rest, body, count
):
    tasks = Task.objects.bulk_create(TaskFactory.build_batch(rows, owner=alice))
    answer = getattr(as_alice, method)(TASKS + rest.format(id=tasks[0].id), body)
    assert answer.status_code in {200, 201, 204, 404}
    if isinstance(count, tuple):
        count = count[connection.vendor == "sqlite"]
    assert len(as_alice.statements) == count, "\n".join(as_alice.statements)


def test_any_page_costs_the_same(as_alice, alice):
    Task.objects.bulk_create(TaskFactory.build_batch(7, owner=alice))
    url = f"{TASKS}?limit=2"
    while url:
        answer = as_alice.get(url)
        assert len(as_alice.statements) == 2, "\n".join(as_alice.statements)
        assert "OFFSET" not in as_alice.statements[-1]
        url = links(answer).get("next")


@pytest.mark.parametrize("path", ["", "/0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"])
def test_who_is_refused_before_the_tasks_costs_no_query_of_them(as_alice, anonymous, path):
    anonymous.get(TASKS + path)
    assert anonymous.statements == []
    as_alice.get(f"/api/v1/bob/tasks{path}")
    assert len(as_alice.statements) == 1
    as_alice.get(f"{TASKS}{path}?x=1")
    assert len(as_alice.statements) == 1


# --- plans -------------------------------------------------------------------


@pytest.fixture
def many(alice, bob):
    """Tasks enough for a plan to matter, a third of them another's."""
    owners = [alice, alice, bob]
    moments = [NOON + timedelta(minutes=n // 2) for n in range(3000)]
    tasks = [
        Task(
            owner=owners[n % 3],
            title=f"Task {n % 50}",
            created_at=moment,
            due_date=f"2026-11-{1 + n // 3 % 30:02}",
            priority=(1, 5, 9, 10)[n // 3 % 4],
        )
        for n, moment in enumerate(moments)
    ]
    Task.objects.bulk_create(tasks)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_task")


def plan_of_page(client, url):
    """Return how the database reads the page at an address.

    With its parameters apart, as it runs: SQLite sees through an OR of literals that are
    the same, and not through one of parameters.
    """
    pages = []

    def keep(execute, sql, parameters, *rest):
        if "LIMIT" in sql and '"tasks_task"' in sql:
            pages.append((sql, parameters))
        return execute(sql, parameters, *rest)

    with connection.execute_wrapper(keep):
        assert ids(client.get(url))
    ((sql, parameters),) = pages
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        else:
            # Both are cheaper for few rows. To sort these is too, near the end of a list.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute(f"EXPLAIN {sql}", parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.parametrize(
    ("ordering", "index", "column", "forward"),
    [
        ("created_at", "task_owner_created", "created_at", ">"),
        ("-created_at", "task_owner_created", "created_at", "<"),
        ("title", "task_owner_title", "title", ">"),
        ("-title", "task_owner_title", "title", "<"),
        ("due_date", "task_owner_due", "due_at", ">"),
        ("-due_date", "task_owner_due", "due_at", "<"),
        ("priority", "task_owner_priority", "priority", ">"),
        ("-priority", "task_owner_priority", "priority", "<"),
    ],
)
def test_a_page_is_a_range_of_an_index(as_alice, many, *, ordering, index, column, forward):
    second = links(as_alice.get(f"{TASKS}?ordering={ordering}&limit=20"))["next"]
    third = links(as_alice.get(second))["next"]
    backward = links(as_alice.get(third))["prev"]
    for url, operator in ((second, forward), (third, forward), (backward, "<" if forward == ">" else ">")):
        plan = plan_of_page(as_alice, url)
        if connection.vendor == "sqlite":
            assert re.search(
                rf"USING (COVERING )?INDEX {index} \(owner_id=\? AND \({column},id\){operator}\(\?,\?\)\)",
                plan,
            ), plan
            assert "TEMP B-TREE" not in plan, plan
        else:
            conditions = "\n".join(re.findall(r"Index Cond: (.*)", plan))
            assert f"using {index}" in plan, plan
            assert "Sort" not in plan, plan
            assert re.search(rf"ROW\(\(?{column}\)?[:a-z]*, id\) {operator} ROW\(", conditions), plan


@pytest.mark.parametrize(
    ("ordering", "index"),
    [
        ("-created_at", "task_trash_created"),
        ("-title", "task_trash_title"),
        ("due_date", "task_trash_due"),
        ("-priority", "task_trash_priority"),
    ],
)
def test_a_page_of_the_trash_is_a_range_of_an_index_of_its_own(as_alice, many, *, ordering, index):
    Task.objects.filter(title__endswith="1").trash()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE tasks_task")
    first = as_alice.get(f"{TASKS}?deleted=true&ordering={ordering}&limit=20")
    plan = plan_of_page(as_alice, links(first)["next"])
    assert index in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.parametrize(
    "due",
    ["due=overdue", "due=today", "due=upcoming", "due_after=2026-11-10", "due_before=2026-11-10T09:00:00Z"],
)
@pytest.mark.parametrize("ordering", ["due_date", "-due_date"])
def test_what_is_due_is_a_range_of_the_index(monkeypatch, as_alice, many, due, ordering):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOON)
    plan = plan_of_page(as_alice, f"{TASKS}?{due}&ordering={ordering}&limit=20")
    assert re.search(r"task_owner_due.*owner_id.*due_at ?[<>]", plan, re.DOTALL), plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan, plan


def plan_of(statement, parameters):
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        else:
            cursor.execute(f"EXPLAIN {statement}", parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def captured(act, what):
    """Return the statement and the parameters of what `act` asks for and `what` is in."""
    found = []

    def keep(execute, sql, parameters, *rest):
        if all(part in sql for part in ("SELECT", '"tasks_task"', what)):
            found.append((sql, parameters))
        return execute(sql, parameters, *rest)

    with connection.execute_wrapper(keep):
        act()
    (only,) = found
    return only


def test_a_page_of_the_feed_is_a_range_of_an_index(as_alice, many):
    since = as_alice.get(f"{TASKS}/changes?limit=20").json()["next"]
    plan = plan_of(*captured(lambda: as_alice.get(f"{TASKS}/changes?limit=20&since={since}"), "LIMIT"))
    assert "task_owner_version" in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert "Sort" not in plan, plan


@pytest.mark.parametrize("named", [{}, {"id": "0199d2a4-5c3e-7b1f-9a40-3f1d2c4b5a69"}])
def test_a_key_is_looked_for_in_its_index(as_alice, alice, many, named):
    body = {"title": "x", **named}
    select = captured(lambda: as_alice.post(TASKS, body, HTTP_IDEMPOTENCY_KEY="k"), 'idempotency_key" IN')
    plan = plan_of(*select)
    assert "task_idempotency_key_unique" in plan, plan
    assert "task_owner_version" not in plan, plan
    assert "Seq Scan" not in plan, plan
    assert not re.search("SCAN tasks_task", plan), plan


def test_the_first_page_is_read_from_the_index_too(as_alice, many):
    plan = plan_of_page(as_alice, f"{TASKS}?limit=20")
    assert "task_owner_created" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan

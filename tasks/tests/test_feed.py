"""`tasks/changes`: what has changed since a client last asked."""

from datetime import UTC, datetime
from functools import partial
from unittest.mock import patch

import pytest
from django.test import override_settings
from django.utils import timezone

from config.tests.problems import faults_of
from tasks.changes import read_rows
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.meanwhile import before_statement, meanwhile

TASKS = "/api/v1/tasks"
CHANGES = f"{TASKS}/changes"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)


def ask(client, since="", **query):
    answer = client.get(CHANGES, {"since": since, **query})
    assert answer.status_code == 200, answer.content
    return answer.json()


def follow(client, mine, since, limit=1000):
    """Take over page by page what has changed; return the next token, and how many pages that took."""
    pages, more = 0, True
    while more:
        page = ask(client, since, limit=limit)
        take_over(mine, page)
        since, more, pages = page["next"], page["has_more"], pages + 1
    return since, pages


def take_over(mine, page):
    mine.update({task["id"]: task for task in page["changed"]})
    for entry in page["deleted"]:
        mine.pop(entry["id"], None)


def alive(client):
    return {task["id"]: task for task in client.get(TASKS).json()}


def assert_expired(client, since):
    refused = client.get(CHANGES, {"since": since})
    assert faults_of(refused, "sync_token_expired") == [("since", "sync_token_expired")]


# --- beginning -------------------------------------------------------------------


def test_without_a_token_it_is_everything_alive_in_the_order_of_the_changes(as_alice, alice, bob):
    first, second, third = TaskFactory.create_batch(3, owner=alice)
    TaskFactory(owner=alice, deleted_at=LONG_AGO)
    TaskFactory(owner=bob)
    as_alice.patch(f"{TASKS}/{first.pk}", {"title": "Later"})
    page = ask(as_alice)
    assert [task["id"] for task in page["changed"]] == [str(task.pk) for task in (second, third, first)]
    assert (page["deleted"], page["has_more"]) == ([], False)
    assert page == ask(as_alice, since="")
    assert as_alice.get(CHANGES).json()["changed"] == page["changed"]


def test_nothing_is_something_to_begin_with(as_alice):
    page = ask(as_alice)
    assert (page["changed"], page["deleted"], page["has_more"]) == ([], [], False)
    as_alice.post(TASKS, {"title": "x"})
    assert [task["title"] for task in ask(as_alice, page["next"])["changed"]] == ["x"]


@pytest.mark.parametrize(("limit", "pages"), [(1, 5), (2, 3), (4, 2), (5, 1), (1000, 1)])
def test_it_is_read_by_pages(as_alice, alice, limit, pages):
    TaskFactory.create_batch(5, owner=alice)
    mine = {}
    assert follow(as_alice, mine, "", limit)[1] == pages
    assert mine == alive(as_alice)


def test_pages_may_end_among_rows_of_one_version(as_alice, alice):
    Task.objects.bulk_create(TaskFactory.build_batch(7, owner=alice))
    assert set(Task.objects.values_list("version", flat=True)) == {1}
    mine = {}
    since, pages = follow(as_alice, mine, "", 2)
    assert (mine, pages) == (alive(as_alice), 4)
    Task.objects.complete()
    assert follow(as_alice, mine, since, 3)[1] == 3
    assert mine == alive(as_alice)
    assert all(task["completed"] for task in mine.values())


@pytest.mark.parametrize("write", ["delete", "restore", "patch"])
def test_what_changes_while_one_begins_is_not_missed(as_alice, alice, write):
    tasks = TaskFactory.create_batch(6, owner=alice, deleted_at=LONG_AGO if write == "restore" else None)
    TaskFactory.create_batch(3, owner=alice)
    page = ask(as_alice, limit=2)
    mine = {task["id"]: task for task in page["changed"]}
    for task in tasks[::2]:
        path = f"{TASKS}/{task.pk}"
        {
            "delete": lambda path=path: as_alice.delete(path),
            "restore": lambda path=path: as_alice.post(f"{path}/restore"),
            "patch": lambda path=path: as_alice.patch(path, {"title": "Later"}),
        }[write]()
    follow(as_alice, mine, page["next"], 2)
    assert mine == alive(as_alice)


# What another request does to a task meanwhile.
WRITES = {
    "create": lambda _, alice: TaskFactory(owner=alice),
    "patch": lambda task, alice: Task.objects.owned_by(alice).filter(pk=task.pk).update(title="Later"),
    "trash": lambda task, alice: Task.objects.owned_by(alice).filter(pk=task.pk).trash(),
    "restore": lambda task, alice: Task.objects.owned_by(alice).filter(pk=task.pk).restore(),
    "erase": lambda task, alice: Task.erase(alice.pk, [task.pk]),
}


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_while_a_page_is_read_is_delivered_later(as_alice, alice, begun, write):
    """Wherever it happens: a client has the list in the end, or must start again."""
    happened, number = True, 0
    while happened:
        TaskFactory(owner=alice)
        task = TaskFactory(owner=alice, deleted_at=LONG_AGO if write == "restore" else None)
        mine = {}
        since = follow(as_alice, mine, "")[0] if begun else ""
        if write == "erase" and begun:
            WRITES["trash"](task, alice)
        act = partial(WRITES[write], task, alice)
        with meanwhile(before_statement(number), act) as happened:
            page = as_alice.get(CHANGES, {"since": since})
        following = page
        for _ in range(2):
            if following.status_code == 200:
                take_over(mine, following.json())
                following = as_alice.get(CHANGES, {"since": following.json()["next"]})
        if following.status_code == 410:
            assert write == "erase"
        else:
            assert mine == alive(as_alice), f"before statement {number}"
        number += 1
    assert number > 3


# --- following -------------------------------------------------------------------


def test_a_deletion_is_told_with_its_time(as_alice, alice):
    task = TaskFactory(owner=alice)
    since = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{task.pk}")
    (trashed,) = as_alice.get(f"{TASKS}?deleted=true").json()
    page = ask(as_alice, since)
    assert page["changed"] == []
    assert page["deleted"] == [{"id": str(task.pk), "deleted_at": trashed["deleted_at"]}]
    as_alice.post(f"{TASKS}/{task.pk}/restore")
    again = ask(as_alice, page["next"])
    assert ([each["id"] for each in again["changed"]], again["deleted"]) == ([str(task.pk)], [])


def test_a_task_is_one_entry_however_often_it_changed(as_alice, alice):
    task = TaskFactory(owner=alice)
    since = ask(as_alice)["next"]
    for title in "abc":
        as_alice.patch(f"{TASKS}/{task.pk}", {"title": title})
    assert [each["title"] for each in ask(as_alice, since)["changed"]] == ["c"]
    assert ask(as_alice, ask(as_alice, since)["next"])["changed"] == []


def test_from_any_earlier_token_one_comes_to_the_list(as_alice, alice):
    kept = []
    for number in range(8):
        mine = {}
        kept.append((follow(as_alice, mine, "")[0], mine))
        as_alice.post(TASKS, {"title": f"{number}"})
        pks = list(alive(as_alice))
        as_alice.patch(f"{TASKS}/{pks[number // 2]}", {"title": "changed"})
        as_alice.delete(f"{TASKS}/{pks[-1]}") if number % 3 == 2 else None
    for since, mine in kept:
        follow(as_alice, mine, since, 2)
        assert mine == alive(as_alice)


def test_both_addresses_take_the_same_token(as_alice, alice):
    TaskFactory(owner=alice)
    since = ask(as_alice)["next"]
    page = as_alice.get(f"/api/v1/{alice.public_id}/tasks/changes", {"since": since}).json()
    assert page == ask(as_alice, since)


def test_a_page_costs_three_queries(as_alice, alice):
    TaskFactory.create_batch(5, owner=alice)
    page = ask(as_alice, limit=2)
    assert len(as_alice.statements) == 3
    ask(as_alice, page["next"], limit=2)
    assert len(as_alice.statements) == 3


# --- tokens that cannot be used ------------------------------------------------------


def test_damaged_and_foreign_tokens_are_refused(as_alice, as_bob, alice, bob):
    TaskFactory.create_batch(2, owner=alice)
    TaskFactory.create_batch(2, owner=bob)
    since = ask(as_alice)["next"]
    for bad in ("x", ":", since[:-1], since[1:], since + "A", since.replace(":", ""), since.swapcase(), "é"):
        assert_expired(as_alice, bad)
    assert_expired(as_bob, since)
    cursor = as_alice.get(f"{TASKS}?limit=1").headers["Next-Cursor"]
    assert_expired(as_alice, cursor)
    with override_settings(SECRET_KEY="another-key-another-key-another-key"):
        assert_expired(as_alice, since)
    assert ask(as_alice, since)["changed"] == []


def test_a_token_of_a_database_that_was_set_back_is_refused(as_alice, alice):
    TaskFactory.create_batch(3, owner=alice)
    since = ask(as_alice)["next"]
    ChangeCounter.objects.update(change_seq=2)
    assert_expired(as_alice, since)


@pytest.mark.parametrize("query", ["since=a&since=b", "limit=0", "limit=1001", "limit=x", "limit=", "x=1"])
def test_bad_parameters_are_named(as_alice, query):
    refused = as_alice.get(f"{CHANGES}?{query}")
    assert faults_of(refused, "validation_error")[0][0] == query[: query.index("=")]


# --- what is gone for good -----------------------------------------------------------


def test_a_deletion_without_a_trace_makes_everybody_begin_anew(as_alice, alice):
    task, other = TaskFactory.create_batch(2, owner=alice)
    early = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{task.pk}?permanent=true")
    assert_expired(as_alice, early)
    mine = {}
    since = follow(as_alice, mine, "")[0]
    assert list(mine) == [str(other.pk)]
    assert ask(as_alice, since)["changed"] == []


def test_from_the_trash_only_those_who_had_not_heard(as_alice, alice):
    task = TaskFactory(owner=alice)
    early = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{task.pk}")
    late = ask(as_alice, early)["next"]
    began_after = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{task.pk}?permanent=true")
    assert_expired(as_alice, early)
    for since in (late, began_after):
        assert ask(as_alice, since)["deleted"] == []


def test_a_beginning_that_a_deletion_without_a_trace_overtakes_begins_anew(as_alice, alice):
    tasks = TaskFactory.create_batch(4, owner=alice)
    page = ask(as_alice, limit=2)
    as_alice.delete(f"{TASKS}/{tasks[0].pk}?permanent=true")
    assert_expired(as_alice, page["next"])


def test_a_beginning_is_not_disturbed_by_older_trash(as_alice, alice):
    TaskFactory.create_batch(2, owner=alice)
    trashed = TaskFactory(owner=alice, deleted_at=LONG_AGO)
    TaskFactory.create_batch(2, owner=alice)
    page = ask(as_alice, limit=1)
    as_alice.delete(f"{TASKS}/{trashed.pk}?permanent=true")
    mine = {task["id"]: task for task in page["changed"]}
    follow(as_alice, mine, page["next"], 1)
    assert mine == alive(as_alice)


def test_a_token_that_has_expired_stays_expired(as_alice, alice):
    """Also when older trash is deleted for good after younger trash."""
    older, younger = TaskFactory.create_batch(2, owner=alice)
    as_alice.delete(f"{TASKS}/{older.pk}")
    between = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{younger.pk}")
    after = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{younger.pk}?permanent=true")
    assert_expired(as_alice, between)
    as_alice.delete(f"{TASKS}/{older.pk}?permanent=true")
    assert_expired(as_alice, between)
    assert ask(as_alice, after)["deleted"] == []


def test_what_is_purged_between_the_rows_and_the_floor_is_not_missed(as_alice, alice):
    task = TaskFactory(owner=alice)
    since = ask(as_alice)["next"]
    as_alice.delete(f"{TASKS}/{task.pk}")

    def purged_before(*arguments):
        Task.purge(alice.pk, timezone.now(), 10)
        return read_rows(*arguments)

    with patch("tasks.changes.read_rows", purged_before):
        assert_expired(as_alice, since)

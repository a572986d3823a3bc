"""Versions, and what clients make depend on them."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.test import override_settings

from config.tests.problems import assert_problem, faults_of
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.meanwhile import before_statement, meanwhile
from tasks.tests.paging import links

TASKS = "/api/v1/tasks"
LONG_AGO = datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
WRITES = {
    "put": ("put", "", {"title": "After"}),
    "patch": ("patch", "", {"title": "After"}),
    "complete": ("patch", "/complete", None),
    "delete": ("delete", "", None),
    "erase": ("delete", "?permanent=true", None),
    "restore": ("post", "/restore", None),
}
writes = pytest.mark.parametrize("write", WRITES)


@pytest.fixture
def task(alice, request):
    # The third change of hers, so that no other number is right by chance.
    TaskFactory.create_batch(2, owner=alice)
    trashed = "write" in request.fixturenames and request.getfixturevalue("write") == "restore"
    return TaskFactory(owner=alice, title="Before", deleted_at=LONG_AGO if trashed else None)


def do(client, write, pk, **headers):
    method, rest, body = WRITES[write]
    return getattr(client, method)(f"{TASKS}/{pk}{rest}", body, **headers)


def rows():
    return list(Task.objects.order_by("id").values()), list(ChangeCounter.objects.values())


# --- what is shown -----------------------------------------------------------


def test_every_answer_with_a_task_has_its_version_as_its_tag(as_alice):
    created = as_alice.post(TASKS, {"title": "x"})
    path = f"{TASKS}/{created.json()['id']}"
    answers = [
        created,
        as_alice.get(path),
        as_alice.put(path, {"title": "y"}),
        as_alice.patch(path, {"title": "z"}),
        as_alice.patch(f"{path}/complete"),
        as_alice.post(f"{path}/restore"),
    ]
    assert [answer.json()["version"] for answer in answers] == [1, 1, 2, 3, 4, 4]
    assert all(answer.headers["ETag"] == f'"{answer.json()["version"]}"' for answer in answers)
    assert as_alice.get(TASKS).json()[0]["version"] == 4
    assert "ETag" not in as_alice.delete(path).headers


def test_versions_are_counted_for_each_user_alone(as_alice, as_bob):
    assert [as_alice.post(TASKS, {"title": "x"}).json()["version"] for _ in range(3)] == [1, 2, 3]
    assert as_bob.post(TASKS, {"title": "x"}).json()["version"] == 1


# --- If-Match ----------------------------------------------------------------


@writes
@pytest.mark.parametrize("tags", ['"3"', "*", '"1", "3"', 'W/"3", "x,y" ,"3"', ',, "3",', '"", "3"'])
def test_a_write_happens_at_the_version_that_was_named(as_alice, task, write, tags):
    assert do(as_alice, write, task.pk, HTTP_IF_MATCH=tags).status_code in {200, 204}


@writes
@pytest.mark.parametrize("tags", ['"2"', '"4"', '"03"', 'W/"3"', '"1", "2"', '"x"', '""'])
def test_a_write_at_another_version_does_not(as_alice, task, write, tags):
    before = rows()
    refused = do(as_alice, write, task.pk, HTTP_IF_MATCH=tags)
    assert "version 3" in assert_problem(refused, "precondition_failed")["detail"]
    assert refused.headers["ETag"] == '"3"'
    assert rows() == before


@writes
@pytest.mark.parametrize("rubbish", ["3", '"3', "W/3", 'w/"3"', '"1" 3', "*, *", "", "\x01", '"3 "', "'3'"])
def test_what_is_no_tag_is_refused_by_name(as_alice, task, write, rubbish):
    before = rows()
    refused = do(as_alice, write, task.pk, HTTP_IF_MATCH=rubbish)
    assert faults_of(refused, "validation_error") == [("If-Match", "invalid")]
    assert rows() == before


@writes
def test_what_is_not_ones_own_is_not_found_whatever_is_asked(as_bob, task, write):
    for pk in (task.pk, uuid4(), "no-id"):
        for tags in ('"3"', '"2"', "*"):
            assert_problem(do(as_bob, write, pk, HTTP_IF_MATCH=tags), "not_found")


@pytest.mark.parametrize("write", ["put", "patch"])
def test_a_fault_in_the_body_is_told_before_the_version(as_alice, task, write):
    method = WRITES[write][0]
    refused = getattr(as_alice, method)(f"{TASKS}/{task.pk}", {"title": ""}, HTTP_IF_MATCH='"2"')
    assert faults_of(refused, "validation_error") == [("#/title", "blank")]


def test_a_write_of_nothing_new_needs_the_right_version_too(as_alice, task):
    path = f"{TASKS}/{task.pk}"
    assert as_alice.patch(path, {"title": "Before"}, HTTP_IF_MATCH='"3"').json()["version"] == 3
    assert_problem(as_alice.patch(path, {"title": "Before"}, HTTP_IF_MATCH='"2"'), "precondition_failed")


def test_a_version_is_good_for_one_write(as_alice, task):
    path = f"{TASKS}/{task.pk}"
    assert as_alice.patch(path, {"title": "a"}, HTTP_IF_MATCH='"3"').status_code == 200
    assert as_alice.patch(path, {"title": "b"}, HTTP_IF_MATCH='"3"').status_code == 412
    assert as_alice.patch(path, {"title": "b"}, HTTP_IF_MATCH='"4"').status_code == 200


# --- If-None-Match -----------------------------------------------------------


@pytest.mark.parametrize("tags", ['"3"', 'W/"3"', "*", '"1", "3"'])
@pytest.mark.parametrize("method", ["get", "head"])
def test_a_task_that_is_known_is_not_sent_again(as_alice, task, method, tags):
    answer = getattr(as_alice, method)(f"{TASKS}/{task.pk}", HTTP_IF_NONE_MATCH=tags)
    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", '"3"')
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in answer.headers["Vary"]
    assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("tags", ['"2"', '"x"', 'W/"4", "5"'])
def test_one_that_is_not_known_is(as_alice, task, tags):
    answer = as_alice.get(f"{TASKS}/{task.pk}", HTTP_IF_NONE_MATCH=tags)
    assert (answer.status_code, answer.json()["title"]) == (200, "Before")


@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/{{id}}"])
def test_rubbish_for_reading_is_refused_by_name(as_alice, task, path):
    refused = as_alice.get(path.format(id=task.pk), HTTP_IF_NONE_MATCH="rubbish")
    assert faults_of(refused, "validation_error") == [("If-None-Match", "invalid")]


def test_a_strangers_task_is_not_found_and_not_304(as_bob, task):
    assert_problem(as_bob.get(f"{TASKS}/{task.pk}", HTTP_IF_NONE_MATCH="*"), "not_found")


# --- lists -------------------------------------------------------------------


def tag_of(client, query=""):
    return client.get(TASKS + query).headers["ETag"]


def test_an_unchanged_list_is_told_by_two_queries_with_the_tasks_unread(as_alice, task):
    tag = tag_of(as_alice)
    assert tag.startswith('W/"3-')
    for known in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        answer = as_alice.get(TASKS, HTTP_IF_NONE_MATCH=known)
        assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", tag)
        assert len(as_alice.statements) == 2
        assert not any("tasks_task" in sql for sql in as_alice.statements)
    assert as_alice.get(TASKS, HTTP_IF_NONE_MATCH='W/"3-x"').status_code == 200


@pytest.mark.parametrize(
    "query", ["?limit=2", "?deleted=true", "?status=pending", "?ordering=title", "?search=x", "?count=true"]
)
def test_another_question_is_another_tag(as_alice, task, query):
    assert tag_of(as_alice, query) != tag_of(as_alice)
    assert as_alice.get(TASKS + query, HTTP_IF_NONE_MATCH=tag_of(as_alice)).status_code == 200


def test_every_page_and_every_address_has_its_own(as_alice, alice, task):
    first = as_alice.get(f"{TASKS}?limit=1")
    second = as_alice.get(links(first)["next"])
    mine = as_alice.get(f"/api/v1/{alice.public_id}/tasks?limit=1")
    assert len({answer.headers["ETag"] for answer in (first, second, mine)}) == 3


def test_users_releases_and_keys_have_their_own(as_alice, as_bob, task, bob):
    TaskFactory.create_batch(3, owner=bob)
    tags = {tag_of(as_alice), tag_of(as_bob)}
    with override_settings(VERSION="99"):
        tags.add(tag_of(as_alice))
    with override_settings(SECRET_KEY="another-key-another-key-another-key"):
        tags.add(tag_of(as_alice))
    assert len(tags) == 4


CHANGES = {
    **{write: lambda client, task, write=write: do(client, write, task.pk) for write in WRITES},
    "create": lambda client, _: client.post(TASKS, {"title": "x"}),
    "batch": lambda client, task: client.post(
        f"{TASKS}/batch", {"operations": [{"op": "delete", "id": str(task.pk)}]}
    ),
    "operator": lambda client, task: Task.objects.filter(pk=task.pk).complete(),
    "purge": lambda client, task: [
        Task.objects.filter(pk=task.pk).trash(),
        call_command("purge_trash", "--older-than=0s"),
    ],
}


@pytest.mark.parametrize("write", CHANGES)
def test_whatever_changes_the_list_moves_its_tag(as_alice, task, write):
    tags = tag_of(as_alice), tag_of(as_alice, "?deleted=true")
    CHANGES[write](as_alice, task)
    assert as_alice.get(TASKS, HTTP_IF_NONE_MATCH=tags[0]).status_code == 200
    assert as_alice.get(f"{TASKS}?deleted=true", HTTP_IF_NONE_MATCH=tags[1]).status_code == 200


@pytest.mark.parametrize("query", ["", "?limit=2", "?search=new", "?deleted=true", "?cursor={beyond}"])
@pytest.mark.parametrize("known", [False, True])
def test_a_write_while_a_list_is_read_is_not_hidden_by_its_tag(as_alice, alice, task, query, known):
    """Wherever the write happens: if the list lacks it, the list's tag is not the current one."""
    beyond = as_alice.get(f"{TASKS}?limit=2&ordering=created_at").headers["Next-Cursor"]
    query = query.format(beyond=f"{beyond}&limit=2&ordering=created_at")
    headers = {"HTTP_IF_NONE_MATCH": 'W/"0-x"'} if known else {}
    trashed_at = LONG_AGO if "deleted" in query else None
    happened, number = True, 0
    while happened:
        with meanwhile(
            before_statement(number),
            lambda: TaskFactory(owner=alice, title="new", deleted_at=trashed_at),
        ) as happened:
            answer = as_alice.get(TASKS + query, **headers)
        again = as_alice.get(TASKS + query, HTTP_IF_NONE_MATCH=answer.headers["ETag"])
        if again.status_code == 304:
            assert answer.json() == as_alice.get(TASKS + query).json(), f"before statement {number}"
        Task.objects.filter(title="new").delete()
        number += 1
    assert number > 2
    assert again.status_code == 304, "nothing has happened"


def test_nothing_else_does(as_alice, as_bob, task):
    tag, path = tag_of(as_alice), f"{TASKS}/{task.pk}"
    as_alice.patch(path, {"title": "Before"})
    as_alice.put(path, {"title": ""})
    as_alice.patch(path, {"title": "x"}, HTTP_IF_MATCH='"2"')
    as_alice.patch(f"{path}/complete", {"completed": False})
    as_alice.post(f"{path}/restore")
    as_alice.delete(f"{TASKS}/{uuid4()}")
    as_alice.delete(f"{TASKS}/{uuid4()}?permanent=true")
    operations = [{"op": "create", "data": {"title": "x"}}]
    as_alice.post(f"{TASKS}/batch", {"dry_run": True, "operations": operations})
    as_bob.post(TASKS, {"title": "x"})
    assert as_alice.get(TASKS, HTTP_IF_NONE_MATCH=tag).status_code == 304

"""What comes at the same moment, from clients that know nothing of each other."""

from uuid import uuid4

import pytest

from conftest import ApiClient, at_once
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client_of(alice):
    """Return what makes a client of Alice's, one for each thread."""
    return lambda: ApiClient().sign_in(alice)


def clients(client_of, count):
    return [client_of() for _ in range(count)]


def each_at_once(calls):
    return at_once(len(calls), lambda number: calls[number]())


@pytest.mark.parametrize("round_", range(3))
@pytest.mark.parametrize(("count", "completed"), [(2, False), (6, False), (5, True)])
def test_toggles_at_the_same_moment_all_apply(alice, client_of, count, completed, round_):
    task = TaskFactory(owner=alice)
    path = f"{TASKS}/{task.id}/complete"
    answers = each_at_once([lambda each=each: each.patch(path) for each in clients(client_of, count)])
    assert [answer.status_code for answer in answers] == [200] * count
    assert sum(answer.json()["completed"] for answer in answers) == (count + 1) // 2
    assert Task.objects.get().completed is completed


@pytest.mark.parametrize("round_", range(3))
def test_changes_of_different_fields_at_the_same_moment_all_stay(alice, client_of, round_):
    path = f"{TASKS}/{TaskFactory(owner=alice).id}"
    changes = [{"title": "New"}, {"description": "New"}, {"completed": True}]
    calls = [
        lambda client=client, change=change: client.patch(path, change)
        for client, change in zip(clients(client_of, 3), changes, strict=True)
    ]
    assert [answer.status_code for answer in each_at_once(calls)] == [200] * 3
    task = Task.objects.get()
    assert (task.title, task.description, task.completed) == ("New", "New", True)
    assert task.completed_at is not None


@pytest.mark.parametrize("round_", range(3))
def test_a_change_and_a_deletion_at_the_same_moment_end_in_a_deletion(alice, client_of, round_):
    path = f"{TASKS}/{TaskFactory(owner=alice).id}"
    first, second, third = clients(client_of, 3)
    calls = [
        lambda: first.patch(path, {"title": "New"}),
        lambda: second.delete(path),
        lambda: third.delete(path),
    ]
    statuses = sorted(answer.status_code for answer in each_at_once(calls))
    assert statuses in ([200, 204, 204], [204, 204, 404])
    assert not Task.objects.alive().exists()


def test_one_id_chosen_at_the_same_moment_makes_one_task(alice, bob, client_of):
    body = {"id": str(uuid4()), "title": "x"}
    people = [*clients(client_of, 2), *(ApiClient().sign_in(bob) for _ in range(2))]
    calls = [lambda client=client: client.post(TASKS, body) for client in people]
    answers = each_at_once(calls)
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
    assert {answer.headers.get("Idempotent-Replayed") for answer in answers if answer.status_code == 201} == {
        None,
        "true",
    }
    assert str(Task.objects.get().id) == body["id"]


@pytest.mark.django_db(transaction=True)
def test_a_task_for_an_account_that_is_gone_is_a_conflict():
    client = ApiClient()
    client.force_authenticate(UserFactory.build())
    answer = client.post("/api/v1/tasks", {"title": "Too late"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert not Task.objects.exists()

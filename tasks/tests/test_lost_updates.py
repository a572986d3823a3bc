"""Many clients that each add one to what they read. `LOAD=full` makes it 400 additions."""

import os

import pytest

from conftest import ApiClient, at_once
from tasks.models import Task
from tasks.tests.factories import TaskFactory

TASKS = "/api/v1/tasks"
CLIENTS = 8
EACH = 50 if os.environ.get("LOAD") == "full" else 6
pytestmark = pytest.mark.django_db(transaction=True)


def add_one(client, path):
    """Read, add, write if nobody was faster; return how many tries it took."""
    tries, status = 0, 412
    while status == 412:
        tries += 1
        read = client.get(path)
        added = str(int(read.json()["description"]) + 1)
        answer = client.patch(path, {"description": added}, HTTP_IF_MATCH=read.headers["ETag"])
        assert answer.headers["ETag"] != read.headers["ETag"]
        status = answer.status_code
    assert status == 200
    return tries


def test_with_if_match_no_addition_is_lost(alice):
    path = f"{TASKS}/{TaskFactory(owner=alice, description='0').id}"

    def act(_):
        client = ApiClient().sign_in(alice)
        return [add_one(client, path) for _ in range(EACH)]

    tries = [each for client in at_once(CLIENTS, act) for each in client]
    assert len(tries) == CLIENTS * EACH
    assert Task.objects.get().description == str(CLIENTS * EACH)
    assert max(tries) > 1, "nobody met anybody"


def test_without_it_some_are(alice, as_alice):
    path = f"{TASKS}/{TaskFactory(owner=alice, description='0').id}"
    read = [int(as_alice.get(path).json()["description"]) for _ in range(2)]
    for value in read:
        assert as_alice.patch(path, {"description": str(value + 1)}).status_code == 200
    assert Task.objects.get().description == "1", "two were acknowledged"

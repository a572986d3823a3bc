"""The same creation asked for many times at once, as by a client that retries and two tabs."""

import json
import urllib.error
import urllib.request
from uuid import uuid4

import pytest

from conftest import ApiClient, at_once
from tasks.counter import ChangeCounter
from tasks.models import Task
from users.authentication import AccessToken
from users.models import Session

TASKS = "/api/v1/tasks"
ROUNDS, TWINS = 20, 8
pytestmark = pytest.mark.django_db(transaction=True)


def by_key(name):
    return {"title": "x"}, {"HTTP_IDEMPOTENCY_KEY": f"key {name}".replace(" ", "-")}


def by_id(_name):
    return {"title": "x", "id": str(uuid4())}, {}


def by_both(name):
    return by_id(name)[0], by_key(name)[1]


def post_at_once(clients, body, headers, differing=lambda number: {}):
    return at_once(TWINS, lambda number: clients[number].post(TASKS, body | differing(number), **headers))


@pytest.mark.parametrize("how", [by_key, by_id, by_both])
def test_one_row_and_one_answer(alice, how):
    clients = [ApiClient().sign_in(alice) for _ in range(TWINS)]
    for round_ in range(ROUNDS):
        answers = post_at_once(clients, *how(round_))
        assert [answer.status_code for answer in answers] == [201] * TWINS
        assert len({answer.content for answer in answers}) == 1
        assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
        assert Task.objects.count() == round_ + 1
    assert ChangeCounter.read(alice.pk) == (ROUNDS, 0)


@pytest.mark.parametrize("how", [by_key, by_id])
def test_of_different_bodies_one_wins(alice, how):
    clients = [ApiClient().sign_in(alice) for _ in range(TWINS)]
    for round_ in range(5):
        body, headers = how(round_)
        answers = post_at_once(clients, body, headers, lambda number: {"title": f"x{number}"})
        assert sorted(answer.status_code for answer in answers) == [201] + [422] * (TWINS - 1)
        assert Task.objects.count() == round_ + 1


def test_a_key_is_its_users_own(alice, bob):
    clients = [ApiClient().sign_in(each) for each in (alice, bob) * 4]
    answers = at_once(8, lambda number: clients[number].post(TASKS, {"title": "x"}, HTTP_IDEMPOTENCY_KEY="k"))
    assert [answer.status_code for answer in answers] == [201] * 8
    assert {answer.json()["id"] for answer in answers} == {str(task.id) for task in Task.objects.all()}
    assert Task.objects.count() == 2


def test_twins_in_batches_are_one_too(alice):
    clients = [ApiClient().sign_in(alice) for _ in range(TWINS)]
    operations = [
        {"op": "create", "idempotency_key": f"k{number % 3}", "data": {"title": f"x{number % 3}"}}
        for number in range(6)
    ]
    answers = at_once(
        TWINS, lambda number: clients[number].post(f"{TASKS}/batch", {"operations": operations})
    )
    assert [answer.status_code for answer in answers] == [200] * TWINS
    assert len({answer.content for answer in answers}) == 1
    assert Task.objects.count() == 3


def test_two_processes_make_one_task(server, alice):
    token = str(AccessToken.of(Session.begin(alice)))
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": "once",
    }

    def post(_):
        request = urllib.request.Request(server + TASKS, json.dumps({"title": "x"}).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()

    answers = at_once(TWINS, post)
    assert {status for status, _ in answers} == {201}
    assert len({body for _, body in answers}) == 1
    assert Task.objects.count() == 1

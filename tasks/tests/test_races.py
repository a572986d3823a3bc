"""What two writers of one task, or of one account, may come to; whoever is first."""

import threading
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from conftest import ApiClient, at_once, waiting_for_a_lock
from tasks import sql
from tasks.counter import ChangeCounter
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from tasks.tests.meanwhile import meanwhile
from tasks.writing import write
from users.models import User
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
ROUNDS = 5
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_is_torn_and_nothing_deadlocks(transactional_db):
    before = deadlocks()
    yield
    for task in Task.objects.all():
        assert task.completed == (task.completed_at is not None)
        assert 0 < task.version <= ChangeCounter.read(task.owner_id)[0]
    assert deadlocks() == before


def deadlocks():
    if connection.vendor == "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


def request(method, rest="", body=None):
    """Return what does a request on a task, by a client of its own."""

    def act(owner, task):
        answer = getattr(ApiClient().sign_in(owner), method)(f"{TASKS}/{task.id}{rest}", body)
        return answer.status_code

    return act


def batch(*names, atomic=True):
    def act(owner, task):
        operations = [
            {"op": name, "id": str(task.id), **({"data": {"title": name}} if name == "update" else {})}
            for name in names
        ]
        answer = (
            ApiClient().sign_in(owner).post(f"{TASKS}/batch", {"atomic": atomic, "operations": operations})
        )
        return answer.status_code

    return act


def purge(_owner, _task):
    call_command("purge_trash", older_than=timedelta(0))
    return "purged"


def by_an_operator(action):
    return lambda _owner, task: getattr(Task.objects.filter(pk=task.pk), action)()


toggle = request("patch", "/complete")
patch = request("patch", "", {"title": "After"})
delete = request("delete")
erase = request("delete", "?permanent=true")
restore = request("post", "/restore")

# Two or more at once, whether the task was in the trash before, and all that may come of it: what
# each was answered, and the task as it then is (completed, in the trash), None where it is gone.
OUTCOMES = {
    "toggle, toggle": ((toggle, toggle), False, {((200, 200), (False, False))}),
    "toggle, toggle, toggle": ((toggle, toggle, toggle), False, {((200, 200, 200), (True, False))}),
    "delete, patch": (
        (delete, patch),
        False,
        {((204, 200), (False, True)), ((204, 404), (False, True))},
    ),
    "delete, delete": ((delete, delete), False, {((204, 204), (False, True))}),
    "delete, toggle": (
        (delete, toggle),
        False,
        {((204, 200), (True, True)), ((204, 404), (False, True))},
    ),
    "restore, restore": ((restore, restore), True, {((200, 200), (False, False))}),
    "restore, patch": (
        (restore, patch),
        True,
        {((200, 200), (False, False)), ((200, 404), (False, False))},
    ),
    "restore, erase": ((restore, erase), True, {((200, 204), None), ((404, 204), None)}),
    "restore, purge": (
        (restore, purge),
        True,
        {((200, "purged"), (False, False)), ((404, "purged"), None)},
    ),
    "erase, erase": ((erase, erase), False, {((204, 404), None), ((404, 204), None)}),
    "erase, purge": ((erase, purge), True, {((204, "purged"), None), ((404, "purged"), None)}),
    "batch, batch": (
        (batch("complete", "complete", "complete"), batch("complete", "update")),
        False,
        {((200, 200), (False, False))},
    ),
    "batch, delete": (
        (batch("complete", "update"), delete),
        False,
        {((200, 204), (True, True)), ((404, 204), (False, True))},
    ),
    "batch that deletes, batch that restores": (
        (batch("delete"), batch("restore")),
        False,
        {((200, 200), (False, True)), ((200, 200), (False, False))},
    ),
    "operator completes, toggle": (
        (by_an_operator("complete"), toggle),
        False,
        {((1, 200), (False, False)), ((0, 200), (True, False))},
    ),
    "operator trashes, patch": (
        (by_an_operator("trash"), patch),
        False,
        {((1, 200), (False, True)), ((1, 404), (False, True))},
    ),
}


@pytest.mark.parametrize("race", OUTCOMES)
def test_the_outcome_is_one_of_those_in_some_order(alice, race):
    acts, trashed, allowed = OUTCOMES[race]
    for _ in range(ROUNDS):
        task = TaskFactory(owner=alice, deleted_at=timezone.now() if trashed else None)
        answers = tuple(at_once(len(acts), lambda number, task=task: acts[number](alice, task)))
        left = Task.objects.filter(pk=task.pk).first()
        assert (answers, left and (left.completed, left.deleted_at is not None)) in allowed
        Task.objects.all().delete()


def test_changes_of_different_fields_at_the_same_moment_all_stay(alice):
    changes = [{"title": "New"}, {"description": "New"}, {"completed": True}]
    for _ in range(ROUNDS):
        task = TaskFactory(owner=alice)
        acts = [request("patch", "", change) for change in changes]
        assert at_once(3, lambda number, task=task, acts=acts: acts[number](alice, task)) == [200] * 3
        task.refresh_from_db()
        assert (task.title, task.description, task.completed) == ("New", "New", True)


def test_batches_in_crossing_orders_do_not_deadlock(alice):
    tasks = [str(task.id) for task in TaskFactory.create_batch(6, owner=alice)]
    orders = [tasks, tasks[::-1], tasks[3:] + tasks[:3], tasks[::2] + tasks[1::2]]

    def act(number):
        operations = [{"op": "complete", "id": pk} for pk in orders[number]]
        return ApiClient().sign_in(alice).post(f"{TASKS}/batch", {"operations": operations}).status_code

    for _ in range(ROUNDS):
        assert at_once(4, act) == [200] * 4
    assert not Task.objects.completed().exists()
    assert ChangeCounter.read(alice.pk)[0] == 6 + ROUNDS * 4 * 6


@pytest.mark.parametrize("atomic", [True, False])
def test_two_users_who_choose_the_same_ids_do_not_deadlock(alice, bob, atomic):
    for round_ in range(ROUNDS):
        chosen = [f"00000000-0000-4000-8000-{round_:06}{number:06}" for number in range(100)]

        def act(number, chosen=chosen):
            ids = chosen if number % 2 else chosen[::-1]
            operations = [{"op": "create", "id": pk, "data": {"title": "x"}} for pk in ids]
            client = ApiClient().sign_in((alice, bob)[number % 2])
            return client.post(f"{TASKS}/batch", {"atomic": atomic, "operations": operations})

        answers = at_once(4, act)
        statuses = [answer.status_code for answer in answers]
        assert sorted(statuses) == ([200, 200, 409, 409] if atomic else [200] * 4)
        assert Task.objects.filter(pk__in=chosen).count() == 100
        assert len(set(Task.objects.filter(pk__in=chosen).values_list("owner", flat=True))) == 1


# --- an account that goes ------------------------------------------------------


@pytest.mark.parametrize("tasks", [0, 3])
def test_an_account_that_is_deleted_while_it_is_written_to(tasks):
    for _ in range(ROUNDS):
        owner = UserFactory()
        TaskFactory.create_batch(tasks, owner=owner)
        clients = [ApiClient().sign_in(owner) for _ in range(4)]

        def act(number, owner=owner, clients=clients):
            if number == 4:
                User.objects.get(pk=owner.pk).delete()
                return 204
            body = {"operations": [{"op": "create", "data": {"title": "x"}}] * 3}
            return clients[number].post(f"{TASKS}/batch", body).status_code

        assert set(at_once(5, act)) <= {200, 204, 401, 409}
        assert not User.objects.exists()
        assert not Task.objects.exists()
        assert not ChangeCounter.objects.exists()


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite takes one writer at a time")
def test_the_deletion_waits_for_a_writer_and_the_writer_not_for_it(alice):
    TaskFactory(owner=alice)
    written = threading.Event()

    def write_and_close():
        write(alice.pk, decide)
        connections.close_all()

    def decide(writing):
        writing.create(title="Last")
        written.set()
        while not waiting_for_a_lock():
            time.sleep(0.01)

    writer = threading.Thread(target=write_and_close)
    writer.start()
    assert written.wait(60)
    # A deadlock would be found out by the server within a second, and refuse one of the two.
    alice.delete()
    writer.join()
    assert not Task.objects.exists()


def test_a_task_for_an_account_that_is_gone_is_a_conflict():
    client = ApiClient()
    client.force_authenticate(UserFactory.build())
    answer = client.post(TASKS, {"title": "Too late"})
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert not Task.objects.exists()


# --- the orders that keep all this from happening -------------------------------------


@pytest.fixture
def statements():
    """Collect what is executed, with its parameters."""
    found = []

    def keep(execute, sql, parameters, *rest):
        found.append((sql, parameters))
        return execute(sql, parameters, *rest)

    with connection.execute_wrapper(keep):
        yield found


@pytest.mark.parametrize("tasks", [0, 1])
def test_a_counter_is_locked_before_its_account_even_if_it_has_to_be_made(alice, statements, tasks):
    TaskFactory.create_batch(tasks, owner=alice)
    statements.clear()
    alice.delete()
    order = [sql for sql, _ in statements if "SAVEPOINT" not in sql and "BEGIN" not in sql]
    first_of_the_account = next(number for number, sql in enumerate(order) if '"users_user"' in sql)
    before = order[:first_of_the_account]
    assert before
    assert all("tasks_changecounter" in sql for sql in before)
    assert any("INSERT" in sql for sql in before)


def test_a_deletion_selects_its_tasks_behind_the_lock(alice):
    """What another writer restores until the lock is granted stays."""
    restored, _ = TaskFactory.create_batch(2, owner=alice, deleted_at=timezone.now())
    hers = Task.objects.filter(owner=alice)
    with meanwhile(locks_a_counter, hers.filter(pk=restored.pk).restore) as happened:
        Task.objects.trashed().filter(owner=alice).delete()
    assert happened
    assert list(hers) == [restored]


def locks_a_counter(_, sql):
    return 'INSERT INTO "tasks_changecounter"' in sql


def test_counters_are_locked_in_the_order_of_their_owners(statements):
    owners = sorted(UserFactory().pk for _ in range(4))
    stamps = sql.advance(ChangeCounter, [owners[number] for number in (2, 0, 3, 1)], 1)
    assert stamps.keys() == set(owners)
    (parameters,) = [given for text, given in statements if locks_a_counter(0, text)]
    locked = [str(each).replace("-", "") for each in parameters if not isinstance(each, int)]
    assert locked == [owner.hex for owner in owners]


def test_rows_are_stored_in_the_order_of_their_ids(as_alice, statements):
    chosen = [f"00000000-0000-4000-8000-00000000000{number}" for number in (3, 1, 2)]
    operations = [{"op": "create", "id": pk, "data": {"title": "x"}} for pk in chosen]
    assert as_alice.post(f"{TASKS}/batch", {"operations": operations}).status_code == 200
    (parameters,) = [given for sql, given in statements if 'INSERT INTO "tasks_task"' in sql]
    stored = [str(given) for given in parameters if str(given).replace("-", "")[:20] == "0" * 12 + "40008000"]
    assert len(stored) == 3
    assert stored == sorted(stored)

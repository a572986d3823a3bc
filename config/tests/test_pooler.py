"""What `make test-pooler` adds to the suite: that a pooler is there, and what holds of it alone."""

import threading
from collections import Counter

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from config.tests.problems import assert_problem
from conftest import ApiClient, at_once
from scripts.pooler import SERVER_CONNECTIONS
from tasks.models import Task
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
CLIENTS = 100
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(settings.DATABASE_POOLER == "none", reason="of a pooler: make test-pooler"),
]


def connect(**parameters):
    ours = connection.get_connection_params()
    return psycopg.connect(
        **{"host": ours["host"], "port": ours["port"], "user": ours["user"], "dbname": ours["dbname"]}
        | parameters,
        autocommit=True,
    )


@pytest.fixture
def console():
    """Return the function that has the pooler's own console show something, of the suite's database alone."""
    with connect(dbname="pgbouncer") as pooler:

        def show(what):
            rows = pooler.execute(f"SHOW {what}")
            names = [column.name for column in rows.description]
            found = [dict(zip(names, row, strict=True)) for row in rows]
            return [row for row in found if row.get("database") == connection.settings_dict["NAME"]]

        show.command = pooler.execute
        yield show


def test_startup_options_would_be_refused():
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        connect(options="-c statement_timeout=5000")


def test_nothing_is_prepared(as_alice, console):
    for _ in range(20):
        assert as_alice.get(TASKS).status_code == 200
    backends = at_once(SERVER_CONNECTIONS, prepared_of_a_backend)
    assert len({pid for pid, _ in backends}) == len(console("SERVERS"))
    assert {prepared for _, prepared in backends} == {0}


def prepared_of_a_backend(_):
    with connection.cursor() as cursor:
        # Held for a moment, so that ten at once are ten server connections.
        cursor.execute("SELECT pg_backend_pid(), count(name), pg_sleep(0.5) FROM pg_prepared_statements")
        return cursor.fetchone()[:2]


def test_a_pooler_that_has_no_connection_to_lend_is_service_unavailable(as_alice, console):
    console.command("SET query_wait_timeout = 1")
    console.command(f"PAUSE {connection.settings_dict['NAME']}")
    try:
        assert_problem(as_alice.get(TASKS), "service_unavailable")
    finally:
        console.command(f"RESUME {connection.settings_dict['NAME']}")
        console.command("SET query_wait_timeout = 120")
    connection.close()
    assert as_alice.get(TASKS).status_code == 200


def test_a_hundred_clients_share_ten_connections(console):
    clients = [ApiClient().sign_in(UserFactory()) for _ in range(CLIENTS)]
    connected, counted = (threading.Barrier(CLIENTS, timeout=60) for _ in range(2))
    seen = []

    def work(number):
        # All at once for long enough that every connection there may be is wanted.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
        tasks = [f"{number}: {task}" for task in range(5)]
        statuses = work_through(clients[number], tasks)
        connected.wait()
        if number == 0:
            seen.extend(console("CLIENTS"))
        counted.wait()
        return statuses

    answers = at_once(CLIENTS, work)
    assert answers == [{201: 5, 200: 11, 204: 1}] * CLIENTS
    alive = Task.objects.alive()
    assert alive.count() == alive.completed().count() == 4 * CLIENTS
    assert len(seen) > CLIENTS, "each thread has its own, and the test one more"
    (pool,) = (pool for pool in console("POOLS") if pool["user"] != "pgbouncer")
    assert pool["pool_mode"] == "transaction"
    # None is given back before it has idled for minutes: what is there is all there was.
    assert len(console("SERVERS")) == SERVER_CONNECTIONS
    assert pool["sv_active"] + pool["sv_idle"] + pool["sv_used"] + pool["sv_tested"] == SERVER_CONNECTIONS


def work_through(client, titles):
    """Create, complete, list, delete; return how often each status came. Fails on another's answer."""
    statuses = Counter()

    def ask(method, path, *body):
        answer = getattr(client, method)(TASKS + path, *body)
        statuses[answer.status_code] += 1
        return answer

    made = [ask("post", "", {"title": title}).json() for title in titles]
    assert [task["title"] for task in made] == titles
    for task in made:
        done = ask("patch", f"/{task['id']}/complete", {"completed": True}).json()
        assert (done["id"], done["completed"]) == (task["id"], True)
        assert ask("get", f"/{task['id']}").json() == done
    ask("delete", f"/{made[0]['id']}")
    assert [task["title"] for task in ask("get", "").json()] == titles[:0:-1]
    return statuses

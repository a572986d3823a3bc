"""`manage.py after_restore`. What it does after a real restore is in `test_restored_dump.py`."""

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from django.core.management import call_command

from conftest import ApiClient, at_once
from tasks.counter import ChangeCounter
from tasks.tests.factories import TaskFactory
from users.models import User
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
BATCH_SIZE = "tasks.management.commands.after_restore.BATCH_SIZE"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
JAVASCRIPT_MAX_SAFE_INTEGER = 2**53 - 1


def after_restore(capsys, *arguments):
    call_command("after_restore", *arguments)
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def counters():
    return {row.pk: (row.change_seq, row.purged_seq) for row in ChangeCounter.objects.all()}


def test_every_counter_moves_with_its_floor(capsys, alice, bob):
    for _ in range(3):
        TaskFactory(owner=alice)
    assert counters() == {alice.pk: (3, 0)}
    assert after_restore(capsys) == "Moved the counters of 2 users.\n"
    assert counters().keys() == {alice.pk, bob.pk}
    for moved, floor in counters().values():
        assert 3 + 2**32 <= moved == floor < JAVASCRIPT_MAX_SAFE_INTEGER // 2


def test_a_second_run_moves_them_again(capsys, as_alice, alice):
    task = as_alice.post(TASKS, {"title": "Buy milk"}).json()
    after_restore(capsys)
    first = counters()[alice.pk][0]
    after_restore(capsys)
    assert counters()[alice.pk][0] >= first + 2**32
    assert as_alice.get(f"{TASKS}/{task['id']}").json() == task
    assert as_alice.patch(f"{TASKS}/{task['id']}", {"title": "Buy tea"}, headers={"If-Match": '"1"'}).json()


def test_a_dump_that_is_restored_twice_repeats_no_version(capsys, as_alice, alice):
    versions = []
    for _ in range(2):
        # As in the dump.
        ChangeCounter.objects.update_or_create(owner=alice, defaults={"change_seq": 7, "purged_seq": 0})
        after_restore(capsys)
        versions += [as_alice.post(TASKS, {"title": "Buy milk"}).json()["version"] for _ in range(3)]
    assert versions == sorted(set(versions))


def test_the_clock_is_not_needed(capsys, alice):
    with patch("django.utils.timezone.now", lambda: LONG_AGO):
        after_restore(capsys)
    assert counters() == {alice.pk: (2**32, 2**32)}


def test_a_dry_run_only_counts(capsys, alice, bob):
    TaskFactory(owner=alice)
    before = counters()
    assert after_restore(capsys, "--dry-run") == "Would move the counters of 2 users.\n"
    assert counters() == before


def test_an_empty_database_is_no_fault(capsys, db):
    assert after_restore(capsys) == "Moved the counters of 0 users.\n"


def test_users_are_locked_a_few_at_a_time(capsys, db):
    for _ in range(5):
        UserFactory()
    sizes, advance_all = [], ChangeCounter.advance_all

    def watched(owners, by):
        sizes.append(len(owners))
        return advance_all(owners, by)

    with patch(BATCH_SIZE, 2), patch.object(ChangeCounter, "advance_all", watched):
        assert after_restore(capsys) == "Moved the counters of 5 users.\n"
    assert sizes == [2, 2, 1]
    assert len(counters()) == 5


@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_number_of_queries_is_that_of_the_batches(capsys, db, count, django_assert_num_queries):
    for _ in range(count):
        UserFactory()
    after_restore(capsys)
    with django_assert_num_queries(10):
        after_restore(capsys)


@pytest.mark.django_db(transaction=True)
def test_an_account_that_is_deleted_meanwhile_stays_deleted(capsys, alice, bob):
    advance_all = ChangeCounter.advance_all

    def deleted_first(owners, by):
        with patch.object(ChangeCounter, "advance_all", advance_all):
            User.objects.get(pk=bob.pk).delete()
        return advance_all(owners, by)

    with patch.object(ChangeCounter, "advance_all", deleted_first):
        assert after_restore(capsys) == "Moved the counters of 1 users.\n"
    assert counters().keys() == {alice.pk}


@pytest.mark.django_db(transaction=True)
def test_writers_may_run(patience, alice, bob):
    """Writers and the command take turns. No write is lost, and no version is given twice."""

    def act(number):
        if number == 0:
            for _ in range(3):
                call_command("after_restore")
            return []
        client = ApiClient().sign_in((alice, bob)[number % 2])
        return [client.post(TASKS, {"title": "Buy milk"}).json()["version"] for _ in range(10)]

    results = at_once(5, act)
    for mine in (results[1] + results[3], results[2] + results[4]):
        assert len(set(mine)) == 20
    for owner in (alice, bob):
        assert owner.tasks.count() == 20

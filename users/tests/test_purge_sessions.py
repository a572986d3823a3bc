"""`manage.py purge_sessions` deletes what is over, and nothing that anybody still uses."""

import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from conftest import ApiClient
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.deletion import Tombstone
from users.models import Session, Throttle, User
from users.tests.factories import UserFactory

HOUR = timedelta(hours=1)


def session(name, owner, **changes):
    """Begin a session that goes by a name."""
    row = Session.begin(owner)
    Session.objects.filter(pk=row.pk).update(**changes)
    return row.pk, name


@pytest.fixture
def sessions(alice):
    """The sessions, by their ids: three are over, four are not."""
    now = timezone.now()
    locked = UserFactory(is_active=False)
    return dict(
        [
            session("ended", alice, revoked_at=now),
            session("expired", alice, expires_at=now),
            session("unused", alice, last_refreshed_at=now - timedelta(days=30)),
            session("new", alice),
            session("last day", alice, expires_at=now + HOUR),
            session("almost unused", alice, last_refreshed_at=now - timedelta(days=30) + HOUR),
            session("of a locked account", locked),
        ]
    )


@pytest.fixture
def leftovers(db):
    """Two spent counters and one that runs; one old tombstone and one that still covers."""
    now, milliseconds = timezone.now(), int(time.time() * 1000)
    for key, ends in (("spent", milliseconds - 1), ("long spent", 0), ("running", milliseconds + 3_600_000)):
        Throttle.objects.create(key=key, count=1, expires_at=ends)
    Tombstone.objects.create(digest="old", created_at=now - timedelta(days=365))
    Tombstone.objects.create(digest="young", created_at=now - timedelta(days=365) + HOUR)


def purge(capsys, *options):
    """Run the command; return what it printed, which is one line."""
    call_command("purge_sessions", *options)
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def left(sessions):
    return {
        "sessions": {sessions[pk] for pk in Session.objects.values_list("pk", flat=True)},
        "counters": set(Throttle.objects.values_list("key", flat=True)),
        "tombstones": set(Tombstone.objects.values_list("digest", flat=True)),
    }


def test_what_is_over_is_deleted_and_the_rest_stays(sessions, leftovers, capsys):
    assert purge(capsys) == "Deleted 3 sessions, 2 counters, 1 tombstones.\n"
    assert left(sessions) == {
        "sessions": {"new", "last day", "almost unused", "of a locked account"},
        "counters": {"running"},
        "tombstones": {"young"},
    }


def test_a_dry_run_counts_the_same_and_deletes_nothing(sessions, leftovers, capsys):
    before = left(sessions)
    assert purge(capsys, "--dry-run") == "Would delete 3 sessions, 2 counters, 1 tombstones.\n"
    assert left(sessions) == before


def test_a_second_run_finds_nothing(sessions, leftovers, capsys):
    purge(capsys)
    before = left(sessions)
    assert purge(capsys) == "Deleted 0 sessions, 0 counters, 0 tombstones.\n"
    assert left(sessions) == before


def test_users_and_tasks_stay(alice, sessions, capsys):
    TaskFactory(owner=alice)
    purge(capsys)
    assert (User.objects.count(), Task.objects.count()) == (2, 1)


def test_the_timeouts_are_those_of_the_settings(sessions, leftovers, settings, capsys):
    settings.SESSION_IDLE_TIMEOUT = timedelta(days=31)
    settings.TOMBSTONE_LIFETIME = timedelta(days=366)
    assert purge(capsys) == "Deleted 2 sessions, 2 counters, 0 tombstones.\n"


def test_who_is_signed_in_stays_signed_in(as_alice, alice, capsys):
    gone = ApiClient().sign_in(alice)
    Session.objects.filter(pk=Session.objects.first().pk).end()
    purge(capsys)
    assert [client.get("/api/v1/auth/me").status_code for client in (as_alice, gone)] == [200, 401]


@pytest.mark.parametrize("count", [1, 5, 20])
def test_the_cost_does_not_grow_with_the_sessions(alice, count, django_assert_num_queries):
    for _ in range(count):
        session("ended", alice, revoked_at=timezone.now())
    with django_assert_num_queries(3):
        call_command("purge_sessions")

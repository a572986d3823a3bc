"""What is due changes exactly at the user's midnight, and at the moment of a due time."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from tasks.tests.factories import TaskFactory
from tasks.tests.test_days import DAYS

TASKS = "/api/v1/tasks"
TICK = timedelta(microseconds=1)
LISTS = ("overdue", "today", "upcoming", "none")
# Without the days that were left out: they are never today.
LEFT_OUT = {("Pacific/Apia", "2011-12-30"), ("Pacific/Kwajalein", "1993-08-21")}
ZONES = [case for case in DAYS if "1900" < case[1] < "2100" and case[:2] not in LEFT_OUT]


@pytest.fixture
def as_user_in(as_alice):
    """Return what moves Alice to a time zone."""

    def move(zone):
        assert as_alice.patch("/api/v1/auth/me", {"time_zone": zone}).status_code == 200
        return as_alice

    return move


@pytest.fixture
def move_clock(monkeypatch):
    """Return what moves the clock that lists are judged by."""

    def move(moment):
        monkeypatch.setattr("tasks.filters.timezone", SimpleNamespace(now=lambda: moment))

    return move


@pytest.fixture
def lists(as_alice):
    """Return the names of the lists in which a task is."""

    def read():
        found = {name: as_alice.get(TASKS, {"due": name}) for name in LISTS}
        assert not any("ETag" in answer.headers for answer in found.values())
        return {name for name, answer in found.items() if answer.json()}

    return read


@pytest.mark.parametrize("case", ZONES)
def test_a_day_is_today_from_its_beginning_to_its_end(as_user_in, move_clock, lists, case):
    zone, day, begins = case
    as_user_in(zone).post(TASKS, {"title": "x", "due_date": day})
    begins = datetime.fromisoformat(begins).replace(tzinfo=UTC)
    move_clock(begins - TICK)
    assert lists() == {"upcoming"}
    move_clock(begins)
    assert lists() == {"today"}
    # The next day of the table, where the table has it.
    following = str(date.fromisoformat(day) + timedelta(days=1))
    for ends in (case[2] for case in DAYS if case[:2] == (zone, following)):
        move_clock(datetime.fromisoformat(ends).replace(tzinfo=UTC) - TICK)
        assert lists() == {"today"}
        move_clock(datetime.fromisoformat(ends).replace(tzinfo=UTC))
        assert lists() == {"overdue"}
    move_clock(begins + timedelta(hours=49))
    assert lists() == {"overdue"}


def test_a_time_is_overdue_when_it_has_passed(as_user_in, move_clock, lists):
    as_alice = as_user_in("Asia/Kathmandu")
    task = as_alice.post(TASKS, {"title": "x", "due_date": "2024-11-30T17:00:00Z"}).json()
    due = datetime(2024, 11, 30, 17, tzinfo=UTC)
    # In Kathmandu it is 22:45. Its day began at 18:15 UTC.
    begins = datetime(2024, 11, 29, 18, 15, tzinfo=UTC)
    for moment, expected in [
        (begins - TICK, {"upcoming"}),
        (begins, {"today"}),
        (due, {"today"}),
        (due + TICK, {"overdue", "today"}),
        (begins + timedelta(days=1) - TICK, {"overdue", "today"}),
        (begins + timedelta(days=1), {"overdue"}),
    ]:
        move_clock(moment)
        assert lists() == expected, moment
    as_alice.patch(f"{TASKS}/{task['id']}/complete")
    assert lists() == set()
    move_clock(due + TICK)
    assert lists() == {"today"}


def test_midnight_belongs_to_the_day_that_begins(as_user_in, move_clock, lists):
    as_alice = as_user_in("Asia/Kathmandu")
    task = as_alice.post(TASKS, {"title": "x", "due_date": "2024-11-29T18:15:00Z"}).json()
    midnight = datetime(2024, 11, 29, 18, 15, tzinfo=UTC)
    move_clock(midnight - TICK)
    assert lists() == {"upcoming"}
    move_clock(midnight)
    assert lists() == {"today"}
    as_alice.patch(f"{TASKS}/{task['id']}/complete")
    move_clock(midnight + timedelta(days=1) - TICK)
    assert lists() == {"today"}
    move_clock(midnight + timedelta(days=1))
    assert lists() == set()


def test_a_304_never_hides_that_a_task_is_overdue(as_alice, move_clock):
    as_alice.post(TASKS, {"title": "x", "due_date": "2024-11-30"})
    etag = as_alice.get(TASKS).headers["ETag"]
    midnight = datetime(2024, 12, 1, tzinfo=UTC)
    for known in ("*", etag, '"x"'):
        move_clock(midnight - TICK)
        assert as_alice.get(TASKS, {"due": "overdue"}, HTTP_IF_NONE_MATCH=known).json() == []
        move_clock(midnight)
        answer = as_alice.get(TASKS, {"due": "overdue"}, HTTP_IF_NONE_MATCH=known)
        assert (answer.status_code, len(answer.json())) == (200, 1)
    assert as_alice.get(TASKS, HTTP_IF_NONE_MATCH=etag).status_code == 304


@pytest.mark.parametrize("case", ZONES)
def test_a_day_in_due_after_and_due_before_is_its_beginning(as_user_in, alice, case):
    zone, day, begins = case
    client = as_user_in(zone)
    begins = datetime.fromisoformat(begins)
    for title, moment in (("before", begins - TICK), ("after", begins)):
        TaskFactory(owner=alice, title=title, due_date=f"{moment.isoformat(timespec='microseconds')}Z")
    TaskFactory(owner=alice, title="never")
    found = {
        name: [task["title"] for task in client.get(TASKS, {name: day}).json()]
        for name in ("due_after", "due_before")
    }
    assert found == {"due_after": ["after"], "due_before": ["before"]}

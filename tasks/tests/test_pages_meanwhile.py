"""Pages of a list while tasks come, go and change, while the clock goes on, and in another time zone."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from config.rest.fields import utc_timestamp
from tasks.models import Priority, Task
from tasks.tests.paging import ids, links
from tasks.tests.planning import place, set_clock

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ORDERINGS = [
    f"{sign}{name}" for name in ("created_at", "title", "due_date", "priority") for sign in ("", "-")
]
DUES = [None, None, "2026-11-29", "2026-11-30", "2026-11-30T23:59:59.999999Z", "2026-11-30T09:00:00.000000Z"]
PRIORITIES = [None, "high", "low"]


class Walker:
    """Reads pages one way, and knows which tasks have kept their places since it began."""

    def __init__(self, client, url, ordering, zone):
        self.client, self.url, self.ordering = client, url, ordering
        self.seen, self.places, self.moved = [], {}, set()
        self.look(zone)
        self.required = set(self.current)

    def look(self, zone):
        """Note who is in the list and where, read in one page."""
        whole = self.client.get(TASKS, {"deleted": "true"} if "deleted" in self.url else {})
        self.current = {task["id"]: place(task, self.ordering, zone) for task in whole.json()}
        self.moved |= {pk for pk, now in self.current.items() if self.places.get(pk, now) != now}
        self.places |= self.current

    def read(self, rel):
        """Read a page, and return whether there is another one in a direction. The last is empty."""
        answer = self.client.get(self.url)
        self.seen += ids(answer)
        self.here, self.url = self.url, links(answer).get(rel, self.url)
        return self.url != self.here

    def finish(self):
        stayed = [pk for pk in self.seen if pk not in self.moved]
        assert len(set(stayed)) == len(stayed), "a page repeats"
        assert (self.required & self.current.keys()) - self.moved <= set(stayed), "a page skips"


class Disturber:
    """Writes by chance, the same each time."""

    def __init__(self, client, seed):
        self.client, self.chance, self.zone = client, Random(seed), "UTC"

    def planned(self):
        choose = self.chance.choice
        return {"title": choose("abc"), "due_date": choose(DUES), "priority": choose(PRIORITIES)}

    def one_of(self, query=""):
        found = self.client.get(TASKS + query).json()
        return self.chance.choice(found)["id"] if found else "none"

    def write(self):
        client, field = self.client, self.chance.choice(["title", "due_date", "priority"])
        self.chance.choice(
            [
                lambda: client.post(TASKS, self.planned()),
                lambda: client.patch(f"{TASKS}/{self.one_of()}", {field: self.planned()[field]}),
                lambda: client.delete(f"{TASKS}/{self.one_of()}"),
                lambda: client.delete(f"{TASKS}/{self.one_of('?deleted=true')}?permanent=true"),
                lambda: client.post(f"{TASKS}/{self.one_of('?deleted=true')}/restore"),
                self.move_away,
            ]
        )()

    def move_away(self):
        self.zone = self.chance.choice(["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago"])
        assert self.client.patch("/api/v1/auth/me", {"time_zone": self.zone}).status_code == 200


@pytest.mark.parametrize("deleted", ["false", "true"])
@pytest.mark.parametrize("ordering", ORDERINGS)
def test_what_keeps_its_place_is_met_once_on_the_way_there_and_once_on_the_way_back(
    as_alice, alice, ordering, deleted
):
    disturber = Disturber(as_alice, ordering + deleted)
    planned = [{**disturber.planned(), "priority": Priority.values[n % 4]} for n in range(24)]
    tasks = Task.objects.bulk_create([Task(owner=alice, **each) for each in planned])
    Task.objects.owned_by(alice).filter(pk__in=[task.pk for task in tasks[::2]]).trash()
    url = f"{TASKS}?limit=2&ordering={ordering}" + ("&deleted=true" if deleted == "true" else "")
    for rel in ("next", "prev"):
        walker = Walker(as_alice, url, ordering, disturber.zone)
        while walker.read(rel):
            disturber.write()
            walker.look(disturber.zone)
        walker.finish()
        assert len(walker.seen) > 4
        url = walker.here


# --- the clock ---------------------------------------------------------------


@pytest.fixture
def hours(alice):
    """A task due at each hour for a day and a half, from noon on. Their titles count them."""
    moments = [NOON + n * HOUR for n in range(37)]
    return Task.objects.bulk_create(
        [Task(owner=alice, title=f"{n}", due_date=utc_timestamp(moment)) for n, moment in enumerate(moments)]
    )


def titles(answer):
    assert answer.status_code == 200, answer.json()
    return [int(task["title"]) for task in answer.json()]


@pytest.mark.parametrize(
    ("due", "pages"),
    [
        ("overdue", [(5, [0, 1, 2]), (8, [3, 4, 5]), (8, [6, 7])]),
        ("today", [(0, [0, 1, 2]), (11, [3, 4, 5]), (12, [12, 13, 14])]),
        ("upcoming", [(0, [12, 13, 14]), (11, [15, 16, 17]), (12, [36])]),
    ],
)
def test_each_page_is_of_its_own_time(as_alice, hours, monkeypatch, due, pages):
    url = f"{TASKS}?due={due}&ordering=due_date&limit=3"
    for hour, expected in pages:
        set_clock(monkeypatch, NOON + hour * HOUR)
        answer = as_alice.get(url)
        assert titles(answer) == expected
        url = links(answer).get("next")


def test_the_way_back_is_of_its_own_time_too(as_alice, hours, monkeypatch):
    set_clock(monkeypatch, NOON + 12 * HOUR)
    second = as_alice.get(links(as_alice.get(f"{TASKS}?due=today&ordering=due_date&limit=3"))["next"])
    assert titles(second) == [15, 16, 17]
    set_clock(monkeypatch, NOON)
    assert titles(as_alice.get(links(second)["prev"])) == [9, 10, 11]


# --- another time zone -------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pages"),
    [
        ("due=today", ([10, 11], [*range(10, 20)])),
        ("due_before=2026-12-01", ([10, 11], [*range(10, 20)])),
        ("due_after=2026-11-30&due_before=2026-12-01T00:00:00Z", ([10, 11], [10, 11])),
    ],
)
def test_the_same_cursor_is_of_the_users_day_in_another_time_zone(as_alice, hours, monkeypatch, query, pages):
    set_clock(monkeypatch, NOON)
    first = as_alice.get(f"{TASKS}?{query}&ordering=due_date&limit=10")
    assert titles(first) == [*range(10)]
    url = links(first)["next"]
    assert titles(as_alice.get(url)) == pages[0]
    assert as_alice.patch("/api/v1/auth/me", {"time_zone": "America/Los_Angeles"}).status_code == 200
    assert titles(as_alice.get(url)) == pages[1]

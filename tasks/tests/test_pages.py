"""Pages and their cursors: nothing twice, nothing missing, and nobody else's."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from django.core.signing import Signer

from config.tests.problems import faults_of
from conftest import ApiClient
from tasks.models import Priority, Task
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import cursor_of, ids, links, walk
from tasks.tests.planning import listed
from users.tests.factories import UserFactory

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
ORDERINGS = [
    f"{sign}{name}" for name in ("created_at", "title", "due_date", "priority") for sign in ("", "-")
]


@pytest.fixture
def tied(alice, bob):
    """Eleven tasks with few titles, times and priorities between them, and some of Bob's among them."""
    moments = [NOON + n // 4 * TICK for n in range(11)]
    # The first two are one moment in UTC.
    dues = ["2026-11-30", "2026-11-30T23:59:59.999999Z", None, "2026-11-29T09:00:00.000000Z", None]
    tasks = [
        Task(
            owner=owner,
            title="cab"[n % 3],
            due_date=dues[n % 5],
            priority=Priority.values[n % 4],
            created_at=moment,
            updated_at=moment,
        )
        for n, moment in enumerate(moments)
        for owner in (alice, bob)
    ]
    Task.objects.bulk_create(tasks)
    return [task for task in tasks if task.owner == alice]


@pytest.fixture
def days(alice):
    """Six tasks, oldest first, by name: each a day younger than the one before."""
    return {
        name: TaskFactory(owner=alice, title=name, created_at=NOON + n * timedelta(days=1))
        for n, name in enumerate("abcdef")
    }


def titles(answer):
    assert answer.status_code == 200, answer.json()
    return "".join(task["title"] for task in answer.json())


@pytest.mark.parametrize("ordering", ORDERINGS)
@pytest.mark.parametrize(
    ("limit", "deleted"), [*((limit, "false") for limit in (1, 3, 4, 10, 11, 12)), (3, "true")]
)
def test_a_walk_to_the_end_and_back_meets_every_task_once(as_alice, tied, *, ordering, limit, deleted):
    documents = {task["id"]: task for task in as_alice.get(TASKS).json()}
    expected = [task["id"] for task in listed(documents.values(), {"ordering": ordering})]
    assert set(expected) == {str(task.id) for task in tied}
    if deleted == "true":
        Task.objects.owned_by(tied[0].owner).trash()
    start = f"{TASKS}?ordering={ordering}&limit={limit}&deleted={deleted}"
    pages = walk(as_alice, start, "next")
    assert pages == [expected[n : n + limit] for n in range(0, 11, limit)]
    url = start
    for _ in pages[1:]:
        url = links(as_alice.get(url))["next"]
    back = walk(as_alice, url, "prev")
    if len(pages) > 1:
        assert back.pop() == []
    assert back[::-1] == pages


def test_every_page_reached_by_a_cursor_has_a_way_back_and_only_the_last_no_way_on(as_alice, days):
    answers = [as_alice.get(f"{TASKS}?limit=2")]
    while following := links(answers[-1]).get("next"):
        answers.append(as_alice.get(following))
    assert [list(links(answer)) for answer in answers] == [["next"], ["next", "prev"], ["prev"]]
    for answer in answers[:-1]:
        assert answer.headers["Next-Cursor"] == cursor_of(links(answer)["next"])
    assert "Next-Cursor" not in answers[-1].headers
    back = as_alice.get(links(answers[1])["prev"])
    assert titles(back) == titles(answers[0])
    assert list(links(back)) == ["next", "prev"]
    assert titles(as_alice.get(links(back)["next"])) == titles(answers[1])


def test_a_list_that_fits_has_no_links(as_alice, days):
    answer = as_alice.get(f"{TASKS}?limit=6")
    assert titles(answer) == "fedcba"
    assert not {"Link", "Next-Cursor"} & answer.headers.keys()


def test_a_bare_cursor_goes_as_far_as_its_link(as_alice, days):
    first = as_alice.get(f"{TASKS}?limit=2&status=pending")
    bare = as_alice.get(TASKS, {"limit": 2, "status": "pending", "cursor": first.headers["Next-Cursor"]})
    assert titles(bare) == titles(as_alice.get(links(first)["next"])) == "dc"


def test_links_keep_every_other_parameter(as_alice, alice):
    TaskFactory.create_batch(2, owner=alice, title="a&b=c +%<>#", created_at=NOON)
    query = {
        "search": "a&b=c +%<>#",
        "status": "pending",
        "created_after": "2026-11-21T17:45:00+05:45",
        "created_before": "2026-11-22T00:00:00Z",
        "ordering": "-title",
        "count": "true",
        "limit": "1",
    }
    first = as_alice.get(TASKS, query)
    second = as_alice.get(links(first)["next"])
    assert ids(as_alice.get(links(second)["prev"])) == ids(first) != ids(second)
    for url in (links(first)["next"], links(second)["prev"]):
        asked = dict(parse_qsl(urlsplit(url).query))
        assert asked.pop("cursor")
        assert asked == query


# --- what changes between two pages ------------------------------------------


def test_rows_inserted_between_two_pages_repeat_none_and_hide_none(as_alice, alice, days):
    first = as_alice.get(f"{TASKS}?limit=2")
    assert titles(first) == "fe"
    TaskFactory(owner=alice, title="new", created_at=NOON + timedelta(days=30))
    TaskFactory(owner=alice, title="old", created_at=NOON - timedelta(days=30))
    second = as_alice.get(links(first)["next"])
    third = as_alice.get(links(second)["next"])
    fourth = as_alice.get(links(third)["next"])
    assert [titles(page) for page in (second, third, fourth)] == ["dc", "ba", "old"]


@pytest.mark.parametrize("deleted", ["f", "e", "fe", "d", "edc"])
def test_rows_deleted_between_two_pages_hide_no_other(as_alice, days, deleted):
    first = as_alice.get(f"{TASKS}?limit=2")
    for name in deleted:
        as_alice.delete(f"{TASKS}/{days[name].id}")
    rest = [name for page in walk(as_alice, links(first)["next"], "next") for name in page]
    assert rest == [str(days[name].id) for name in "dcba" if name not in deleted]


def test_a_task_that_changes_between_two_pages_keeps_its_place_by_time(as_alice, days):
    first = as_alice.get(f"{TASKS}?limit=2")
    as_alice.patch(f"{TASKS}/{days['e'].id}", {"title": "z"})
    as_alice.patch(f"{TASKS}/{days['d'].id}", {"title": "y"})
    second = as_alice.get(links(first)["next"])
    assert titles(second) == "yc"
    assert titles(as_alice.get(links(second)["prev"])) == "fz"


def test_an_empty_page_after_the_last_leads_back(as_alice, days):
    following = links(as_alice.get(f"{TASKS}?limit=4"))["next"]
    for name in "ba":
        days[name].delete()
    empty = as_alice.get(following)
    assert titles(empty) == ""
    assert list(links(empty)) == ["prev"]
    back = as_alice.get(links(empty)["prev"])
    assert titles(back) == "fedc"
    assert titles(as_alice.get(links(back)["next"])) == ""


def test_an_empty_page_before_the_first_leads_on(as_alice, days):
    second = as_alice.get(links(as_alice.get(f"{TASKS}?limit=2"))["next"])
    for name in "fe":
        days[name].delete()
    empty = as_alice.get(links(second)["prev"])
    assert titles(empty) == ""
    assert set(links(empty)) == {"prev", "next"}
    assert titles(as_alice.get(links(empty)["next"])) == "dc"
    assert titles(as_alice.get(links(empty)["prev"])) == ""


def test_an_empty_page_leads_back_even_when_its_own_neighbour_is_gone(as_alice, days):
    following = links(as_alice.get(f"{TASKS}?limit=4"))["next"]
    for name in "cba":
        days[name].delete()
    empty = as_alice.get(following)
    assert titles(as_alice.get(links(empty)["prev"])) == "fed"
    Task.objects.all().delete()
    nothing = as_alice.get(links(empty)["prev"])
    assert titles(nothing) == ""
    assert set(links(nothing)) == {"prev", "next"}


# --- whose cursor, and for what ----------------------------------------------


@pytest.fixture
def cursor(as_alice, days):
    return as_alice.get(f"{TASKS}?limit=2").headers["Next-Cursor"]


def refuses(answer):
    return faults_of(answer, "invalid_cursor") == [("cursor", "invalid_cursor")]


@pytest.mark.parametrize(("limit", "page"), [(1, "d"), (3, "dcb"), (1000, "dcba")])
def test_the_limit_may_change_on_the_way(as_alice, cursor, limit, page):
    assert titles(as_alice.get(f"{TASKS}?limit={limit}&cursor={cursor}")) == page


@pytest.mark.parametrize("form", ["/api/tasks", "/api/v1/me/tasks", "/api/v1/{user_id}/tasks/"])
def test_a_cursor_is_good_at_every_address_of_the_list(as_alice, alice, cursor, form):
    assert titles(as_alice.get(f"{form.format(user_id=alice.public_id)}?cursor={cursor}")) == "dcba"


@pytest.mark.parametrize(
    "other",
    [
        "status=pending",
        "search=a",
        "ordering=created_at",
        "ordering=title",
        "created_after=2000-01-01T00:00:00Z",
        "created_before=2100-01-01T00:00:00Z",
        "ordering=due_date",
        "due=none",
        "due_after=2000-01-01",
        "due_before=2100-01-01",
        "priority=none",
        "tags=a",
    ],
)
def test_a_cursor_belongs_to_its_filters_and_ordering(as_alice, cursor, other):
    assert refuses(as_alice.get(f"{TASKS}?limit=2&cursor={cursor}&{other}"))
    theirs = as_alice.get(f"{TASKS}?limit=1&{other}").headers.get("Next-Cursor")
    assert theirs is None or refuses(as_alice.get(f"{TASKS}?limit=2&cursor={theirs}"))


def test_a_cursor_belongs_to_one_user(as_bob, as_stranger, bob, cursor):
    TaskFactory.create_batch(3, owner=bob)
    assert refuses(as_bob.get(f"{TASKS}?limit=2&cursor={cursor}"))
    assert refuses(as_stranger.get(f"{TASKS}?limit=2&cursor={cursor}"))


def test_a_damaged_cursor_is_refused(as_alice, cursor):
    for n in range(0, len(cursor), 7):
        other = "A" if cursor[n] != "A" else "B"
        assert refuses(as_alice.get(TASKS, {"cursor": f"{cursor[:n]}{other}{cursor[n + 1 :]}"}))
    for damaged in (
        cursor[:-1],
        cursor[1:],
        cursor + "A",
        cursor.lower(),
        cursor.replace(".", ""),
        cursor * 2,
    ):
        assert refuses(as_alice.get(TASKS, {"cursor": damaged}))


@pytest.mark.parametrize(
    "forged",
    ["x", ".", "a.b", "null", "0", "🦄", "=", "WyJhZnRlciJd", "c" * 3000, "'; DROP TABLE tasks_task; --"],
)
def test_a_cursor_that_was_never_given_out_is_refused(as_alice, days, forged):
    assert refuses(as_alice.get(TASKS, {"cursor": forged}))


def test_a_cursor_that_another_key_signed_is_refused(as_alice, cursor):
    document = cursor.partition(".")[0]
    assert refuses(as_alice.get(TASKS, {"cursor": Signer(sep=".").sign(document)}))
    assert refuses(as_alice.get(TASKS, {"cursor": Signer(key="another key", sep=".").sign(document)}))


@pytest.mark.parametrize("character", ["🦄", '"', "\u0001", "\\"], ids=ascii)
def test_the_longest_title_and_the_longest_search_fit_in_a_link(alice, as_alice, character):
    text = character * 200
    expected = sorted(str(task.id) for task in TaskFactory.create_batch(3, owner=alice, title=text))
    first = as_alice.get(f"{TASKS}?limit=1&ordering=title&search={quote(text)}")
    url = links(first)["next"]
    assert len(url) < 8000
    pages = [ids(first), *walk(as_alice, url, "next")]
    assert pages == [[pk] for pk in expected]
    assert ids(as_alice.get(links(as_alice.get(url))["prev"])) == pages[0]


def test_a_link_stays_short_at_the_address_of_the_longest_subject(db):
    user = UserFactory(issuer="another", subject="ש" * 255, email=None)
    client = ApiClient().sign_in(user)
    text = "🦄" * 200
    TaskFactory.create_batch(2, owner=user, title=text)
    here = f"/api/v1/{quote(user.subject)}/tasks?limit=1&ordering=title&search={quote(text)}"
    url = links(client.get(here))["next"]
    assert len(ids(client.get(url))) == 1
    assert len(urlsplit(url).path) + len(urlsplit(url).query) < 8000

"""The list in one statement tells what the queryset and the serializer tell."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from django.db import connection

from config.wire import validate_query
from tasks import listing, views
from tasks.filters import TaskListQuery
from tasks.listing import rfc3339, serves
from tasks.models import ChangeCounter, Task
from tasks.tests.factories import TaskFactory
from tasks.tests.paging import ids, links, walk

TASKS = "/api/v1/tasks"
NOON = datetime(2026, 2, 28, 12, tzinfo=UTC)
AFTER, BEFORE = "created_after=2026-02-28T12:00:00Z", "created_before=2026-02-28T12:00:03Z"
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="other engines go the plain way")


@pytest.fixture
def tasks(alice, bob):
    """Tasks of two owners: ties in both orders, every kind of text and time, some in the trash."""
    kinds = [
        {"title": "🦄 שלום", "description": "x" * 1000},
        {"created_at": NOON.replace(microsecond=123400), "title": "b"},
        {"created_at": datetime(1900, 1, 1, tzinfo=UTC), "completed": True, "title": "b"},
        {"created_at": datetime(9999, 12, 31, 23, 59, 59, 7, tzinfo=UTC), "title": "B"},
        {"deleted_at": NOON},
        *({"created_at": NOON, "title": "a", "completed": n % 2 == 0} for n in range(4)),
        *({"created_at": NOON + timedelta(seconds=n), "title": f"'{n}\"%"} for n in range(5)),
    ]
    return [TaskFactory(owner=owner, **kind) for owner in (alice, bob) for kind in kinds]


def both_ways(monkeypatch, ask):
    """Return what `ask` returns by the one statement, and what it returns by the queryset."""
    in_one = ask()
    with monkeypatch.context() as patch:
        patch.setattr(views, "serves", lambda _: False)
        return in_one, ask()


def everything_told(answer):
    assert answer.status_code == 200
    told = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    return answer.content, told


SHAPES = [
    "&".join(filter(None, shape))
    for shape in product(
        ("", "ordering=created_at", "ordering=title", "ordering=-title"),
        ("", "status=pending", "status=completed"),
        ("", AFTER, BEFORE, f"{AFTER}&{BEFORE}"),
    )
]


@on_postgresql
@pytest.mark.parametrize("query", SHAPES)
def test_every_page_of_every_list_is_told_as_the_queryset_tells_it(as_alice, tasks, monkeypatch, query):
    def there_and_back():
        pages = []
        for limit in (2, 5, 1000):
            url, relation = f"{TASKS}?limit={limit}&{query}", "next"
            while url:
                answer = as_alice.get(url)
                pages.append(everything_told(answer))
                if relation == "next" and "next" not in links(answer):
                    relation = "prev"
                url = links(answer).get(relation) if ids(answer) else None
        return pages

    in_one, plain = both_ways(monkeypatch, there_and_back)
    assert in_one == plain


@on_postgresql
@pytest.mark.parametrize("ordering", ["created_at", "-created_at", "title", "-title"])
@pytest.mark.parametrize("gone", ["those after", "those before"])
def test_a_page_whose_rows_are_gone_leads_back(as_alice, alice, tasks, monkeypatch, *, ordering, gone):
    """To the very row that the cursor was made of, which is still there."""
    first = as_alice.get(f"{TASKS}?limit=3&ordering={ordering}")
    second = as_alice.get(links(first)["next"])
    order = ids(as_alice.get(f"{TASKS}?ordering={ordering}"))
    if gone == "those after":
        url, lost, relation, expected = links(first)["next"], order[3:], "prev", order[:3]
    else:
        url, lost, relation, expected = links(second)["prev"], order[:3], "next", order[3:6]
    Task.objects.owned_by(alice).filter(pk__in=lost).trash()

    def round_about():
        answer = as_alice.get(url)
        back = as_alice.get(links(answer)[relation])
        return everything_told(answer), everything_told(back), ids(back)

    in_one, plain = both_ways(monkeypatch, round_about)
    assert in_one == plain
    assert in_one[2] == expected


@on_postgresql
def test_a_cursor_of_the_one_way_is_good_for_the_other(as_alice, tasks, monkeypatch):
    for ordering in ("-created_at", "title"):
        url = f"{TASKS}?limit=2&ordering={ordering}"
        whole = [pk for page in walk(as_alice, url, "next") for pk in page]
        found, turn = [], 0
        while url:
            with monkeypatch.context() as patch:
                if turn % 2:
                    patch.setattr(views, "serves", lambda _: False)
                answer = as_alice.get(url)
            found += ids(answer)
            url, turn = links(answer).get("next"), turn + 1
        assert found == whole
        assert len(found) == len(set(found)) == 13


@on_postgresql
def test_rows_of_the_same_moment_are_in_one_order(as_alice, alice, monkeypatch):
    TaskFactory.create_batch(20, owner=alice, created_at=NOON)
    with connection.cursor() as cursor:
        # An index would have them in this order by itself.
        cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
    in_one, plain = both_ways(monkeypatch, lambda: ids(as_alice.get(TASKS)))
    assert in_one == plain == sorted(in_one, reverse=True)


@on_postgresql
def test_the_time_zone_of_the_connection_changes_nothing(as_alice, tasks):
    """A pooler may lend a connection that is not in UTC."""
    in_utc = as_alice.get(TASKS).content
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone = 'Asia/Kathmandu'")
    assert as_alice.get(TASKS).content == in_utc


@on_postgresql
def test_what_it_does_not_serve_goes_the_plain_way():
    for query in ("deleted=true", "search=a", "count=true", "status=pending&search=a&ordering=title"):
        assert not serves(validate_query(query, TaskListQuery)), query
    for query in (
        "",
        "limit=5",
        "status=completed&ordering=title",
        AFTER,
        "count=false&deleted=false&search=",
    ):
        assert serves(validate_query(query, TaskListQuery)), query


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_tag_of_an_empty_list_is_not_newer_than_the_list(as_alice, alice, monkeypatch):
    """The first task comes while the counter is looked for: it is in the list, or not in the tag."""
    read = listing.read_counter

    def read_and_create(user):
        counter = read(user)
        TaskFactory(owner=alice)
        return counter

    monkeypatch.setattr(listing, "read_counter", read_and_create)
    answer = as_alice.get(TASKS)
    monkeypatch.undo()
    again = as_alice.get(TASKS, headers={"if-none-match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert len(ids(answer)) == 1


@on_postgresql
def test_the_tag_of_a_page_past_the_end_is_that_of_the_counter(as_alice, alice):
    TaskFactory.create_batch(2, owner=alice)
    url = f"{TASKS}?status=completed"
    answer = as_alice.get(url)
    assert ids(answer) == []
    assert answer.headers["ETag"].startswith(f'W/"{ChangeCounter.read(alice.pk)[0]}-')
    assert as_alice.get(url, headers={"if-none-match": answer.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-11-21 09:00:00.123456", "2026-11-21T09:00:00.123456Z"),
        ("2026-11-21 09:00:00.12", "2026-11-21T09:00:00.120000Z"),
        ("2026-11-21 09:00:00", "2026-11-21T09:00:00.000000Z"),
        ("0001-01-01 00:00:00.000001", "0001-01-01T00:00:00.000001Z"),
    ],
)
def test_postgresqls_times_are_told_as_rfc_3339_has_them(text, told):
    assert rfc3339(text) == told

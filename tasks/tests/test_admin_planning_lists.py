"""Due dates, priorities and tags in the operators' list of tasks."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.utils import timezone

from tasks import admin, filters
from tasks.models import Priority
from tasks.tests.factories import TaskFactory

LIST = "/admin/tasks/task/"


def titles(client, owner, **query):
    found = client.get(LIST, {"owner__id__exact": owner.pk, **query})
    return {row.title for row in found.context["cl"].result_list}


@pytest.mark.parametrize(
    ("due_date", "shown"),
    [
        ("2026-11-30", "2026-11-30"),
        ("2026-11-30T18:15:00.000000Z", "2026-12-01 00:00 Asia/Kathmandu"),
        (None, "-"),
    ],
)
def test_a_row_has_the_due_date_and_the_priority(as_operator, kiran, due_date, shown):
    TaskFactory(owner=kiran, due_date=due_date, priority=Priority.MEDIUM)
    text = as_operator.get(LIST).content.decode()
    assert f'<td class="field-due">{shown}</td><td class="field-priority">Medium</td>' in text


def test_a_list_of_due_tasks_costs_the_same_for_many(as_operator, django_assert_max_num_queries, kiran):
    def cost():
        with django_assert_max_num_queries(12) as captured:
            assert titles(as_operator, kiran, due="overdue", priority__exact="1")
        return len(captured)

    fields = {"owner": kiran, "due_date": "2020-01-01T17:00:00.000000Z", "priority": 1}
    TaskFactory(**fields)
    few = cost()
    TaskFactory.create_batch(20, **fields)
    assert cost() == few


# At this time it is 2026-12-01 01:45 in Kathmandu.
NOW = datetime(2026, 11, 30, 20, tzinfo=UTC)
DUE = {
    "no day": None,
    "yesterday": "2026-11-30",
    "today": "2026-12-01",
    "tomorrow": "2026-12-02",
    "before midnight": "2026-11-30T18:14:59.999999Z",
    "midnight": "2026-11-30T18:15:00.000000Z",
    "now": "2026-11-30T20:00:00.000000Z",
    "before the next midnight": "2026-12-01T18:14:59.999999Z",
    "the next midnight": "2026-12-01T18:15:00.000000Z",
}


@pytest.mark.parametrize(
    ("due", "found"),
    [
        ("overdue", {"yesterday", "before midnight", "midnight"}),
        ("today", {"today", "midnight", "now", "before the next midnight"}),
        ("upcoming", {"tomorrow", "the next midnight"}),
        ("none", {"no day"}),
        ("x", {*DUE, "done"}),
    ],
)
def test_tasks_are_filtered_by_the_owners_clock(as_operator, kiran, monkeypatch, due, found):
    for title, due_date in DUE.items():
        TaskFactory(owner=kiran, title=title, due_date=due_date)
    TaskFactory(owner=kiran, title="done", due_date="2026-10-01", completed=True)
    TaskFactory(title="Another's", due_date="2026-10-01")
    monkeypatch.setattr(filters, "timezone", SimpleNamespace(now=lambda: NOW))
    assert titles(as_operator, kiran, due=due) == found


def test_tasks_are_filtered_by_priority(as_operator, alice):
    for priority in Priority:
        TaskFactory(owner=alice, title=priority.label, priority=priority)
    for priority in Priority:
        assert titles(as_operator, alice, priority__exact=priority.value) == {priority.label}


@pytest.mark.parametrize(
    "query", [{"due": "today"}, {"priority__exact": "1"}, {"due": "today", "owner__id__exact": "x"}]
)
def test_these_filters_are_those_of_one_owner(as_operator, query):
    answer = as_operator.get(LIST, query, follow=True)
    assert "This filter or search is not valid." in answer.content.decode()


@pytest.mark.parametrize("name", ["due", "priority__exact"])
@pytest.mark.parametrize("value", ["", "x", "a\0b", "9" * 5000, "99999", "1,2", "\u0661"])
def test_a_filter_takes_any_value(as_operator, alice, name, value):
    query = {"owner__id__exact": alice.pk, name: value}
    assert as_operator.get(LIST, query).status_code in {200, 302, 400}


def test_an_owner_who_is_gone_has_no_tasks(as_operator):
    query = {"owner__id__exact": "00000000-0000-7000-8000-000000000000", "due": "today"}
    assert as_operator.get(LIST, query).context["cl"].result_count == 0


def test_a_tag_is_searched_in_one_owners_list_alone(as_operator, alice):
    TaskFactory(owner=alice, title="1", tags="Große Straße,home")
    TaskFactory(owner=alice, title="2", tags="homework,100%,Büro")
    TaskFactory(owner=alice, title="3 home")
    TaskFactory(owner=alice, title="4", tags="home", deleted_at=timezone.now())
    TaskFactory(title="Another's", tags="home")
    for search, found in (
        ("HOME", {"1", "3 home", "4"}),
        ("GROSSE STRASSE", {"1"}),
        (" 100% ", {"2"}),
        ("BÜRO", {"2"}),
        ("100_", set()),
        ("hom", {"3 home"}),
        ("GROSSE", set()),
    ):
        assert titles(as_operator, alice, q=search) == found, search
    assert titles(as_operator, alice, q="home", trash="no") == {"1", "3 home"}
    answer = as_operator.get(LIST, {"q": "home"})
    assert answer.context["cl"].result_count == 0
    assert "or a tag" in admin.TaskAdmin.search_help_text

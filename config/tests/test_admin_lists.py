"""The admin's lists count and read a bounded number of rows, and say nothing wrong about their number."""

import re

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config import admin
from tasks.models import Task
from tasks.tests.factories import TaskFactory
from users.models import Session, User
from users.tests.factories import UserFactory

LISTS = [
    reverse(f"admin:{name}_changelist")
    for name in ("auth_group", "users_user", "users_session", "tasks_task")
]
TASKS = "/admin/tasks/task/"


@pytest.fixture
def as_operator(client, admin_user):
    client.force_login(admin_user)
    return client


@pytest.fixture
def few(monkeypatch):
    """A list has at most 20 rows, 10 to a page."""
    monkeypatch.setattr(admin, "MAX_LISTED", 20)
    monkeypatch.setattr(site.get_model_admin(Task), "list_per_page", 10)


def texts(client, **query):
    """Return the text about the number of rows, and the titles."""
    text = client.get(TASKS, query).content.decode()
    found = re.search(r'<p class="paginator">(.*?)</p>', text, re.DOTALL)[1]
    return " ".join(re.sub("<[^>]+>", "", found).split()), re.findall(r'field-title"><a [^>]*>([^<]*)', text)


def test_a_number_of_rows_is_exact_or_a_bound(as_operator, few, alice):
    for rows, said in (
        (10, "10 tasks"),
        (10, "1 2 20 tasks Show all"),
        (1, "1 2 more than 20 tasks Show all"),
    ):
        TaskFactory.create_batch(rows, owner=alice)
        assert texts(as_operator)[0] == said
    assert "more than 20 results" in as_operator.get(TASKS).content.decode()
    # What is filtered is counted by itself.
    assert texts(as_operator, trash="yes")[0] == "0 tasks"


def test_the_newest_rows_are_listed_and_no_page_lies_beyond(as_operator, few, alice):
    TaskFactory.create_batch(25, owner=alice)
    titles = list(Task.objects.order_by("-id").values_list("title", flat=True))
    assert texts(as_operator)[1] + texts(as_operator, p=2)[1] == titles[:20]
    assert as_operator.get(TASKS, {"p": 3}).status_code == 302


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize(
    "query", [{}, {"q": "alice@example.com"}, {"q": "milk"}, {"_facets": "True"}, {"o": "1"}]
)
def test_no_list_counts_a_table(as_operator, address, query, alice):
    Session.begin(alice)
    TaskFactory(owner=alice)
    with CaptureQueriesContext(connection) as captured:
        as_operator.get(address, query)
    counts = [each["sql"] for each in captured if "COUNT(" in each["sql"]]
    # None where a search finds no owner.
    assert len(counts) == (query.get("q") != "milk" or address != TASKS)
    assert all(f"LIMIT {admin.MAX_LISTED + 1}" in count for count in counts)


def test_tasks_are_in_the_order_of_the_one_index_over_all_owners(as_operator):
    TaskFactory.create_batch(3)
    for query in ({}, {"o": "1"}, {"o": "-2.3"}, {"o": "0"}):
        with CaptureQueriesContext(connection) as captured:
            as_operator.get(TASKS, query)
        (order,) = {
            sql.partition("ORDER BY ")[2].split(" LIMIT")[0]
            for sql in (each["sql"] for each in captured)
            if sql.startswith('SELECT "tasks_task"')
        }
        assert order == '"tasks_task"."id" DESC'


def test_an_action_is_done_to_the_ticked_rows_alone(as_operator):
    ticked, *_ = TaskFactory.create_batch(3)
    data = {"action": "complete", "select_across": "1", "_selected_action": [ticked.pk]}
    assert "Completed 1 tasks." in as_operator.post(TASKS, data, follow=True).content.decode()
    assert Task.objects.completed().get() == ticked
    assert "across all pages" not in as_operator.get(TASKS).content.decode()


@pytest.mark.parametrize("path", ["/admin/users/user/", "/admin/users/session/", "/admin/auth/group/"])
def test_a_search_has_a_few_words(as_operator, alice, path):
    Session.begin(alice)
    Group.objects.create(name="alice")
    for words, found in ((8, 1), (9, 0)):
        answer = as_operator.get(path, {"q": " ".join(["alice"] * words)})
        assert len(answer.context["cl"].result_list) == found
        assert ("Search for up to 8 words." in answer.content.decode()) == (not found)


def test_an_account_links_to_what_it_owns(as_operator, alice, bob):
    for owner in (alice, bob):
        TaskFactory(owner=owner, title=f"Of {owner.name}")
        Session.begin(owner)
    text = as_operator.get(reverse("admin:users_user_change", args=[alice.pk])).content.decode()
    links = dict(re.findall(r'<a href="(/admin/[a-z/]+)(\?[a-z_]+__id__exact=[^"]*)">', text))
    assert links.keys() == {TASKS, "/admin/users/session/"}
    for address, query in links.items():
        listed = as_operator.get(address + query)
        rows = listed.context["cl"].result_list
        assert [getattr(row, "owner", None) or row.user for row in rows] == [alice]
        # The filter is named, and can be taken away.
        assert "alice@example.com" in listed.content.decode().partition('id="changelist-filter"')[2]


def test_a_list_of_an_account_that_is_gone_is_empty(as_operator, alice):
    TaskFactory(owner=alice)
    query = {"owner__id__exact": "00000000-0000-7000-8000-000000000000"}
    assert texts(as_operator, **query) == ("0 tasks", [])


@pytest.mark.parametrize("name", ["change", "history", "delete"])
def test_a_page_of_an_account_costs_the_same_however_much_it_owns(
    as_operator, django_assert_max_num_queries, name
):
    def cost():
        with django_assert_max_num_queries(22) as captured:
            assert as_operator.get(reverse(f"admin:users_user_{name}", args=[user.pk])).status_code == 200
        return len(captured)

    user = UserFactory()
    TaskFactory(owner=user)
    Session.begin(user)
    few = cost()
    TaskFactory.create_batch(5, owner=user)
    User.objects.bulk_create([User(email=f"more{n}@example.com") for n in range(5)])
    for _ in range(5):
        Session.begin(user)
    assert cost() == few


def test_the_deletion_of_an_account_counts_what_it_owns_and_does_not_list_it(as_operator, alice):
    TaskFactory.create_batch(3, owner=alice, title="Of Alice")
    Session.begin(alice)
    page = reverse("admin:users_user_delete", args=[alice.pk])
    chosen = {"action": "delete_selected", "_selected_action": [str(alice.pk)]}
    for answer in (as_operator.get(page), as_operator.post("/admin/users/user/", chosen)):
        text = answer.content.decode()
        for counted in ("alice@example.com", "Users: 1", "Sessions: 1", "Tasks: 3"):
            assert counted in text
        assert "Of Alice" not in text
    assert as_operator.post(page, {"post": "yes"}).status_code == 302
    assert not User.objects.filter(pk=alice.pk).exists()


def test_who_may_not_delete_tasks_deletes_no_account_that_has_some(client, alice):
    staff = UserFactory(is_staff=True)
    names = ("view_user", "change_user", "delete_user", "delete_session")
    staff.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(staff)
    page = reverse("admin:users_user_delete", args=[alice.pk])
    TaskFactory(owner=alice)
    assert "your account doesn" in client.get(page).content.decode()
    assert client.post(page, {"post": "yes"}).status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="delete_task"))
    assert client.post(page, {"post": "yes"}).status_code == 302

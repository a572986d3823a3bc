"""The operators' pages of tasks."""

import pytest
from django.utils import timezone

from tasks.models import Task
from tasks.tests.admin_form import opened, page_of
from tasks.tests.factories import TaskFactory
from users.models import User

LIST = "/admin/tasks/task/"


@pytest.fixture
def as_operator(client, db):
    client.force_login(User.objects.create_superuser("operator@example.com", "an operator's password"))
    return client


def test_the_list_costs_the_same_for_many(as_operator, django_assert_max_num_queries):
    def cost():
        with django_assert_max_num_queries(10) as captured:
            assert as_operator.get(LIST).status_code == 200
        return len(captured)

    TaskFactory()
    few = cost()
    TaskFactory.create_batch(20)
    assert cost() == few


def listed(client, **query):
    return {row.title for row in client.get(LIST, query).context["cl"].result_list}


def test_tasks_can_be_searched_and_filtered(as_operator):
    task = TaskFactory(title="Buy milk", completed=True)
    TaskFactory(title="Call home")
    owner = task.owner
    for search in (task.pk, owner.pk, owner.email, owner.email.upper(), f" {task.pk} "):
        assert listed(as_operator, q=search) == {"Buy milk"}, search
    assert listed(as_operator, owner__id__exact=owner.pk) == {"Buy milk"}
    assert listed(as_operator, owner__id__exact=owner.pk, completed__exact="1") == {"Buy milk"}
    assert listed(as_operator, owner__id__exact=owner.pk, completed__exact="0") == set()
    # No index serves it over all owners.
    assert as_operator.get(LIST, {"completed__exact": "1"}).status_code == 302


def test_an_external_owner_is_found_by_subject_and_by_email(as_operator):
    ada = User.objects.create(issuer="elsewhere", subject="s-1", email="ada@example.com")
    TaskFactory(title="Ada's", owner=ada)
    TaskFactory(title="Another's")
    assert listed(as_operator, q="s-1") == listed(as_operator, q="Ada@example.com") == {"Ada's"}


def test_words_are_searched_in_one_owners_list_alone(as_operator, alice):
    TaskFactory(title="Buy milk", owner=alice)
    TaskFactory(title="Call home", description="about the milk", owner=alice)
    TaskFactory(title="Milk of another")
    assert listed(as_operator, q="milk") == set()
    assert listed(as_operator, q="MILK", owner__id__exact=alice.pk) == {"Buy milk", "Call home"}
    assert listed(as_operator, q="milk buy", owner__id__exact=alice.pk) == {"Buy milk"}
    refused = as_operator.get(LIST, {"q": "a b c d e f g h i", "owner__id__exact": alice.pk}, follow=True)
    assert "Search for up to 8 words." in refused.content.decode()


def test_selected_tasks_are_completed_once(as_operator):
    pending, done = TaskFactory(), TaskFactory(completed=True)
    rows = [str(pending.pk), str(done.pk)]
    answer = as_operator.post(LIST, {"action": "complete", "_selected_action": rows}, follow=True)
    assert "Completed 1 tasks." in answer.content.decode()
    pending.refresh_from_db()
    assert pending.completed
    assert pending.completed_at == pending.updated_at
    completed_at = done.completed_at
    done.refresh_from_db()
    assert done.completed_at == completed_at


def test_an_edit_stores_what_was_edited(as_operator):
    task = TaskFactory(title="Old", description="Kept")
    assert as_operator.post(page_of(task), {**opened(as_operator, task), "title": "New"}).status_code == 302
    stored = Task.objects.get(pk=task.pk)
    assert (stored.title, stored.description, stored.owner) == ("New", "Kept", task.owner)
    assert stored.updated_at > task.updated_at


def test_an_edit_of_nothing_moves_nothing(as_operator):
    task = TaskFactory(title="Same")
    assert as_operator.post(page_of(task), opened(as_operator, task)).status_code == 302
    assert Task.objects.get(pk=task.pk).updated_at == task.updated_at


def test_a_blank_title_is_told_on_the_form(as_operator):
    task = TaskFactory()
    answer = as_operator.post(page_of(task), {**opened(as_operator, task), "title": "  "})
    assert answer.status_code == 200
    assert "This field is required." in answer.content.decode()


def test_an_operator_adds_a_task_for_somebody(as_operator, alice):
    as_operator.post(LIST + "add/", {"owner": str(alice.pk), "title": "From the office", "priority": "10"})
    task = Task.objects.get()
    assert (task.owner, task.title, task.completed) == (alice, "From the office", False)
    assert task.created_at == task.updated_at


def act(client, action, *tasks):
    rows = [str(task.pk) for task in tasks]
    answer = client.post(LIST, {"action": action, "_selected_action": rows}, follow=True)
    return answer.content.decode()


def test_tasks_are_moved_to_the_trash_and_back(as_operator):
    alive, trashed = TaskFactory(), TaskFactory(deleted_at=timezone.now())
    assert "Moved 1 tasks to the trash." in act(as_operator, "trash", alive, trashed)
    assert Task.objects.trashed().count() == 2
    assert "Restored 1 tasks." in act(as_operator, "restore", alive)
    assert Task.objects.alive().get() == alive


def test_what_is_in_the_trash_is_not_completed(as_operator):
    task = TaskFactory(deleted_at=timezone.now())
    assert "Completed 0 tasks." in act(as_operator, "complete", task)


@pytest.mark.parametrize(("trash", "title"), [("no", "Alive"), ("yes", "Thrown away")])
def test_the_trash_is_a_filter(as_operator, trash, title):
    TaskFactory(title="Alive")
    TaskFactory(title="Thrown away", deleted_at=timezone.now())
    text = as_operator.get(LIST, {"trash": trash}).content.decode()
    assert {each for each in ("Alive", "Thrown away") if each in text} == {title}


def test_the_form_shows_the_version_and_no_key(as_operator):
    task = TaskFactory(idempotency_key="a key of hers", deleted_at=timezone.now())
    text = as_operator.get(page_of(task)).content.decode()
    assert "In the trash since" in text
    assert "Version" in text
    assert "a key of hers" not in text

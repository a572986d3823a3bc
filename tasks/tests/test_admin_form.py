"""The operators' form of a task: it keeps what the operator did not touch, and what changed meanwhile."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from conftest import at_once
from tasks import admin
from tasks.models import Task
from tasks.tests.admin_form import opened, page_of
from tasks.tests.factories import TaskFactory
from users.models import User


def press(client, name, task, form=None, **options):
    """Press a button of the task's form, or send the form of another page."""
    page = page_of(task, name if name == "delete" else "change")
    return client.post(page, {**(form or {}), name: "1"}, **options)


def stored(task):
    return Task.objects.values("title", "description", "version", "updated_at").get(pk=task.pk)


TEXTS = (
    "one\ntwo",
    "one\r\ntwo",
    "one\rtwo",
    "\n\nfirst",
    " leading",
    "trailing \n",
    "\ttab",
    "<b>&amp;\x0b",
    "",
)


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_an_untouched_form_changes_no_byte(as_operator, text):
    task = TaskFactory(title="two\nlines ", description=text)
    before = stored(task)
    assert as_operator.post(page_of(task), opened(as_operator, task)).status_code == 302
    assert stored(task) == before


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_another_field_is_saved_and_the_description_stays(as_operator, text):
    task = TaskFactory(description=text)
    form = {**opened(as_operator, task), "title": "New"}
    assert as_operator.post(page_of(task), form).status_code == 302
    assert (stored(task)["title"], stored(task)["description"]) == ("New", text)


def test_an_edited_description_has_one_kind_of_line_break(as_operator):
    task = TaskFactory(description="one\r\ntwo")
    form = {**opened(as_operator, task), "description": " one\r\ntwo\r\nthree "}
    assert as_operator.post(page_of(task), form).status_code == 302
    assert stored(task)["description"] == " one\ntwo\nthree "


def test_a_line_break_counts_as_one_character(as_operator):
    task = TaskFactory()
    for lines, status in ((500, 302), (501, 200)):
        form = {**opened(as_operator, task), "description": "x\r\n" * lines}
        assert as_operator.post(page_of(task), form).status_code == status


def test_a_stale_form_is_refused_with_both_values(as_operator):
    task = TaskFactory(title="Old", description="Old text")
    form = {**opened(as_operator, task), "title": "The operator's"}
    Task.objects.filter(pk=task.pk).update(title="The user's", description="The user's\ntext")
    before = stored(task)
    answer = as_operator.post(page_of(task), form)
    text = unescape(answer.content.decode())
    assert answer.status_code == 200
    assert stored(task) == before
    assert "was changed while its form was open" in text
    for shown in (
        'value="The operator\'s"',
        "Stored now: The user's",
        "Old text</textarea>",
        "The user's\ntext",
    ):
        assert shown in text
    # The operator has seen both now, and may decide.
    (version,) = re.findall(r'name="opened_version" value="(\d+)"', text)
    assert as_operator.post(page_of(task), {**form, "opened_version": version}).status_code == 302
    assert stored(task)["title"] == "The operator's"


def test_a_field_that_is_the_same_again_is_not_reported(as_operator):
    task = TaskFactory(title="Same", description="Same")
    form = opened(as_operator, task)
    Task.objects.filter(pk=task.pk).complete()
    text = as_operator.post(page_of(task), form).content.decode()
    assert "was changed while its form was open" in text
    assert "Stored now" not in text


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30])
def test_a_form_without_its_version_is_refused(as_operator, version):
    task = TaskFactory(title="Old")
    form = {**opened(as_operator, task), "title": "New", "opened_version": version}
    assert as_operator.post(page_of(task), form).status_code == 200
    assert stored(task)["title"] == "Old"


@pytest.fixture
def just_before_the_write(transactional_db, monkeypatch):
    """Do something in another transaction after the form was validated, before the counter is locked."""
    if connection.vendor == "sqlite":
        pytest.skip("a form of SQLite's is validated in the transaction of its write, and others wait")

    def set_up(act):
        def write(*args):
            at_once(1, lambda _: act())
            return admin_write(*args)

        admin_write = admin.write
        monkeypatch.setattr(admin, "write", write)

    return set_up


def test_a_change_during_the_save_is_kept(just_before_the_write, as_operator):
    task = TaskFactory(title="Old")
    form = {**opened(as_operator, task), "title": "The operator's"}
    just_before_the_write(lambda: Task.objects.filter(pk=task.pk).update(title="The user's"))
    answer = as_operator.post(page_of(task), form)
    assert "Stored now: The user's" in unescape(answer.content.decode())
    assert stored(task)["title"] == "The user's"


def test_a_task_that_is_purged_during_the_save_is_reported(just_before_the_write, as_operator):
    task = TaskFactory()
    form = {**opened(as_operator, task), "title": "New"}
    just_before_the_write(lambda: Task.objects.filter(pk=task.pk).delete())
    answer = as_operator.post(page_of(task), form, follow=True)
    assert "Perhaps it was deleted?" in unescape(answer.content.decode())
    assert not Task.objects.exists()


@pytest.mark.parametrize("name", ["change", "trash", "restore", "delete"])
def test_a_task_that_was_purged_before_is_reported(as_operator, name):
    task = TaskFactory()
    form = opened(as_operator, task)
    Task.objects.filter(pk=task.pk).delete()
    answer = press(as_operator, name, task, form, follow=True)
    assert "Perhaps it was deleted?" in unescape(answer.content.decode())


def test_the_buttons_fit_the_state(as_operator):
    task = TaskFactory()
    text = as_operator.get(page_of(task)).content.decode()
    assert 'name="trash"' in text
    assert 'name="restore"' not in text
    assert page_of(task, "delete") not in text
    answer = press(as_operator, "trash", task, opened(as_operator, task), follow=True)
    text = answer.content.decode()
    assert "Moved 1 tasks to the trash." in text
    assert 'name="trash"' not in text
    assert page_of(task, "delete") in text
    answer = press(as_operator, "restore", task, follow=True)
    assert "Restored 1 tasks." in answer.content.decode()
    assert Task.objects.alive().get() == task
    assert as_operator.get(page_of(task), {"trash": "1"}).status_code == 200
    assert Task.objects.alive().get() == task


def test_a_button_saves_no_text(as_operator):
    task = TaskFactory(title="Old")
    press(as_operator, "trash", task, {**opened(as_operator, task), "title": "New"})
    assert Task.objects.trashed().get() == task
    assert stored(task)["title"] == "Old"


def test_a_task_is_deleted_for_good(as_operator):
    task = TaskFactory(deleted_at=timezone.now())
    assert as_operator.post(page_of(task, "delete"), {"post": "yes"}).status_code == 302
    assert not Task.objects.exists()


def test_staff_who_may_only_look_have_no_buttons(client, bob):
    task, trashed = TaskFactory(), TaskFactory(deleted_at=timezone.now())
    User.objects.filter(pk=bob.pk).update(is_staff=True)
    bob.user_permissions.set(Permission.objects.filter(codename="view_task"))
    client.force_login(bob)
    for each, name in ((task, "trash"), (trashed, "restore"), (trashed, "delete")):
        text = client.get(page_of(each)).content.decode()
        assert f'name="{name}"' not in text
        assert page_of(each, "delete") not in text
        assert 'name="opened_version"' not in text
        assert press(client, name, each, {"post": "yes"}).status_code == 403
    assert {each.pk for each in Task.objects.alive()} == {task.pk}


def test_the_list_links_to_the_owner(as_operator):
    task = TaskFactory()
    address = reverse("admin:users_user_change", args=[task.owner_id])
    assert f'<a href="{address}">{task.owner}</a>' in as_operator.get("/admin/tasks/task/").content.decode()


@pytest.mark.parametrize("name", ["change", "delete", "history"])
def test_a_page_of_a_task_costs_the_same_however_many_there_are(
    as_operator, django_assert_max_num_queries, name
):
    def cost():
        with django_assert_max_num_queries(14) as captured:
            assert as_operator.get(page_of(task, name)).status_code == 200
        return len(captured)

    task = TaskFactory(deleted_at=timezone.now())
    few = cost()
    TaskFactory.create_batch(5, owner=task.owner)
    assert cost() == few

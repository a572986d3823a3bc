"""Staff who may change users cannot become superusers, nor act on those who are staff."""

import json
import logging
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from users.models import Session, User
from users.tests.factories import UserFactory

NEW = "another long password"
NEW_PASSWORD = {"password1": NEW, "password2": NEW, "usable_password": "true"}
LEFT_OUT = "Left out 3: only a superuser changes the accounts and sessions of staff."
EVERYTHING = dict.fromkeys(("is_staff", "is_superuser", "is_active"), "on")


@pytest.fixture
def staff(db):
    """An operator who has every permission and is no superuser."""
    user = UserFactory(email="staff@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    return user


@pytest.fixture
def as_staff(client, staff):
    client.force_login(staff)
    return client


@pytest.fixture
def operators(staff):
    """The accounts that only a superuser changes."""
    only_superuser = UserFactory(email="only-superuser@example.com", is_superuser=True)
    return [staff, only_superuser, User.objects.create_superuser("root@example.com", "an old password")]


@pytest.fixture
def superuser(operators):
    return operators[2]


def page(name, *rows, model="user"):
    app = "auth" if model == "group" else "users"
    return reverse(f"admin:{app}_{model}_{name}", args=[row.pk for row in rows])


def password_page(user):
    return reverse("admin:auth_user_password_change", args=[user.pk])


def act(client, action, rows, model="user", **data):
    data |= {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(page("changelist", model=model), data, follow=True).content.decode()


def rows_of(users):
    """Return everything about the accounts, to compare."""
    pks = [user.pk for user in users]
    relations = ("groups", "user_permissions", "sessions__id", "sessions__revoked_at")
    fields = [field.attname for field in User._meta.concrete_fields if field.name != "last_login"]
    rows = User.objects.filter(pk__in=pks).order_by("pk", *relations).values_list(*fields, *relations)
    return list(rows)


def test_permissions_of_an_ordinary_account_are_a_superusers_to_change(as_staff, alice):
    group = Group.objects.create(name="Support")
    permission = Permission.objects.first()
    forged = {"email": "new@example.com", "name": "New", "time_zone": "UTC", **EVERYTHING}
    forged |= {"groups": [group.pk], "user_permissions": [permission.pk]}
    assert as_staff.post(page("change", alice), forged).status_code == 302
    alice.refresh_from_db()
    # The rest is theirs to change.
    assert (alice.email, alice.name) == ("new@example.com", "New")
    assert (alice.is_staff, alice.is_superuser, alice.is_active) == (False, False, True)
    assert not alice.groups.exists()
    assert not alice.user_permissions.exists()
    as_staff.post(page("change", alice), {"email": "new@example.com", "name": "New", "time_zone": "UTC"})
    alice.refresh_from_db()
    assert not alice.is_active


def test_a_new_account_has_no_permissions(as_staff):
    form = {"email": "new@example.com", "name": "New", "time_zone": "UTC", **NEW_PASSWORD, **EVERYTHING}
    form |= {"groups": [Group.objects.create(name="Support").pk], "user_permissions": [1]}
    assert as_staff.post(page("add"), form).status_code == 302
    new = User.objects.get(email="new@example.com")
    assert (new.is_staff, new.is_superuser) == (False, False)
    assert not new.groups.exists()
    assert not new.user_permissions.exists()


def test_no_form_changes_an_operator(as_staff, operators):
    for user in operators:
        Session.begin(user)
    before = rows_of(operators)
    for user in operators:
        assert as_staff.get(page("change", user)).status_code == 200
        assert as_staff.get(password_page(user)).status_code == 403
        for address, form in (
            (
                page("change", user),
                {"email": "mine@example.com", "name": "Mine", "time_zone": "UTC", **EVERYTHING},
            ),
            (password_page(user), NEW_PASSWORD),
            (password_page(user), {"usable_password": "false", "unset-password": "1"}),
            (page("delete", user), {"post": "yes"}),
            (page("delete", user.sessions.get(), model="session"), {"post": "yes"}),
        ):
            assert as_staff.post(address, form).status_code == 403, form
    assert rows_of(operators) == before


@pytest.mark.parametrize("action", ["deactivate", "end_sessions"])
def test_an_action_leaves_operators_out_and_says_so(as_staff, operators, alice, action):
    for user in (*operators, alice):
        Session.begin(user)
    before, her = rows_of(operators), rows_of([alice])
    assert LEFT_OUT in act(as_staff, action, [*operators, alice])
    assert rows_of(operators) == before
    assert rows_of([alice]) != her


def test_sessions_of_operators_are_left_out(as_staff, operators, alice):
    sessions = [Session.begin(user) for user in (*operators, alice)]
    before, her = rows_of(operators), rows_of([alice])
    assert LEFT_OUT in act(as_staff, "end", sessions, model="session")
    assert rows_of(operators) == before
    assert rows_of([alice]) != her


def test_nothing_is_said_when_nobody_is_left_out(as_staff, alice):
    Session.begin(alice)
    text = act(as_staff, "end_sessions", [alice])
    assert "Ended all sessions of 1 users." in text
    assert "Left out" not in text


@pytest.mark.parametrize("model", ["user", "session"])
def test_a_selection_with_an_operator_is_not_deleted(as_staff, operators, alice, model):
    users = [*operators, alice]
    sessions = [Session.begin(user) for user in users]
    before, rows = rows_of(users), users if model == "user" else sessions
    assert "account doesn't have permission to delete" in unescape(
        act(as_staff, "delete_selected", rows, model)
    )
    assert "403 Forbidden" in act(as_staff, "delete_selected", rows, model, post="yes")
    assert rows_of(users) == before
    act(as_staff, "delete_selected", rows[-1:], model, post="yes")
    assert rows_of([alice]) != before[-1:]


def test_groups_are_a_superusers_to_change(as_staff, staff):
    group = Group.objects.create(name="Support")
    staff.groups.add(group)
    form = {"name": "Mine", "time_zone": "UTC", "permissions": [Permission.objects.first().pk]}
    assert as_staff.get(page("change", group, model="group")).status_code == 200
    for address in (page("add", model="group"), page("change", group, model="group")):
        assert as_staff.post(address, form).status_code == 403
    assert as_staff.post(page("delete", group, model="group"), {"post": "yes"}).status_code == 403
    act(as_staff, "delete_selected", [group], model="group", post="yes")
    assert Group.objects.get().name == "Support"
    assert not group.permissions.exists()


def test_a_superuser_changes_operators(client, superuser, staff):
    client.force_login(superuser)
    form = {"email": "staff@example.com", "name": "Promoted", "time_zone": "UTC", **EVERYTHING}
    assert client.post(page("change", staff), form).status_code == 302
    assert client.post(password_page(staff), NEW_PASSWORD).status_code == 302
    staff.refresh_from_db()
    assert (staff.name, staff.is_superuser, staff.check_password(NEW)) == ("Promoted", True, True)
    session = Session.begin(staff)
    assert "Ended all sessions of 1 users." in act(client, "end_sessions", [staff])
    assert client.post(page("delete", session, model="session"), {"post": "yes"}).status_code == 302
    act(client, "delete_selected", [staff], post="yes")
    assert not User.objects.filter(pk=staff.pk).exists()


# --- the security event ------------------------------------------------------


@pytest.fixture
def events(caplog, django_capture_on_commit_callbacks):
    """Return what an act logs of `admin_permission_changed`: the rows' ids and the fields."""

    def of(act):
        caplog.clear()
        with caplog.at_level(logging.INFO), django_capture_on_commit_callbacks(execute=True):
            act()
        lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        found = [line for line in lines if line["event"] == "admin_permission_changed"]
        assert "@" not in json.dumps(found)
        return [
            (line["operator_id"], line.get("user_id") or line["group_id"], line["fields"]) for line in found
        ]

    return of


def test_a_change_of_permissions_is_logged(client, superuser, staff, alice, events):
    client.force_login(superuser)
    group = Group.objects.create(name="Support")
    form = {"email": alice.email, "name": "Alice", "time_zone": "UTC", "is_active": "on"}
    by, her = str(superuser.pk), str(alice.pk)

    def saves(user, **changes):
        return events(lambda: client.post(page("change", user), {**form, "email": user.email, **changes}))

    assert saves(alice, name="Renamed") == []
    assert saves(alice, is_active="") == []
    assert saves(alice, groups=[group.pk]) == [(by, her, ["groups"])]
    permissions = [Permission.objects.first().pk]
    assert saves(alice, user_permissions=permissions) == [(by, her, ["groups", "user_permissions"])]
    assert saves(alice, is_staff="on", is_superuser="on") == [
        (by, her, ["is_staff", "is_superuser", "user_permissions"])
    ]
    # As an operator's, being active is a permission too.
    assert saves(alice, is_staff="on", is_superuser="on", is_active="") == [(by, her, ["is_active"])]


def test_an_operator_who_is_deactivated_by_an_action_is_logged(client, superuser, staff, alice, events):
    client.force_login(superuser)
    logged = events(lambda: act(client, "deactivate", [staff, alice, superuser]))
    assert logged == [(str(superuser.pk), str(staff.pk), ["is_active"])]


def test_a_change_of_a_groups_permissions_is_logged(client, superuser, events):
    client.force_login(superuser)
    group = Group.objects.create(name="Support")
    form = {"name": "Renamed", "permissions": []}
    address = page("change", group, model="group")
    assert events(lambda: client.post(address, form)) == []
    form["permissions"] = [Permission.objects.first().pk]
    assert events(lambda: client.post(address, form)) == [(str(superuser.pk), group.pk, ["permissions"])]


def test_the_deletion_of_a_group_is_logged(client, superuser, events):
    client.force_login(superuser)
    one, two = Group.objects.create(name="One"), Group.objects.create(name="Two")
    logged = events(lambda: client.post(page("delete", one, model="group"), {"post": "yes"}))
    logged += events(lambda: act(client, "delete_selected", [two], model="group", post="yes"))
    assert logged == [(str(superuser.pk), group, ["permissions"]) for group in (one.pk, two.pk)]
    assert not Group.objects.exists()

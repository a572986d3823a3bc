"""The time zone of an account in the operators' forms."""

import re

import pytest
from django.db import connection
from django.urls import reverse

from tasks.tests.factories import TaskFactory
from users.models import User
from users.tests.factories import UserFactory
from users.time_zones import TIME_ZONES

ADD = reverse("admin:users_user_add")


@pytest.fixture
def as_operator(client, admin_user):
    client.force_login(admin_user)
    return client


def page_of(user):
    return reverse("admin:users_user_change", args=[user.pk])


def chosen(client, page):
    """Return the names that the form has, and those that it has chosen."""
    select = re.search(r'<select name="time_zone".*?</select>', client.get(page).content.decode(), re.DOTALL)[
        0
    ]
    return set(re.findall('<option value="([^"]+)"', select)), re.findall(
        '<option value="([^"]*)" sel', select
    )


def save(client, user, **changes):
    form = {"email": user.email, "name": user.name, "is_active": "on", "time_zone": user.time_zone}
    return client.post(page_of(user), {**form, **changes})


def test_a_new_account_has_utc_unless_another_is_chosen(as_operator):
    assert chosen(as_operator, ADD) == (TIME_ZONES, ["UTC"])
    password = "another long password"
    for zone in ("UTC", "Asia/Kathmandu"):
        data = {"email": f"{zone[:3]}@example.com", "usable_password": "true", "time_zone": zone}
        answer = as_operator.post(ADD, {**data, "password1": password, "password2": password})
        assert answer.status_code == 302
        assert User.objects.get(email=data["email"]).time_zone == zone


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "Asia/Calcutta", "Etc/GMT+12", "UTC"])
def test_the_stored_time_zone_is_chosen_and_stays(as_operator, zone):
    user = UserFactory(time_zone=zone)
    assert chosen(as_operator, page_of(user)) == (TIME_ZONES, [zone])
    assert save(as_operator, user, name="Renamed").status_code == 302
    user.refresh_from_db()
    assert (user.name, user.time_zone) == ("Renamed", zone)


def test_a_new_time_zone_moves_the_days_of_the_user(as_operator, alice):
    task = TaskFactory(owner=alice, due_date="2026-11-30")
    assert save(as_operator, alice, time_zone="Asia/Kathmandu").status_code == 302
    task.refresh_from_db()
    assert task.due_at.isoformat() == "2026-11-30T18:14:59.999999+00:00"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "asia/kathmandu", "Factory", "../UTC", "x" * 5000])
def test_an_unknown_time_zone_is_refused(as_operator, alice, zone):
    answer = save(as_operator, alice, time_zone=zone)
    assert answer.status_code == 200
    message = "Select a valid choice." if zone else "This field is required."
    assert message in answer.content.decode()
    alice.refresh_from_db()
    assert alice.time_zone == "UTC"


def test_a_name_that_is_unknown_now_is_not_replaced_by_the_first(as_operator, alice):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE users_user SET time_zone = 'Gone/Away' WHERE email = %s", [alice.email])
    assert chosen(as_operator, page_of(alice))[1] == []
    # A browser then sends the first, which is refused.
    text = as_operator.get(page_of(alice)).content.decode().partition('name="time_zone"')[2]
    assert re.search('<option value="([^"]*)"', text)[1] == ""

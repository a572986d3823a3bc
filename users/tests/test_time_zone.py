"""The time zone of an account: which names are accepted, and where it is shown."""

import zoneinfo

import pytest
from django.core.exceptions import ValidationError

from config.tests.problems import assert_problem
from users.models import User
from users.tests.factories import UserFactory
from users.time_zones import TIME_ZONES

ME, REGISTER = "/api/v1/auth/me", "/api/v1/auth/register"
ACCOUNT = {"email": "dora@example.com", "password": "a long pass phrase"}
UNKNOWN = ["Mars/Olympus", "europe/berlin", "Factory", "localtime", "", "../UTC", "+02:00", "x" * 1000]


def test_the_default_is_utc(as_alice, anonymous):
    assert as_alice.get(ME).json()["time_zone"] == "UTC"
    assert anonymous.post(REGISTER, ACCOUNT).json()["user"]["time_zone"] == "UTC"


def test_it_can_be_chosen_and_changed(anonymous, db):
    body = anonymous.post(REGISTER, {**ACCOUNT, "time_zone": "Asia/Kathmandu"}).json()
    assert body["user"]["time_zone"] == "Asia/Kathmandu"
    token = {"HTTP_AUTHORIZATION": f"Bearer {body['access']}"}
    changed = anonymous.patch(ME, {"time_zone": "America/St_Johns"}, **token).json()
    assert changed == body["user"] | {"time_zone": "America/St_Johns"}
    assert anonymous.get(ME, **token).json() == changed
    both = {"name": "Dora", "time_zone": "Etc/GMT+12"}
    assert anonymous.patch(ME, both, **token).json() == body["user"] | both


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_one_is_refused_by_name(as_alice, alice, anonymous, name):
    for answer in (
        as_alice.patch(ME, {"name": "Changed", "time_zone": name}),
        anonymous.post(REGISTER, {**ACCOUNT, "time_zone": name}),
    ):
        (fault,) = assert_problem(answer, "validation_error")["errors"]
        assert fault["pointer"] == "#/time_zone"
        assert fault["code"] == ("unknown_time_zone" if name else "blank")
        assert not name or (name[:40] in fault["detail"] and "Europe/Berlin" in fault["detail"])
        assert len(fault["detail"]) < 200
    assert list(User.objects.values_list("name", "time_zone")) == [("Alice", "UTC")]


@pytest.mark.parametrize("value", [None, 5, ["UTC"]])
def test_it_is_a_text(as_alice, value):
    (fault,) = assert_problem(as_alice.patch(ME, {"time_zone": value}), "validation_error")["errors"]
    assert fault["pointer"] == "#/time_zone"


def test_only_the_pinned_package_is_read():
    assert zoneinfo.TZPATH == ()
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Calcutta"} <= TIME_ZONES
    assert "Factory" not in TIME_ZONES
    assert all(zoneinfo.ZoneInfo(name) for name in TIME_ZONES)


def test_forms_refuse_an_unknown_one(db):
    with pytest.raises(ValidationError, match="Unknown time zone: Mars/Olympus"):
        UserFactory.build(time_zone="Mars/Olympus").full_clean()


def test_rows_are_not_updated_past_what_is_derived(alice):
    with pytest.raises(ValueError, match="Save each user"):
        User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo")
    alice.time_zone = "Asia/Tokyo"
    with pytest.raises(ValueError, match="Save each user"):
        User.objects.bulk_update([alice], ["time_zone"])

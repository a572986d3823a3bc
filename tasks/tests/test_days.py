"""When a day begins where a user is: by hand, and computed another way."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.due import FIRST_DAY, LAST_DAY, NEVER, day_begins, due_moment
from users.time_zones import TIME_ZONES

# In the past, whose rules new releases of tzdata seldom change.
DAYS = [
    ("UTC", "2024-11-30", "2024-11-30T00:00:00"),
    ("UTC", "2024-02-29", "2024-02-29T00:00:00"),
    ("Europe/Berlin", "2024-01-15", "2024-01-14T23:00:00"),
    ("Europe/Berlin", "2024-07-15", "2024-07-14T22:00:00"),
    # The clock jumps at 02:00, and back at 03:00.
    ("Europe/Berlin", "2024-03-31", "2024-03-30T23:00:00"),
    ("Europe/Berlin", "2024-04-01", "2024-03-31T22:00:00"),
    ("Europe/Berlin", "2024-10-27", "2024-10-26T22:00:00"),
    ("Europe/Berlin", "2024-10-28", "2024-10-27T23:00:00"),
    ("America/New_York", "2024-03-10", "2024-03-10T05:00:00"),
    ("America/New_York", "2024-03-11", "2024-03-11T04:00:00"),
    ("America/New_York", "2024-11-03", "2024-11-03T04:00:00"),
    ("America/New_York", "2024-11-04", "2024-11-04T05:00:00"),
    # Quarters of an hour: +05:30, +05:45, +12:45 and +13:45.
    ("Asia/Kolkata", "2024-11-30", "2024-11-29T18:30:00"),
    ("Asia/Kathmandu", "2024-11-30", "2024-11-29T18:15:00"),
    ("Pacific/Chatham", "2024-07-15", "2024-07-14T11:15:00"),
    ("Pacific/Chatham", "2024-01-15", "2024-01-14T10:15:00"),
    # Summer time of half an hour, from 02:00 on 6 October 2024: +10:30, then +11:00.
    ("Australia/Lord_Howe", "2024-10-06", "2024-10-05T13:30:00"),
    ("Australia/Lord_Howe", "2024-10-07", "2024-10-06T13:00:00"),
    # Summer time of two hours, from 01:00 UTC on 31 March 2024.
    ("Antarctica/Troll", "2024-03-31", "2024-03-31T00:00:00"),
    ("Antarctica/Troll", "2024-04-01", "2024-03-31T22:00:00"),
    # The first and the last place where a day begins. The sign of Etc is that of POSIX.
    ("Pacific/Kiritimati", "2024-01-01", "2023-12-31T10:00:00"),
    ("Etc/GMT+12", "2024-01-01", "2024-01-01T12:00:00"),
    # Midnight is left out: the clock jumps from 00:00 to 01:00.
    ("America/Havana", "2024-03-10", "2024-03-10T05:00:00"),
    ("America/Havana", "2024-03-11", "2024-03-11T04:00:00"),
    ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00:00"),
    ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00"),
    # ... and from 23:30 to 00:30.
    ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00"),
    ("America/Toronto", "1919-04-01", "1919-04-01T04:00:00"),
    # Midnight comes twice: back from 01:00 to 00:00, and from 00:01 to 23:01.
    ("America/Havana", "2024-11-03", "2024-11-03T04:00:00"),
    ("America/Havana", "2024-11-04", "2024-11-04T05:00:00"),
    ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00"),
    ("America/St_Johns", "2010-11-08", "2010-11-08T03:30:00"),
    # Back from 00:00 to 23:00 or 23:30: the clock shows 00:00 once, at the end of the repeated time.
    ("Asia/Beirut", "2024-10-27", "2024-10-26T22:00:00"),
    ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00"),
    ("Asia/Pyongyang", "2015-08-15", "2015-08-14T15:30:00"),
    # Forward from 23:30 to 00:00.
    ("Asia/Pyongyang", "2018-05-05", "2018-05-04T15:00:00"),
    # A whole day is left out: 30 December 2011, 21 August 1993.
    ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00"),
    ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00"),
    ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00"),
    ("Pacific/Apia", "2012-01-01", "2011-12-31T10:00:00"),
    ("Pacific/Kwajalein", "1993-08-21", "1993-08-21T12:00:00"),
    ("Pacific/Kwajalein", "1993-08-22", "1993-08-21T12:00:00"),
    # A day comes twice: back by 24 hours, when Alaska was bought.
    ("America/Juneau", "1867-10-19", "1867-10-18T08:57:41"),
    # Offsets with seconds: -00:44:30 until that midnight.
    ("Africa/Monrovia", "1972-01-06", "1972-01-06T00:44:30"),
    ("Africa/Monrovia", "1972-01-07", "1972-01-07T00:44:30"),
    # The ends of the range.
    ("UTC", "0001-01-03", "0001-01-03T00:00:00"),
    ("Etc/GMT-14", "0001-01-03", "0001-01-02T10:00:00"),
    ("Etc/GMT+12", "9999-12-30", "9999-12-30T12:00:00"),
]


@pytest.mark.parametrize(("zone", "day", "begins"), DAYS)
def test_a_day_begins(zone, day, begins):
    moment = day_begins(date.fromisoformat(day), ZoneInfo(zone))
    assert moment == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize(
    ("due_date", "zone", "moment"),
    [
        (None, "Europe/Berlin", NEVER),
        ("2024-11-30", "UTC", "2024-11-30T23:59:59.999999"),
        ("2024-11-30", "Europe/Berlin", "2024-11-30T22:59:59.999999"),
        # The day ends at the jump over the next midnight, or when the next midnight comes first.
        ("1919-03-30", "America/Toronto", "1919-03-31T04:29:59.999999"),
        ("2010-11-06", "America/St_Johns", "2010-11-07T02:29:59.999999"),
        # A day that is left out ends where the next one begins.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T09:59:59.999999"),
        ("2011-12-29", "Pacific/Apia", "2011-12-30T09:59:59.999999"),
        ("2024-11-30T17:00:00.000000Z", "Asia/Tokyo", "2024-11-30T17:00:00"),
        ("2024-11-30T17:00:00.000001Z", "UTC", "2024-11-30T17:00:00.000001"),
    ],
)
def test_the_moment_of_a_due_date(due_date, zone, moment):
    expected = moment if moment is NEVER else datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert due_moment(due_date, lambda: ZoneInfo(zone)) == expected


def test_no_time_zone_brings_a_day_out_of_range():
    for name in TIME_ZONES:
        first, last = (
            due_moment(str(day), lambda name=name: ZoneInfo(name)) for day in (FIRST_DAY, LAST_DAY)
        )
        assert datetime.min.replace(tzinfo=UTC) < first < last < NEVER


def begins_by_counting(day, zone):
    """Look at the clock every minute, and then at every second of the minute before."""
    midnight = datetime.combine(day, time.min)

    def first_from(moment, step):
        while moment.astimezone(zone).replace(tzinfo=None) < midnight:
            moment += step
        return moment

    minute = first_from(midnight.replace(tzinfo=UTC) - timedelta(hours=27), timedelta(minutes=1))
    return first_from(minute - timedelta(minutes=1), timedelta(seconds=1))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(zone=st.sampled_from(sorted(TIME_ZONES)), day=st.dates(date(1970, 1, 1), date(2100, 12, 31)))
def test_any_day_begins_when_the_clock_first_reaches_it(zone, day):
    assert day_begins(day, ZoneInfo(zone)) == begins_by_counting(day, ZoneInfo(zone))


@pytest.mark.parametrize(("zone", "day", "begins"), [case for case in DAYS if "1900" < case[1] < "9000"])
def test_counting_agrees_with_the_table(zone, day, begins):
    moment = begins_by_counting(date.fromisoformat(day), ZoneInfo(zone))
    assert moment == datetime.fromisoformat(begins).replace(tzinfo=UTC)

"""Attempts are counted exactly, by account and by address, before anything costly is done."""

import math
import re
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.test import Client

from conftest import ApiClient, at_once, send, serve
from users.models import Throttle, User
from users.tests.factories import UserFactory

EMAIL = "alice@example.com"
PASSWORD = "a long pass phrase"
HERE, THERE = "192.0.2.1", "192.0.2.2"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def rates(settings):
    """Windows that no test outlives."""
    settings.LOGIN_RATE_PER_ACCOUNT = (5, HOUR)
    settings.LOGIN_RATE_PER_ADDRESS = (8, HOUR)
    settings.REGISTRATION_RATE = (3, HOUR)


@pytest.fixture
def alice(db):
    return UserFactory(email=EMAIL, password=PASSWORD, is_staff=True)


def client_at(address=HERE, forwarded=""):
    return ApiClient(REMOTE_ADDR=address, headers={"x-forwarded-for": forwarded} if forwarded else {})


def log_in(email=EMAIL, password="wrong", **client):
    return client_at(**client).post("/api/v1/auth/login", {"email": email, "password": password})


def log_in_to_admin(password="wrong"):
    return Client(REMOTE_ADDR=HERE).post("/admin/login/", {"username": EMAIL, "password": password})


def register(email, address=HERE):
    return client_at(address).post("/api/v1/auth/register", {"email": email, "password": PASSWORD})


def statuses(answers):
    return [answer.status_code for answer in answers]


def counts():
    return sorted(Throttle.objects.values_list("count", flat=True))


# --- what is counted, and how far it reaches ---------------------------------


def test_an_account_takes_so_many_attempts_from_an_address(alice, hashings):
    hashings.clear()
    assert statuses(log_in() for _ in range(7)) == [401] * 5 + [429] * 2
    assert log_in(password=PASSWORD).status_code == 429
    assert hashings == ["verify"] * 5


def test_an_unknown_account_is_counted_as_a_known_one(db, hashings):
    assert statuses(log_in("nobody@example.com") for _ in range(6)) == [401] * 5 + [429]
    assert hashings == ["encode"] * 5


def test_other_accounts_and_other_addresses_go_on(alice, bob):
    assert statuses(log_in() for _ in range(6))[-1] == 429
    assert log_in("bob@example.com").status_code == 401
    assert log_in(password=PASSWORD, address=THERE).status_code == 200


def test_an_address_takes_so_many_attempts_at_all_accounts(alice, hashings):
    hashings.clear()
    assert statuses(log_in(f"{n}@example.com") for n in range(9)) == [401] * 8 + [429]
    assert log_in(password=PASSWORD).status_code == 429
    assert len(hashings) == 8
    assert log_in(password=PASSWORD, address=THERE).status_code == 200


def test_an_address_takes_so_many_registrations(db, hashings):
    assert statuses(register(f"{n}@example.com") for n in range(4)) == [201] * 3 + [429]
    assert len(hashings) == 3
    assert User.objects.count() == 3
    assert register("elsewhere@example.com", THERE).status_code == 201


def test_success_counts_too(alice):
    assert statuses(log_in(password=PASSWORD) for _ in range(6)) == [200] * 5 + [429]


@pytest.mark.parametrize("email", ["ALICE@example.com", "Alice@Example.COM", f"  {EMAIL} "])
def test_another_way_to_write_an_email_is_no_new_counter(alice, email):
    assert statuses(log_in() for _ in range(5)) == [401] * 5
    assert log_in(email).status_code == 429


def test_an_account_and_an_address_that_spell_another_pair_are_another_counter(alice):
    assert statuses(log_in() for _ in range(6))[-1] == 429
    email, address = f"{EMAIL}1", HERE.removeprefix("1")
    assert email + address == EMAIL + HERE
    assert log_in(email, address=address).status_code == 401
    assert counts() == [1, 1, 6, 6]


@pytest.mark.parametrize("body", ["{", "[]", f'{{"email": "{EMAIL}"}}'])
def test_a_body_that_cannot_be_an_attempt_counts_for_the_address(db, hashings, body):
    post = client_at().generic
    # Past the rate the body is not judged.
    answers = [post("POST", "/api/v1/auth/login", body, content_type="application/json") for _ in range(9)]
    assert statuses(answers) == [400] * 8 + [429]
    assert counts() == [9]
    assert hashings == []


# --- the answer, and the window ----------------------------------------------


def test_the_refusal_has_the_one_shape(alice):
    answer = [log_in() for _ in range(6)][-1]
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "code": "throttled",
        "detail": f"Too many attempts. Try again in {answer['Retry-After']} seconds.",
        "request_id": answer["X-Request-ID"],
    }


@pytest.mark.parametrize("left", [10_900, 3_599_900, 60_000])
def test_retry_after_is_the_rest_of_the_window_rounded_up(alice, left):
    assert statuses(log_in() for _ in range(5)) == [401] * 5
    ends = int(time.time() * 1000) + left
    Throttle.objects.update(expires_at=ends)
    sent = int(time.time() * 1000)
    waiting = int(log_in()["Retry-After"])
    received = int(time.time() * 1000)
    assert math.ceil((ends - received) / 1000) <= waiting <= math.ceil((ends - sent) / 1000)
    assert waiting >= 1


def test_a_refused_attempt_does_not_prolong_the_window(alice):
    log_in()
    windows = list(Throttle.objects.order_by("key").values_list("key", "expires_at"))
    assert statuses(log_in() for _ in range(7))[-1] == 429
    assert list(Throttle.objects.order_by("key").values_list("key", "expires_at")) == windows


def test_when_the_window_is_over_a_new_one_begins(alice):
    assert statuses(log_in() for _ in range(6))[-1] == 429
    Throttle.objects.update(expires_at=int(time.time() * 1000))
    assert statuses(log_in() for _ in range(6)) == [401] * 5 + [429]
    assert counts() == [6, 6]
    now = time.time() * 1000
    assert all(
        now < ends <= now + 3_600_000 for ends in Throttle.objects.values_list("expires_at", flat=True)
    )


# --- whose address it is -----------------------------------------------------


@pytest.fixture
def behind(settings):
    def configure(proxies):
        settings.NUM_PROXIES = proxies

    return configure


@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [
        (0, "203.0.113.{n}"),
        (1, "203.0.113.{n}, 198.51.100.1"),
        (2, "203.0.113.{n}, 198.51.100.1, 10.0.0.1"),
    ],
)
def test_a_claimed_address_is_not_believed(alice, behind, proxies, forwarded):
    behind(proxies)
    answers = [log_in(forwarded=forwarded.format(n=n)) for n in range(6)]
    assert statuses(answers) == [401] * 5 + [429]


@pytest.mark.parametrize(
    ("proxies", "forwarded"),
    [(1, "203.0.113.1, 198.51.100.{n}"), (2, "203.0.113.1, 198.51.100.{n}, 10.0.0.1")],
)
def test_trusted_proxies_tell_clients_apart(alice, behind, proxies, forwarded):
    behind(proxies)
    assert statuses(log_in(forwarded=forwarded.format(n=1)) for _ in range(6))[-1] == 429
    assert log_in(forwarded=forwarded.format(n=2)).status_code == 401
    assert log_in(forwarded=forwarded.format(n=1), address=THERE).status_code == 429


def test_a_client_of_ipv6_is_its_network(alice):
    assert statuses(log_in(address=f"2001:db8:1:2::{n}") for n in range(6)) == [401] * 5 + [429]
    assert log_in(address="2001:db8:1:3::1").status_code == 401
    assert counts() == [1, 1, 6, 6]


@pytest.mark.parametrize(
    "forwarded", ["192.0.2.1:{n}", "[2001:db8::{n}]:80", "garbage-{n}", "::ffff:192.0.2.1"]
)
def test_another_way_to_write_an_address_is_no_new_counter(alice, behind, forwarded):
    behind(1)
    assert statuses(log_in(forwarded=forwarded.format(n=n)) for n in range(6)) == [401] * 5 + [429]


# --- every door --------------------------------------------------------------


def test_the_admins_form_stands_under_the_same_counters(alice, hashings):
    hashings.clear()
    assert statuses(log_in_to_admin() for _ in range(5)) == [200] * 5
    assert log_in(password=PASSWORD).status_code == 429
    refusal = log_in_to_admin(PASSWORD)
    assert refusal.status_code == 200
    assert "Too many attempts" in refusal.content.decode()
    assert hashings == ["verify"] * 5


def test_attempts_at_the_api_close_the_admins_form(alice):
    assert statuses(log_in() for _ in range(5)) == [401] * 5
    assert "Too many attempts" in log_in_to_admin(PASSWORD).content.decode()


@pytest.fixture(params=["password", "me"])
def confirm(request, alice):
    """Change the password, or delete the account: what asks for the password again."""
    client = client_at().sign_in(alice)

    def call(password):
        if request.param == "me":
            return client.delete("/api/v1/auth/me", {"password": password})
        body = {"current_password": password, "new_password": "a longer pass phrase"}
        return client.post("/api/v1/auth/password", body)

    return call


def test_confirming_a_password_counts_as_signing_in(confirm, hashings):
    hashings.clear()
    assert statuses(confirm("wrong") for _ in range(6)) == [400] * 5 + [429]
    assert log_in(password=PASSWORD).status_code == 429
    assert hashings == ["verify"] * 5


def test_nothing_is_confirmed_past_the_rate(alice, confirm):
    assert statuses(log_in() for _ in range(5)) == [401] * 5
    answer = confirm(PASSWORD)
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert int(answer["Retry-After"]) >= 1
    assert User.objects.get(email=EMAIL).check_password(PASSWORD)


# --- what it costs, and what it stores ---------------------------------------


def test_a_count_is_one_statement(alice):
    client = client_at()
    costs = []
    for _ in range(9):
        client.post("/api/v1/auth/login", {"email": EMAIL, "password": "wrong"})
        costs.append(len(client.statements))
    # Two counts and the account; then two counts; then the address alone.
    assert costs == [3] * 5 + [2] * 3 + [1]
    for n in range(4):
        client.post("/api/v1/auth/register", {"email": f"{n}@example.com", "password": PASSWORD})
    assert len(client.statements) == 1


def test_what_is_stored_tells_neither_email_nor_address(db, settings):
    log_in()
    keys = set(Throttle.objects.values_list("key", flat=True))
    assert len(keys) == 2
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)
    settings.SECRET_KEY = "another secret, so that no key can be guessed without it"
    log_in()
    assert len(keys | set(Throttle.objects.values_list("key", flat=True))) == 4


# --- at once -----------------------------------------------------------------


def test_of_forty_attempts_at_once_five_pass(transactional_db, settings, hashings):
    settings.LOGIN_RATE_PER_ADDRESS = (1000, HOUR)
    answers = at_once(40, lambda _: log_in())
    assert Counter(statuses(answers)) == {401: 5, 429: 35}
    assert len(hashings) == 5
    assert counts() == [40, 40]


def test_two_processes_share_their_counters(transactional_db):
    environment = {"WEB_CONCURRENCY": "1", "LOGIN_RATE_PER_ACCOUNT": "5/1h"}
    with serve(**environment) as one, serve(**environment) as other:
        attempt = {"email": EMAIL, "password": "wrong"}
        answers = at_once(40, lambda n: send(f"{(one, other)[n % 2]}/api/v1/auth/login", attempt))
    assert Counter(status for status, _ in answers) == {401: 5, 429: 35}

"""Which address counts as the client's: in the log, and for the throttles."""

import pytest
from django.test import RequestFactory

from config.rest.client import client_address

PROXY = "10.0.0.1"


def seen(settings, forwarded=None, connection=PROXY, proxies=1):
    settings.NUM_PROXIES = proxies
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    return client_address(RequestFactory(REMOTE_ADDR=connection).get("/", headers=headers))


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]:5678", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2::7]", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1"),
        ("::ffff:c000:201", "192.0.2.1"),
    ],
)
def test_an_address_is_one_of_ipv4_or_a_network_of_ipv6(settings, given, address):
    assert seen(settings, given) == address
    assert seen(settings, f"  {given} ") == address
    assert seen(settings, connection=given, proxies=0) == address


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        " ",
        ",",
        "unknown",
        "<script>",
        "300.1.1.1",
        "192.0.2",
        "3221225985",
        "1.2.3.4:5:6",
        "::1::",
        "[",
        "[]:1",
        "_hidden",
        "192.0.2.1 192.0.2.2",
        "\N{ARABIC-INDIC DIGIT ONE}.2.3.4",
        "0192.0.2.1",
        ":",
        "x" * 9_000,
        "192.0.2.1:" + "9" * 100,
    ],
)
def test_what_is_no_address_is_the_connections(settings, garbage):
    """Otherwise a client could choose a new counter for each attempt."""
    assert seen(settings, garbage) == PROXY
    assert seen(settings, f"192.0.2.1, {garbage}") == PROXY


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, "192.0.2.1", PROXY),
        (1, None, PROXY),
        (1, "192.0.2.9, 192.0.2.1", "192.0.2.1"),
        (2, "192.0.2.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (2, "192.0.2.1,10.0.0.2", "192.0.2.1"),
        (2, "192.0.2.1", "192.0.2.1"),
        (3, "1.1.1.1,2.2.2.2,192.0.2.1,10.0.0.3,10.0.0.2", "192.0.2.1"),
    ],
)
def test_the_number_of_proxies_says_which_part_is_the_client(settings, proxies, forwarded, address):
    assert seen(settings, forwarded, proxies=proxies) == address


def test_a_connection_without_an_address_is_one_client(settings):
    """A Unix socket has none."""
    assert seen(settings, connection="", proxies=0) == ""


def test_the_log_has_the_client_as_the_throttle_sees_it(anonymous, settings, log):
    settings.NUM_PROXIES = 1
    for forwarded in ("192.0.2.9, [2001:db8::7]:443", "Tr0ub4dor"):
        anonymous.get("/health", headers={"x-forwarded-for": forwarded})
    assert [line["client"] for line in log] == ["2001:db8::/64", "127.0.0.1"]
    assert "Tr0ub4dor" not in log.text

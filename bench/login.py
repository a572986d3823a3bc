"""`python bench/login.py`: compare refused logins, whose time and response must not give the reason.

Signs in with an unknown e-mail, with a wrong password and to an inactive account, in process and in
random order. Prints the median time of each, and whether the responses are equal. DATABASE_URL names
a migrated database. Without it a temporary SQLite file is used. The accounts are deleted at the end.
The counters of the throttle expire after a day.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import django
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

WARM_UP = 5
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "measures-and-opens-nothing-0123456789",
    "JWT_SIGNING_KEY": "measures-too-and-opens-nothing-either",
    "ALLOWED_HOSTS": "testserver",
    "SECURE_SSL_REDIRECT": "false",
    "LOG_LEVEL": "ERROR",
    # Too high to refuse a login. Counting it is part of the cost.
    "LOGIN_RATE_PER_ACCOUNT": "1000000/1d",
    "LOGIN_RATE_PER_ADDRESS": "1000000/1d",
}


def set_up(folder: str) -> None:
    """Set up Django, with a new SQLite database if DATABASE_URL is not set."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.update(ENVIRONMENT)
    given = "DATABASE_URL" in os.environ
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/login.sqlite3")
    django.setup()
    if not given:
        call_command("migrate", verbosity=0)


def login(client: Client, credentials: dict[str, str]) -> tuple[float, bytes]:
    """Return the seconds of a login, and the status, headers and body of the response as bytes."""
    started = time.perf_counter()
    response = client.post(
        "/api/v1/auth/login", credentials, "application/json", headers={"x-request-id": "fixed"}
    )
    seconds = time.perf_counter() - started
    return seconds, b"%d %r %b" % (response.status_code, sorted(response.headers.items()), response.content)


def measure(cases: dict[str, dict[str, str]], rounds: int) -> tuple[dict[str, list[float]], set[bytes]]:
    """Return the seconds of each login by case, and the set of different responses."""
    client, responses = Client(), set()
    times: dict[str, list[float]] = {name: [] for name in cases}
    for credentials in list(cases.values()) * WARM_UP:
        login(client, credentials)
    order = list(cases) * rounds
    random.shuffle(order)
    for name in order:
        seconds, response = login(client, cases[name])
        times[name].append(seconds)
        responses.add(response)
    return times, responses


def report(times: dict[str, list[float]], responses: set[bytes]) -> None:
    """Print the median of each case, its ratio to the first one, and whether the responses are equal."""
    medians = {name: median(seconds) for name, seconds in times.items()}
    first = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:18} {seconds * 1000:8.2f} ms {seconds / first:6.3f}")
    print("responses: equal" if len(responses) == 1 else f"responses: {len(responses)} DIFFERENT ones")


def main() -> None:
    """Create two accounts, measure, and delete the accounts."""
    parser = argparse.ArgumentParser(description="Compare the time and the response of refused logins.")
    parser.add_argument("--rounds", type=int, default=200, help="logins of each kind (default 200)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        set_up(folder)
        accounts: Any = get_user_model().objects
        mark, password = uuid4().hex, "a long pass phrase"
        cases = {
            name: {"email": f"{name.replace(' ', '-')}-{mark}@example.com", "password": password}
            for name in ("unknown e-mail", "wrong password", "inactive account")
        }
        cases["wrong password"]["password"] = "not the pass phrase"
        try:
            accounts.create_user(cases["wrong password"]["email"], password)
            accounts.create_user(**cases["inactive account"], is_active=False)
            report(*measure(cases, rounds))
        finally:
            accounts.filter(email__endswith=f"-{mark}@example.com").delete()


if __name__ == "__main__":
    main()

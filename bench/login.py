"""`python bench/login.py`: what a refused login costs, and whether it tells why it was refused.

Signs in, in process and in random order, with an unknown e-mail, with a wrong password
and to an inactive account, and prints the median of each: they are meant to cost and to
say the same. DATABASE_URL names a database that is migrated; without it a SQLite file is
made and deleted. The accounts are deleted again, the throttle's counters expire in a day.
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
    # They still count, which is part of the cost.
    "LOGIN_RATE_PER_ACCOUNT": "1000000/1d",
    "LOGIN_RATE_PER_ADDRESS": "1000000/1d",
}


def set_up(folder: str) -> None:
    """Make Django ready, on a new database unless one is named."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    os.environ.update(ENVIRONMENT)
    given = "DATABASE_URL" in os.environ
    os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/login.sqlite3")
    django.setup()
    if not given:
        call_command("migrate", verbosity=0)


def login(client: Client, credentials: dict[str, str]) -> tuple[float, bytes]:
    """Return the seconds that an answer took, and all of it: status, headers, body."""
    started = time.perf_counter()
    answer = client.post(
        "/api/v1/auth/login", credentials, "application/json", headers={"x-request-id": "fixed"}
    )
    seconds = time.perf_counter() - started
    return seconds, b"%d %r %b" % (answer.status_code, sorted(answer.headers.items()), answer.content)


def measure(cases: dict[str, dict[str, str]], rounds: int) -> tuple[dict[str, list[float]], set[bytes]]:
    """Return the seconds of each case's logins, and the different answers."""
    client, answers = Client(), set()
    times: dict[str, list[float]] = {name: [] for name in cases}
    for credentials in list(cases.values()) * WARM_UP:
        login(client, credentials)
    order = list(cases) * rounds
    random.shuffle(order)
    for name in order:
        seconds, answer = login(client, cases[name])
        times[name].append(seconds)
        answers.add(answer)
    return times, answers


def report(times: dict[str, list[float]], answers: set[bytes]) -> None:
    """Print the medians, each over the first, and whether the answers are one."""
    medians = {name: median(seconds) for name, seconds in times.items()}
    first = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:18} {seconds * 1000:8.2f} ms {seconds / first:6.3f}")
    print("answers: the same bytes" if len(answers) == 1 else f"answers: {len(answers)} DIFFERENT ones")


def main() -> None:
    """Make two accounts, measure, and delete them."""
    parser = argparse.ArgumentParser(description="What a refused login costs, by why it is refused.")
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

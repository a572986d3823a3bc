"""`make bench-instructions`: what a request costs the service, the design it replaces, and the floor.

Instructions under valgrind's callgrind, in process, without a server; PostgreSQL runs outside of it. Writes
bench/instructions.json, and bench/baseline.json for the running build of Python. `--check` counts the
service alone and fails where an operation costs more than 3 % above the baseline; it says why
where it cannot count.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from config.tests.engines import postgresql

ROOT = Path(__file__).resolve().parent.parent
RESULTS, BASELINE = ROOT / "bench" / "instructions.json", ROOT / "bench" / "baseline.json"
TOLERANCE = 1.03
# Another build of the same Python needs other numbers of instructions.
PYTHON = f"{platform.python_version()} {platform.python_compiler()}"
# list, get, create, patch: as in the mix of `make bench`.
MIX = {"list": 0.50, "get": 0.25, "create": 0.12, "patch": 0.13}
PREPARE = """
from users.models import User, Session
from users.authentication import AccessToken
from tasks.models import Task
user = User.objects.order_by("id")[0]
ids = ",".join(str(task.id) for task in Task.objects.filter(owner=user).order_by("id")[:50])
print(f"{AccessToken.of(Session.begin(user))} {ids}")
"""


def environment(url: str) -> dict[str, str]:
    """Return what all subjects are given: production's settings, with keys that open nothing."""
    return {
        **os.environ,
        "ENV_FILE": "/dev/null",
        "ALLOWED_HOSTS": "localhost",
        "SECRET_KEY": "not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz",
        "JWT_SIGNING_KEY": "not-a-secret-either-0123456789-abcdefghijklmnopqrstuvwxyz",
        "SECURE_SSL_REDIRECT": "false",
        "ACCESS_TOKEN_LIFETIME": "30d",
        "DATABASE_URL": url,
        "PEER_DATABASE_URL": peer_url(url),
        "PYTHONHASHSEED": "0",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def peer_url(url: str) -> str:
    """Return the same address as SQLAlchemy writes it for asyncpg."""
    if "%2F" in url:
        head, _, folder = url.partition("@")
        socket, _, name = folder.rpartition("/")
        return f"{head.replace('postgresql', 'postgresql+asyncpg')}@/{name}?host={socket}"
    return url.replace("postgresql://", "postgresql+asyncpg://").replace(
        "postgres://", "postgresql+asyncpg://"
    )


def prepare(variables: dict[str, str]) -> dict[str, str]:
    """Make the tables and some tasks; return the variables with a token and the ids of its user's tasks."""

    def manage(*arguments: str) -> str:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=variables, check=True, capture_output=True, text=True
        ).stdout

    manage("migrate", "--verbosity", "0")
    manage("seed", "--users", "20", "--tasks-per-user", "200")
    token, ids = manage("shell", "--verbosity", "0", "--command", PREPARE).split()[-2:]
    return {**variables, "BENCH_TOKEN": token, "BENCH_IDS": ids}


def count(subject: str, variables: dict[str, str]) -> dict[str, int]:
    """Return the instructions a request of each operation."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}"]
        done = subprocess.run(
            [*valgrind, sys.executable, "-m", "bench.inprocess", subject],
            cwd=ROOT,
            env={**variables, "BENCH_CALLGRIND_OUT": str(out)},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"{subject} could not be counted:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts


def check(baseline: dict[str, dict[str, int]]) -> int:
    """Hold the service against the baseline of this Python."""
    if not shutil.which("valgrind"):
        print("bench-instructions: skipped, because valgrind is not installed.")
        return 0
    if PYTHON not in baseline:
        print(f"bench-instructions: skipped, because there is no baseline of Python {PYTHON}.")
        return 0
    with postgresql() as url:
        counts = count("ours", prepare(environment(url)))
    grown = [name for name, before in baseline[PYTHON].items() if counts[name] > before * TOLERANCE]
    for name, before in baseline[PYTHON].items():
        print(f"{name:7} {counts[name]:>10,} instructions, {counts[name] / before - 1:+.1%}")
    if grown:
        print(f"More than 3 % above bench/baseline.json: {', '.join(grown)}.")
    return 1 if grown else 0


def main() -> int:
    """Count all three, write what was found, and print it."""
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    if "--check" in sys.argv:
        return check(baseline)
    if not shutil.which("valgrind"):
        sys.exit("valgrind is needed: apt-get install valgrind")
    with postgresql() as url:
        variables = prepare(environment(url))
        counts = {}
        for subject in ("ours", "fastapi", "floor"):
            print(f"counting {subject}", file=sys.stderr, flush=True)
            counts[subject] = count(subject, variables)
    results = {name: {subject: counts[subject][name] for subject in counts} for name in MIX}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    BASELINE.write_text(json.dumps({**baseline, PYTHON: counts["ours"]}, indent=2) + "\n")
    mix = {subject: sum(MIX[name] * results[name][subject] for name in MIX) for subject in counts}
    for name, each in {**results, "mix": mix}.items():
        ours, fastapi, floor = (each[subject] for subject in ("ours", "fastapi", "floor"))
        print(f"{name:7} {ours:>12,.0f}   {ours / fastapi:.2f} of FastAPI   {ours / floor:.2f} of the floor")
    return 0


if __name__ == "__main__":
    sys.exit(main())

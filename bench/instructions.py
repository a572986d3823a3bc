"""`make bench-instructions`: how many instructions a request costs, in process, under valgrind's callgrind.

Counts for this project, the FastAPI peer and the floor what the WSGI or ASGI callable executes
from the request to the end of the answer: no server, no client, and PostgreSQL is another
process. Writes bench/instructions.json, a section of bench/RESULTS.md, and the baseline of the
running Python in bench/baseline.json. With `--check` it measures this project alone, writes
nothing, and fails where an operation grew by more than 3 % over that baseline; without valgrind
or such a baseline it says so and passes.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import django
from django.core.management import call_command

from bench.in_process import REQUESTS, WARM_UP
from bench.report import write_section
from bench.servers import ENVIRONMENT, FASTAPI, FLOOR, OURS, ROOT, database

OPERATIONS = ("list", "get", "create", "patch")
MAX_GROWTH = 1.03
USERS, TASKS = 20, 200
INSTRUCTIONS = ROOT / "bench" / "instructions.json"
BASELINE = ROOT / "bench" / "baseline.json"
PYTHON = "{}.{}".format(*sys.version_info)
# Another build of the same Python executes other instructions.
BUILD = f"{platform.python_version()}, {platform.python_compiler()}, {platform.machine()}"
# callgrind writes its counters and sets them to zero at each call of this: in_process.py calls it.
MARK = "getpriority"
METHOD = """\
In thousands, of one request in process: the mean of {requests} requests of each operation, after {warm_up}
to warm up, under valgrind's callgrind, with PYTHONHASHSEED=0, the garbage collector off on all sides, and the
request log on where there is one. The server in front (gunicorn, uvicorn) and PostgreSQL are not in it.
Python {build}.
"""


def skip(reason: str) -> None:
    """Say why nothing was measured."""
    print(f"bench-instructions: skipped, {reason}")


def measure(names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return the instructions a request, by operation and by who was asked, on a new seeded database."""
    with database() as url, tempfile.TemporaryDirectory() as folder:
        alone = {"DATABASE_STATEMENT_TIMEOUT": "0s", "LOG_LEVEL": "ERROR"}
        os.environ.update(ENVIRONMENT, DATABASE_URL=url, **alone)
        django.setup()
        from bench import targets  # noqa: PLC0415  (models want the settings first)

        call_command("migrate", verbosity=0)
        call_command("seed", users=USERS, tasks_per_user=TASKS)
        people = targets.sign_in(USERS)
        requests = Path(folder) / "targets.json"
        requests.write_text(json.dumps([[person.token, *map(str, person.ids)] for person in people]))
        counts = {name: count(name, requests, url) for name in names}
        targets.sign_out(people)
    return {kind: {name: counts[name][kind] for name in names} for kind in OPERATIONS}


def count(name: str, requests: Path, database_url: str) -> dict[str, int]:
    """Return the instructions a request of one callable. Raises SystemExit where it fails."""
    sys.stderr.write(f"counting {name}\n")
    output = requests.with_name(f"{name}.out")
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", f"--dump-before={MARK}"]
    environment = {**os.environ, **ENVIRONMENT, "DATABASE_URL": database_url, "PYTHONHASHSEED": "0"}
    environment.pop("DATABASE_STATEMENT_TIMEOUT")
    done = subprocess.run(
        [*callgrind, sys.executable, "-m", "bench.in_process", name, str(requests)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed under callgrind:\n{done.stderr[-4000:]}")
    # A mark before each operation and one after the last: what ends at a mark began at the one before.
    totals = [
        int(re.search(r"(?m)^totals: (\d+)", output.with_name(f"{output.name}.{number}").read_text())[1])
        for number in range(2, 2 + len(OPERATIONS))
    ]
    return {kind: round(total / REQUESTS) for kind, total in zip(OPERATIONS, totals, strict=True)}


def read(file: Path) -> dict[str, dict[str, int]]:
    """Return what a file says, nothing where there is none."""
    return json.loads(file.read_text()) if file.exists() else {}


def check() -> None:
    """Raise SystemExit naming the operations that grew."""
    if not shutil.which("valgrind"):
        return skip("valgrind is not installed")
    baseline = read(BASELINE).get(PYTHON)
    if baseline is None:
        return skip(f"there is no baseline of Python {PYTHON}")
    if baseline["build"] != BUILD:
        return skip(f"the baseline of Python {PYTHON} is of {baseline['build']}, and this is {BUILD}")
    grown = []
    for kind, row in measure((OURS,)).items():
        growth = row[OURS] / baseline[kind]
        print(f"{kind:8} {row[OURS]:>10,} {growth:6.3f} of the baseline")
        if growth > MAX_GROWTH:
            grown.append(kind)
    if grown:
        raise SystemExit(f"More instructions a request than the baseline allows: {', '.join(grown)}.")
    return None


def table(counts: dict[str, dict[str, int]]) -> str:
    """Return the table of RESULTS.md."""
    lines = [
        "| operation | this project | FastAPI | floor | ours / FastAPI | ours / floor |",
        f"|{'---|' * 6}",
    ]
    for kind, row in counts.items():
        ours, fastapi, floor = row[OURS], row[FASTAPI], row[FLOOR]
        thousands = " | ".join(f"{number / 1000:,.0f}" for number in (ours, fastapi, floor))
        lines.append(f"| {kind} | {thousands} | {ours / fastapi:.2f} | {ours / floor:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all and write it down, or check this project against its baseline."""
    parser = argparse.ArgumentParser(description="Count the instructions of a request.")
    parser.add_argument("--check", action="store_true", help="fail where this project grew by more than 3 %%")
    if parser.parse_args().check:
        return check()
    if not shutil.which("valgrind"):
        raise SystemExit("Counting instructions needs valgrind: apt-get install valgrind.")
    counts = measure((OURS, FASTAPI, FLOOR))
    INSTRUCTIONS.write_text(json.dumps(counts, indent=2) + "\n")
    ours = {"build": BUILD, **{kind: row[OURS] for kind, row in counts.items()}}
    BASELINE.write_text(json.dumps(dict(sorted({**read(BASELINE), PYTHON: ours}.items())), indent=2) + "\n")
    text = f"{METHOD.format(requests=REQUESTS, warm_up=WARM_UP, build=BUILD)}\n{table(counts)}"
    write_section("Instructions", text)
    print(text)
    return None


if __name__ == "__main__":
    main()

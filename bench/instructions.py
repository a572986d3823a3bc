"""`make bench-instructions`: count the CPU instructions of a request, under valgrind's callgrind.

Counts what the WSGI or ASGI application of this project, of the FastAPI peer and of the floor
executes for one request. The server, the client and PostgreSQL are not counted. Writes
bench/instructions.json, a section of bench/RESULTS.md, and the baseline of the running Python in
bench/baseline.json.

`--check` measures this project only and writes nothing. Exits with 1 if an operation costs over 3 %
more than the baseline. Without valgrind or a baseline it prints a message and passes.
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
# Another build of the same Python version executes different instructions.
BUILD = f"{platform.python_version()}, {platform.python_compiler()}, {platform.machine()}"
# callgrind writes and resets its counters when this function is called. in_process.py calls it.
MARK = "getpriority"
METHOD = """\
Thousands of instructions of one request, in process: the mean of {requests} requests of each operation,
after {warm_up} to warm up. Counted by valgrind's callgrind, with PYTHONHASHSEED=0 and no garbage collection.
This project's request log is on. The server (gunicorn, uvicorn) and PostgreSQL are not counted.
Python {build}.
"""


def skip(reason: str) -> None:
    """Print why nothing is measured."""
    print(f"bench-instructions: skipped, {reason}")


def measure(names: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Return the instructions of a request, by operation and application, on a new database with tasks."""
    with database() as url, tempfile.TemporaryDirectory() as folder:
        os.environ.update(ENVIRONMENT, DATABASE_URL=url, DATABASE_STATEMENT_TIMEOUT="0s", LOG_LEVEL="ERROR")
        django.setup()
        from bench import targets  # noqa: PLC0415  (models need the settings)

        call_command("migrate", verbosity=0)
        call_command("seed", users=USERS, tasks_per_user=TASKS)
        users = targets.sign_in(USERS)
        file = Path(folder) / "targets.json"
        file.write_text(json.dumps([[user.token, *map(str, user.ids)] for user in users]))
        counts = {name: count(name, file, url) for name in names}
        targets.sign_out(users)
    return {kind: {name: counts[name][kind] for name in names} for kind in OPERATIONS}


def count(name: str, targets: Path, database_url: str) -> dict[str, int]:
    """Return the instructions of a request to one application, by operation. Raises SystemExit on failure."""
    sys.stderr.write(f"counting {name}\n")
    output = targets.with_name(f"{name}.out")
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", f"--dump-before={MARK}"]
    environment = {**os.environ, **ENVIRONMENT, "DATABASE_URL": database_url, "PYTHONHASHSEED": "0"}
    environment.pop("DATABASE_STATEMENT_TIMEOUT")
    done = subprocess.run(
        [*callgrind, sys.executable, "-m", "bench.in_process", name, str(targets)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed under callgrind:\n{done.stderr[-4000:]}")
    # There is a mark before each operation and one after the last. The first file has the warm-up.
    totals = [
        int(re.search(r"(?m)^totals: (\d+)", output.with_name(f"{output.name}.{number}").read_text())[1])
        for number in range(2, 2 + len(OPERATIONS))
    ]
    return {kind: round(total / REQUESTS) for kind, total in zip(OPERATIONS, totals, strict=True)}


def read(file: Path) -> dict[str, dict[str, int]]:
    """Return the content of a JSON file, or {} if there is no file."""
    return json.loads(file.read_text()) if file.exists() else {}


def check() -> None:
    """Compare this project with its baseline. Raises SystemExit with the operations that grew."""
    if not shutil.which("valgrind"):
        return skip("valgrind is not installed")
    baseline = read(BASELINE).get(PYTHON)
    if baseline is None:
        return skip(f"there is no baseline of Python {PYTHON}")
    if baseline["build"] != BUILD:
        return skip(f"the baseline of Python {PYTHON} was made by {baseline['build']}, not by {BUILD}")
    grown = []
    for kind, row in measure((OURS,)).items():
        growth = row[OURS] / baseline[kind]
        print(f"{kind:8} {row[OURS]:>10,} {growth:6.3f} of the baseline")
        if growth > MAX_GROWTH:
            grown.append(kind)
    if grown:
        raise SystemExit(f"Over 3 % more instructions than the baseline: {', '.join(grown)}.")
    return None


def table(counts: dict[str, dict[str, int]]) -> str:
    """Return the counts as a Markdown table for RESULTS.md."""
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
    """Measure all three and write the results, or check this project."""
    parser = argparse.ArgumentParser(description="Count the instructions of a request.")
    parser.add_argument(
        "--check", action="store_true", help="fail if this project costs over 3 %% more than the baseline"
    )
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

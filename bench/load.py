"""A closed loop: wrk keeps every connection busy for a second, and tells what came back."""

import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.servers import OURS, Server

if TYPE_CHECKING:
    from bench.targets import Target

SCRIPT = Path(__file__).with_name("load.lua")
# The statuses that are right. Any other is an error, and so is a connection that breaks.
STATUSES = {
    "list": "200",
    "get": "200",
    "create": "201",
    "patch": "200",
    "delete": "204",
    "unchanged": "200",
    "mix": "200,201",
}


class Outcome(NamedTuple):
    """What a second brought. Percentiles in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float


def require_wrk() -> None:
    """Raise SystemExit where wrk is not installed."""
    if not shutil.which("wrk"):
        raise SystemExit("The benchmark needs wrk: apt-get install wrk, or brew install wrk.")


def statuses(work: str, server: Server) -> str:
    """Return the statuses that are right; this project alone says 304."""
    return "304" if work == "unchanged" and server.name == OURS else STATUSES[work]


def drive(
    server: Server, work: str, connections: int, targets: "list[Target]", seconds: float = 1
) -> Outcome:
    """Let wrk send one kind of request over so many connections. Raises SystemExit where it fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".targets") as file:
        file.writelines(
            f"{target.token}\t{target.etag}\t{' '.join(map(str, target.ids))}\n" for target in targets
        )
        file.flush()
        # Titles are numbered from here, so that no change repeats one of an earlier second.
        start = str(random.randrange(10**9, 10**10))
        options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds:g}s"]
        script = ["--timeout", "10s", "--script", str(SCRIPT), server.address, "--"]
        done = subprocess.run(
            ["wrk", *options, *script, work, file.name, start, statuses(work, server)],
            capture_output=True,
            text=True,
            check=False,
        )
    result = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not result:
        raise SystemExit(f"wrk failed on {server.name}, {work}:\n{done.stdout}{done.stderr}")
    return Outcome(**json.loads(result[0].removeprefix("RESULT ")))

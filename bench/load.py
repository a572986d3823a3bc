"""A closed loop with wrk: each connection sends its next request when it has the response to the last."""

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
# The expected statuses. Any other status is an error, and so is a broken connection.
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
    """The result of a run of wrk. Percentiles are in milliseconds."""

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float


def require_wrk() -> None:
    """Raise SystemExit if wrk is not installed."""
    if not shutil.which("wrk"):
        raise SystemExit("The benchmark needs wrk: apt-get install wrk, or brew install wrk.")


def statuses(work: str, server: Server) -> str:
    """Return the expected statuses. Only this project returns 304."""
    return "304" if work == "unchanged" and server.name == OURS else STATUSES[work]


def drive(
    server: Server, work: str, connections: int, targets: "list[Target]", seconds: float = 1
) -> Outcome:
    """Run wrk with one kind of request. Raises SystemExit if it fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".targets") as file:
        file.writelines(
            f"{target.token}\t{target.etag}\t{' '.join(map(str, target.ids))}\n" for target in targets
        )
        file.flush()
        # Titles are numbered from here. A PATCH with the title of an earlier run would change nothing.
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

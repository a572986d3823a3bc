"""`python -m scripts.fuzz`: check a running service against its OpenAPI document, with Schemathesis.

Starts the service on a new PostgreSQL with two users, and sends the requests that Schemathesis generates from
config/openapi.yaml, as one user and then as the other. No request may find another user's task. Last, a third
user changes their password and a fourth deletes their account. The settings are in scripts/schemathesis.toml.

The seed and the number of examples are fixed. `--max-time 300` repeats with others for 300 s a user. Other
arguments go to Schemathesis. Exits with 1 if a check fails, or if an operation never accepted a request.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from bench.servers import ENVIRONMENT, OURS, ROOT, database, serve

SCHEMATHESIS = ROOT / ".venv-fuzz" / "bin" / "schemathesis"
OWNERS = ("alice", "bob")
# These send the correct password to an operation, and cannot sign in again. The owners send a wrong one.
LEAVERS = {"carol": "auth_password", "dave": "auth_me_delete"}
TASKS = 3


def post(url: str, body: dict[str, str], token: str = "") -> Any:
    """POST a JSON body and return that of the response."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
        return json.load(response)


def credentials(name: str) -> dict[str, str]:
    """Return the e-mail and the password of a user."""
    return {"email": f"{name}@example.com", "password": f"the long pass phrase of {name[::-1]}"}


def register(address: str, name: str) -> tuple[dict[str, str], list[str]]:
    """Create a user with tasks. Return the user's tokens, and the ids of the tasks."""
    tokens = post(f"{address}/api/v1/auth/register", credentials(name))
    titles = [{"title": f"Task {number} of {name}"} for number in range(TASKS)]
    return tokens, [post(f"{address}/api/v1/tasks", title, tokens["access"])["id"] for title in titles]


def sign_in(name: str, access: str) -> dict[str, Any]:
    """Return how Schemathesis authenticates a user. An owner signs in again after each 401."""
    if name in LEAVERS:
        return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {access}"}]}
    login = {"verb": "POST", "endpoint": "/api/v1/auth/login", "contentType": "application/json"}
    token = {"extractFrom": "body", "extractSelector": "/access"}
    send = {"sendIn": "header", "sendName": "Authorization", "sendTemplate": "Bearer {token}"}
    body = json.dumps(credentials(name))
    return {"name": name, "loginEndpointAuth": {**login, "payloadRaw": body, "token": {**token, **send}}}


def fuzz(address: str, name: str, folder: Path, arguments: list[str]) -> tuple[bool, set[str]]:
    """Run Schemathesis as one user. Return whether all checks passed, and the operations that accepted."""
    tokens, tasks = register(address, f"not-{name}")
    environment = {
        "FUZZ_USERS": str(folder / "users.json"),
        "FUZZ_REFRESH": tokens["refresh"],
        "FUZZ_STRANGERS": " ".join(tasks),
        "FUZZ_PASSWORD": credentials(name if name in LEAVERS else "nobody")["password"],
    }
    path = folder / f"{name}.json"
    command = [str(SCHEMATHESIS), "--config-file=scripts/schemathesis.toml", "run", "config/openapi.yaml"]
    options = [f"--url={address}", f"--auth-wfc-user={name}", "--report=json", f"--report-json-path={path}"]
    environment = {**os.environ, **environment}
    run = subprocess.run([*command, *options, *arguments], cwd=ROOT, env=environment, check=False)
    report = json.loads(path.read_text())
    cases, seconds = report["test_cases"]["generated"], report["running_time"]
    outcome = "passed" if run.returncode == 0 else "FAILED"
    print(f"=== {name}: {outcome}, {cases} requests in {seconds:.0f} s", flush=True)
    rates = report["valid_rates"].items()
    return run.returncode == 0, {operation for operation, phases in rates if accepted_in(phases)}


def accepted_in(phases: dict[str, dict[str, int]]) -> int:
    """Return how many requests that match the document were accepted."""
    return sum(phase["accepted"] for phase in phases.values())


def all_operations() -> set[str]:
    """Return the operations of the document as Schemathesis names them: `GET /health`."""
    paths = yaml.safe_load((ROOT / "config" / "openapi.yaml").read_text())["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def main() -> int:
    """Start the service, and fuzz it as each user. Return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--max-examples", default="20", help="of each phase and operation (default 20)")
    parser.add_argument("--seed", default="1", help="of what is random (default 1)")
    options, rest = parser.parse_known_args()
    fixed = ["--max-examples", options.max_examples, "--seed", options.seed]
    with database() as url, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **ENVIRONMENT, "DATABASE_URL": url}, check=True)
        with serve(OURS, url) as server:
            tokens = {user: register(server.address, user)[0]["access"] for user in (*OWNERS, *LEAVERS)}
            (folder / "users.json").write_text(
                json.dumps({"auth": [sign_in(*user) for user in tokens.items()]})
            )
            runs = [fuzz(server.address, user, folder, [*fixed, *rest]) for user in OWNERS]
            for user, operation in LEAVERS.items():
                only = f"--include-operation-id={operation}"
                runs.append(fuzz(server.address, user, folder, [*fixed, only]))
    refused = all_operations().difference(*(accepted for _, accepted in runs))
    print(f"=== never accepted: {', '.join(sorted(refused)) or 'none'}")
    return 0 if all(passed for passed, _ in runs) and not refused else 1


if __name__ == "__main__":
    sys.exit(main())

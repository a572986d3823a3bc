"""`python -m bench.inprocess ours|fastapi|floor`: count what one request costs, under valgrind.

Runs in the process that valgrind watches, with instrumentation off; calls the WSGI or ASGI
callable without a server, and has callgrind write out its counts around as many requests of
each kind. What that writing costs itself is counted too, and taken off. The garbage
collector is off while it counts, so that its turns fall on nobody.
Prints a line of JSON: instructions a request, for each operation.
"""

import asyncio
import gc
import importlib
import io
import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

REQUESTS = 40
WARM_UP = 25
OUT = Path(os.environ["BENCH_CALLGRIND_OUT"])
TOKEN, IDS = os.environ["BENCH_TOKEN"], os.environ["BENCH_IDS"].split(",")
Call = Callable[[str, str, object], None]


def wsgi(application: Callable) -> Call:
    """Return what does one request against a WSGI callable."""

    def call(method: str, address: str, body: object) -> None:
        data, parts = json.dumps(body).encode() if body else b"", urlsplit(address)
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost",
            "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
            "CONTENT_TYPE": "application/json" if data else "",
            "CONTENT_LENGTH": str(len(data)) if data else "",
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            "wsgi.url_scheme": "http",
        }
        statuses: list[str] = []
        answer = application(environ, lambda status, *_: statuses.append(status))
        b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        assert statuses[0][0] == "2", statuses

    return call


def asgi(application: Callable) -> Call:
    """Return what does one request against an ASGI callable, in one event loop."""
    loop = asyncio.new_event_loop()

    def call(method: str, address: str, body: object) -> None:
        data, parts = json.dumps(body).encode() if body else b"", urlsplit(address)
        headers = [(b"host", b"localhost"), (b"authorization", f"Bearer {TOKEN}".encode())]
        if data:
            headers += [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(data)).encode()),
            ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 80),
        }
        sent: list[dict] = []

        async def receive() -> dict:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: dict) -> None:
            sent.append(message)

        loop.run_until_complete(application(scope, receive, send))
        assert str(sent[0]["status"])[0] == "2", sent

    return call


SUBJECTS = {
    "ours": ("config.wsgi", "application", wsgi),
    "floor": ("bench.peers.floor", "application", wsgi),
    "fastapi": ("bench.peers.fastapi_app", "app", asgi),
}
numbers = itertools.count()
OPERATIONS: dict[str, Callable[[Call], None]] = {
    "list": lambda call: call("GET", "/api/v1/tasks?limit=20", None),
    "get": lambda call: call("GET", f"/api/v1/tasks/{IDS[next(numbers) % len(IDS)]}", None),
    "create": lambda call: call("POST", "/api/v1/tasks", {"title": f"Task {next(numbers)}"}),
    "patch": lambda call: call(
        "PATCH", f"/api/v1/tasks/{IDS[next(numbers) % len(IDS)]}", {"title": f"Task {next(numbers)}"}
    ),
}


def control(*arguments: str) -> None:
    """Tell callgrind something about this process."""
    subprocess.run(["callgrind_control", *arguments, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


def counted(act: Callable[[], object]) -> int:
    """Return the instructions from one writing of the counts to the next."""
    control("--dump")
    act()
    control("--dump")
    newest = max(OUT.parent.glob(f"{OUT.name}.*"), key=lambda path: int(path.suffix[1:]))
    match = re.search(r"^totals: (\d+)", newest.read_text(), re.MULTILINE)
    assert match, newest
    return int(match[1])


def main(subject: str) -> None:
    """Count, and print."""
    module, name, kind = SUBJECTS[subject]
    # What it logs goes where production's logs would, to be written and not read.
    printer, sys.stdout = sys.stdout, Path(os.devnull).open("w")  # noqa: SIM115
    call = kind(getattr(importlib.import_module(module), name))
    for operation in OPERATIONS.values():
        for _ in range(WARM_UP):
            operation(call)
    gc.collect()
    gc.disable()
    control("--instr=on")
    for operation in OPERATIONS.values():
        operation(call)
    idle = counted(lambda: None)
    counts = {
        name: (counted(lambda operation=operation: [operation(call) for _ in range(REQUESTS)]) - idle)
        // REQUESTS
        for name, operation in OPERATIONS.items()
    }
    print(json.dumps(counts), file=printer)


if __name__ == "__main__":
    main(sys.argv[1])

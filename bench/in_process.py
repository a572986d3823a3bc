"""Calls a WSGI or ASGI application without a server. bench/instructions.py runs it under callgrind.

`python -m bench.in_process NAME TARGETS`: first sends WARM_UP requests of each operation. Then sends
REQUESTS of each, with a mark before each operation and after the last. Exits with 1 on a wrong status.
"""

import asyncio
import gc
import io
import itertools
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

REQUESTS = 40
WARM_UP = 20
STATUSES = {"list": 200, "get": 200, "create": 201, "patch": 200}
APPLICATIONS = {
    "ours": "config.wsgi:application",
    "fastapi": "bench.peers.fastapi_app:app",
    "floor": "bench.peers.floor:application",
}


def request(kind: str, target: list[str], number: int) -> tuple[str, str, bytes, str]:
    """Return the method, path, body and token of a request. Each `number` gives different ones."""
    token, *ids = target
    one = f"/api/v1/tasks/{ids[number % len(ids)]}"
    return {
        "list": ("GET", "/api/v1/tasks", b"", token),
        "get": ("GET", one, b"", token),
        "create": (
            "POST",
            "/api/v1/tasks",
            b'{"title":"Buy milk %06d","description":"Two litres"}' % number,
            token,
        ),
        "patch": ("PATCH", one, b'{"title":"Buy bread %06d"}' % number, token),
    }[kind]


def wsgi(application: Callable[..., Any]) -> Callable[..., int]:
    """Return a function that calls a WSGI application as gunicorn does, and returns the status."""

    def send(method: str, path: str, body: bytes, token: str, query: str) -> int:
        statuses = []
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "RAW_URI": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8000",
            "HTTP_AUTHORIZATION": f"Bearer {token}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if body:
            environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
        response = application(environ, lambda status, _headers, _info=None: statuses.append(int(status[:3])))
        b"".join(response)
        if hasattr(response, "close"):
            response.close()
        return statuses[0]

    return send


def asgi(application: Callable[..., Any]) -> Callable[..., int]:
    """Return a function that calls an ASGI application as uvicorn does, and returns the status."""
    import uvloop  # noqa: PLC0415  (only the peer uses it)

    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)

    def send(method: str, path: str, body: bytes, token: str, query: str) -> int:
        statuses = []
        headers = [(b"host", b"127.0.0.1:8000"), (b"authorization", b"Bearer " + token.encode())]
        if body:
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
            "state": {},
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def respond(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        loop.run_until_complete(application(scope, receive, respond))
        return statuses[0]

    return send


def main() -> None:
    """Send all requests. A mark is a system call that nothing else makes."""
    name, file = sys.argv[1:]
    module, _, attribute = APPLICATIONS[name].partition(":")
    application = getattr(import_module(module), attribute)
    send = (asgi if name == "fastapi" else wsgi)(application)
    targets, number = json.loads(Path(file).read_text()), itertools.count()

    def repeat(kind: str, times: int) -> None:
        query = "limit=20" if kind == "list" else ""
        for _ in range(times):
            turn = next(number)
            status = send(*request(kind, targets[turn % len(targets)], turn), query)
            if status != STATUSES[kind]:
                raise SystemExit(f"{kind} returned {status}")

    for kind in STATUSES:
        repeat(kind, WARM_UP)
    # Off for all three: when the collector runs depends on earlier allocations.
    gc.collect()
    gc.freeze()
    gc.disable()
    for kind in STATUSES:
        os.getpriority(os.PRIO_PROCESS, 0)
        repeat(kind, REQUESTS)
    os.getpriority(os.PRIO_PROCESS, 0)


if __name__ == "__main__":
    main()

"""Run a gunicorn on the test database, and send it requests that no client library sends.

gunicorn imports this module too, for `patient_application`. Therefore it imports no models.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from config import connections

# Seconds until a test gives up waiting. A test on a busy machine takes a fraction of them.
DEADLINE = 300
# What `streaming_application` streams: more than the sockets of both sides hold.
BLOCK, BLOCKS = 64 * 1024, 640


class Response(NamedTuple):
    """A response with the attributes of a test client's response."""

    status_code: int
    headers: Message
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def send(server: str, line: str, *headers: str, body: bytes = b"") -> Response:
    """Send a request line, headers and a body unchanged, and return the response."""
    address = urlsplit(server)
    lines = [f"{line} HTTP/1.1", f"Host: {address.netloc}", "Connection: close", *headers]
    if not any(header.startswith(("Transfer-Encoding", "Content-Length")) for header in headers) and body:
        lines.append(f"Content-Length: {len(body)}")
    if any(header.startswith("Host: ") for header in headers):
        del lines[1]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=DEADLINE) as link:
        link.sendall(head + body)
        response = http.client.HTTPResponse(link, method=line.partition(" ")[0])
        response.begin()
        return Response(response.status, response.headers, response.read())


def wait_for(condition: Callable[[], Any]) -> None:
    """Return when the condition holds. Fails after DEADLINE."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE} s"
        time.sleep(0.02)


def database_url_of_tests() -> str:
    """Return the URL of the test database, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port: int) -> bool:
    """Return whether 127.0.0.1 accepts connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def listeners(port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port: one for each worker. Linux only: proc(5)."""
    return {inode for inode, is_listening in sockets(port) if is_listening}


def accepted(port: int) -> set[str]:
    """Return the inodes of the sockets of clients that a server has. Linux only."""
    return {inode for inode, is_listening in sockets(port) if not is_listening and inode != "0"}


def sockets(port: int) -> list[tuple[str, bool]]:
    """Return the inode of each socket of a port, and whether it listens. A closed one may remain with 0."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [(row[9], row[3] == "0A") for row in rows if int(row[1].rpartition(":")[2], 16) == port]


def workers_of(process: "subprocess.Popen[bytes]") -> list[int]:
    """Return the process ids of a gunicorn's workers. Linux only."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@contextmanager
def gunicorn(
    log: Path, *arguments: str, **environment: str
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run a gunicorn on the test database. Yield its address and process when its socket listens.

    The application may not be loaded by then. `arguments` go to gunicorn, its output goes to `log`.
    """
    port = free_port()
    environment = {
        **os.environ,
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "DATABASE_URL": database_url_of_tests(),
        **environment,
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", *arguments],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(lambda: is_listening(port) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)


# --- limits that a busy machine does not exceed --------------------------------


def patient(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a database connection, with DEADLINE for every limit of a few seconds.

    Through a pooler the limits of statements and locks stay. They are the role's.
    """
    if "timeout" in options:
        return {**options, "timeout": DEADLINE}
    limits = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    # The last of several values counts.
    raised = "".join(f" -c {limit}={DEADLINE}s" for limit in limits)
    startup = {"options": options["options"] + raised} if "options" in options else {}
    return {**options, "connect_timeout": DEADLINE, **startup}


def limit_clients(**limits: float) -> None:
    """Change limits of `config/connections.py` in a worker."""
    for name, value in limits.items():
        assert hasattr(connections, name)
        setattr(connections, name, value)


def limited_application(**limits: float) -> Callable[..., Any]:
    """Return the application with other limits of what clients may occupy."""
    application = patient_application()
    limit_clients(**limits)
    return application


def streaming_application(**limits: float) -> Callable[..., Any]:
    """Return an application with other limits that streams BLOCKS blocks to every path but /health.

    To /broken it streams one, and fails.
    """
    application = limited_application(**limits)

    def stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] == "/health":
            return application(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        numbers = [0, None] if environ["PATH_INFO"] == "/broken" else range(BLOCKS)
        return (bytes([number % 256]) * BLOCK for number in numbers)

    return stream


def patient_application() -> Callable[..., Any]:
    """Return the WSGI application with limits that a busy machine does not exceed."""
    limit_clients(HEAD_SECONDS=DEADLINE, BODY_SECONDS=DEADLINE, RESPONSE_SECONDS=DEADLINE)
    from config import settings as module  # noqa: PLC0415  (Django reads the settings when it starts)

    module.DATABASES["default"]["OPTIONS"] = patient(module.DATABASES["default"]["OPTIONS"])
    module.REFRESH_GRACE_PERIOD = timedelta(hours=1)
    from config.wsgi import application  # noqa: PLC0415  (starts Django)

    return application

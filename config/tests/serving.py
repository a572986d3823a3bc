"""Servers that run, and requests to them that no client library would send."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from email.message import Message
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from conftest import database_url_of_tests, free_port


class Answer(NamedTuple):
    """What came back; read like the answer of a test client."""

    status_code: int
    headers: Message
    content: bytes

    def json(self):
        return json.loads(self.content)


def send(server, line, *headers, body=b""):
    """Send a request line, headers and a body as they are, and return the answer."""
    address = urlsplit(server)
    lines = [f"{line} HTTP/1.1", f"Host: {address.netloc}", "Connection: close", *headers]
    if not any(header.startswith(("Transfer-Encoding", "Content-Length")) for header in headers) and body:
        lines.append(f"Content-Length: {len(body)}")
    if any(header.startswith("Host: ") for header in headers):
        del lines[1]
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head + body)
        response = http.client.HTTPResponse(connection, method=line.partition(" ")[0])
        response.begin()
        return Answer(response.status, response.headers, response.read())


@contextmanager
def gunicorn(log, **environment):
    """Yield the address and the process of one more gunicorn on the test database."""
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
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(timeout=35)

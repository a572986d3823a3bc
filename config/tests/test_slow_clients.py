"""Clients that send or read slowly: they keep nobody waiting, and the server does not wait forever."""

import http.client
import json
import os
import re
import signal
import socket
import sys
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from config import connections
from config.connections import Connection
from config.tests.problems import assert_problem
from config.tests.serving import (
    BLOCK,
    BLOCKS,
    DEADLINE,
    Response,
    accepted,
    gunicorn,
    send,
    wait_for,
    workers_of,
)
from config.worker import Worker
from conftest import is_healthy

LOGIN = "POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
HEALTH = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
# 3.9 MB: more than the kernel holds for a client that does not read.
LARGE_FILE = "/static/drf_spectacular_sidecar/redoc/bundles/redoc.standalone.js.map"
READ_LARGE_FILE = f"GET {LARGE_FILE} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SLOW = {
    "silent": "",
    "half a head": HEALTH,
    "half a body": f'{LOGIN}Content-Length: 100\r\n\r\n{{"email":',
    "no body after Expect": f"{LOGIN}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
    "half a chunk": f"{LOGIN}Transfer-Encoding: chunked\r\n\r\n64\r\n{{",
    "idle": f"{HEALTH}\r\n",
    "never closes": f"{HEALTH}Connection: close\r\n\r\n",
    "does not read": READ_LARGE_FILE,
}
ATTACKERS, OTHERS = 64, 20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads proc(5)")
pytestmark = pytest.mark.django_db(transaction=True)


def connect(stack, server, text):
    """Return a connection with a small receive buffer, on which a text has been sent."""
    client = stack.enter_context(closing(socket.socket()))
    client.settimeout(DEADLINE)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((urlsplit(server).hostname, urlsplit(server).port))
    client.sendall(text.encode())
    return client


def is_closed(client):
    """Wait until the server closes a connection, and return True. False if it sends something."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def memory_of(pid):
    """Return the bytes of main memory that a process has. Linux only."""
    return 1024 * int(re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


def count_received(client):
    """Return how many bytes arrive until the server closes a connection."""
    count = 0
    with suppress(ConnectionResetError):
        while data := client.recv(BLOCK):
            count += len(data)
    return count


def read_response(client):
    # With a buffer of one byte nothing of the next response is read.
    response = http.client.HTTPResponse(SimpleNamespace(makefile=partial(client.makefile, buffering=1)))
    response.begin()
    return Response(response.status, response.headers, response.read())


@contextmanager
def limited(log, application="limited_application", *arguments, **limits):
    """Run a server with one thread and other limits, and yield its address."""
    limits = ", ".join(f"{name}={value}" for name, value in limits.items())
    application = f"config.tests.serving:{application}({limits})"
    with gunicorn(log, application, *arguments, WEB_THREADS="1") as (server, _):
        wait_for(lambda: is_healthy(server))
        yield server


@pytest.mark.parametrize("kind", SLOW)
def test_slow_clients_keep_nobody_waiting(server, kind):
    with ExitStack() as stack:
        for _ in range(ATTACKERS):
            connect(stack, server, SLOW[kind])
        assert [send(server, "GET /health").status_code for _ in range(OTHERS)] == [200] * OTHERS


@pytest.mark.parametrize("kind", ["silent", "half a head", "idle"])
def test_a_connection_without_a_whole_head_is_closed(tmp_path, kind):
    limits = {} if kind == "idle" else {"HEAD_SECONDS": 0.5}
    with (
        limited(tmp_path / "log", "limited_application", "--keep-alive=1", **limits) as server,
        ExitStack() as stack,
    ):
        client = connect(stack, server, SLOW[kind])
        if kind == "idle":
            assert read_response(client).status_code == 200
        assert is_closed(client)


@pytest.mark.parametrize("kind", ["half a body", "no body after Expect"])
def test_half_a_body_is_answered_with_a_problem(tmp_path, kind):
    log = tmp_path / "log"
    with limited(log, BODY_SECONDS=0.5) as server, ExitStack() as stack:
        client = connect(stack, server, SLOW[kind])
        if kind != "half a body":
            assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        response = read_response(client)
        problem = assert_problem(response, "request_timeout")
        assert response.headers["Connection"] == "close"
        assert is_closed(client)
        lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["request_id"] == problem["request_id"]]
    assert (line["status"], line["route"]) == (408, "/api/v1/auth/login")


def test_the_time_for_a_head_begins_with_its_first_byte(monkeypatch):
    monkeypatch.setattr(connections.time, "monotonic", lambda: 1000)
    with ExitStack() as stack:
        here, there = (stack.enter_context(closing(each)) for each in socket.socketpair())
        conn = stack.enter_context(closing(Connection(None, here, None, None)))
        conn.deadline = 1075
        assert conn.receive() is None
        assert conn.deadline == 1075
        there.sendall(HEALTH.encode())
        assert conn.receive() is None
    assert conn.deadline == 1000 + 10


def test_the_time_for_a_body_grows_with_its_length(monkeypatch):
    monkeypatch.setattr(connections.time, "monotonic", lambda: 1000)
    with ExitStack() as stack:
        here, _ = (stack.enter_context(closing(each)) for each in socket.socketpair())
        conn = stack.enter_context(closing(Connection(None, here, None, None)))
        conn.received += f"{LOGIN}Content-Length: {640 * 1024}\r\n\r\n".encode()
        assert not conn.is_complete()
    assert conn.deadline == 1000 + 30 + 10


def test_the_time_for_a_response_grows_with_what_is_read():
    conn, client = SimpleNamespace(deadline=1000), SimpleNamespace(flush=lambda: 160 * 1024, unsent=b"x")
    Worker.send_rest(SimpleNamespace(), conn, client)
    assert conn.deadline == 1000 + 10


@linux_only
@pytest.mark.parametrize(
    ("application", "ahead"), [("limited_application", 2**30), ("streaming_application", BLOCK)]
)
def test_a_client_that_does_not_read_is_closed(tmp_path, application, ahead):
    limits = {"RESPONSE_SECONDS": 0.5, "RESPONSE_BYTES_PER_SECOND": 2**40, "AHEAD_BYTES": ahead}
    with limited(tmp_path / "log", application, **limits) as server, ExitStack() as stack:
        port = urlsplit(server).port
        wait_for(lambda: not accepted(port))
        client = connect(stack, server, READ_LARGE_FILE)
        assert client.recv(1)
        wait_for(lambda: not accepted(port))
        # Also of a client that reads a little, the worker must learn that it does.
        assert count_received(client) < 4 * connections.KERNEL_BYTES


def test_a_streamed_response_arrives_whole(tmp_path):
    with limited(tmp_path / "log", "streaming_application", AHEAD_BYTES=BLOCK) as server:
        body = send(server, "GET /stream").content
    assert len(body) == BLOCK * BLOCKS
    assert body == b"".join(bytes([number % 256]) * BLOCK for number in range(BLOCKS))


def test_a_response_that_fails_in_the_middle_is_cut_off(tmp_path):
    with limited(tmp_path / "log", "streaming_application") as server:
        with pytest.raises(http.client.IncompleteRead):
            send(server, "GET /broken")
        assert send(server, "GET /health").status_code == 200
    assert "Exception in worker process" not in (tmp_path / "log").read_text()


def test_too_many_connections_close_the_oldest(tmp_path):
    with (
        limited(tmp_path / "log", "limited_application", "--worker-connections=8") as server,
        ExitStack() as stack,
    ):
        clients = [connect(stack, server, "") for _ in range(20)]
        assert all(map(is_closed, clients[:13]))
        clients[-1].sendall(f"{HEALTH}\r\n".encode())
        assert read_response(clients[-1]).status_code == 200


@linux_only
def test_a_connection_that_is_closed_for_another_may_have_sent_something_meanwhile(tmp_path):
    limits = "config.tests.serving:limited_application()", "--worker-connections=2"
    with gunicorn(tmp_path / "log", *limits) as (server, process), ExitStack() as stack:
        wait_for(lambda: is_healthy(server))
        port, (worker,) = urlsplit(server).port, workers_of(process)
        wait_for(lambda: not accepted(port))
        oldest = connect(stack, server, HEALTH)
        wait_for(lambda: accepted(port))
        # So that the worker learns of both at once.
        os.kill(worker, signal.SIGSTOP)
        newest = connect(stack, server, "")
        oldest.sendall(b"\r\n")
        os.kill(worker, signal.SIGCONT)
        newest.sendall(f"{HEALTH}\r\n".encode())
        assert read_response(newest).status_code == 200


def test_too_many_bytes_are_not_held(tmp_path):
    head = f"{LOGIN}Content-Length: 1000000\r\n\r\n".replace("auth/login", "tasks")
    with limited(tmp_path / "log", HELD_BYTES=500_000) as server, ExitStack() as stack:
        small, large = connect(stack, server, HEALTH), connect(stack, server, head)
        with suppress(ConnectionError):
            large.sendall(b"x" * 900_000)
        assert is_closed(large)
        small.sendall(b"\r\n")
        assert read_response(small).status_code == 200


@linux_only
def test_idle_connections_hold_nothing_of_their_requests(tmp_path, as_alice):
    headers = {
        "Authorization": as_alice._credentials["HTTP_AUTHORIZATION"],
        "Content-Type": "application/json",
    }
    application = "config.tests.serving:patient_application()"
    with gunicorn(tmp_path / "log", application) as (server, process), ExitStack() as stack:
        wait_for(lambda: is_healthy(server))
        (worker,) = workers_of(process)
        before = memory_of(worker)
        for _ in range(100):
            client = http.client.HTTPConnection(urlsplit(server).netloc, timeout=DEADLINE)
            stack.enter_context(closing(client))
            client.request("POST", "/api/v1/tasks", b'"' + b"x" * 1_000_000 + b'"', headers)
            client.getresponse().read()
            assert client.sock
        assert memory_of(worker) - before < connections.HELD_BYTES


def test_a_head_without_end_is_closed(server):
    with ExitStack() as stack:
        client = connect(stack, server, HEALTH)
        with suppress(ConnectionError):
            client.sendall(b"A: b\r\n" * 1_000_000)
        assert is_closed(client)


def test_requests_in_one_packet_are_answered_in_order(server):
    with ExitStack() as stack:
        missing = "GET /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        client = connect(stack, server, f"{HEALTH}\r\n{missing}{HEALTH}")
        assert read_response(client).status_code == 200
        assert_problem(read_response(client), "not_found")
        client.sendall(b"\r\n")
        assert read_response(client).status_code == 200


def test_only_a_body_that_is_wanted_is_asked_for(server):
    """RFC 9110, section 10.1.1."""
    with ExitStack() as stack:
        expected = f"{LOGIN}Expect: 100-continue\r\nContent-Length: "
        refused = connect(stack, server, f"{expected}2000000\r\n\r\n")
        assert_problem(read_response(refused), "content_too_large")
        sent_already = connect(stack, server, f"{expected}1\r\n\r\nx")
        assert_problem(read_response(sent_already), "malformed_json")
        old = connect(stack, server, f"{expected}1\r\n\r\n".replace("HTTP/1.1", "HTTP/1.0"))
        old.sendall(b"x")
        assert_problem(read_response(old), "malformed_json")


def test_no_request_waits_for_permission_to_have_no_body(server):
    with ExitStack() as stack:
        assert connect(stack, server, f"{HEALTH}Expect: 100-continue\r\n\r\n").recv(12) == b"HTTP/1.1 200"


def test_bare_line_feeds_are_refused_at_once(server):
    with ExitStack() as stack:
        client = connect(stack, server, "GET /health HTTP/1.1\nHost: 127.0.0.1\n\n")
        assert client.recv(12) == b"HTTP/1.1 400"

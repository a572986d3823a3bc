"""What becomes of its connections when a worker stops. On a stop and on a reload it gets SIGTERM."""

import errno
import http.client
import os
import signal
import socket
from contextlib import ExitStack, closing
from selectors import DefaultSelector
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from gunicorn.config import Config

from config.tests.serving import BLOCK, BLOCKS, DEADLINE, gunicorn, is_listening, wait_for, workers_of
from config.tests.test_slow_clients import HEALTH, connect, is_closed, linux_only, read_response
from config.tests.test_stopping import PATIENT, is_running
from config.worker import Worker
from conftest import is_healthy

HALF_A_BODY = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
KEPT = f"--keep-alive={DEADLINE}"


@pytest.fixture
def worker():
    """Yield a worker that accepts connections, in this process."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        worker = Worker(1, os.getpid(), [listener], None, 30, Config(), None)
        with closing(worker.tmp), DefaultSelector() as worker.poller:
            worker.set_accept_enabled(True)
            yield worker


def begin_request(stack, server):
    """Return a connection of which a worker has a part of a request."""
    body = "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    client = connect(stack, server, HEALTH + body)
    assert client.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    return client


def finish_request(client):
    """Send the rest of a request, and check that it is handled and that the connection ends."""
    client.sendall(b"{}")
    response = read_response(client)
    assert (response.status_code, response.headers["Connection"]) == (200, "close")


def test_another_worker_may_have_accepted_a_connection(worker):
    """Without reuse_port all workers have one socket, and a connection wakes them all."""
    worker.accept(worker.sockets[0])
    assert worker.nr_conns == 0


def test_a_worker_that_had_too_many_connections_accepts_more(worker):
    (listener,) = worker.sockets
    for is_enabled in (False, True):
        worker.set_accept_enabled(is_enabled)
    with closing(socket.create_connection(listener.getsockname(), DEADLINE)):
        worker.wait_for_and_dispatch_events(DEADLINE)
        (accepted,) = worker.waiting
        worker.drop(accepted)


def test_a_signal_may_come_while_a_worker_stops_accepting(worker):
    """A worker with too many connections stops accepting. If SIGTERM comes just before, it does so twice."""
    (listener,) = worker.sockets
    worker.alive = False
    for _ in range(2):
        worker.set_accept_enabled(False)
    assert listener.fileno() < 0


def test_a_worker_without_free_file_descriptors_stops(worker):
    calls = []

    def accept():
        calls.append(None)
        assert len(calls) < 5
        raise OSError(errno.EMFILE, "Too many open files")

    (listener,) = worker.sockets
    stuck = SimpleNamespace(accept=accept, fileno=listener.fileno, close=listener.close)
    worker.alive, worker.sockets = False, [stuck]
    with closing(socket.create_connection(listener.getsockname(), DEADLINE)):
        worker.set_accept_enabled(False)
    assert (worker.sockets, listener.fileno()) == ([], -1)


@linux_only
@pytest.mark.django_db(transaction=True)
def test_connections_that_a_stopping_worker_has_not_accepted_are_answered(tmp_path):
    with gunicorn(tmp_path / "log", *PATIENT) as (server, process), ExitStack() as stack:
        wait_for(lambda: is_healthy(server))
        (pid,) = workers_of(process)
        # So that the worker learns of the connections and of the signal at once.
        os.kill(pid, signal.SIGSTOP)
        clients = [connect(stack, server, f"{HEALTH}\r\n") for _ in range(20)]
        os.kill(pid, signal.SIGTERM)
        os.kill(pid, signal.SIGCONT)
        assert [read_response(client).status_code for client in clients] == [200] * 20
        stack.close()
        wait_for(lambda: not is_running(pid))


@pytest.mark.django_db(transaction=True)
def test_a_stopping_worker_waits_only_for_requests_that_have_begun(tmp_path):
    with gunicorn(tmp_path / "log", *PATIENT, KEPT) as (server, process), ExitStack() as stack:
        wait_for(lambda: is_healthy(server))
        begun = begin_request(stack, server)
        silent, idle = connect(stack, server, ""), connect(stack, server, f"{HEALTH}\r\n")
        assert read_response(idle).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert is_closed(silent)
        assert is_closed(idle)
        finish_request(begun)
        assert process.wait(timeout=DEADLINE) == 0


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_not_kept_when_its_response_ends_after_the_stop(tmp_path):
    """The response has announced that the connection is kept."""
    application = f"config.tests.serving:streaming_application(AHEAD_BYTES={BLOCK})"
    with (
        gunicorn(tmp_path / "log", application, PATIENT[1], KEPT) as (server, process),
        ExitStack() as stack,
        closing(http.client.HTTPConnection(urlsplit(server).netloc, timeout=DEADLINE)) as client,
    ):
        other = begin_request(stack, server)
        client.request("GET", "/stream")
        response = client.getresponse()
        assert not response.will_close
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not is_listening(urlsplit(server).port))
        assert len(response.read()) == BLOCK * BLOCKS
        assert is_closed(client.sock)
        # The worker has closed it before its own end.
        finish_request(other)
        assert process.wait(timeout=DEADLINE) == 0


@pytest.mark.django_db(transaction=True)
def test_a_kept_connection_may_have_one_more_request_when_the_worker_stops(tmp_path):
    """Its client may have sent it before it could know."""
    configuration = tmp_path / "gunicorn.py"
    configuration.write_text(
        f"from config.gunicorn import *\nfrom config.worker import gthread\n"
        f"gthread.STOP_KEEPALIVE_LINGER = {DEADLINE}\n"
    )
    arguments = (
        "config.tests.serving:limited_application(BODY_SECONDS=0.5)",
        PATIENT[1],
        KEPT,
        f"--config={configuration}",
    )
    with gunicorn(tmp_path / "log", *arguments) as (server, process), ExitStack() as stack:
        wait_for(lambda: is_healthy(server))
        late, client = (connect(stack, server, f"{HEALTH}\r\n") for _ in range(2))
        assert [read_response(each).status_code for each in (late, client)] == [200, 200]
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not is_listening(urlsplit(server).port))
        # When the worker answers this, it has looked for connections whose time is over.
        late.sendall((HEALTH + HALF_A_BODY).encode())
        assert read_response(late).status_code == 408
        client.sendall(f"{HEALTH}\r\n".encode())
        response = read_response(client)
        assert (response.status_code, response.headers["Connection"]) == (200, "close")
        assert process.wait(timeout=DEADLINE) == 0

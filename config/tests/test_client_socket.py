"""Responses that are not read at once: what a worker holds of them, how long it waits, and how that ends."""

import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest

from config import connections
from config.connections import CHUNK_BYTES, ClientSocket
from config.tests.serving import BLOCK, DEADLINE, accepted, send, wait_for
from config.tests.test_slow_clients import READ_LARGE_FILE, connect, limited, linux_only

# All together they are more than the worker and the kernel hold.
AHEAD, BLOCKS = 4 * BLOCK, 64


@pytest.fixture
def link(monkeypatch):
    """Yield a worker's socket, its client, and a thread that the end of the client sets free."""
    monkeypatch.setattr(connections, "AHEAD_BYTES", AHEAD)
    here, there = socket.socketpair()
    there.settimeout(DEADLINE)
    with ThreadPoolExecutor(1) as pool, closing(ClientSocket(here)) as sending, closing(there) as client:
        yield sending, client, pool


def test_a_streamed_response_waits_for_a_client_that_reads_slowly(link, monkeypatch):
    monkeypatch.setattr(connections, "RESPONSE_SECONDS", DEADLINE)
    sending, client, pool = link
    response = b"".join(bytes([number]) * BLOCK for number in range(BLOCKS))
    unsent = []

    def stream():
        for number in range(BLOCKS):
            sending.sendall(bytes([number]) * BLOCK)
            unsent.append(len(sending.unsent))
        sending.send_blocking()

    streaming = pool.submit(stream)
    wait_for(lambda: sending.gettimeout() or streaming.done())
    ahead, seconds = unsent[-1], sending.gettimeout()
    assert AHEAD < ahead <= AHEAD + BLOCK
    assert seconds == pytest.approx(DEADLINE + ahead / connections.RESPONSE_BYTES_PER_SECOND)
    assert client.makefile("rb").read(len(response)) == response
    streaming.result(DEADLINE)
    assert max(unsent) <= AHEAD + BLOCK
    assert sending.gettimeout() == 0


def test_a_streamed_response_ends_if_its_client_does_not_read(link, monkeypatch):
    monkeypatch.setattr(connections, "RESPONSE_SECONDS", 0.1)
    monkeypatch.setattr(connections, "RESPONSE_BYTES_PER_SECOND", 2**40)
    sending, _, pool = link
    streaming = pool.submit(lambda: [sending.sendall(bytes(BLOCK)) for _ in range(BLOCKS)])
    with pytest.raises(BrokenPipeError):
        streaming.result(DEADLINE)
    # What follows the missing part must not arrive.
    assert not sending.unsent
    assert sending.gettimeout() == 0


def test_a_streamed_response_begins_to_arrive_before_its_end(link):
    sending, client, _ = link
    sending.sendall(bytes(CHUNK_BYTES))
    assert len(sending.unsent) == CHUNK_BYTES
    sending.sendall(b"x")
    assert client.recv(1) == bytes(1)


@linux_only
@pytest.mark.django_db(transaction=True)
def test_a_client_that_resets_its_connection_leaves_the_worker_alone(tmp_path):
    """A response of which the worker holds the rest."""
    log = tmp_path / "log"
    with limited(log) as server, ExitStack() as stack:
        port = urlsplit(server).port
        wait_for(lambda: not accepted(port))
        client = connect(stack, server, READ_LARGE_FILE)
        assert client.recv(1)
        # Without a time to linger, close() resets.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        wait_for(lambda: not accepted(port))
        assert send(server, "GET /health").status_code == 200
    assert "Exception in worker process" not in log.read_text()

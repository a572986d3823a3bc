"""The connections of clients, and the limits of what they may occupy. `worker.py` waits for them."""

import errno
import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gunicorn.workers import gthread  # type: ignore[import-untyped]  # has no types

from config import settings

# The limits. A request's head must arrive within HEAD_SECONDS, its body within BODY_SECONDS and a second
# more for each BODY_BYTES_PER_SECOND announced. A response must be read at RESPONSE_BYTES_PER_SECOND
# after RESPONSE_SECONDS. LINGER_SECONDS are for the client to close a connection.
HEAD_SECONDS = 10.0
BODY_SECONDS = 30.0
BODY_BYTES_PER_SECOND = 64 * 1024
RESPONSE_SECONDS = 30.0
RESPONSE_BYTES_PER_SECOND = 16 * 1024
LINGER_SECONDS = 2.0
# gunicorn limits a line, a field and the number of fields, which is 0.8 MiB together.
HEAD_BYTES = 1024 * 1024
# Incomplete requests, waiting requests and unread responses of a worker together.
HELD_BYTES = 64 * 1024 * 1024
AHEAD_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
# Of a response the kernel holds so much that the client cannot receive yet. By default it is up to 4 MiB,
# and the socket is writable only when a third of that is read, long after RESPONSE_SECONDS.
KERNEL_BYTES = 256 * 1024

# gunicorn refuses a head with a bare LF, so it must get one that ends with two.
HEAD_END = re.compile(rb"\n\r?\n")
FRAMING = re.compile(rb"\r\n(?:content-length|transfer-encoding):[ \t]*(\d{0,15})", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class ClientSocket(socket.socket):  # pragma: no cover  # runs in a worker process
    """A socket that does not block. `unsent` is what the kernel has not accepted yet."""

    def __init__(self, accepted: socket.socket) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self.settimeout(0)
        self.unsent = bytearray()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  (the signature of socket)
        """Do nothing. gunicorn's threads would make it block."""

    def sendall(self, data: bytes, _flags: int = 0) -> None:  # type: ignore[override]  # only bytes come
        """Send data, now or later. Only a streamed response waits for its client."""
        if len(self.unsent) > AHEAD_BYTES:
            self.send_blocking()
        self.unsent += data
        if len(self.unsent) > CHUNK_BYTES:
            self.flush()

    def receive(self) -> bytes | None:
        """Return what has arrived: b"" if the client has closed, None if there is nothing yet."""
        try:
            return self.recv(CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def flush(self) -> int:
        """Send what the kernel accepts, and return its length. Raises OSError if the client is gone."""
        sent = 0
        with suppress(BlockingIOError):
            sent = self.send(self.unsent)
        del self.unsent[:sent]
        return sent

    def send_blocking(self) -> None:
        """Send all of `unsent`. Raises BrokenPipeError if the client reads too slowly."""
        data = bytes(self.unsent)
        self.unsent.clear()
        self.settimeout(RESPONSE_SECONDS + len(data) / RESPONSE_BYTES_PER_SECOND)
        try:
            super().sendall(data)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "The client does not read.") from None
        finally:
            self.settimeout(0)


class Connection(gthread.TConn):  # type: ignore[misc]  # untyped  # pragma: no cover  # runs in a worker process
    """A connection, with what has been received of its next request."""

    # When the main loop stops waiting for the client, by time.monotonic().
    deadline: float
    # When it began.
    since: float
    keepalive: bool
    parser: Any

    def __init__(self, cfg: Any, accepted: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, ClientSocket(accepted), client, server)
        # A thread must not make a parser that reads from the socket.
        self.initialized = True
        self.begin_request(b"")

    def begin_request(self, received: bytes) -> None:
        """Forget the previous request. `received` came after it."""
        # It has what the previous request was read from.
        self.parser: Any = None
        self.received = bytearray(received)
        self.searched = 0
        # The bytes to wait for. Unknown until the head is complete.
        self.length: int | None = None
        # Whether a part of the body is missing, so that no other request can follow.
        self.must_close = False
        self.is_late = False

    @property
    def held(self) -> int:
        """How many bytes are held for it."""
        return len(self.received) + len(self.sock.unsent)

    def is_complete(self) -> bool:
        """Return whether all has been received that is waited for."""
        if self.length is None:
            end = HEAD_END.search(self.received, self.searched)
            if end is None:
                self.searched = max(0, len(self.received) - 2)
                return False
            self.read_head(end.end())
        return len(self.received) >= (self.length or 0)

    def receive(self) -> bool | None:
        """Receive what has arrived. Return whether the request is complete, or None if more may come."""
        while not self.is_complete():
            data = self.sock.receive()
            if data is None:
                return None
            if not data or (self.length is None and len(self.received) > HEAD_BYTES):
                return False
            if not self.received:
                self.deadline = min(self.deadline, time.monotonic() + HEAD_SECONDS)
            self.received += data
        return True

    def read_head(self, end: int) -> None:
        """Find out how long the request is. The application refuses a chunked or too large body unread."""
        self.length = end
        found = FRAMING.search(self.received, 0, end)
        if not found:
            return
        body = int(found[1] or 0)
        self.must_close = not found[1] or body > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if not self.must_close:
            self.length += body
            self.deadline = time.monotonic() + BODY_SECONDS + body / BODY_BYTES_PER_SECOND
            # RFC 9110, section 10.1.1: only if the body is missing, and not to HTTP/1.0.
            expects = len(self.received) < self.length and EXPECT.search(self.received, 0, end)
            if expects and b" HTTP/1.0\r\n" not in self.received[:end]:
                with suppress(OSError):
                    self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def request_source(received: bytearray) -> Iterator[bytes]:  # pragma: no cover  # runs in a worker process
    """Yield what has been received. Raises TimeoutError if the application reads the body beyond it."""
    yield bytes(received)
    raise TimeoutError

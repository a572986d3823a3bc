"""gunicorn's worker: its threads do not wait for clients. Its main loop does.

In gunicorn's own gthread a thread reads the request and writes the response, as slowly as the client
likes: as many slow clients as there are threads stop the worker. Here a thread receives what has
arrived. It handles the request if it is complete, and sends what the kernel accepts at once. Everything
else waits in the main loop: incomplete requests, the rest of responses, and clients that do not close.

A client holds a thread only with a streamed response of which it leaves AHEAD_BYTES unread. The time
that a connection may wait is limited, and so are the connections of a worker (`worker_connections`)
and the bytes that they hold. If there are too many, those that have waited longest are closed. It looks
at them once a second. It does not speak TLS, which is the task of a proxy.
"""

import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from operator import attrgetter
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http import get_parser  # type: ignore[import-untyped]  # has no types
from gunicorn.workers import base, gthread  # type: ignore[import-untyped]

from config import connections
from config.connections import ClientSocket, Connection

SINCE = attrgetter("since")
STOP_SIGNALS = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM}


class Worker(gthread.ThreadWorker):  # type: ignore[misc]  # untyped  # pragma: no cover  (in a worker process)
    """A worker whose threads do not wait for clients."""

    alive: bool
    sockets: list[Any]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Those that the main loop waits for.
        self.waiting: set[Connection] = set()
        # Those that a thread has or will get.
        self.busy: set[Connection] = set()
        self.next_look = 0.0
        self.is_quitting = False

    # --- waiting ------------------------------------------------------------------

    def accept(self, listener: Any) -> bool:
        """Accept a connection, and return whether there was one. A thread gets it when it is readable."""
        try:
            accepted, client = listener.accept()
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, connections.KERNEL_BYTES)
        except OSError:
            return False
        conn = Connection(self.cfg, accepted, client, listener.getsockname())
        self.nr_conns += 1
        self.make_room()
        self.wait(conn, self.give_to_thread, connections.HEAD_SECONDS)
        return True

    def wait(
        self,
        conn: Connection,
        then: Callable[..., None],
        seconds: float | None = None,
        event: int = EVENT_READ,
    ) -> None:
        """Wait until the socket is ready, for so long, or until the deadline that the connection has."""
        self.poller.register(conn.sock, event, partial(then, conn))
        if seconds is not None:
            conn.since = time.monotonic()
            conn.deadline = conn.since + seconds
        self.waiting.add(conn)

    def stop_waiting(self, conn: Connection) -> None:
        """Leave the socket alone."""
        self.poller.unregister(conn.sock)
        self.waiting.remove(conn)

    def drop(self, conn: Connection) -> None:
        """Close a connection. Events that the main loop already has may follow."""
        if conn in self.waiting:
            self.stop_waiting(conn)
            self.nr_conns -= 1
            conn.close()

    def make_room(self) -> None:
        """Drop the connections that have waited longest if there are too many, or if they hold too much."""
        while self.nr_conns >= self.worker_connections and self.waiting:
            self.drop(min(self.waiting, key=SINCE))
        large = sorted((conn for conn in self.waiting if conn.held > connections.CHUNK_BYTES), key=SINCE)
        while large and sum(conn.held for conn in (*large, *self.busy)) > connections.HELD_BYTES:
            self.drop(large.pop(0))

    def murder_pending(self) -> None:
        """Look for connections whose time is over, once a second. gunicorn's main loop calls this."""
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + 1
        for conn in [conn for conn in self.waiting if conn.deadline < now]:
            if conn.length is None:
                self.drop(conn)
            else:
                # The head is complete: the application responds 408 when it reads the body.
                conn.must_close = conn.is_late = True
                self.give_to_thread(conn)

    # --- a request, its response, and what follows --------------------------------

    def give_to_thread(self, conn: Connection, _client: Any = None) -> None:
        """Let a thread receive what has arrived, and handle the request if it is complete."""
        if conn in self.waiting:
            self.stop_waiting(conn)
            self.busy.add(conn)
            self.enqueue_req(conn)

    def handle(self, conn: Connection) -> bool | None:
        """Handle a request, in a thread. Return whether another may follow, or None if it is not complete."""
        is_complete = conn.is_late or conn.receive()
        if not is_complete:
            return is_complete
        conn.parser = get_parser(self.cfg, connections.request_source(conn.received), conn.client)
        keepalive: bool = super().handle(conn)
        conn.sock.flush()
        return keepalive

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Call the application."""
        # read_head() has sent "100 Continue". gunicorn would do so when the body has already come.
        req._expected_100_continue = False  # noqa: SLF001
        if conn.must_close:
            req.force_close()
        keepalive: bool = super().handle_request(req, conn)
        return keepalive

    def finish_request(self, conn: Connection, fs: Future[bool | None]) -> None:
        """Continue after a thread, in the main loop."""
        self.busy.remove(conn)
        keepalive = False if fs.exception() else fs.result()
        if conn.sock.fileno() < 0:
            # The application failed in the middle of a response, and gunicorn has closed the socket.
            self.nr_conns -= 1
        elif keepalive is None:
            self.wait(conn, self.give_to_thread)
            self.make_room()
        else:
            conn.keepalive = keepalive
            conn.begin_request(conn.parser.unreader.take_buffered() if keepalive else b"")
            self.go_on(conn)

    def go_on(self, conn: Connection) -> None:
        """Wait for what comes next: to send the rest of the response, the next request, or the end."""
        if conn.sock.unsent:
            self.wait(conn, self.send_rest, connections.RESPONSE_SECONDS, EVENT_WRITE)
            self.make_room()
        elif conn.keepalive:
            idle = self.cfg.keepalive if self.alive else gthread.STOP_KEEPALIVE_LINGER
            self.wait(conn, self.give_to_thread, connections.HEAD_SECONDS if conn.received else idle)
            if conn.received:
                self.give_to_thread(conn)
        else:
            with suppress(OSError):
                conn.sock.shutdown(socket.SHUT_WR)
            self.wait(conn, self.discard, connections.LINGER_SECONDS)

    def send_rest(self, conn: Connection, client: ClientSocket) -> None:
        """Send more of a response."""
        try:
            conn.deadline += client.flush() / connections.RESPONSE_BYTES_PER_SECOND
        except OSError:
            self.drop(conn)
            return
        if not client.unsent:
            self.stop_waiting(conn)
            self.go_on(conn)

    def discard(self, conn: Connection, client: ClientSocket) -> None:
        """Wait for the client to close. Before that, the kernel would take back what it has not read."""
        if client.receive() == b"":
            self.drop(conn)

    # --- the end of the worker ----------------------------------------------------

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  (gunicorn's signature)
        """Start or stop accepting connections.

        When the worker stops, it accepts the connections that its socket already has and closes the
        socket at once. Until then the kernel would go on to give it new connections.
        """
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                # Also without a free file descriptor this ends.
                while self.accept(listener):
                    pass
                listener.close()
            self.sockets = []

    def _cap_keepalive(self, deadline: float) -> None:
        """Close the connections without a request by then. gunicorn calls this when the worker stops."""
        for conn in self.waiting:
            if not conn.held:
                conn.deadline = min(conn.deadline, deadline)

    def is_parent_alive(self) -> bool:
        """Return whether the master is alive. Without it the worker stops as on SIGTERM."""
        is_alive: bool = super().is_parent_alive()
        self.alive = self.alive and is_alive
        return is_alive

    def init_signals(self) -> None:
        """Let the signals come that were held back while the worker was forked."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop now. On Ctrl-C the signal comes from the terminal and from the master.

        gunicorn shuts the pool down here. If the main loop, or the first signal, is just holding the
        pool's lock, that waits forever. Python does it at exit.
        """
        if not self.is_quitting:
            self.is_quitting = True
            base.Worker.handle_quit(self, sig, frame)

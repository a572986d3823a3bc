"""The configuration of gunicorn: `gunicorn --config config/gunicorn.py`.

What runs in gunicorn's processes is tested with a real server, which coverage does not see.
"""

import select
import socket
import sys
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]  # has no types

from config import settings


class Worker(ThreadWorker):  # type: ignore[misc]  # untyped  # pragma: no cover  (in a worker process)
    """A worker with threads, because one slow client would occupy a sync worker.

    When it stops, it accepts the connections that its socket already has and closes the socket at
    once. Until then the kernel would go on to give it new connections.
    """

    sockets: list[Any]

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  (gunicorn's signature)
        """Start or stop accepting connections."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while select.select([listener], [], [], 0)[0]:
                    self.accept(listener)
                listener.close()
            self.sockets = []


wsgi_app = "config.wsgi:application"
bind = f"{settings.HOST}:{settings.PORT}"
# Each worker has a socket, and Linux distributes the connections. With a common socket, the worker
# that wakes first takes nearly all of them.
reuse_port = sys.platform == "linux"
BIND_ATTEMPTS = 5
worker_class = Worker
workers = settings.WEB_CONCURRENCY
threads = settings.WEB_THREADS
keepalive = 75
timeout = 30
graceful_timeout = 30
# The URL of a page sorted by a title of 200 emoji, searched by 200 more, is about 4,000 bytes.
limit_request_line = 8190
# gunicorn trusts X-Forwarded-Proto from loopback. Here TRUST_X_FORWARDED_PROTO alone decides.
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True


def on_starting(_server: Any) -> None:  # pragma: no cover  (in the master process)
    """Refuse to start if the port is taken. Two services would silently share its connections.

    Tries as often as gunicorn does when the workers share a socket.
    """
    host = settings.HOST.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for attempt in range(BIND_ATTEMPTS):
        try:
            socket.create_server((host, settings.PORT), family=family).close()
        except OSError as fault:
            reason = fault.strerror
            time.sleep(attempt < BIND_ATTEMPTS - 1)
        else:
            return
    raise SystemExit(f"HOST, PORT: cannot listen on {bind}: {reason}.")


def when_ready(server: Any) -> None:  # pragma: no cover  (in the master process)
    """Log the address. gunicorn does not, because the workers open the sockets."""
    if reuse_port:
        server.log.info("Listening at: http://%s", bind)

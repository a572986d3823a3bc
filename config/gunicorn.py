"""How gunicorn serves: `gunicorn --config config/gunicorn.py`.

What runs in gunicorn's own processes is tested with real ones, which coverage does not see.
"""

import select
import socket
import sys
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from config import settings


class Worker(ThreadWorker):  # type: ignore[misc]  # pragma: no cover
    """Threads, because a sync worker is held by one slow client.

    Told to stop, it takes what its socket has been given and closes it at once: nobody else
    could, and until it is closed the kernel would go on to give it a share.
    """

    sockets: list[Any]

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001  (gunicorn's signature)
        """Accept connections, or no more."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                while select.select([listener], [], [], 0)[0]:
                    self.accept(listener)
                listener.close()
            self.sockets = []


wsgi_app = "config.wsgi:application"
bind = f"{settings.HOST}:{settings.PORT}"
# A socket each, between which Linux shares out the connections: from a common one, the worker that
# wakes first takes nearly all, and the other processors have nothing to do.
reuse_port = sys.platform == "linux"
BIND_ATTEMPTS = 5
worker_class = Worker
workers = settings.WEB_CONCURRENCY
threads = settings.WEB_THREADS
keepalive = 75
timeout = 30
graceful_timeout = 30
# A Link to a page sorted by a title of 200 emoji, searched by 200 more, is about 4,000 bytes.
limit_request_line = 8190
# gunicorn believes X-Forwarded-Proto from loopback; here TRUST_X_FORWARDED_PROTO alone decides.
secure_scheme_headers: dict[str, str] = {}
control_socket_disable = True


def on_starting(_server: Any) -> None:  # pragma: no cover
    """Refuse to start where somebody listens: two services would share out the connections in silence.

    Tries for as long as gunicorn itself does where the workers share a socket.
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


def when_ready(server: Any) -> None:  # pragma: no cover
    """Say where: gunicorn does not know of sockets that the workers open."""
    if reuse_port:
        server.log.info("Listening at: http://%s", bind)

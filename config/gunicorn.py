"""How gunicorn serves: `gunicorn --config config/gunicorn.py`."""

import socket
import sys
from typing import Any

from config import settings

wsgi_app = "config.wsgi:application"
bind = f"{settings.HOST}:{settings.PORT}"
# A socket each, between which Linux shares out the connections: from a common one, the worker that
# wakes first takes nearly all, and the other processors have nothing to do.
reuse_port = sys.platform == "linux"
# Threads, because a sync worker is held by one slow client.
worker_class = "gthread"
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


def on_starting(_server: Any) -> None:
    """Refuse to start where somebody listens: two services would share out the connections in silence."""
    host = settings.HOST.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, settings.PORT), family=family).close()
    except OSError as fault:
        raise SystemExit(f"HOST, PORT: cannot listen on {bind}: {fault.strerror}.") from None


def when_ready(server: Any) -> None:
    """Say where, which gunicorn does not know of sockets that the workers open."""
    server.log.info("Listening at: http://%s", bind)

"""The configuration of gunicorn: `gunicorn --config config/gunicorn.py`.

What runs in gunicorn's processes is tested with a real server, which coverage does not see.
"""

import logging
import os
import re
import signal
import socket
import sys
import time
from functools import partial
from typing import Any

from config import settings
from config.worker import STOP_SIGNALS, Worker

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
# By default it trusts SCRIPT_NAME and PATH_INFO from loopback too. Names with an underscore are dropped.
forwarder_headers = ""
header_map = "drop"
# The files of the API docs go through the worker's main loop too, as every response.
sendfile = False
# Idle connections hold no thread. Well below the usual limit of 1,024 open files.
worker_connections = 512
control_socket_disable = True


def leave_out_quotation(record: logging.LogRecord) -> bool:  # pragma: no cover  # in gunicorn
    """Leave out what gunicorn quotes of a request that it refuses: a query or a token may be there."""
    if str(record.msg).startswith("Invalid request from ip="):
        record.msg = re.sub(r""": ['"].*""", ".", record.msg, flags=re.DOTALL)
    return True


def on_starting(server: Any) -> None:  # pragma: no cover  (in the master process)
    """Refuse to start if the port is taken. Two services would silently share its connections.

    Tries as often as gunicorn does when the workers share a socket.
    """
    # Until a worker has handlers of its own, it would lose the signal to stop: see Worker.init_signals().
    os.register_at_fork(
        before=partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOP_SIGNALS),
        after_in_parent=partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS),
    )
    server.log.error_log.addFilter(leave_out_quotation)
    if reuse_port:
        # The master has no socket, so its own line has no address: see when_ready().
        server.log.error_log.addFilter(lambda record: record.msg != "Listening at: %s (%s)")
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

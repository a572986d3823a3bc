"""Starts PostgreSQL and the three servers that the benchmark compares."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from scripts.engines import postgresql

ROOT = Path(__file__).resolve().parent.parent
# The connections in the pool of each worker of the peer. More would only wait in PostgreSQL.
POOL_SIZE = 10
# Production's settings over plain HTTP, with keys for this benchmark only. Throttles still count.
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ENV_FILE": os.devnull,
    "DEBUG": "false",
    "LOG_LEVEL": "INFO",
    "SECRET_KEY": "measures-and-opens-nothing-0123456789",
    "JWT_SIGNING_KEY": "measures-too-and-opens-nothing-either",
    "ALLOWED_HOSTS": "127.0.0.1",
    "SECURE_SSL_REDIRECT": "false",
    "ACCESS_TOKEN_LIFETIME": "1d",
    "LOGIN_RATE_PER_ACCOUNT": "1000000/1d",
    "LOGIN_RATE_PER_ADDRESS": "1000000/1d",
    "REGISTRATION_RATE": "1000000/1d",
    "POOL_SIZE": str(POOL_SIZE),
}
OURS, FASTAPI, FLOOR = "ours", "fastapi", "floor"
START_TIMEOUT = 60


class Server(NamedTuple):
    """A running server: its name, its address, and the id of its main process."""

    name: str
    address: str
    pid: int


@contextmanager
def database() -> Iterator[str]:
    """Yield the URL of the database: BENCH_DATABASE_URL, or a temporary one."""
    if url := os.environ.get("BENCH_DATABASE_URL"):
        yield url
        return
    with postgresql() as url:
        yield url


def commands(port: int) -> dict[str, list[str]]:
    """Return the command of each server. The floor has the gunicorn configuration of this project."""
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"]
    uvicorn = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port)]
    workers = os.environ.get("WEB_CONCURRENCY", str(os.cpu_count() or 1))
    return {
        OURS: gunicorn,
        FASTAPI: [*uvicorn, "--workers", workers, "bench.peers.fastapi_app:app"],
        FLOOR: [*gunicorn, "bench.peers.floor:application"],
    }


@contextmanager
def serving(database_url: str) -> Iterator[list[Server]]:
    """Start the three servers, and yield them when they respond."""
    with ExitStack() as stack:
        yield [stack.enter_context(serve(name, database_url)) for name in (OURS, FASTAPI, FLOOR)]


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serve(name: str, database_url: str) -> Iterator[Server]:
    """Start a server, and yield it when it responds. Raises SystemExit with its log if it does not."""
    port = free_port()
    environment = {**os.environ, **ENVIRONMENT, "DATABASE_URL": database_url, "PORT": str(port)}
    # It is set for this process, which migrates and seeds.
    environment.pop("DATABASE_STATEMENT_TIMEOUT", None)
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            commands(port)[name], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            server = Server(name, f"http://127.0.0.1:{port}", process.pid)
            if not wait_until_it_responds(server, process):
                log.seek(0)
                raise SystemExit(f"{name} does not respond:\n{log.read()}")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=START_TIMEOUT)


def wait_until_it_responds(server: Server, process: "subprocess.Popen[bytes]") -> bool:
    """Wait for a response of any status. Return False if the process ends or START_TIMEOUT passes."""
    deadline = time.monotonic() + START_TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{server.address}/api/v1/tasks", timeout=5).close()
        except urllib.error.HTTPError as error:
            with suppress(OSError):
                error.close()
            return True
        except OSError:
            time.sleep(0.1)
    return False

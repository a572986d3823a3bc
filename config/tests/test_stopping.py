"""The server stops on every signal, however often it comes, and its workers stop without their master."""

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from gunicorn.config import Config

from config.tests.serving import DEADLINE, gunicorn, is_listening, wait_for, workers_of
from config.worker import Worker
from conftest import is_healthy

PATIENT = ("config.tests.serving:patient_application()", f"--graceful-timeout={DEADLINE}")
# A hook runs in a new worker, before the worker has handlers. Later workers get no signal.
SIGNALS_TO_NEW_WORKERS = """
import os, signal
from config.gunicorn import *
numbers = [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]
def pre_fork(server, worker):
    worker.number = numbers.pop() if numbers else 0
def post_fork(server, worker):
    os.kill(os.getpid(), worker.number)
"""
LOGIN = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def is_running(pid):
    """Return whether a process runs. A zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_signal_does_not_wait_for_the_lock_that_it_interrupted():
    """The main loop holds the pool's lock when it gives a request to a thread, and so does a first signal."""
    worker = Worker(1, os.getpid(), [], None, 30, Config(), None)
    with closing(worker.tmp), ThreadPoolExecutor(1) as worker.tpool, ThreadPoolExecutor(1) as pool:
        with worker.tpool._shutdown_lock:
            with pytest.raises(SystemExit):
                pool.submit(worker.handle_quit, signal.SIGINT, None).result(DEADLINE)
            pool.submit(worker.handle_quit, signal.SIGQUIT, None).result(DEADLINE)
        assert not worker.alive


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGTERM])
def test_a_terminals_signals_stop_the_server(tmp_path, number):
    """A terminal sends Ctrl-C to the master and to the workers, which get another signal from the master."""
    with gunicorn(tmp_path / "log", *PATIENT, WEB_CONCURRENCY="2") as (server, process):
        wait_for(lambda: is_healthy(server))
        for pid in [process.pid, *workers_of(process)] * 2:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        assert process.wait(timeout=DEADLINE) == 0
    assert "SIGKILL" not in (tmp_path / "log").read_text()


@pytest.mark.django_db(transaction=True)
def test_workers_stop_when_their_master_is_killed(tmp_path):
    """They finish what has begun, and the port is free at once."""
    with gunicorn(tmp_path / "log", *PATIENT) as (server, process):
        wait_for(lambda: is_healthy(server))
        address = urlsplit(server)
        workers = workers_of(process)
        with closing(socket.create_connection((address.hostname, address.port), DEADLINE)) as client:
            client.sendall(LOGIN + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            process.kill()
            wait_for(lambda: not is_listening(address.port))
            client.sendall(b"[]")
            assert client.recv(12) == b"HTTP/1.1 400"
        wait_for(lambda: not any(map(is_running, workers)))


@pytest.mark.django_db(transaction=True)
def test_a_signal_to_a_worker_without_handlers_is_not_lost(tmp_path):
    """Until then a worker has those of the master, which do nothing in the worker."""
    log, configuration = tmp_path / "log", tmp_path / "gunicorn.py"
    configuration.write_text(SIGNALS_TO_NEW_WORKERS)
    with gunicorn(log, *PATIENT, f"--config={configuration}") as (server, _):
        wait_for(lambda: log.read_text().count("Worker exiting") == 3)
        wait_for(lambda: is_healthy(server))

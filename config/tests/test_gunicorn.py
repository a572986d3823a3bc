"""How gunicorn serves the project, and which headers of a proxy are trusted."""

import http.client
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from gunicorn.workers.gthread import ThreadWorker

from config.tests.problems import assert_problem
from config.tests.serving import DEADLINE, gunicorn, is_listening, listeners, send, wait_for, workers_of
from tasks.models import Task

TASKS = "/api/v1/tasks"
BY_TLS = "X-Forwarded-Proto: https"
# In production a request is cut off 30 s after SIGTERM.
PATIENT = f"--graceful-timeout={DEADLINE}"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers share a socket")


def authorization_of(client):
    return f"Authorization: {client._credentials['HTTP_AUTHORIZATION']}"


def test_the_configuration_comes_from_the_settings():
    serving = runpy.run_path(str(settings.BASE_DIR / "config" / "gunicorn.py"))
    assert serving["bind"] == "127.0.0.1:8000"
    assert issubclass(serving["worker_class"], ThreadWorker)
    assert serving["workers"] == settings.WEB_CONCURRENCY
    assert serving["threads"] == 2
    application = importlib.import_module("config.wsgi").application
    assert serving["wsgi_app"] == "config.wsgi:application"
    assert application.get_response


@pytest.mark.django_db(transaction=True)
def test_no_client_is_believed_to_use_tls(server, as_alice):
    created = send(
        server,
        f"POST {TASKS}",
        authorization_of(as_alice),
        "Content-Type: application/json",
        BY_TLS,
        "X-Forwarded-Protocol: ssl",
        "X-Forwarded-Ssl: on",
        "Forwarded: proto=https",
        body=b'{"title": "x"}',
    )
    assert created.status_code == 201
    assert created.headers["Location"] == f"{server}{TASKS}/{created.json()['id']}"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "name", ["SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "Script_Name", "HTTP_SCRIPT_NAME"]
)
def test_a_clients_header_changes_neither_the_path_nor_the_user(server, admin_user, name, subtests):
    for header in (name, name.replace("_", "-")):
        with subtests.test(header):
            assert send(server, "GET /health", f"{header}: /evil").status_code == 200
            assert_problem(send(server, "GET /health/api/v1/tasks", f"{header}: /health"), "not_found")
            assert send(server, "GET /admin/", f"{header}: {admin_user.email}").status_code == 302


@pytest.mark.parametrize(("trusted", "scheme"), [(False, "http"), (True, "https")])
@pytest.mark.parametrize("form", [TASKS, "/api/v1/me/tasks"])
def test_links_have_the_scheme_of_a_proxy_that_is_trusted(as_alice, settings, trusted, scheme, form):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if trusted else None
    headers = {"host": "testserver", "x-forwarded-proto": "https"}
    for title in ("x", "y"):
        location = as_alice.post(form, {"title": title}, headers=headers).headers["Location"]
        assert location.startswith(f"{scheme}://testserver{form}/")
    link = as_alice.get(f"{form}?limit=1", headers=headers).headers["Link"]
    assert link.startswith(f"<{scheme}://testserver{form}?")


@pytest.mark.parametrize(
    ("method", "path", "redirected"),
    [
        ("get", "/admin/", True),
        ("get", "/healthy", True),
        ("get", "/health", False),
        ("get", "/health/", False),
        ("get", "/health/ready", False),
    ],
)
def test_http_is_redirected_to_https_except_for_health(settings, db, method, path, redirected):
    settings.SECURE_SSL_REDIRECT = True
    response = getattr(Client(), method)(path)
    if redirected:
        assert (response.status_code, response.headers["Location"]) == (301, f"https://testserver{path}")
    else:
        assert response.status_code != 301


def test_behind_a_trusted_proxy_nothing_is_redirected_forever(settings, db):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert_problem(Client().get(TASKS, headers={"x-forwarded-proto": "https"}), "not_authenticated")


@pytest.mark.parametrize(
    ("trusted", "status"), [([], 403), (["https://ops.example.com"], 302), (["https://example.com"], 403)]
)
def test_a_form_from_another_origin_must_be_trusted(settings, admin_user, trusted, status):
    settings.CSRF_TRUSTED_ORIGINS = trusted
    client = Client(enforce_csrf_checks=True)
    client.get("/admin/login/")
    form = {
        "username": admin_user.email,
        "password": "password",
        "csrfmiddlewaretoken": client.cookies["csrftoken"].value,
    }
    response = client.post("/admin/login/?next=/admin/", form, headers={"origin": "https://ops.example.com"})
    assert response.status_code == status


@pytest.mark.django_db(transaction=True)
def test_a_server_listens_on_loopback_and_stops_on_sigterm(tmp_path):
    log = tmp_path / "server.log"
    with gunicorn(log) as (server, process):
        port = urlsplit(server).port
        assert send(server, "GET /health").status_code == 200
        lines = [line for line in log.read_text().splitlines() if "Listening at" in line]
        assert len(lines) == 1
        assert f"Listening at: http://127.0.0.1:{port}" in lines[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=DEADLINE) == 0
    assert os.environ["SECRET_KEY"] not in log.read_text()


@pytest.mark.django_db(transaction=True)
def test_two_servers_do_not_share_a_port(tmp_path):
    with gunicorn(tmp_path / "server.log") as (server, _):
        second = subprocess.run(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
            env={**os.environ, "PORT": str(urlsplit(server).port)},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert second.returncode == 1
        assert f"HOST, PORT: cannot listen on 127.0.0.1:{urlsplit(server).port}: Address" in second.stderr
        assert send(server, "GET /health").status_code == 200


@linux_only
@pytest.mark.django_db(transaction=True)
def test_every_worker_gets_its_share_of_the_connections(tmp_path):
    """That one of two workers gets fewer than 5 of 40 connections happens once in ten million runs."""
    keepalive = f"--keep-alive={DEADLINE}"
    with (
        gunicorn(tmp_path / "server.log", keepalive, WEB_CONCURRENCY="2") as (server, process),
        ExitStack() as stack,
    ):
        wait_for(lambda: len(listeners(urlsplit(server).port)) == 2)
        for _ in range(40):
            client = http.client.HTTPConnection(urlsplit(server).netloc, timeout=DEADLINE)
            stack.enter_context(closing(client))
            client.request("GET", "/health")
            client.getresponse().read()
        held = [
            sum(link.readlink().name.startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())
            for pid in workers_of(process)
        ]
    assert len(held) == 2
    assert min(held) >= 5, held


@linux_only
@pytest.mark.django_db(transaction=True)
def test_a_reload_refuses_no_connection(tmp_path):
    """While the old worker finishes the request of a slow client, the new one gets all connections.

    gunicorn logs "Booting worker" before the worker listens, so the test looks at the sockets.
    """
    with gunicorn(tmp_path / "server.log", PATIENT) as (server, process), ExitStack() as stack:
        address = urlsplit(server)
        # A worker that is still loading the application can miss the signal to stop.
        assert send(server, "GET /health").status_code == 200
        slow = stack.enter_context(socket.create_connection((address.hostname, address.port), DEADLINE))
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        old = listeners(address.port)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(listeners(address.port) - old) == 1 and not listeners(address.port) & old)
        statuses = [send(server, "GET /health").status_code for _ in range(60)]
        slow.sendall(b"Connection: close\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert statuses == [200] * 60


@pytest.mark.django_db(transaction=True)
def test_a_request_in_flight_is_finished_when_the_server_stops(as_alice, tmp_path):
    body = b'{"title": "x"}'
    with (
        gunicorn(tmp_path / "server.log", PATIENT) as (server, process),
        closing(http.client.HTTPConnection(urlsplit(server).netloc, timeout=DEADLINE)) as client,
    ):
        client.putrequest("POST", TASKS)
        client.putheader(*authorization_of(as_alice).split(": "))
        for header in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            client.putheader(*header)
        client.putheader("Expect", "100-continue")
        client.endheaders()
        # From now on a thread has the request and waits for the body.
        assert client.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: not is_listening(urlsplit(server).port))
        assert process.poll() is None
        client.send(body)
        response = client.getresponse()
        assert (response.status, json.load(response)["title"]) == (201, "x")
        assert process.wait(timeout=DEADLINE) == 0
    assert Task.objects.get().title == "x"


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_kept_for_the_next_request(server, as_alice):
    headers = {"Authorization": as_alice._credentials["HTTP_AUTHORIZATION"]}
    sockets = set()
    with closing(http.client.HTTPConnection(urlsplit(server).netloc, timeout=DEADLINE)) as client:
        for method, path in (("GET", TASKS), ("GET", "/nowhere"), ("DELETE", TASKS), ("GET", "/health")):
            client.request(method, path, headers=headers)
            client.getresponse().read()
            sockets.add(client.sock)
    assert None not in sockets
    assert len(sockets) == 1

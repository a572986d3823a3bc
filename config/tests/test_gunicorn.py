"""How it is served, and what it believes of a proxy."""

import http.client
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from gunicorn.workers.gthread import ThreadWorker

from config.tests.problems import assert_problem
from config.tests.serving import gunicorn, send
from conftest import wait_for
from tasks.models import Task

TASKS = "/api/v1/tasks"
BY_TLS = "X-Forwarded-Proto: https"


def authorization_of(client):
    return f"Authorization: {client._credentials['HTTP_AUTHORIZATION']}"


def test_the_configuration_comes_of_the_settings():
    serving = runpy.run_path(str(settings.BASE_DIR / "config" / "gunicorn.py"))
    assert serving["bind"] == "127.0.0.1:8000"
    assert issubclass(serving["worker_class"], ThreadWorker)
    assert serving["workers"] == settings.WEB_CONCURRENCY
    assert serving["threads"] == 2
    application = importlib.import_module("config.wsgi").application
    assert serving["wsgi_app"] == "config.wsgi:application"
    assert application.get_response


@pytest.mark.django_db(transaction=True)
def test_nobody_is_believed_to_have_come_by_tls(server, as_alice):
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
        ("get", TASKS, True),
        ("post", "/api/v1/auth/login", True),
        ("get", "/admin/", True),
        ("get", "/healthy", True),
        ("get", "/health", False),
        ("get", "/health/", False),
        ("get", "/health/ready", False),
    ],
)
def test_http_is_sent_to_https_but_for_health(settings, db, method, path, redirected):
    settings.SECURE_SSL_REDIRECT = True
    answer = getattr(Client(), method)(path)
    if redirected:
        assert (answer.status_code, answer.headers["Location"]) == (301, f"https://testserver{path}")
    else:
        assert answer.status_code != 301


def test_behind_a_trusted_proxy_nothing_is_redirected_in_circles(settings, db):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert_problem(Client().get(TASKS, headers={"x-forwarded-proto": "https"}), "not_authenticated")


@pytest.mark.parametrize(
    ("trusted", "status"), [([], 403), (["https://ops.example.com"], 302), (["https://example.com"], 403)]
)
def test_a_form_of_another_origin_must_be_trusted(settings, admin_user, trusted, status):
    settings.CSRF_TRUSTED_ORIGINS = trusted
    client = Client(enforce_csrf_checks=True)
    client.get("/admin/login/")
    form = {
        "username": admin_user.email,
        "password": "password",
        "csrfmiddlewaretoken": client.cookies["csrftoken"].value,
    }
    answer = client.post("/admin/login/?next=/admin/", form, headers={"origin": "https://ops.example.com"})
    assert answer.status_code == status


@pytest.mark.django_db(transaction=True)
def test_a_server_listens_on_loopback_and_stops_when_told(tmp_path):
    log = tmp_path / "server.log"
    with gunicorn(log) as (server, process):
        port = urlsplit(server).port
        assert send(server, "GET /health").status_code == 200
        assert f"Listening at: http://127.0.0.1:{port}" in log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert os.environ["SECRET_KEY"] not in log.read_text()


@pytest.mark.django_db(transaction=True)
def test_two_servers_do_not_share_a_port(tmp_path):
    with gunicorn(tmp_path / "server.log") as (server, _):
        second = subprocess.run(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py"],
            env={**os.environ, "PORT": str(urlsplit(server).port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert second.returncode == 1
        assert f"HOST, PORT: cannot listen on 127.0.0.1:{urlsplit(server).port}: Address" in second.stderr
        assert send(server, "GET /health").status_code == 200


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the workers share a socket")
@pytest.mark.django_db(transaction=True)
def test_every_worker_gets_its_share_of_the_connections(tmp_path):
    """Of 40 connections fewer than 5 for one of two workers is once in ten million runs."""
    with gunicorn(tmp_path / "server.log", WEB_CONCURRENCY="2") as (server, process), ExitStack() as stack:
        for _ in range(40):
            client = http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)
            stack.enter_context(closing(client))
            client.request("GET", "/health")
            client.getresponse().read()
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        held = [
            sum(link.readlink().name.startswith("socket:") for link in Path(f"/proc/{pid}/fd").iterdir())
            for pid in workers
        ]
    assert len(held) == 2
    assert min(held) >= 5, held


@pytest.mark.django_db(transaction=True)
def test_a_reload_refuses_no_connection(tmp_path):
    """While an old worker finishes what a slow client has begun, the new ones get all that comes."""
    log = tmp_path / "server.log"
    with gunicorn(log, WEB_CONCURRENCY="2") as (server, process), ExitStack() as stack:
        address = urlsplit(server)
        slow = stack.enter_context(socket.create_connection((address.hostname, address.port)))
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: log.read_text().count("Booting worker") == 4)
        answers = [send(server, "GET /health").status_code for _ in range(60)]
        slow.sendall(b"Connection: close\r\n\r\n")
        assert slow.recv(12) == b"HTTP/1.1 200"
    assert answers == [200] * 60


@pytest.mark.django_db(transaction=True)
def test_a_request_in_flight_is_finished_when_the_server_stops(as_alice, tmp_path):
    log = tmp_path / "server.log"
    body = b'{"title": "x"}'
    with (
        gunicorn(log) as (server, process),
        closing(http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)) as client,
    ):
        client.putrequest("POST", TASKS)
        client.putheader(*authorization_of(as_alice).split(": "))
        for header in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            client.putheader(*header)
        client.putheader("Expect", "100-continue")
        client.endheaders()
        # A thread has it from now on, and waits for the body.
        assert client.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        process.send_signal(signal.SIGTERM)
        while "Handling signal: term" not in log.read_text():
            time.sleep(0.1)
        time.sleep(0.5)
        assert process.poll() is None
        client.send(body)
        answer = client.getresponse()
        assert (answer.status, json.load(answer)["title"]) == (201, "x")
        assert process.wait(timeout=60) == 0
    assert Task.objects.get().title == "x"


@pytest.mark.django_db(transaction=True)
def test_a_connection_is_kept_for_the_next_request(server, as_alice):
    headers = {"Authorization": as_alice._credentials["HTTP_AUTHORIZATION"]}
    sockets = set()
    with closing(http.client.HTTPConnection(urlsplit(server).netloc, timeout=30)) as client:
        for method, path in (("GET", TASKS), ("GET", "/nowhere"), ("DELETE", TASKS), ("GET", "/health")):
            client.request(method, path, headers=headers)
            client.getresponse().read()
            sockets.add(client.sock)
    assert None not in sockets
    assert len(sockets) == 1

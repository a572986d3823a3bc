"""The README's configuration of nginx and HAProxy: valid, and in front of a server what the README says."""

import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from config.tests.problems import assert_problem
from config.tests.serving import DEADLINE, Response, free_port, gunicorn, send, wait_for
from conftest import is_healthy

TASKS = "/api/v1/tasks"
# nginx's own files. As root it would start its processes as another user.
NGINX = """
daemon off;
pid nginx.pid;
error_log nginx.err;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {block}
}}
"""
# How to check a file, and how to run with it.
COMMANDS = {
    "nginx": (
        ["nginx", "-p", ".", "-e", "nginx.err", "-t", "-c"],
        ["nginx", "-p", ".", "-e", "nginx.err", "-c"],
    ),
    "haproxy": (["haproxy", "-c", "-f"], ["haproxy", "-db", "-f"]),
}


def write_certificate(folder):
    """Write a certificate and its key, in two files and in one, and return them under the README's names."""
    key, certificate, both = (folder / name for name in ("key.pem", "certificate.pem", "both.pem"))
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tasks.example.com"]
    subprocess.run([*request, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    both.write_text(certificate.read_text() + key.read_text())
    return {"fullchain.pem": certificate, "privkey.pem": key, "fullchain-and-key.pem": both}


def write_configuration(name, folder, ports, server):
    """Write the README's configuration for two ports of loopback, http and https, and return its file."""
    block = re.search(rf"```{name}\n(.*?)```", (settings.BASE_DIR / "README.md").read_text(), re.DOTALL)[1]
    block = block.replace("127.0.0.1:8000", server.removeprefix("http://"))
    for old, new in write_certificate(folder).items():
        block = block.replace(f"/etc/ssl/tasks/{old}", str(new))
    for old, new in zip((80, 443), ports, strict=True):
        block, found = re.subn(rf"(listen |bind ):?{old}\b", rf"\g<1>127.0.0.1:{new}", block)
        assert found == 1
    user = "" if os.geteuid() else "user root;"
    file = folder / f"{name}.conf"
    file.write_text(NGINX.format(user=user, block=block) if name == "nginx" else block)
    return file


@contextmanager
def proxy(name, folder, server):
    """Run a proxy in front of a server, and yield its addresses: http and https."""
    for program in (name, "openssl"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    ports = free_port(), free_port()
    file = write_configuration(name, folder, ports, server)
    check, run = COMMANDS[name]
    checked = subprocess.run([*check, file], cwd=folder, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr.lower(), checked.stderr
    with subprocess.Popen([*run, file], cwd=folder, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: is_healthy(f"http://127.0.0.1:{ports[0]}"))
            yield f"http://127.0.0.1:{ports[0]}", f"https://127.0.0.1:{ports[1]}"
        finally:
            process.terminate()


def over_tls(server, *request, **headers):
    """Return the response to a request. The certificate is nobody's."""
    tls = ssl._create_unverified_context()
    with closing(
        http.client.HTTPSConnection(urlsplit(server).netloc, timeout=DEADLINE, context=tls)
    ) as client:
        client.request(*request, headers=headers)
        response = client.getresponse()
        return Response(response.status, response.headers, response.read())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_proxy_as_in_the_readme_serves(name, tmp_path, as_alice):
    trusting = {"TRUST_X_FORWARDED_PROTO": "true", "NUM_PROXIES": "1", "SECURE_SSL_REDIRECT": "true"}
    with (
        gunicorn(tmp_path / "log", "config.tests.serving:patient_application()", **trusting) as (server, _),
        proxy(name, tmp_path, server) as (plain, secure),
    ):
        as_json = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        authorized = {"Authorization": as_alice._credentials["HTTP_AUTHORIZATION"], **as_json}
        created = over_tls(secure, "POST", TASKS, json.dumps({"title": "x" * 200}), **authorized)
        assert created.status_code == 201
        assert created.headers["Location"].startswith(f"{secure}{TASKS}/")
        assert created.headers["ETag"] == f'"{created.json()["version"]}"'
        # nginx compresses no 201. A compressed response would have a weak ETag.
        found = over_tls(secure, "GET", urlsplit(created.headers["Location"]).path, **authorized)
        assert (found.status_code, found.headers["ETag"]) == (200, created.headers["ETag"])
        too_large = over_tls(secure, "POST", TASKS, b"x" * 1_500_000, **authorized)
        assert_problem(too_large, "content_too_large")
        # A client's own claim to use TLS is not passed on.
        redirected = send(plain, "GET /admin/", "X-Forwarded-Proto: https")
        assert redirected.headers["Location"].startswith("https://127.0.0.1")

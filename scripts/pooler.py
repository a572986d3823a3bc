"""`python -m scripts.pooler`: run the tests through PgBouncer in transaction mode.

PgBouncer must be installed (`apt-get install pgbouncer`). It connects to the PostgreSQL server of
`scripts.engines`. Arguments go to pytest. Returns pytest's exit status, or 2 without PgBouncer.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from scripts.engines import postgresql

SERVER_CONNECTIONS = 10
# `any` accepts every client. The socket is in a folder that no other account can open.
CONFIGURATION = """
[databases]
* = {server}
[pgbouncer]
pool_mode = transaction
default_pool_size = {server_connections}
max_client_conn = 300
auth_type = any
admin_users = tasks
listen_port = 6432
unix_socket_dir = {folder}
"""
# The limits that the README has an operator set for the role.
LIMITS = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "10s"}


def find_pgbouncer() -> str:
    """Return the path of PgBouncer. Exits with 2 if it is not installed."""
    # Debian installs it in a folder that is not in an ordinary user's PATH.
    program = shutil.which("pgbouncer", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if program is None:
        print("make test-pooler needs PgBouncer: sudo apt-get install pgbouncer", file=sys.stderr)
        raise SystemExit(2)
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    print(f"=== {version.stdout.splitlines()[0]}", flush=True)
    return program


def account_for(server: dict[str, str]) -> pwd.struct_passwd:
    """Return the account that runs PgBouncer: this one, or for root the owner of the server's socket.

    PgBouncer refuses to run as root.
    """
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    host = server.get("host", "")
    owner = Path(host).stat().st_uid if host.startswith("/") else 0
    return pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")


@contextmanager
def pgbouncer(program: str, url: str) -> Iterator[str]:
    """Run PgBouncer in front of the server at `url`, and yield its URL."""
    server = {
        name: str(value)
        for name, value in conninfo_to_dict(url).items()
        if name in {"host", "port", "user", "password"}
    }
    entry = " ".join(f"{name}='{value.replace(chr(39), chr(39) * 2)}'" for name, value in server.items())
    account = account_for(server)
    with tempfile.TemporaryDirectory(prefix="pooler-") as name:
        folder = Path(name)
        file = folder / "pgbouncer.ini"
        file.write_text(
            CONFIGURATION.format(server=entry, folder=folder, server_connections=SERVER_CONNECTIONS)
        )
        for path in (folder, file):
            os.chown(path, account.pw_uid, account.pw_gid)
        with (folder / "log").open("w+") as log:
            command = [program, "--quiet", "--user", account.pw_name, str(file)]
            process = subprocess.Popen(command, stderr=log)
            try:
                wait_for_socket(folder, process)
                address = f"{urllib.parse.quote(str(folder), safe='')}:6432"
                yield f"postgresql://tasks@{address}/{conninfo_to_dict(url)['dbname']}"
            finally:
                process.kill()
                process.wait()


def wait_for_socket(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Return when PgBouncer has made its socket. Exits with its log if it fails to."""
    for _ in range(100):
        if (folder / ".s.PGSQL.6432").exists():
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit((folder / "log").read_text())


@contextmanager
def suite_database(url: str) -> Iterator[None]:
    """Create the test database with its limits, and drop it at the end. Connects without the pooler."""
    name = Identifier(f"test_{conninfo_to_dict(url)['dbname']}")
    with psycopg.connect(url, autocommit=True) as direct:
        # FORCE, because the pooler keeps connections to the database open.
        drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name)
        direct.execute(drop)
        direct.execute(SQL("CREATE DATABASE {}").format(name))
        for limit, value in LIMITS.items():
            direct.execute(SQL("ALTER DATABASE {} SET {} = {}").format(name, Identifier(limit), value))
        yield
        direct.execute(drop)


def main(arguments: list[str]) -> int:
    """Run pytest on the database behind the pooler. Return the exit status."""
    program = find_pgbouncer()
    with postgresql() as url, pgbouncer(program, url) as pooled, suite_database(url):
        environment = {**os.environ, "DATABASE_URL": pooled, "DATABASE_POOLER": "transaction"}
        command = [sys.executable, "-m", "pytest", "--reuse-db", *arguments]
        return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

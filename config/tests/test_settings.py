"""What the environment may say, and what comes of it."""

import os
import runpy
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config import environment

ROOT = settings.BASE_DIR
SECRET = "Tr0ub4dor"
REQUIRED = {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "a" * 32,
    "JWT_SIGNING_KEY": "b" * 32,
    "ALLOWED_HOSTS": "tasks.example.com",
}
NEON = f"postgresql://owner:{SECRET}@ep-x-pooler.eu.aws.neon.tech/tasks?sslmode=require"
DIRECT = NEON.replace("-pooler", "")
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
with_affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="of Linux")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite")


def settings_of(**environment):
    """Return the settings that a fresh process would have in this environment and no other."""
    with patch.dict(os.environ, {**REQUIRED, **environment}, clear=True):
        return runpy.run_path(str(ROOT / "config" / "settings.py"))


def refusal(**environment):
    """Return the lines of the refusal, and all that a terminal would show of it."""
    with pytest.raises(ImproperlyConfigured) as refused:
        settings_of(**environment)
    shown = "".join(traceback.format_exception(refused.value))
    assert shown.count("Traceback") == 1, "an exception behind this one is shown, and may quote a value"
    return str(refused.value).splitlines(), shown


def start(*command, **environment):
    """Start Python in an environment of these variables alone."""
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_required_are_asked_for_all_at_once():
    done = start("-c", "import config.settings", ENV_FILE=os.devnull)
    assert done.returncode != 0
    assert done.stderr.splitlines()[-4:] == [
        "django.core.exceptions.ImproperlyConfigured: The environment is not valid.",
        "SECRET_KEY: Environment variable not set.",
        "ALLOWED_HOSTS: Environment variable not set.",
        "JWT_SIGNING_KEY: Environment variable not set.",
    ]


BAD = {
    "DEBUG": (SECRET, "Not a valid boolean."),
    "SECRET_KEY": (SECRET, "must be at least 32 bytes long"),
    "ALLOWED_HOSTS": (
        f"https://{SECRET}.example",
        "must be a comma-separated list of at least one host name",
    ),
    "PORT": (SECRET, "Not a valid integer."),
    "WEB_CONCURRENCY": (SECRET, "Not a valid integer."),
    "WEB_THREADS": (SECRET, "Not a valid integer."),
    "DATABASE_DIRECT": (SECRET, "Not a valid boolean."),
    "DATABASE_URL": (f"postgresql://owner:{SECRET}@db:port/tasks", "Not a valid database URL."),
    "DATABASE_POOLER": (SECRET, "must be none or transaction"),
    "DATABASE_URL_DIRECT": (
        f"postgresql://owner:{SECRET}@ep-x-pooler.eu.aws.neon.tech/tasks",
        "must begin with postgresql:// and not name a pooler",
    ),
    "DATABASE_STATEMENT_TIMEOUT": (SECRET, "Not a valid period of time."),
    "JWT_ISSUER": ("", "must not be empty"),
    "JWT_AUDIENCE": ("", "must not be empty"),
    "BETTER_AUTH_URL": (f"http://{SECRET}.example", "must be an https:// address"),
    "BETTER_AUTH_SECRET": (SECRET, "must be at least 32 bytes long"),
    "BETTER_AUTH_LEEWAY": (SECRET, "Not a valid period of time."),
    "BETTER_AUTH_LABEL": ("", "must be 1 to 255 characters long"),
    "BETTER_AUTH_CREATE_USERS": (SECRET, "Not a valid boolean."),
    "TOMBSTONE_LIFETIME": (SECRET, "Not a valid period of time."),
    "LOGIN_RATE_PER_ACCOUNT": (f"{SECRET}/1m", "must be a number and a period, such as 5/1m"),
    "LOGIN_RATE_PER_ADDRESS": (f"5/{SECRET}", "must be a number and a period, such as 5/1m"),
    "REGISTRATION_RATE": (SECRET, "must be a number and a period, such as 5/1m"),
    "ALLOW_REGISTRATION": (SECRET, "Not a valid boolean."),
    "ACCESS_TOKEN_LIFETIME": (SECRET, "Not a valid period of time."),
    "SESSION_IDLE_TIMEOUT": (SECRET, "Not a valid period of time."),
    "SESSION_ABSOLUTE_TIMEOUT": (SECRET, "Not a valid period of time."),
    "JWT_SIGNING_KEY": (SECRET, "must be at least 32 bytes long"),
    "SECURE_SSL_REDIRECT": (SECRET, "Not a valid boolean."),
    "CSRF_TRUSTED_ORIGINS": (SECRET, "must be a comma-separated list of origins such as https://"),
    "TRUST_X_FORWARDED_PROTO": (SECRET, "Not a valid boolean."),
    "NUM_PROXIES": (SECRET, "Not a valid integer."),
    "CORS_ALLOWED_ORIGINS": (
        f"https://{SECRET}/x",
        "must be a comma-separated list of origins such as https://",
    ),
    "LOG_LEVEL": (SECRET, "must be DEBUG, INFO, WARNING or ERROR"),
}
TEXTS = {"HOST", "DEMO_PASSWORD", "ENV_FILE", "BETTER_AUTH_ISSUER", "BETTER_AUTH_AUDIENCE"}


def test_every_setting_has_a_bad_value_here():
    example = (ROOT / ".env.example").read_text()
    read = {
        line.lstrip("# ").split("=")[0] for line in example.splitlines() if "=" in line.split(" ")[0] + "="
    }
    assert {name for name in read if name.isupper()} == BAD.keys() | TEXTS


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_named_and_not_shown(name):
    value, wants = BAD[name]
    (_, line), shown = refusal(**{name: value})
    assert line.startswith(f"{name}: {wants}")
    assert SECRET.lower() not in shown.lower()


def test_all_bad_values_are_named_at_once_and_none_is_shown():
    environment = {name: value for name, (value, _) in BAD.items()}
    for command in (("-c", "import config.settings"), ("manage.py", "check")):
        done = start(*command, ENV_FILE=os.devnull, **environment)
        assert done.returncode != 0
        assert SECRET.lower() not in (done.stdout + done.stderr).lower()
        for name, (_, wants) in BAD.items():
            assert f"\n{name}: {wants}" in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "a" * 31),
        ("JWT_SIGNING_KEY", "b" * 31),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "tasks.example.com:8000"),
        ("ALLOWED_HOSTS", "tasks.example.com api.example.com"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("WEB_CONCURRENCY", "0"),
        ("WEB_THREADS", "0"),
        ("NUM_PROXIES", "-1"),
        ("DEBUG", ""),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", f"mysql://owner:{SECRET}@db/tasks"),
        ("DATABASE_URL", f"mongodb://owner:{SECRET}@db/tasks"),
        ("DATABASE_URL", f"{SECRET}:5432/tasks"),
        ("DATABASE_URL", f"postgresql://owner:{SECRET}@[db/tasks"),
        ("DATABASE_URL_DIRECT", "sqlite:///var/db.sqlite3"),
        ("DATABASE_URL_DIRECT", f"postgresql://owner:{SECRET}@[db/tasks"),
        ("DATABASE_STATEMENT_TIMEOUT", "-1s"),
        ("ACCESS_TOKEN_LIFETIME", "0s"),
        ("ACCESS_TOKEN_LIFETIME", "-15m"),
        ("SESSION_IDLE_TIMEOUT", "0d"),
        ("SESSION_ABSOLUTE_TIMEOUT", "180 days"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "app.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("CORS_ALLOWED_ORIGINS", "https://*.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://user@app.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://:8000"),
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com,"),
        ("CSRF_TRUSTED_ORIGINS", "tasks.example.com"),
        ("LOG_LEVEL", "info"),
        ("LOG_LEVEL", ""),
    ],
)
def test_what_could_not_work_is_refused(name, value):
    (_, *lines), shown = refusal(**{name: value})
    assert [line.partition(":")[0] for line in lines] == [name]
    assert SECRET.lower() not in shown.lower()


def test_tokens_have_a_key_of_their_own():
    lines, shown = refusal(SECRET_KEY="c" * 32, JWT_SIGNING_KEY="c" * 32)
    assert lines == ["JWT_SIGNING_KEY: must not be the value of SECRET_KEY."]
    assert "c" * 32 not in shown


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {"BETTER_AUTH_SECRET": REQUIRED["SECRET_KEY"]},
            "BETTER_AUTH_SECRET: must not be the value of SECRET_KEY or JWT_SIGNING_KEY.",
        ),
        (
            {"BETTER_AUTH_SECRET": REQUIRED["JWT_SIGNING_KEY"]},
            "BETTER_AUTH_SECRET: must not be the value of SECRET_KEY or JWT_SIGNING_KEY.",
        ),
        ({"BETTER_AUTH_ISSUER": "task-api"}, "BETTER_AUTH_ISSUER: must not be the value of JWT_ISSUER."),
    ],
)
def test_the_external_issuer_is_told_apart_from_us(environment, line):
    lines, _ = refusal(**environment)
    assert lines == [line]


def test_with_the_required_alone_all_is_fit_for_production():
    of = settings_of()
    assert not of["DEBUG"]
    assert of["ALLOWED_HOSTS"] == ["tasks.example.com"]
    assert (of["HOST"], of["PORT"]) == ("127.0.0.1", 8000)
    assert of["WEB_CONCURRENCY"] == environment.usable_cores()
    assert of["SECURE_SSL_REDIRECT"]
    assert of["SESSION_COOKIE_SECURE"]
    assert of["CSRF_COOKIE_SECURE"]
    assert of["SECURE_HSTS_SECONDS"] >= 365 * 24 * 3600
    assert not of["CORS_ALLOW_ALL_ORIGINS"]
    assert of["CORS_ALLOWED_ORIGINS"] == of["CSRF_TRUSTED_ORIGINS"] == []
    assert (of["SECURE_PROXY_SSL_HEADER"], of["NUM_PROXIES"]) == (None, 0)
    assert (of["LOG_LEVEL"], of["LOGGING"]["formatters"]["console"]["readable"]) == ("INFO", False)
    assert of["SIMPLE_JWT"]["SIGNING_KEY"] == "b" * 32
    assert of["SIMPLE_JWT"]["ALGORITHM"] == "HS256"
    assert of["ACCESS_TOKEN_LIFETIME"] == timedelta(minutes=15)
    assert (of["SESSION_IDLE_TIMEOUT"], of["SESSION_ABSOLUTE_TIMEOUT"]) == (
        timedelta(days=30),
        timedelta(days=180),
    )
    assert of["DATABASES"]["default"]["NAME"] == str(ROOT / "var" / "db.sqlite3")
    assert not of["DEMO_PASSWORD"]


@with_affinity
@pytest.mark.parametrize("given", [{}, {"WEB_CONCURRENCY": "3"}], ids=["by default", "as given"])
def test_there_is_a_worker_for_each_core_that_the_process_may_use(given):
    core = min(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, {{{core}}}); from config.settings import WEB_CONCURRENCY"
    done = start("-c", f"{program}; print(WEB_CONCURRENCY)", **REQUIRED, **given)
    assert (done.stdout, done.stderr) == (f"{given.get('WEB_CONCURRENCY', 1)}\n", "")
    assert environment.usable_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("cores", "workers"), [(6, 6), (None, 1)])
def test_where_a_process_cannot_tell_it_is_the_cores_of_the_machine(monkeypatch, cores, workers):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert environment.usable_cores() == workers


def test_the_required_alone_pass_the_checks_of_a_deployment():
    done = start(
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        **REQUIRED | {"SECRET_KEY": "not-a-secret-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789"},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_debug_is_for_one_machine():
    environment = {name: REQUIRED[name] for name in ("ENV_FILE", "SECRET_KEY", "JWT_SIGNING_KEY")}
    with patch.dict(os.environ, {**environment, "DEBUG": "true"}, clear=True):
        of = runpy.run_path(str(ROOT / "config" / "settings.py"))
    assert of["DEBUG"]
    assert of["ALLOWED_HOSTS"] == []
    assert of["CORS_ALLOW_ALL_ORIGINS"]
    assert not of["SECURE_SSL_REDIRECT"]
    assert not of["SESSION_COOKIE_SECURE"]
    assert of["SECURE_HSTS_SECONDS"] == 0
    assert of["LOGGING"]["formatters"]["console"]["readable"]


def test_values_are_read_as_what_they_are():
    of = settings_of(
        ALLOWED_HOSTS="a.example,b.example,[::1]",
        CORS_ALLOWED_ORIGINS="https://a.example,http://localhost:3000",
        CSRF_TRUSTED_ORIGINS="https://ops.example",
        TRUST_X_FORWARDED_PROTO="true",
        NUM_PROXIES="2",
        ACCESS_TOKEN_LIFETIME="90s",
        SESSION_IDLE_TIMEOUT="1d12h",
        LOG_LEVEL="ERROR",
        PORT="9000",
    )
    assert of["ALLOWED_HOSTS"] == ["a.example", "b.example", "[::1]"]
    assert of["CORS_ALLOWED_ORIGINS"] == ["https://a.example", "http://localhost:3000"]
    assert of["CSRF_TRUSTED_ORIGINS"] == ["https://ops.example"]
    assert of["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert of["NUM_PROXIES"] == 2
    assert of["SIMPLE_JWT"]["ACCESS_TOKEN_LIFETIME"] == timedelta(seconds=90)
    assert of["SESSION_IDLE_TIMEOUT"] == timedelta(days=1, hours=12)
    assert of["LOGGING"]["root"]["level"] == "ERROR"
    assert of["PORT"] == 9000


def test_a_file_is_read_and_the_environment_wins(tmp_path):
    dotenv = tmp_path / "some.env"
    dotenv.write_text(
        f"SECRET_KEY={'d' * 32}\nJWT_SIGNING_KEY={'e' * 32}\nALLOWED_HOSTS=file.example\n# PORT=1\n"
    )
    done = start(
        "-c",
        "from config.settings import *; print(SECRET_KEY, ALLOWED_HOSTS, PORT)",
        ENV_FILE=str(dotenv),
        ALLOWED_HOSTS="environment.example",
    )
    assert done.stdout.split() == ["d" * 32, "['environment.example']", "8000"]


def test_the_file_beside_manage_py_is_read_where_none_is_named(tmp_path):
    with patch("environs.Env.read_env") as read_env:
        settings_of(ENV_FILE="")
    assert read_env.call_args.args == (Path(ROOT / ".env"),)

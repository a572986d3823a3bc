"""A plain WSGI function with the operations on tasks: the least that a request costs in Python.

It uses psycopg with prepared statements and a connection for each thread, orjson and PyJWT. It has no
routing, no validation, no log, and no errors except 401 and 404.
"""

import os
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import jwt
import orjson
import psycopg
from psycopg.rows import dict_row
from uuid_utils.compat import uuid7

from bench.peers.planning import DAY_LENGTH, PRIORITIES, split_tags, to_columns, utc_text

Environ = dict[str, Any]
Row = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]

KEY = os.environ["JWT_SIGNING_KEY"]
NAME = "task-api"
# The moment of a task that is not due.
NEVER = datetime.max.replace(tzinfo=UTC)
TIMES = {"created_at", "updated_at", "completed_at"}
WRITABLE = {"title", "description", "due_date", "priority", "tags", "completed"}

FIELDS = """
    id, owner_id AS user_id, title, description, due_date, priority, tags, completed, completed_at,
    created_at, updated_at, version
"""

USER = """
    SELECT u.id, u.time_zone FROM users_session s JOIN users_user u ON u.id = s.user_id
    WHERE s.id = %s AND s.revoked_at IS NULL AND s.expires_at > now() AND u.is_active
"""
LIST = f"""
    SELECT {FIELDS} FROM tasks_task WHERE owner_id = %s AND deleted_at IS NULL
    ORDER BY created_at DESC, id DESC LIMIT %s
"""
GET = f"SELECT {FIELDS} FROM tasks_task WHERE owner_id = %s AND id = %s AND deleted_at IS NULL"
CREATE = f"""
    INSERT INTO tasks_task ({{columns}}, version, creation_digest) VALUES ({{values}}, 1, '')
    RETURNING {FIELDS}
"""
CHANGE = f"""
    UPDATE tasks_task SET {{changes}}, updated_at = now(), version = version + 1
    WHERE owner_id = %s AND id = %s AND deleted_at IS NULL RETURNING {FIELDS}
"""
DELETE = "UPDATE tasks_task SET deleted_at = now() WHERE owner_id = %s AND id = %s AND deleted_at IS NULL"

local = threading.local()


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Handle a request."""
    status, value = handle(environ)
    body = b"" if value is None else orjson.dumps(value, default=str)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def handle(environ: Environ) -> tuple[str, Any]:
    """Return the status line and the body of the response. None: it has no body."""
    if (user := authenticate(environ)) is None:
        return "401 Unauthorized", {"detail": "token"}
    owner = user["id"]
    path, method = environ["PATH_INFO"].removeprefix("/api/v1/tasks"), environ["REQUEST_METHOD"]
    if path:
        status, found = "200 OK", handle_task(environ, method, user, *path[1:].split("/"))
    elif method == "POST":
        status, found = "201 Created", create(user, read_columns(environ, user))
    else:
        limit = int(parse_qs(environ["QUERY_STRING"]).get("limit", ["1000"])[0])
        return "200 OK", [format_row(row) for row in database().execute(LIST, (owner, limit)).fetchall()]
    if found == 1:
        return "204 No Content", None
    return (status, format_row(found)) if found else ("404 Not Found", {"detail": "task"})


def handle_task(environ: Environ, method: str, user: Row, task: str, action: str = "") -> Any:
    """Return the row of a task after the operation, 1 after a deletion, None or 0 if it does not exist."""
    owner = user["id"]
    if method == "GET":
        return database().execute(GET, (owner, UUID(task))).fetchone()
    if method == "DELETE":
        return database().execute(DELETE, (owner, UUID(task))).rowcount
    changes = read_columns(environ, user)
    if action and not changes:
        row = database().execute(GET, (owner, UUID(task))).fetchone()
        changes = {"completed": not row["completed"]} if row else {"completed": True}
    if "completed" in changes:
        changes["completed_at"] = datetime.now(UTC) if changes["completed"] else None
    statement = CHANGE.format(changes=", ".join(f"{name} = %s" for name in changes))
    return database().execute(statement, (*changes.values(), owner, UUID(task))).fetchone()


def create(user: Row, columns: Row) -> Any:
    """Insert a task and return its row."""
    now = datetime.now(UTC)
    completed_at = now if columns.get("completed") else None
    given = {"owner_id": user["id"], "id": uuid7(), **columns, "completed_at": completed_at}
    values = {"description": "", "completed": False, **given, "created_at": now, "updated_at": now}
    statement = CREATE.format(columns=", ".join(values), values=", ".join(["%s"] * len(values)))
    return database().execute(statement, (*values.values(),)).fetchone()


def authenticate(environ: Environ) -> Row | None:
    """Return the token's user. None: the token or its session is not valid."""
    token = environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, KEY, ["HS256"], audience=NAME, issuer=NAME)
    except jwt.PyJWTError:
        return None
    row: Row | None = database().execute(USER, (UUID(claims["sid"]),)).fetchone()
    return row if row and str(row["id"]) == claims["sub"] else None


def read_columns(environ: Environ, user: Row) -> Row:
    """Return the columns of the fields in the body."""
    fields = {name: value for name, value in read_body(environ).items() if name in WRITABLE}
    if len(fields.get("due_date") or "") > DAY_LENGTH:
        fields["due_date"] = utc_text(datetime.fromisoformat(fields["due_date"]))
    return to_columns(fields, user["time_zone"], NEVER)


def read_body(environ: Environ) -> dict[str, Any]:
    """Return the parsed body of the request, or {} without one."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return orjson.loads(body) if body else {}


def format_row(row: Row) -> Row:
    """Format a row as this project does: times in UTC with six digits and `Z`, a name, and a list."""
    for name in TIMES:
        if row[name] is not None:
            row[name] = row[name].isoformat(timespec="microseconds")[:-6] + "Z"
    row["priority"], row["tags"] = PRIORITIES[row["priority"]], split_tags(row["tags"])
    return row


def database() -> Any:
    """Return the connection of this thread."""
    if not hasattr(local, "connection"):
        local.connection = psycopg.connect(
            os.environ["DATABASE_URL"],
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
            options="-c timezone=UTC",
        )
    return local.connection

"""The limit of Python here: a bare WSGI function with psycopg, orjson and PyJWT, doing the same statements.

No framework, no validation beyond what keeps it alive, no error shape, no log. gunicorn
serves it as it serves the service: `gunicorn --config config/gunicorn.py bench.peers.floor:application`.
"""

import os
import threading
import uuid
from datetime import UTC, datetime

import jwt
import orjson
import psycopg
from uuid_utils.compat import uuid7

COLUMNS = "id, title, description, completed, completed_at, created_at, updated_at, version"
WHO = """SELECT u.id, u.subject FROM users_session s JOIN users_user u ON u.id = s.user_id
WHERE s.id = %s AND s.revoked_at IS NULL AND s.expires_at > %s AND u.is_active"""
LIST = f"""SELECT {COLUMNS} FROM tasks_task WHERE owner_id = %s AND deleted_at IS NULL
ORDER BY created_at DESC, id DESC LIMIT %s"""
GET = f"SELECT {COLUMNS} FROM tasks_task WHERE owner_id = %s AND deleted_at IS NULL AND id = %s"
CREATE = f"""INSERT INTO tasks_task (id, owner_id, title, description, completed, completed_at, created_at,
updated_at, version, creation_digest) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1, '') RETURNING {COLUMNS}"""
PATCH = f"""UPDATE tasks_task SET title = coalesce(%s, title), description = coalesce(%s, description),
completed = coalesce(%s, completed), updated_at = %s, version = version + 1
WHERE owner_id = %s AND id = %s AND deleted_at IS NULL RETURNING {COLUMNS}"""
DELETE = "UPDATE tasks_task SET deleted_at = %s WHERE owner_id = %s AND id = %s"
STATUS = {
    200: "200 OK",
    201: "201 Created",
    204: "204 No Content",
    401: "401 Unauthorized",
    404: "404 Not Found",
}

local = threading.local()


def execute(sql: str, parameters: tuple) -> psycopg.Cursor:
    if not hasattr(local, "connection"):
        local.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=0)
    return local.connection.execute(sql, parameters)


def time(value: datetime | None) -> str | None:
    return value and value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def show(row: tuple, user_id: str) -> dict:
    return {
        "id": str(row[0]),
        "user_id": user_id,
        "title": row[1],
        "description": row[2],
        "completed": row[3],
        "completed_at": time(row[4]),
        "created_at": time(row[5]),
        "updated_at": time(row[6]),
        "version": row[7],
    }


def answer(environ: dict) -> tuple[int, object]:
    token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, os.environ["JWT_SIGNING_KEY"], ["HS256"], audience="task-api", issuer="task-api"
    )
    now = datetime.now(UTC)
    user = execute(WHO, (uuid.UUID(claims["sid"]), now)).fetchone()
    if user is None:
        return 401, None
    owner, user_id = user[0], user[1] or str(user[0])
    method, parts = environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/")
    if len(parts) == 4 and method == "GET":
        limit = int(environ["QUERY_STRING"].removeprefix("limit=") or 1000)
        return 200, [show(row, user_id) for row in execute(LIST, (owner, limit))]
    if len(parts) == 4:
        body = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        done = bool(body.get("completed"))
        values = (uuid7(), owner, body["title"].strip(), body.get("description", ""), done)
        row = execute(CREATE, (*values, now if done else None, now, now)).fetchone()
        return 201, show(row, user_id)
    pk = uuid.UUID(parts[4])
    if method == "DELETE":
        execute(DELETE, (now, owner, pk))
        return 204, None
    if method == "PATCH":
        body = orjson.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        values = (body.get("title"), body.get("description"), body.get("completed"), now)
        row = execute(PATCH, (*values, owner, pk)).fetchone()
    else:
        row = execute(GET, (owner, pk)).fetchone()
    return (200, show(row, user_id)) if row else (404, None)


def application(environ, start_response):
    status, document = answer(environ)
    body = b"" if status == 204 else orjson.dumps(document)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(STATUS[status], headers)
    return [body]

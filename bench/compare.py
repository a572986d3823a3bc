"""The three servers must do the same: compared operation by operation before anything is measured."""

import http.client
import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from bench.servers import Server

if TYPE_CHECKING:
    from bench.targets import Target

TIMES = {"created_at", "updated_at", "completed_at"}
# What each write decides for itself.
DECIDED = {"id", "version", *TIMES}


class Answer(NamedTuple):
    """A status, and what the body says."""

    status: int
    body: Any


def ask(server: Server, method: str, path: str, token: str, body: object = None) -> Answer:
    """Return the answer to one request, its times read: they are compared as times, not as text."""
    link = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    link.request(method, f"/api/v1/tasks{path}", None if body is None else json.dumps(body), headers)
    response = link.getresponse()
    raw = response.read()
    link.close()
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        return Answer(response.status, None)
    return Answer(response.status, json.loads(raw, object_pairs_hook=read_times) if raw else None)


def read_times(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose times are times."""
    return {
        name: datetime.fromisoformat(value) if name in TIMES and value else value for name, value in pairs
    }


def shape(answer: Answer) -> Answer:
    """Return an answer with the type in the place of what each server decides for itself."""
    body = answer.body
    if isinstance(body, dict):
        body = {name: type(value) if name in DECIDED else value for name, value in body.items()}
    return Answer(answer.status, body)


def agree(what: str, answers: dict[str, Answer]) -> None:
    """Raise SystemExit unless all answers are one."""
    first = next(iter(answers.values()))
    if any(answer != first for answer in answers.values()):
        lines = "\n".join(f"{name:8} {answer}" for name, answer in answers.items())
        raise SystemExit(f"The servers do not do the same: {what}\n{lines}")


def expect(what: str, status: int, answers: dict[str, Answer]) -> None:
    """Raise SystemExit unless all answers are one, with this status."""
    agree(what, {"expected": Answer(status, next(iter(answers.values())).body), **answers})


def compare(servers: list[Server], targets: "list[Target]", revoked: str) -> None:
    """Compare every operation for some users. Raises SystemExit naming the first difference."""
    for target in targets:
        compare_reads(servers, target)
        compare_writes(servers, target)
    stranger = f"/{targets[0].ids[0]}"
    for what, path, token in (
        ("a task of somebody else", stranger, targets[-1].token),
        ("a session that was ended", "", revoked),
        ("a token that was damaged", "", targets[0].token[:-6] + "AAAAAA"),
    ):
        status = 404 if path else 401
        expect(what, status, {server.name: ask(server, "GET", path, token) for server in servers})


def compare_reads(servers: list[Server], target: "Target") -> None:
    """Compare a list and some tasks: the same keys, the same values."""
    for path in ("?limit=20", *(f"/{id_}" for id_ in target.ids[:5])):
        answers = {server.name: ask(server, "GET", path, target.token) for server in servers}
        expect(f"GET {path}", 200, answers)


def compare_writes(servers: list[Server], target: "Target") -> None:
    """Compare the life of a task: the same keys, the same types, and what was sent come back."""
    made: dict[str, str] = {}

    def on_each(what: str, status: int, act: Callable[[Server], Answer]) -> None:
        answers = {server.name: act(server) for server in servers}
        for name, answer in answers.items():
            if answer.status == http.HTTPStatus.CREATED:
                made[name] = answer.body["id"]
        expect(what, status, {name: shape(answer) for name, answer in answers.items()})

    def step(method: str, suffix: str, body: object, status: int) -> None:
        def act(server: Server) -> Answer:
            return ask(server, method, f"/{made[server.name]}{suffix}", target.token, body)

        on_each(f"{method} {suffix} {body}", status, act)

    new = {"title": "Buy milk", "description": "Two litres"}
    on_each("POST", 201, lambda server: ask(server, "POST", "", target.token, new))
    step("PATCH", "", {"title": "Buy bread"}, 200)
    step("PATCH", "", {"completed": True, "description": ""}, 200)
    step("PATCH", "/complete", {"completed": False}, 200)
    step("PATCH", "/complete", {"completed": True}, 200)
    for reader in servers:
        answers = {
            server.name: shape(ask(reader, "GET", f"/{made[server.name]}", target.token))
            for server in servers
        }
        expect(f"what each wrote, read from {reader.name}", 200, answers)
    step("DELETE", "", None, 204)
    step("GET", "", None, 404)
    for server in servers:
        made.update(dict.fromkeys(made, made[server.name]))
        step("GET", "", None, 404)

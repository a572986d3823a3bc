"""Checks, before the measurement, that the three servers respond alike to every operation."""

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
# Each server generates its own values for these.
GENERATED = {"id", "version", *TIMES}


class Response(NamedTuple):
    """The status and the parsed body of a response. The body of an error is None."""

    status: int
    body: Any


def send(server: Server, method: str, path: str, token: str, body: object = None) -> Response:
    """Send a request and return the response, with `datetime`s for timestamps: their text may differ."""
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection.request(method, f"/api/v1/tasks{path}", None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    raw = response.read()
    connection.close()
    if response.status >= http.HTTPStatus.BAD_REQUEST:
        return Response(response.status, None)
    return Response(response.status, json.loads(raw, object_pairs_hook=parse_times) if raw else None)


def parse_times(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object with `datetime`s for its timestamps."""
    return {
        name: datetime.fromisoformat(value) if name in TIMES and value else value for name, value in pairs
    }


def without_generated_values(response: Response) -> Response:
    """Return a response with the type of each generated value in place of the value."""
    body = response.body
    if isinstance(body, dict):
        body = {name: type(value) if name in GENERATED else value for name, value in body.items()}
    return Response(response.status, body)


def require_equal(operation: str, responses: dict[str, Response]) -> None:
    """Raise SystemExit unless all responses are equal."""
    first = next(iter(responses.values()))
    if any(response != first for response in responses.values()):
        lines = "\n".join(f"{name:8} {response}" for name, response in responses.items())
        raise SystemExit(f"The servers respond differently: {operation}\n{lines}")


def require_status(operation: str, status: int, responses: dict[str, Response]) -> None:
    """Raise SystemExit unless all responses are equal and have this status."""
    expected = Response(status, next(iter(responses.values())).body)
    require_equal(operation, {"expected": expected, **responses})


def compare(servers: list[Server], targets: "list[Target]", revoked: str) -> None:
    """Compare every operation for some users. Raises SystemExit with the first difference."""
    for target in targets:
        compare_reads(servers, target)
        compare_writes(servers, target)
    for operation, path, token, status in (
        ("a task of another user", f"/{targets[0].ids[0]}", targets[-1].token, 404),
        ("a token of an ended session", "", revoked, 401),
        ("a token with a wrong signature", "", targets[0].token[:-6] + "AAAAAA", 401),
    ):
        require_status(
            operation, status, {server.name: send(server, "GET", path, token) for server in servers}
        )


def compare_reads(servers: list[Server], target: "Target") -> None:
    """Compare a list and five tasks: their keys and values must be equal."""
    for path in ("?limit=20", *(f"/{id_}" for id_ in target.ids[:5])):
        responses = {server.name: send(server, "GET", path, target.token) for server in servers}
        require_status(f"GET {path}", 200, responses)


def compare_writes(servers: list[Server], target: "Target") -> None:
    """Create, change and delete a task on each server, and compare the keys, types and sent values."""
    created: dict[str, str] = {}

    def on_each(operation: str, status: int, act: Callable[[Server], Response]) -> None:
        responses = {server.name: act(server) for server in servers}
        for name, response in responses.items():
            if response.status == http.HTTPStatus.CREATED:
                created[name] = response.body["id"]
        comparable = {name: without_generated_values(response) for name, response in responses.items()}
        require_status(operation, status, comparable)

    def step(method: str, suffix: str, body: object, status: int) -> None:
        def act(server: Server) -> Response:
            return send(server, method, f"/{created[server.name]}{suffix}", target.token, body)

        on_each(f"{method} {suffix} {body}", status, act)

    new = {"title": "Buy milk", "description": "Two litres"}
    on_each("POST without a plan", 201, lambda server: send(server, "POST", "", target.token, new))
    new |= {"due_date": "2026-11-30", "priority": "high", "tags": ["Home", "errand"]}
    on_each("POST", 201, lambda server: send(server, "POST", "", target.token, new))
    step("PATCH", "", {"title": "Buy bread"}, 200)
    step("PATCH", "", {"due_date": "2026-12-01T09:00:00+01:00", "priority": None, "tags": []}, 200)
    step("PATCH", "", {"due_date": None, "priority": "low"}, 200)
    step("PATCH", "", {"completed": True, "description": ""}, 200)
    step("PATCH", "/complete", {"completed": False}, 200)
    step("PATCH", "/complete", {"completed": True}, 200)
    for reader in servers:
        responses = {
            name: without_generated_values(send(reader, "GET", f"/{pk}", target.token))
            for name, pk in created.items()
        }
        require_status(f"the task of each server, read from {reader.name}", 200, responses)
    step("DELETE", "", None, 204)
    step("GET", "", None, 404)
    for server in servers:
        created.update(dict.fromkeys(created, created[server.name]))
        step("GET", "", None, 404)

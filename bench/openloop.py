"""An open loop: a request is sent when it is due, even if earlier ones have no response yet.

Arrivals are a Poisson process. Connections stay open. A latency starts when the request is due, so
it includes the wait for a free connection. A closed loop such as wrk's does not measure that wait.
"""

import asyncio
import json
import random
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import uvloop

from bench.servers import Server

if TYPE_CHECKING:
    from bench.targets import Target

SHARES = {"list": 44, "get": 22, "create": 12, "patch": 12, "complete": 5, "delete": 5}
STATUSES = {"create": 201, "delete": 204}


class Arrival(NamedTuple):
    """A request and when it is due, in seconds from the start."""

    due: float
    kind: str
    request: bytes


def plan(
    server: Server, targets: "list[Target]", to_delete: "list[Target]", rate: float, seconds: float
) -> list[Arrival]:
    """Return the arrivals of so many seconds at `rate` a second. The same arguments give the same ones."""
    chance = random.Random(0)
    deletable = [(target.token, id_) for target in to_delete for id_ in target.ids]
    kinds = chance.choices(list(SHARES), list(SHARES.values()), k=int(rate * seconds))
    host, due, arrivals = urlsplit(server.address).netloc, 0.0, []
    for number, kind in enumerate(kinds):
        due += chance.expovariate(rate)
        target = chance.choice(targets)
        token, id_ = deletable.pop() if kind == "delete" else (target.token, chance.choice(target.ids))
        arrivals.append(Arrival(due, kind, make_request(kind, host, token, id_, number)))
    return arrivals


def make_request(kind: str, host: str, token: str, id_: Any, number: int) -> bytes:
    """Return a request as bytes."""
    method, path, body = {
        "list": ("GET", "?limit=20", None),
        "get": ("GET", f"/{id_}", None),
        "create": ("POST", "", {"title": f"Buy milk {number}", "description": "Two litres"}),
        "patch": ("PATCH", f"/{id_}", {"title": f"Buy bread {number} {time.time()}"}),
        "complete": ("PATCH", f"/{id_}/complete", {"completed": bool(number % 2)}),
        "delete": ("DELETE", f"/{id_}", None),
    }[kind]
    text = json.dumps(body) if body else ""
    head = f"{method} /api/v1/tasks{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return f"{head}\r\n{text}".encode()


class Connection:
    """A connection that stays open. It sends one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, request: bytes) -> int:
        """Send a request, read the whole response, and return the status."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        _, _, length = head.partition(b"content-length:")
        if length:
            await self.reader.readexactly(int(length.split(b"\r\n")[0]))
        return status


async def run(server: Server, arrivals: list[Arrival], connections: int) -> dict[str, dict[str, float]]:
    """Send every request when it is due. Return the count, errors and percentiles in ms by kind."""
    address = urlsplit(server.address)
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(connections):
        free.put_nowait(Connection(*await asyncio.open_connection(address.hostname, address.port)))
    latencies: dict[str, list[float]] = {kind: [] for kind in SHARES}
    errors = dict.fromkeys(SHARES, 0)
    started = time.perf_counter()

    async def send(arrival: Arrival) -> None:
        connection = await free.get()
        try:
            async with asyncio.timeout(10):
                status = await connection.send(arrival.request)
        except (OSError, EOFError, TimeoutError):
            status = 0
            connection.writer.close()
            connection = Connection(*await asyncio.open_connection(address.hostname, address.port))
        free.put_nowait(connection)
        latencies[arrival.kind].append(time.perf_counter() - started - arrival.due)
        errors[arrival.kind] += status != STATUSES.get(arrival.kind, 200)

    async with asyncio.TaskGroup() as group:
        for arrival in arrivals:
            await asyncio.sleep(max(0, started + arrival.due - time.perf_counter()))
            group.create_task(send(arrival))
    while not free.empty():
        free.get_nowait().writer.close()
    return {
        kind: {
            "requests": len(seconds),
            "errors": errors[kind],
            **{f"p{level}": percentile(seconds, level) * 1000 for level in (50, 95, 99)},
        }
        for kind, seconds in latencies.items()
    }


def percentile(values: list[float], level: int) -> float:
    """Return the value that `level` per cent of the values do not exceed, or NaN without values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) * level // 100, len(ranked) - 1)] if ranked else float("nan")


def drive(server: Server, arrivals: list[Arrival], connections: int) -> dict[str, dict[str, float]]:
    """Send all arrivals over so many connections. Return the results by kind."""
    return uvloop.run(run(server, arrivals, connections))

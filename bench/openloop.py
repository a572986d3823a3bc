"""An open loop: requests come when they are due, whether or not the last one was answered.

Arrivals are a Poisson process over connections that stay open. A latency is counted from the
time at which the request was due, so that waiting for a free connection is part of it: what a
closed loop such as wrk's leaves out.
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


def plan(server: Server, targets: "list[Target]", supply: "list[Target]", rate: float, seconds: float) -> Any:
    """Return the arrivals of so many seconds; the same for the same arguments but for what is deleted."""
    chance = random.Random(0)
    doomed = [(target.token, id_) for target in supply for id_ in target.ids]
    kinds = chance.choices(list(SHARES), list(SHARES.values()), k=int(rate * seconds))
    host, due, arrivals = urlsplit(server.address).netloc, 0.0, []
    for number, kind in enumerate(kinds):
        due += chance.expovariate(rate)
        target = chance.choice(targets)
        token, id_ = doomed.pop() if kind == "delete" else (target.token, chance.choice(target.ids))
        arrivals.append(Arrival(due, kind, make_request(kind, host, token, id_, number)))
    return arrivals


def make_request(kind: str, host: str, token: str, id_: Any, number: int) -> bytes:
    """Return the bytes of a request."""
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


class Link:
    """A connection that stays open, and one request at a time on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, request: bytes) -> int:
        """Send a request, read all of its answer, and return the status."""
        self.writer.write(request)
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        _, _, length = head.partition(b"content-length:")
        if length:
            await self.reader.readexactly(int(length.split(b"\r\n")[0]))
        return status


async def run(server: Server, arrivals: list[Arrival], connections: int) -> dict[str, dict[str, float]]:
    """Send every request when it is due; return count, errors and percentiles in ms by kind."""
    address = urlsplit(server.address)
    free: asyncio.LifoQueue[Link] = asyncio.LifoQueue()
    for _ in range(connections):
        free.put_nowait(Link(*await asyncio.open_connection(address.hostname, address.port)))
    latencies: dict[str, list[float]] = {kind: [] for kind in SHARES}
    errors = dict.fromkeys(SHARES, 0)
    started = time.perf_counter()

    async def answer(arrival: Arrival) -> None:
        link = await free.get()
        try:
            async with asyncio.timeout(10):
                status = await link.ask(arrival.request)
        except (OSError, EOFError, TimeoutError):
            status = 0
            link.writer.close()
            link = Link(*await asyncio.open_connection(address.hostname, address.port))
        free.put_nowait(link)
        latencies[arrival.kind].append(time.perf_counter() - started - arrival.due)
        errors[arrival.kind] += status != STATUSES.get(arrival.kind, 200)

    async with asyncio.TaskGroup() as group:
        for arrival in arrivals:
            await asyncio.sleep(max(0, started + arrival.due - time.perf_counter()))
            group.create_task(answer(arrival))
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
    """Return the value that so many in a hundred do not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) * level // 100, len(ranked) - 1)] if ranked else float("nan")


def drive(server: Server, arrivals: list[Arrival], connections: int) -> dict[str, dict[str, float]]:
    """Run the loop to its end."""
    return uvloop.run(run(server, arrivals, connections))

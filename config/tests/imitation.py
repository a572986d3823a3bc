"""A server that speaks PostgreSQL's protocol as far as a pooler or a refusal needs it."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SSL_REQUEST = 80877103
PROCESS_ID = 4242
# The types' numbers, in pg_type.
BOOLEAN, INTEGER, TEXT = 16, 20, 25
PARAMETERS = {"server_version": "18.4", "client_encoding": "UTF8", "TimeZone": "UTC"}


def message(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + struct.pack("!i", len(body) + 4) + body


def text(value: str) -> bytes:
    return value.encode() + b"\0"


def error(kind: str, said: str) -> bytes:
    return message(b"E", b"S", text(kind), b"C", text("XX000"), b"M", text(said), b"\0")


def row(values: list[str]) -> bytes:
    kinds = [BOOLEAN if value in {"t", "f"} else INTEGER if value.isdigit() else TEXT for value in values]
    columns = [text("column") + struct.pack("!ihihih", 0, 0, kind, -1, -1, 0) for kind in kinds]
    cells = [struct.pack("!i", len(value)) + value.encode() for value in values]
    count = struct.pack("!h", len(values))
    return message(b"T", count, *columns) + message(b"D", count, *cells) + message(b"C", text("SELECT 1"))


def serve(link: socket.socket, refusal: str, answer: Callable[[str], list[str]]) -> None:
    stream = link.makefile("rb")
    size, code = struct.unpack("!ii", stream.read(8))
    if code == SSL_REQUEST:
        link.sendall(b"N")
        size, _ = struct.unpack("!ii", stream.read(8))
    stream.read(size - 8)
    if refusal:
        link.sendall(error("FATAL", refusal))
        return
    statuses = [message(b"S", text(name), text(value)) for name, value in PARAMETERS.items()]
    key = message(b"K", struct.pack("!ii", PROCESS_ID, 1))
    ready = message(b"Z", b"I")
    link.sendall(message(b"R", struct.pack("!i", 0)) + b"".join(statuses) + key + ready)
    while (kind := stream.read(1)) == b"Q":
        (size,) = struct.unpack("!i", stream.read(4))
        link.sendall(row(answer(stream.read(size - 4)[:-1].decode())) + ready)
    assert kind in {b"X", b""}, f"not a simple query: {kind!r}"


@contextmanager
def imitation(refusal: str = "", answer: Callable[[str], list[str]] = lambda _: ["1"]) -> Iterator[str]:
    """Yield the URL of a server that refuses every connection with a message, or answers each query."""
    listener = socket.create_server(("127.0.0.1", 0))

    def talk(link: socket.socket) -> None:
        with link, suppress(ConnectionError):
            serve(link, refusal, answer)

    def accept() -> None:
        # Closing the listener ends the loop.
        with suppress(OSError):
            while True:
                threading.Thread(target=talk, args=listener.accept()[:1], daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"postgresql://tasks:Tr0ub4dor@127.0.0.1:{listener.getsockname()[1]}/tasks"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()

"""Servers in the test internet: threads of the test, with sockets of a namespace."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import socket
import threading
from typing import Callable, Iterator

from .namespace import Namespace

FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
PIECE = os.urandom(1 << 20)


def test_bytes(default: int) -> int:
    """The length of a large transfer; SLIRPSTACK_TEST_BYTES sets another one."""
    return int(os.environ.get("SLIRPSTACK_TEST_BYTES", default))


def pieces(length: int) -> Iterator[memoryview]:
    """`length` bytes of which no two neighbouring mebibytes are alike."""
    number = 0
    piece = memoryview(PIECE + PIECE)
    while length > 0:
        start = (number * 4099) % len(PIECE)
        yield piece[start : start + min(len(PIECE), length)]
        length -= len(PIECE)
        number += 1


def digest_of(length: int) -> str:
    """The SHA-256 of `pieces(length)`."""
    digest = hashlib.sha256()
    for piece in pieces(length):
        digest.update(piece)
    return digest.hexdigest()


def receive_all(connection: socket.socket) -> bytes:
    """Everything up to the far end's FIN."""
    received = bytearray()
    while piece := connection.recv(1 << 16):
        received += piece
    return bytes(received)


def receive_exactly(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(length - len(received))
        assert piece, f"the end after {len(received)} of {length} bytes"
        received += piece
    return bytes(received)


@contextlib.contextmanager
def listening(
    place: Namespace, version: int, address: str, port: int = 0, backlog: int = 4096
) -> Iterator[socket.socket]:
    """A TCP socket that listens."""
    with place.socket(FAMILY[version]) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(backlog)
        yield listener


@contextlib.contextmanager
def in_background(work: Callable[[], None]) -> Iterator[None]:
    """Runs `work` in a thread; at the end waits for it, and raises what it raised."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)

    thread = threading.Thread(target=guarded, daemon=True)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive(), "the server's side does not end"
    if failures:
        raise failures[0]


class _Files(http.server.BaseHTTPRequestHandler):
    """GET /LENGTH gives so many bytes; PUT answers with what came: its length and digest."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        for piece in pieces(length):
            self.wfile.write(piece)

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        digest = hashlib.sha256()
        length = 0
        while left > 0:
            piece = self.rfile.read(min(left, len(PIECE)))
            if not piece:
                break
            digest.update(piece)
            left -= len(piece)
            length += len(piece)
        answer = f"{length} {digest.hexdigest()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class _HttpServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that went away shows in the test itself


@contextlib.contextmanager
def file_server(place: Namespace, version: int, address: str) -> Iterator[int]:
    """An HTTP server; its port."""
    with listening(place, version, address) as listener:
        server = _HttpServer((address, 0), _Files, bind_and_activate=False)
        server.socket.close()
        listener.settimeout(None)
        server.socket = listener
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


class Datagrams:
    """A UDP socket that answers in a thread; `seen` are the senders and lengths, in order."""

    def __init__(
        self,
        place: Namespace,
        version: int,
        address: str,
        port: int = 0,
        answer: Callable[[bytes], bytes | None] = lambda data: data,
    ) -> None:
        """`answer` None: silence. By default an echo."""
        self.seen: list[tuple[tuple[str, int], int]] = []
        self.socket = place.socket(FAMILY[version], socket.SOCK_DGRAM)
        self.socket.bind((address, port))
        self.socket.settimeout(0.05)
        self.endpoint = self.socket.getsockname()[:2]
        self._answer = answer
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                data, sender = self.socket.recvfrom(65536)
            except OSError:
                continue
            self.seen.append((sender[:2], len(data)))
            answer = self._answer(data)
            if answer is not None:
                self.socket.sendto(answer, sender)

    def __enter__(self) -> Datagrams:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.socket.close()

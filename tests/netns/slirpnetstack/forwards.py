"""Facts about forwards: each scheme both ways, over either family and across, and that each of
their flows is told of once when it begins and once when it ends."""

from __future__ import annotations

import re
import socket
import struct
from typing import Sequence

from face import GATEWAY, GUEST, FaceTest, Slirpnetstack
from harness import suite
from harness.namespace import Namespace
from harness.servers import FAMILY, Datagrams, listening, receive_exactly
from harness.topology import LAN_PEER

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
STREAMS = ("tcp", "tcppp")
DATAGRAMS = ("udp", "udprpc", "udpspp")
# Of the side that a flow comes from, and of the one that it goes to.
FAMILIES = ((4, 4), (6, 6), (4, 6), (6, 4))
FIRST_PORT = 8000
QUESTION, ANSWER = b"question", b"answer"
PROXY_HEADER = b"PROXY TCP4 192.0.2.9 192.0.2.8 1234 443\r\n"
ROW = 200


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def mapped(address: str) -> bytes:
    """Sixteen bytes of either family."""
    if ":" in address:
        return socket.inet_pton(socket.AF_INET6, address)
    return bytes(10) + b"\xff\xff" + socket.inet_aton(address)


def simple_proxy(client: tuple[str, int], proxy: tuple[str, int]) -> bytes:
    ports = struct.pack("!HH", client[1], proxy[1])
    return b"\x56\xec" + mapped(client[0]) + mapped(proxy[0]) + ports


class SchemeTest(FaceTest):
    """A forward for each scheme and pair of families, each on a port of its own."""

    def plan(self, schemes: Sequence[str]) -> list[tuple[int, str, int, int]]:
        """Port, scheme, and the two families."""
        pairs = [(scheme, *families) for scheme in schemes for families in FAMILIES]
        return [(FIRST_PORT + number, *pair) for number, pair in enumerate(pairs)]

    def exchange(self, client: socket.socket, server: socket.socket, before: bytes = b"") -> None:
        client.sendall(before + QUESTION)
        self.assertEqual(receive_exactly(server, len(QUESTION)), QUESTION)
        server.sendall(ANSWER)
        self.assertEqual(receive_exactly(client, len(ANSWER)), ANSWER)

    def told_once(self, process: Slirpnetstack, port: int, kind: str, count: int = 1) -> None:
        """So many beginnings and ends of flows by that port, of the same flows."""
        end = r"(?:conn new|conn)" if kind == "remote-fwd" else r"conn"
        begun = rf"\A\[\+\] (\S+:{port}/\S+) {kind} (?:PP )?{end}\Z"
        ended = rf"\A\[-\] (\S+:{port}/\S+) {kind} (?:PP )?(?:conn )?done: l=\S+ r=\S+\Z"
        lines = process.output.splitlines()
        news, dones = ([m[1] for m in map(re.compile(p).match, lines) if m] for p in (begun, ended))
        self.assertEqual((len(news), len(dones)), (count, count), process.output)
        self.assertEqual(sorted(news), sorted(dones))
        self.assertEqual(len(set(news)), count)


class Local(SchemeTest):
    """-L"""

    def test_streams(self) -> None:
        forwards = self.plan(STREAMS)
        guest, process = self.served(*self.options(forwards))
        for port, scheme, ours, theirs in forwards:
            with self.subTest(scheme=scheme, ours=ours, theirs=theirs):
                header = PROXY_HEADER if scheme == "tcppp" else b""
                with listening(guest, theirs, GUEST[theirs], port) as listener:
                    with self.topology.host.socket(FAMILY[ours]) as client:
                        client.connect((LOOPBACK[ours], port))
                        client.sendall(header)
                        server, seen = listener.accept()
                        with server:
                            self.exchange(client, server)
                        is_shown = header and theirs == 4
                        self.assertEqual(seen[0], "192.0.2.9" if is_shown else GATEWAY[theirs])
        process.end()
        for port, *_ in forwards:
            self.told_once(process, port, "local-fwd")

    def options(self, forwards: Sequence[tuple[int, str, int, int]]) -> list[str]:
        words = []
        for port, scheme, ours, theirs in forwards:
            sides = (bracketed(LOOPBACK[ours]), bracketed(GUEST[theirs]))
            words += ["-L", f"{scheme}://{sides[0]}:{port}:{sides[1]}:{port}"]
        return words

    def test_datagrams(self) -> None:
        forwards = self.plan(DATAGRAMS)
        guest, process = self.served(*self.options(forwards))
        for port, scheme, ours, theirs in forwards:
            with self.subTest(scheme=scheme, ours=ours, theirs=theirs):
                where = (LOOPBACK[ours], port)
                header = simple_proxy(("192.0.2.9", 1234), where) if scheme == "udpspp" else b""
                with Datagrams(guest, theirs, GUEST[theirs], port) as echo:
                    with self.topology.host.socket(FAMILY[ours], socket.SOCK_DGRAM) as client:
                        client.connect(where)
                        for size in (0, 1, 60000):
                            client.send(header + bytes(size))
                            self.assertEqual(client.recv(70000), header + bytes(size))
                            if scheme == "udprpc":
                                break
                    seen = {sender[0] for sender, _ in echo.seen}
                    is_shown = header and theirs == 4
                    self.assertEqual(seen, {"192.0.2.9" if is_shown else GATEWAY[theirs]})
        process.end()
        for port, *_ in forwards:
            self.told_once(process, port, "local-fwd")

    def test_a_clients_address_is_kept_where_it_can_be(self) -> None:
        guest, _ = self.served("-L", "203.0.113.1:8080", "-L", f"203.0.113.1:8081:[{GUEST[6]}]:80")
        for port, theirs, target, shown in ((8080, 4, 8080, LAN_PEER), (8081, 6, 80, GATEWAY[6])):
            with listening(guest, theirs, GUEST[theirs], target) as listener:
                with self.topology.router.socket(socket.AF_INET) as client:
                    client.connect(("203.0.113.1", port))
                    server, seen = listener.accept()
                    with server:
                        self.assertEqual(seen[0], shown)

    def test_two_hundred_in_a_row(self) -> None:
        forwards = self.plan(["tcp", "udprpc"])
        guest, process = self.served(*self.options(forwards))
        for port, scheme, ours, theirs in forwards:
            self.row(guest, port, scheme, ours, theirs)
        process.end()
        for port, *_ in forwards:
            self.told_once(process, port, "local-fwd", ROW)

    def row(self, guest: Namespace, port: int, scheme: str, ours: int, theirs: int) -> None:
        where = (LOOPBACK[ours], port)
        if scheme == "udprpc":
            with Datagrams(guest, theirs, GUEST[theirs], port):
                # All at a time, else a port of the client's might serve twice.
                clients = [
                    self.topology.host.socket(FAMILY[ours], socket.SOCK_DGRAM) for _ in range(ROW)
                ]
                for client in clients:
                    client.connect(where)
                    client.send(QUESTION)
                    self.assertEqual(client.recv(100), QUESTION)
                for client in clients:
                    client.close()
            return
        with listening(guest, theirs, GUEST[theirs], port) as listener:
            for _ in range(ROW):
                with self.topology.host.socket(FAMILY[ours]) as client:
                    client.connect(where)
                    listener.accept()[0].close()
                    self.assertEqual(client.recv(1), b"")


class Remote(SchemeTest):
    """-R"""

    def options(self, forwards: Sequence[tuple[int, str, int, int]]) -> list[str]:
        words = []
        for port, scheme, ours, theirs in forwards:
            sides = (bracketed(GATEWAY[ours]), bracketed(LOOPBACK[theirs]))
            words += ["-R", f"{scheme}://{sides[0]}:{port}:{sides[1]}:{port}"]
        return words

    def test_streams(self) -> None:
        forwards = self.plan(STREAMS)
        guest, process = self.served(*self.options(forwards))
        for port, scheme, ours, theirs in forwards:
            with self.subTest(scheme=scheme, ours=ours, theirs=theirs):
                with listening(self.topology.host, theirs, LOOPBACK[theirs], port) as listener:
                    with guest.socket(FAMILY[ours]) as client:
                        client.connect((GATEWAY[ours], port))
                        with listener.accept()[0] as server:
                            if scheme == "tcppp":
                                source = client.getsockname()[1]
                                expected = (
                                    f"PROXY TCP{ours} {GUEST[ours]} {GATEWAY[ours]} "
                                    f"{source} {port}\r\n"
                                ).encode()
                                self.assertEqual(receive_exactly(server, len(expected)), expected)
                            self.exchange(client, server)
        process.end()
        for port, *_ in forwards:
            self.assertEqual(len(process.lines(f":{port}/")), 2, process.output)
            self.told_once(process, port, "remote-fwd")

    def test_datagrams(self) -> None:
        forwards = self.plan(DATAGRAMS)
        guest, process = self.served(*self.options(forwards))
        for port, scheme, ours, theirs in forwards:
            with self.subTest(scheme=scheme, ours=ours, theirs=theirs):
                got: list[bytes] = []

                def echo(data: bytes) -> bytes:
                    got.append(data)
                    return data

                with Datagrams(self.topology.host, theirs, LOOPBACK[theirs], port, echo):
                    with guest.socket(FAMILY[ours], socket.SOCK_DGRAM) as client:
                        where = (GATEWAY[ours], port)
                        client.connect(where)
                        own = client.getsockname()[:2]
                        header = simple_proxy(own, where) if scheme == "udpspp" else b""
                        for size in (0, 1, 60000):
                            client.send(bytes(size))
                            self.assertEqual(client.recv(70000), bytes(size))
                            self.assertEqual(got[-1], header + bytes(size))
                            if scheme == "udprpc":
                                break
        process.end()
        for port, *_ in forwards:
            self.told_once(process, port, "remote-fwd")

    def test_two_hundred_in_a_row(self) -> None:
        forwards = self.plan(["tcp"])
        guest, process = self.served(*self.options(forwards))
        for port, _, ours, theirs in forwards:
            with listening(self.topology.host, theirs, LOOPBACK[theirs], port) as listener:
                for _ in range(ROW):
                    with guest.socket(FAMILY[ours]) as client:
                        client.connect((GATEWAY[ours], port))
                        listener.accept()[0].close()
                        self.assertEqual(client.recv(1), b"")
        process.end()
        for port, *_ in forwards:
            self.told_once(process, port, "remote-fwd", ROW)

    def test_any_address_can_be_bound(self) -> None:
        guest, _ = self.served("-R", "192.0.2.200:80:127.0.0.1:8080")
        with listening(self.topology.host, 4, LOOPBACK[4], 8080) as listener:
            with guest.socket(socket.AF_INET) as client:
                client.connect(("192.0.2.200", 80))
                with listener.accept()[0] as server:
                    self.exchange(client, server)

    def test_a_refused_connection_is_an_error(self) -> None:
        guest, process = self.served("-R", "80:127.0.0.1:1")
        with guest.socket(socket.AF_INET) as client:
            with self.assertRaises(ConnectionRefusedError):
                client.connect((GATEWAY[4], 80))
        (line,) = process.wait_for_lines("conn error")
        self.assertRegex(
            line,
            r"\A\[!\] tcp://10\.0\.2\.100:\d+-10\.0\.2\.2:80/127\.0\.0\.1:1\S* "
            r"remote-fwd conn error: l=0/0 r=\[.*refused.*\]/0\Z",
        )
        self.assertEqual(process.lines("conn new"), [])


if __name__ == "__main__":
    suite.main(Local, Remote)

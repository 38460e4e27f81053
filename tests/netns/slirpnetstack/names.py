"""Facts about names: in forwards (also by SRV records), in the lists, and as the source."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Iterator

from face import GATEWAY, GUEST, FaceTest
from harness import suite
from harness.servers import Datagrams, listening
from harness.topology import RESOLVERS, SERVER

A, AAAA, SRV = 1, 28, 33
LOOPBACK = "127.0.0.1"
SECOND_SOURCE = "203.0.113.1"


def wire_name(name: str) -> bytes:
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class Zone:
    """A DNS server's answers; `asked` are the names and types that it was asked for."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[bytes]] = {}
        self.asked: list[tuple[str, int]] = []

    def address(self, name: str, *addresses: str) -> None:
        for kind, family in ((A, socket.AF_INET), (AAAA, socket.AF_INET6)):
            those = [each for each in addresses if (":" in each) == (kind == AAAA)]
            self.records[name, kind] = [socket.inet_pton(family, each) for each in those]

    def service(self, name: str, target: str, port: int) -> None:
        self.records[name, SRV] = [struct.pack("!HHH", 1, 1, port) + wire_name(target)]

    def answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        labels, rest = [], query[12:end]
        while rest[0]:
            labels.append(rest[1 : rest[0] + 1].decode().lower())
            rest = rest[rest[0] + 1 :]
        name, (kind,) = ".".join(labels), struct.unpack("!H", rest[1:3])
        self.asked.append((name, kind))
        known = any(each == name for each, _ in self.records)
        found = self.records.get((name, kind), [])
        header = query[:2] + struct.pack("!HHHHH", 0x8180 if known else 0x8183, 1, len(found), 0, 0)
        records = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 1, len(data)) + data for data in found
        )
        return header + query[12:end] + records


class NameTest(FaceTest):
    @contextlib.contextmanager
    def resolver(self) -> Iterator[Zone]:
        """The one in the host's resolv.conf."""
        zone = Zone()
        with Datagrams(self.topology.internet, 4, RESOLVERS[0], 53, zone.answer):
            yield zone

    @contextlib.contextmanager
    def server(self, port: int) -> Iterator[Zone]:
        """One on the host's loopback, which only an SRV name leads to."""
        zone = Zone()
        with Datagrams(self.topology.host, 4, LOOPBACK, port, zone.answer):
            yield zone


class Forwards(NameTest):
    def reached(self, port: int = 8080, gateway_port: int = 80) -> str:
        """Which of the host's loopback addresses a connection of the guest comes out at."""
        with listening(self.topology.host, 4, "0.0.0.0", port) as listener:
            with self.guest_.socket(socket.AF_INET) as client:
                client.connect((GATEWAY[4], gateway_port))
                with listener.accept()[0] as server:
                    return str(server.getsockname()[0])

    def test_a_targets_name_is_looked_up_for_each_connection(self) -> None:
        with self.resolver() as zone:
            zone.address("db.example", LOOPBACK)
            self.guest_, _ = self.served("-dns-ttl", "0", "-R", "80:db.example:8080")
            self.assertEqual(zone.asked, [], "not at the start")
            self.assertEqual(self.reached(), LOOPBACK)
            zone.address("db.example", "127.0.0.2")
            self.assertEqual(self.reached(), "127.0.0.2")

    def test_the_answer_is_kept_for_dns_ttl(self) -> None:
        with self.resolver() as zone:
            zone.address("db.example", LOOPBACK)
            self.guest_, _ = self.served("-dns-ttl", "10m", "-R", "80:db.example:8080")
            self.assertEqual(self.reached(), LOOPBACK)
            zone.address("db.example", "127.0.0.2")
            self.assertEqual(self.reached(), LOOPBACK)

    def test_ipv4_is_preferred(self) -> None:
        with self.resolver() as zone:
            zone.address("both.example", "::1", LOOPBACK)
            self.guest_, process = self.served(
                "-L", "both.example:8081:10.0.2.100:80", "-R", "80:both.example:8080"
            )
            self.assertEqual(self.reached(), LOOPBACK)
        line = "[+] local-fwd Local listen tcp://127.0.0.1:8081"
        self.assertIn(line, process.output.splitlines())

    def test_a_local_forwards_names_are_looked_up_at_the_start(self) -> None:
        with self.resolver() as zone:
            zone.address("bind.example", LOOPBACK)
            zone.address("guest.example", GUEST[4])
            guest, _ = self.served("-L", "bind.example:8080:guest.example:80")
        with listening(guest, 4, GUEST[4], 80) as listener:
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect((LOOPBACK, 8080))
                listener.accept()[0].close()

    def test_a_name_that_is_not_found_is_no_default(self) -> None:
        guest = self.namespace()
        with self.resolver():
            for option, spec in (
                ("-L", "no.example:8080"),
                ("-L", "8080:no.example:80"),
                ("-R", "no.example:80"),
            ):
                done = self.start("-netns", guest.path, option, spec)
                self.assertEqual(done.returncode, 246, done.stderr)
                said = "dns lookup error of tcp addr: lookup no.example: no such host"
                self.assertIn(said, done.stderr)

    def test_an_srv_record_names_host_and_port(self) -> None:
        for server in ("srv-5353", "srv-127.0.0.1:5353"):
            with self.server(5353) as zone:
                zone.service("_db._tcp.example", "node.example", 8080)
                zone.address("node.example", "127.0.0.3")
                self.guest_, process = self.served("-R", f"80:[_db._tcp.example@{server}]:")
                self.assertEqual(self.reached(), "127.0.0.3")
            process.end()

    def test_its_target_may_be_known_to_the_system_alone(self) -> None:
        with self.resolver() as system, self.server(5353) as zone:
            zone.service("_db._tcp.example", "node.example", 0)
            system.address("node.example", "127.0.0.4")
            self.guest_, _ = self.served("-R", "80:[_db._tcp.example@srv-5353]:8081")
            self.assertEqual(self.reached(8081), "127.0.0.4", "port 0 says none")

    def test_an_srv_record_that_is_not_there_is_told(self) -> None:
        with self.server(5353):
            guest, process = self.served("-R", "80:_no._tcp.example@srv-5353:8080")
            with guest.socket(socket.AF_INET) as client:
                self.assertNotEqual(client.connect_ex((GATEWAY[4], 80)), 0)
            (line,) = process.wait_for_lines("dns lookup error")
        self.assertTrue(
            line.endswith(
                "-failed remote-fwd dns lookup error of tcp addr: "
                'Failed to lookup SRV "_no._tcp.example" on "127.0.0.1:5353"'
            ),
            line,
        )

    def test_other_kinds_of_lookup_are_unknown(self) -> None:
        done = self.start("-R", "80:q@txt-53:81")
        self.assertEqual(done.returncode, 2)
        self.assertIn('for flag -R: Unknown dns type "txt"', done.stderr)


class Lists(NameTest):
    def test_an_allowed_name_is_looked_up(self) -> None:
        with self.resolver() as zone:
            zone.address("web.example", SERVER[4])
            guest, _ = self.served("-allow", "web.example:6000")
            with listening(self.topology.internet, 4, SERVER[4], 6000) as listener:
                with guest.socket(socket.AF_INET) as client:
                    client.connect(listener.getsockname())
            with guest.socket(socket.AF_INET) as client:
                with self.assertRaises(ConnectionRefusedError):
                    client.connect((SERVER[4], 6001))

    def test_a_name_that_is_not_found_is_a_mistake(self) -> None:
        guest = self.namespace()
        with self.resolver() as zone:
            for option in ("-allow", "-deny"):
                done = self.start("-netns", guest.path, option, "no.example:80")
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                said = f'invalid value "no.example:80" for flag {option}: lookup no.example: '
                self.assertIn(said, done.stderr)
            zone.asked.clear()
            done = self.start("-allow", "no.example:9-8")
            self.assertIn("min port must be smaller equal than max", done.stderr)
            self.assertEqual(zone.asked, [], "ports are looked at first")


class Source(NameTest):
    def test_a_source_may_be_a_name(self) -> None:
        with self.resolver() as zone:
            zone.address("source.example", SECOND_SOURCE)
            for source in ("source.example", SECOND_SOURCE):
                guest, process = self.served("-enable-routing", "-source-ipv4", source)
                with listening(self.topology.internet, 4, SERVER[4]) as listener:
                    with guest.socket(socket.AF_INET) as client:
                        client.connect(listener.getsockname())
                        server, seen = listener.accept()
                        server.close()
                        self.assertEqual(seen[0], SECOND_SOURCE)
                process.end()
            done = self.start("-source-ipv4", "no.example")
            self.assertEqual(done.returncode, 2)
            self.assertIn("lookup no.example", done.stderr)


if __name__ == "__main__":
    suite.main(Forwards, Lists, Source)

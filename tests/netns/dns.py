"""The gateway's own addresses, and DNS by way of the host's resolvers."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
from typing import Iterator

from harness import suite
from harness.guest import DNS, GATEWAY
from harness.processes import wait_until
from harness.servers import FAMILY, Datagrams, in_background, listening, receive_exactly
from harness.topology import RESOLVERS

ANSWER = "192.0.2.99"
OTHER_ANSWER = "192.0.2.98"
LARGE_NAME = b"\x05large"
TYPE_A, TYPE_TXT, CLASS_IN = 1, 16, 1
FLAGS_ANSWER, FLAGS_TRUNCATED = 0x8180, 0x8380
# The forwarder gives up after eight seconds; some more for the way there and back.
ALL_DEAD_SECONDS = 12


def answer(query: bytes, address: str, over_udp: bool = True) -> bytes:
    """An A record, or a long TXT record for names that begin with "large"."""
    end = query.index(b"\0", 12) + 5
    question = query[12:end]
    large = question.startswith(LARGE_NAME)
    flags = FLAGS_TRUNCATED if large and over_udp else FLAGS_ANSWER
    count = 0 if flags == FLAGS_TRUNCATED else 1
    header = query[:2] + struct.pack("!HHHHH", flags, 1, count, 0, 0)
    kind, data = TYPE_A, socket.inet_aton(address)
    if large:
        kind, data = TYPE_TXT, (b"\xc8" + b"x" * 200) * 20
    record = b"\xc0\x0c" + struct.pack("!HHIH", kind, CLASS_IN, 60, len(data)) + data
    return header + question + (record if count else b"")


class GatewayAddress(suite.GuestTest):
    def test_it_answers_ping(self) -> None:
        for addresses in (GATEWAY, DNS):
            for version, address in addresses.items():
                said = self.shared.run("ping", f"-{version}", "-n", "-c2", "-i0.2", address).stdout
                self.assertIn(" 0% packet loss", said)

    def test_it_refuses_tcp_and_udp(self) -> None:
        for version, address in GATEWAY.items():
            with self.shared.socket(FAMILY[version]) as guest:
                self.assertEqual(guest.connect_ex((address, 53)), errno.ECONNREFUSED)
            with self.shared.socket(FAMILY[version], socket.SOCK_DGRAM) as guest:
                guest.connect((address, 53))
                guest.send(b"anyone")
                with self.assertRaises(ConnectionRefusedError):
                    guest.recv(1)


class Dns(suite.GuestTest):
    def setUp(self) -> None:
        self.addCleanup(self.topology.set_resolvers, *RESOLVERS[:1])

    def resolver(
        self, address: str, says: str | None = ANSWER, place: str = "internet"
    ) -> Datagrams:
        """A resolver at work until the test's end; None: it never answers."""
        server = Datagrams(
            getattr(self.topology, place),
            4,
            address,
            53,
            lambda query: None if says is None else answer(query, says),
        )
        self.enterContext(server)
        return server

    @contextlib.contextmanager
    def tcp_resolver(self, queries: int) -> Iterator[None]:
        """Answers so many queries, a connection each."""
        with listening(self.topology.internet, 4, RESOLVERS[0], 53) as listener:

            def serve() -> None:
                for _ in range(queries):
                    connection = listener.accept()[0]
                    connection.settimeout(15)
                    with connection:
                        length = struct.unpack("!H", receive_exactly(connection, 2))[0]
                        said = answer(receive_exactly(connection, length), ANSWER, over_udp=False)
                        connection.sendall(struct.pack("!H", len(said)) + said)

            with in_background(serve):
                yield

    def dig(self, *words: str, server: str = DNS[4]) -> str:
        options = ["+tries=1", f"+time={ALL_DEAD_SECONDS}", *words]
        return self.shared.run("dig", f"@{server}", *options, check=False).stdout

    def test_dig_works_over_both_protocols_and_families(self) -> None:
        self.resolver(RESOLVERS[0])
        with self.tcp_resolver(2):
            for server in DNS.values():
                for protocol in ("+notcp", "+tcp"):
                    said = self.dig("+short", protocol, "name.test", "A", server=server)
                    self.assertEqual(said.strip(), ANSWER)

    def test_a_truncated_answer_is_asked_for_again_by_tcp(self) -> None:
        self.resolver(RESOLVERS[0])
        with self.tcp_resolver(1):
            self.assertIn("x" * 200, self.dig("large.test", "TXT"))

    def test_the_guest_resolves_by_its_own_resolv_conf(self) -> None:
        self.resolver(RESOLVERS[0])
        said = self.shared.run("getent", "ahostsv4", "name.test").stdout
        self.assertIn(ANSWER, said)

    def test_a_changed_resolv_conf_counts_at_once(self) -> None:
        self.resolver(RESOLVERS[0])
        self.resolver(RESOLVERS[1], OTHER_ANSWER)
        self.assertEqual(self.dig("+short", "name.test").strip(), ANSWER)
        self.topology.set_resolvers(RESOLVERS[1])
        self.assertEqual(self.dig("+short", "name.test").strip(), OTHER_ANSWER)

    def test_a_resolver_on_the_hosts_loopback_works(self) -> None:
        self.resolver("127.0.0.53", place="host")
        self.topology.set_resolvers("127.0.0.53")
        self.assertEqual(self.dig("+short", "name.test").strip(), ANSWER)

    def test_a_refusing_resolver_gives_way_to_the_next(self) -> None:
        self.resolver(RESOLVERS[1], OTHER_ANSWER)
        self.topology.set_resolvers(*RESOLVERS)
        begun = time.monotonic()
        self.assertEqual(self.dig("+short", "name.test").strip(), OTHER_ANSWER)
        self.assertLess(time.monotonic() - begun, 1.5, "not even one attempt's patience")

    def test_a_silent_resolver_gives_way_to_the_next(self) -> None:
        silent = self.resolver(RESOLVERS[0], None)
        self.resolver(RESOLVERS[1], OTHER_ANSWER)
        self.topology.set_resolvers(*RESOLVERS)
        # A guest of its own: the resolver that answered last is asked first for a while.
        dig = ["dig", f"@{DNS[4]}", "+tries=1", f"+time={ALL_DEAD_SECONDS}", "+short", "name.test"]
        guest = self.guest()
        self.assertEqual(guest.run(*dig).stdout.strip(), OTHER_ANSWER)
        self.assertEqual(len(silent.seen), 1)
        self.assertEqual(guest.run(*dig).stdout.strip(), OTHER_ANSWER)
        self.assertEqual(len(silent.seen), 1, "and it keeps to what answers")

    def test_when_all_are_dead_there_is_an_answer_in_time(self) -> None:
        self.topology.set_resolvers(*RESOLVERS)
        self.assertIn("status: SERVFAIL", self.dig("name.test"), "nobody listens")
        for address in RESOLVERS:
            self.resolver(address, None)
        self.assertIn("status: SERVFAIL", self.dig("name.test"), "nobody answers")

    def test_no_resolver_at_all_is_an_answer_too(self) -> None:
        self.topology.set_resolvers()
        self.assertIn("status: SERVFAIL", self.dig("name.test"))

    def test_many_queries_at_once_each_get_their_own_answer(self) -> None:
        self.resolver(RESOLVERS[0])
        with contextlib.ExitStack() as sockets:
            asked = []
            for number in range(100):
                one = sockets.enter_context(self.shared.socket(socket.AF_INET, socket.SOCK_DGRAM))
                name = b"\x04%04d\x04test\0" % number
                query = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + name
                one.sendto(query + struct.pack("!HH", TYPE_A, CLASS_IN), (DNS[4], 53))
                asked.append((one, number, name))
            for one, number, name in asked:
                said = one.recv(512)
                self.assertEqual(said[:2], struct.pack("!H", number))
                self.assertIn(name, said)


class DnsWithoutHost(suite.AreaTest):
    def test_names_resolve_even_where_routing_is_disabled(self) -> None:
        resolver = Datagrams(
            self.topology.internet, 4, RESOLVERS[0], 53, lambda query: answer(query, ANSWER)
        )
        self.enterContext(resolver)
        guest = self.guest("-disable-routing")
        said = guest.run("dig", f"@{DNS[4]}", "+tries=1", "+short", "name.test").stdout
        self.assertEqual(said.strip(), ANSWER)
        wait_until(lambda: resolver.seen, "the query at the resolver")


if __name__ == "__main__":
    suite.main(GatewayAddress, Dns, DnsWithoutHost)

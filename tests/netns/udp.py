"""UDP through slirpstack: boundaries, mappings, filters and errors."""

from __future__ import annotations

import errno
import os
import socket

from harness import suite
from harness.namespace import Namespace
from harness.processes import wait_until
from harness.servers import FAMILY, Datagrams
from harness.topology import NARROW, NARROW_MTU, OTHER_SERVER, SERVER

SIZES = (0, 1, 1472, 1473, 8972, 65507)
# The host's link carries 1500: what the guest sends larger and unfragmented is lost once, and
# the guest's kernel knows better from then on.
ATTEMPTS = 20
ATTEMPT_SECONDS = 0.5
# linux/in.h, linux/in6.h; Python has no names for all of them.
MTU_DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
PATH_MTU = {4: (socket.IPPROTO_IP, 14), 6: (socket.IPPROTO_IPV6, 24)}
PMTUDISC_DONT, PMTUDISC_DO = 0, 2
HEADERS = {4: 28, 6: 48}


class UdpTest(suite.GuestTest):
    """What the tests below have in common."""

    def socket(self, version: int, place: Namespace | None = None) -> socket.socket:
        made = (place or self.shared).socket(FAMILY[version], socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        return made

    def server(self, version: int, address: str = "", port: int = 0) -> Datagrams:
        address = address or SERVER[version]
        server = Datagrams(self.topology.internet, version, address, port)
        self.enterContext(server)
        return server

    def echo(self, guest: socket.socket, data: bytes) -> None:
        """Sends until the echo is there: UDP may lose. Nothing else may come, but news about the
        path, which the kernel tells a connected socket."""
        guest.settimeout(ATTEMPT_SECONDS)
        for _ in range(ATTEMPTS):
            try:
                guest.send(data)
                self.assertEqual(guest.recv(65536), data, f"{len(data)} bytes")
                return
            except TimeoutError:
                continue
            except OSError as error:
                self.assertEqual(error.errno, errno.EMSGSIZE)
        self.fail(f"no echo of {len(data)} bytes")

    def echo_all_sizes(self, version: int, discover: int | None = None) -> None:
        server = self.server(version)
        for size in SIZES:
            # A socket each: a late echo is of no size but its own.
            guest = self.socket(version)
            if discover is not None:
                guest.setsockopt(*MTU_DISCOVER[version], discover)
            guest.connect(server.endpoint)
            with self.subTest(version=version, size=size):
                self.echo(guest, os.urandom(size))


class Datagram(UdpTest):
    def test_every_size_passes_both_ways(self) -> None:
        for version in SERVER:
            self.echo_all_sizes(version)

    def test_datagrams_are_neither_merged_nor_split(self) -> None:
        for version in SERVER:
            server = self.server(version)
            guest = self.socket(version)
            guest.connect(server.endpoint)
            sent = [bytes([number]) * (1 + number * 37 % 1400) for number in range(100)]
            for data in sent:
                guest.send(data)
            self.assertEqual([guest.recv(65536) for _ in sent], sent)

    def test_two_servers_see_the_same_port(self) -> None:
        for version in SERVER:
            one, other = self.server(version), self.server(version, OTHER_SERVER[version])
            guest = self.socket(version)
            for server in (one, other):
                guest.sendto(b"who am I", server.endpoint)
                self.assertEqual(guest.recvfrom(100)[1][:2], server.endpoint)
            self.assertEqual(one.seen[0][0], other.seen[0][0])

    def test_a_closed_port_is_refused(self) -> None:
        for version in SERVER:
            guest = self.socket(version)
            guest.connect((SERVER[version], 9))
            guest.send(b"anyone")
            with self.assertRaises(ConnectionRefusedError):
                guest.recv(1)

    def test_a_dead_peer_does_not_hurt_a_live_one(self) -> None:
        server = self.server(4)
        guest = self.socket(4)
        for _ in range(20):
            guest.sendto(b"dead", (SERVER[4], 9))
            guest.sendto(b"live", server.endpoint)
            self.assertEqual(guest.recv(100), b"live")

    def test_a_narrow_path_becomes_known_to_the_sender(self) -> None:
        for version in SERVER:
            server = self.server(version, NARROW[version])
            guest = self.socket(version)
            guest.setsockopt(*MTU_DISCOVER[version], PMTUDISC_DO)
            guest.connect(server.endpoint)
            too_large = bytes(NARROW_MTU - HEADERS[version] + 1)

            def refused() -> bool:
                try:
                    guest.send(too_large)
                except OSError as error:
                    self.assertEqual(error.errno, errno.EMSGSIZE)
                    return True
                return False

            wait_until(refused, "EMSGSIZE")
            self.assertEqual(guest.getsockopt(*PATH_MTU[version]), NARROW_MTU)
            self.echo(guest, too_large[1:])

    def test_the_port_filter_admits_only_who_was_asked(self) -> None:
        self.check_filter((False, False))

    def check_filter(self, expected: tuple[bool, bool]) -> None:
        """Whether a datagram from another port, from another address, reaches the guest."""
        for version in SERVER:
            asked = self.server(version)
            guest = self.socket(version)
            guest.sendto(b"asked", asked.endpoint)
            self.assertEqual(guest.recvfrom(100), (b"asked", guest_view(asked, version)))
            mapping = asked.seen[0][0]
            for data, address in ((b"port", SERVER[version]), (b"address", OTHER_SERVER[version])):
                other = self.socket(version, self.topology.internet)
                other.bind((address, 0))
                other.sendto(data, mapping)
            # What comes last shows what did not come before it.
            asked.socket.sendto(b"last", mapping)
            received = set()
            while (data := guest.recv(100)) != b"last":
                received.add(data)
            self.assertEqual((b"port" in received, b"address" in received), expected)


def guest_view(server: Datagrams, version: int) -> tuple[object, ...]:
    """The server's endpoint as recvfrom() gives it."""
    return server.endpoint if version == 4 else (*server.endpoint, 0, 0)


class AddressFilter(UdpTest):
    options = ("-udp-filter", "address")
    check_filter = Datagram.check_filter

    def test_the_address_filter_admits_other_ports(self) -> None:
        self.check_filter((True, False))


class EndpointFilter(UdpTest):
    options = ("-udp-filter", "endpoint")
    check_filter = Datagram.check_filter

    def test_the_endpoint_filter_admits_anyone(self) -> None:
        self.check_filter((True, True))


class Fragments(UdpTest):
    options = ("-mtu", "1500")

    def test_what_the_guest_cuts_up_arrives_whole(self) -> None:
        for version in SERVER:
            self.echo_all_sizes(version, PMTUDISC_DONT)


class LargeMtu(UdpTest):
    options = ("-mtu", "65520")

    def test_a_path_narrower_than_the_guests_link_is_found_out(self) -> None:
        for version in SERVER:
            self.echo_all_sizes(version)


if __name__ == "__main__":
    suite.main(Datagram, AddressFilter, EndpointFilter, Fragments, LargeMtu)

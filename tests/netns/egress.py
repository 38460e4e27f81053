"""Where the guest may go, and what it is told otherwise."""

from __future__ import annotations

import errno
import socket

from harness import suite
from harness.guest import GATEWAY, RunGuest
from harness.processes import wait_until
from harness.servers import FAMILY, Datagrams, listening
from harness.topology import HOST_ADDRESS, LAN_PEER, SERVER

METADATA = "169.254.169.254"
PROHIBITED = {4: errno.EHOSTUNREACH, 6: errno.EACCES}
SECOND_ADDRESS = {4: "203.0.113.1", 6: "2001:db8:1::3"}


def version_of(address: str) -> int:
    return 6 if ":" in address else 4


class EgressTest(suite.GuestTest):
    """What the tests below have in common."""

    def connect(self, guest: RunGuest, address: str, port: int = 80) -> int:
        with guest.socket(FAMILY[version_of(address)]) as client:
            return client.connect_ex((address, port))

    def is_refused(self, client: socket.socket) -> bool:
        try:
            client.send(b"to the host")
        except OSError as error:
            return error.errno == PROHIBITED[4]
        return False

    def refused(self, guest: RunGuest, address: str, reason: str, port: int = 80) -> None:
        """TCP and UDP are refused, with this reason in the log."""
        version = version_of(address)
        with self.subTest(address=address):
            self.assertEqual(self.connect(guest, address, port), PROHIBITED[version])
            with guest.socket(FAMILY[version], socket.SOCK_DGRAM) as client:
                client.connect((address, port))
                client.send(b"anyone")
                with self.assertRaises(OSError) as raised:
                    client.recv(1)
                self.assertEqual(raised.exception.errno, PROHIBITED[version])
            self.assertIn(reason, guest.slirpstack.wait_for_log(f"{address}"))


class Default(EgressTest):
    def test_the_hosts_own_addresses_are_refused(self) -> None:
        for version, address in HOST_ADDRESS.items():
            with listening(self.topology.host, version, address) as listener:
                port = listener.getsockname()[1]
                self.refused(self.shared, address, "address of the host", port)

    def test_attached_networks_are_refused(self) -> None:
        with listening(self.topology.router, 4, LAN_PEER) as listener:
            self.refused(self.shared, LAN_PEER, "network of the host", listener.getsockname()[1])
        self.refused(self.shared, "2001:db8:1::7", "network of the host")

    def test_loopback_is_out_of_reach(self) -> None:
        with listening(self.topology.host, 4, "127.0.0.1") as listener:
            port = listener.getsockname()[1]
            self.assertEqual(self.connect(self.shared, GATEWAY[4], port), errno.ECONNREFUSED)
        with listening(self.topology.host, 6, "::1") as listener:
            port = listener.getsockname()[1]
            self.assertEqual(self.connect(self.shared, GATEWAY[6], port), errno.ECONNREFUSED)

    def test_metadata_and_link_local_are_refused(self) -> None:
        self.refused(self.shared, METADATA, "cloud metadata service")
        self.refused(self.shared, "169.254.7.7", "link-local")
        self.refused(self.shared, "fd00:ec2::254", "cloud metadata service")

    def test_other_names_for_a_refused_address_are_refused(self) -> None:
        # NAT64 of the host's own 198.51.100.2.
        self.refused(self.shared, "64:ff9b::c633:6402", "address of the host")

    def test_a_new_address_of_the_host_is_refused_soon(self) -> None:
        address = "192.0.2.200"
        known = self.shared.socket(FAMILY[4], socket.SOCK_DGRAM)
        self.addCleanup(known.close)
        known.connect((address, 5000))
        known.send(b"to the internet")
        self.topology.host.shell(f"ip address add {address}/32 dev lo")
        try:
            # Changes are read once they have settled.
            wait_until(
                lambda: self.connect(self.shared, address) == PROHIBITED[4],
                "the new address refused",
            )
            self.refused(self.shared, address, "address of the host")
            with self.topology.host.socket(FAMILY[4], socket.SOCK_DGRAM) as service:
                service.bind((address, 5000))
                wait_until(lambda: self.is_refused(known), "the flow that was open before refused")
        finally:
            self.topology.host.shell(f"ip address del {address}/32 dev lo")


class HostEnabled(EgressTest):
    options = ("-enable-host",)

    def test_the_host_and_its_networks_are_open(self) -> None:
        for place, version, address in (
            (self.topology.host, 4, HOST_ADDRESS[4]),
            (self.topology.host, 6, HOST_ADDRESS[6]),
            (self.topology.router, 4, LAN_PEER),
        ):
            with listening(place, version, address) as listener:
                port = listener.getsockname()[1]
                self.assertEqual(self.connect(self.shared, address, port), 0)

    def test_the_metadata_service_stays_closed(self) -> None:
        self.refused(self.shared, METADATA, "cloud metadata service")


class RoutingDisabled(EgressTest):
    options = ("-disable-routing", "-enable-host")

    def test_the_internet_is_closed_but_not_the_host(self) -> None:
        for address in SERVER.values():
            self.refused(self.shared, address, "routing is disabled")
        with listening(self.topology.host, 4, HOST_ADDRESS[4]) as listener:
            self.assertEqual(self.connect(self.shared, *listener.getsockname()), 0)


class Source(suite.AreaTest):
    def test_outbound_sockets_come_from_the_chosen_address(self) -> None:
        self.topology.host.shell(f"ip address add {SECOND_ADDRESS[6]}/64 dev up0 nodad")
        self.topology.internet.shell("ip route replace 203.0.113.0/24 via 198.51.100.5")
        guest = self.guest("-source-ipv4", SECOND_ADDRESS[4], "-source-ipv6", SECOND_ADDRESS[6])
        for version, address in SERVER.items():
            with listening(self.topology.internet, version, address) as listener:
                with guest.socket(FAMILY[version]) as client:
                    client.connect(listener.getsockname())
                    server, peer = listener.accept()
                    server.close()
                    self.assertEqual(peer[0], SECOND_ADDRESS[version])
            with Datagrams(self.topology.internet, version, address) as echo:
                with guest.socket(FAMILY[version], socket.SOCK_DGRAM) as client:
                    client.sendto(b"from where", echo.endpoint)
                    client.recv(100)
                self.assertEqual(echo.seen[0][0][0], SECOND_ADDRESS[version])
        self.topology.host.shell(f"ip address del {SECOND_ADDRESS[6]}/64 dev up0")


if __name__ == "__main__":
    suite.main(Default, HostEnabled, RoutingDisabled, Source)

"""Facts about where a guest may go: the order of the decision, and how a refusal looks."""

from __future__ import annotations

import contextlib
import errno
import socket

from face import GATEWAY, FaceTest
from harness import suite
from harness.namespace import Namespace
from harness.processes import wait_until
from harness.servers import FAMILY, Datagrams, listening, receive_exactly
from harness.topology import HOST_ADDRESS, LAN_PEER, OTHER_SERVER, SERVER


class Policy(FaceTest):
    def connects(self, guest: Namespace, place: Namespace, address: str, port: int = 0) -> bool:
        """Whether a connection is there, or refused; anything else is a failure."""
        version = 6 if ":" in address else 4
        with listening(place, version, address, port) as listener:
            with guest.socket(FAMILY[version]) as client:
                error = client.connect_ex(listener.getsockname()[:2])
                self.assertIn(error, (0, errno.ECONNREFUSED))
                if error:
                    return False
                with listener.accept()[0] as server:
                    server.sendall(b"x")
                    return receive_exactly(client, 1) == b"x"

    def test_it_is_locked_until_something_is_enabled(self) -> None:
        guest, _ = self.served()
        for version in (4, 6):
            self.assertFalse(self.connects(guest, self.topology.internet, SERVER[version]))
            self.assertFalse(self.connects(guest, self.topology.host, HOST_ADDRESS[version]))

    def test_enable_routing_opens_the_rest_and_enable_host_the_hosts_routes(self) -> None:
        guest, _ = self.served("-enable-routing")
        self.assertTrue(self.connects(guest, self.topology.internet, SERVER[4]))
        self.assertTrue(self.connects(guest, self.topology.internet, SERVER[6]))
        self.assertFalse(self.connects(guest, self.topology.host, HOST_ADDRESS[4]))
        self.assertFalse(self.connects(guest, self.topology.router, LAN_PEER))
        guest, _ = self.served("-enable-host")
        self.assertFalse(self.connects(guest, self.topology.internet, SERVER[4]))
        self.assertTrue(self.connects(guest, self.topology.host, HOST_ADDRESS[4]))
        self.assertTrue(self.connects(guest, self.topology.router, LAN_PEER))

    def test_routes_behind_a_gateway_are_the_hosts_too_and_followed(self) -> None:
        guest, _ = self.served("-enable-routing")
        self.assertTrue(self.connects(guest, self.topology.internet, OTHER_SERVER[4]))
        route = f"{OTHER_SERVER[4]}/32 via 198.51.100.1"

        def is_refused() -> bool:
            with contextlib.suppress(ConnectionResetError): # begun before, ended by the route
                return not self.connects(guest, self.topology.internet, OTHER_SERVER[4])
            return False

        self.topology.host.shell(f"ip route add {route}")
        try:
            wait_until(is_refused, "the new route to count")
        finally:
            self.topology.host.shell(f"ip route del {route}")

    def test_allow_opens_and_deny_wins(self) -> None:
        guest, _ = self.served("-allow", f"{SERVER[4]}:6000-6001", "-deny", f"{SERVER[4]}:6001")
        self.assertTrue(self.connects(guest, self.topology.internet, SERVER[4], 6000))
        self.assertFalse(self.connects(guest, self.topology.internet, SERVER[4], 6001))
        self.assertFalse(self.connects(guest, self.topology.internet, SERVER[4], 6002))
        guest, _ = self.served("-enable-routing", "-deny", f"192.0.2.0/24,[{SERVER[6]}/128]")
        self.assertFalse(self.connects(guest, self.topology.internet, SERVER[4]))
        self.assertFalse(self.connects(guest, self.topology.internet, SERVER[6]))

    def test_lists_are_cumulative(self) -> None:
        guest, _ = self.served("-allow", SERVER[4], "-allow", f"[{SERVER[6]}]")
        self.assertTrue(self.connects(guest, self.topology.internet, SERVER[4]))
        self.assertTrue(self.connects(guest, self.topology.internet, SERVER[6]))

    def test_allow_goes_before_the_static_denials(self) -> None:
        guest, _ = self.served("-allow", HOST_ADDRESS[4])
        self.assertTrue(self.connects(guest, self.topology.host, HOST_ADDRESS[4]))

    def test_a_remote_forward_asks_no_firewall(self) -> None:
        guest, _ = self.served("-deny", "0.0.0.0/0", "-R", f"{SERVER[4]}:80:127.0.0.1:8080")
        with listening(self.topology.host, 4, "127.0.0.1", 8080) as listener:
            with guest.socket(socket.AF_INET) as client:
                client.connect((SERVER[4], 80))
                listener.accept()[0].close()

    def test_static_denials(self) -> None:
        guest, _ = self.served("-enable-host", "-enable-routing")
        for address in ("10.0.2.77", "0.0.0.1", "255.255.255.254"):
            with guest.socket(socket.AF_INET) as client:
                if address.startswith("255"):
                    continue  # the guest's own kernel refuses class E
                self.assertNotEqual(client.connect_ex((address, 80)), 0, address)
        for address in ("::ffff:192.0.2.10", "64:ff9b::c000:20a"):
            with guest.socket(socket.AF_INET6) as client:
                client.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                if address.startswith("::ffff"):
                    continue  # the guest's own kernel makes IPv4 of it
                self.assertEqual(client.connect_ex((address, 80)), errno.ECONNREFUSED, address)

    def test_blocked_datagrams_are_dropped_in_silence(self) -> None:
        guest, _ = self.served()
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect(echo.endpoint)
                client.settimeout(0.3)
                client.send(b"x")
                with self.assertRaises(TimeoutError):
                    client.recv(1)
                client.send(b"x")  # no error has come of the first

    def test_any_ping_is_answered_locally_even_when_locked(self) -> None:
        guest, _ = self.served()
        for address in (SERVER[4], SERVER[6], GATEWAY[4], "203.0.113.99"):
            said = guest.run("ping", "-n", "-c1", "-W5", address).stdout
            self.assertIn(" 0% packet loss", said)

    def test_there_is_no_way_out_by_dns(self) -> None:
        guest, _ = self.served()
        with Datagrams(self.topology.internet, 4, "192.0.2.53", 53) as resolver:
            with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect(("10.0.2.3", 53))
                client.settimeout(0.3)
                client.send(bytes(12))
                with self.assertRaises(OSError):
                    client.recv(1)
            self.assertEqual(resolver.seen, [])


if __name__ == "__main__":
    suite.main(Policy)

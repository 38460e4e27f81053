"""Prefix mappings that the accelerator carries, in the topology of harness/topology.py.

    guest                            host                             router, internet
    fd00::100 tun0 ══ slv… (NAT)     up0 2001:db8:1::2                routes 2001:db8:3::/64
    fd00::/64 <-> 2001:db8:3::/64    takes 2001:db8:3::/64            to the host

The guests' addresses are the same; each has a map of its own.
"""

from __future__ import annotations

import errno
import socket

from harness import suite
from harness.accelerated import BPF_FOLDER, HOOKS, AcceleratorTest
from harness.guest import Slirpstack
from harness.namespace import HeldNamespace, Namespace
from harness.processes import run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, file_server, listening, receive_exactly
from harness.topology import HOST_ADDRESS, NARROW, OTHER_SERVER, ROUTER_ADDRESS, SERVER

EXTERNAL = "2001:db8:3::/64"
MAPPING = f"up0 fd00::/64 {EXTERNAL}"
INSIDE = "fd00::100"
OUTSIDE = "2001:db8:3::100"
NEUTRAL_OUTSIDE = "2001:db8:3:0:cf44::100"


class MappedAccelerator(AcceleratorTest):
    def setUp(self) -> None:
        super().setUp()
        self.topology.host.shell(f"ip -6 route replace local {EXTERNAL} dev lo")
        self.topology.router.shell(f"ip -6 route replace {EXTERNAL} via {HOST_ADDRESS[6]}")

    def mapped(self, hook: str, *options: str, binds: str = "user") -> HeldNamespace:
        guest = self.namespace()
        self.process = self.accelerated(hook, [guest], *options, binds=binds)
        return guest

    def udp(self, guest: HeldNamespace, echo: Datagrams, size: int = 9) -> str:
        """Whom the internet sees in a socket of the guest, which stays."""
        client = guest.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(30)
        client.connect(echo.endpoint)
        client.send(b"x" * size)
        self.assertEqual(client.recv(9000), b"x" * size)
        self.last = client
        return str(echo.seen[-1][0][0])

    def carries(self, guest: HeldNamespace, outside: str) -> None:
        """TCP, UDP and ping leave from there, and the kernel has carried them."""
        before = {name: self.counted(name) for name in ("prefix_out", "prefix_in")}
        with file_server(self.topology.internet, 6, SERVER[6]) as port:
            url = f"http://[{SERVER[6]}]:{port}/3000000"
            done = guest.run("curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20", url)
        self.assertEqual(done.stdout, "3000000")
        with listening(self.topology.internet, 6, SERVER[6]) as listener:
            with guest.socket(socket.AF_INET6) as client:
                client.connect(listener.getsockname())
                server, seen = listener.accept()
                with server:
                    server.sendall(b"pong")
                    self.assertEqual(receive_exactly(client, 4), b"pong")
        self.assertEqual(seen[0], outside)
        with Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
            self.assertEqual(self.udp(guest, echo), outside)
            carried = self.counted("prefix_out")
            self.last.send(b"x" * 4000) # in fragments, both ways
            self.assertEqual(self.last.recv(9000), b"x" * 4000)
            self.assertEqual(self.counted("prefix_out"), carried + 3)
        pinged = self.counted("prefix_in")
        guest.run("ping", "-n", "-c3", "-i0.2", "-W5", SERVER[6])
        self.assertEqual(self.counted("prefix_in"), pinged + 3)
        for name, count in before.items():
            self.assertGreater(self.counted(name), count + 20)


class Carrying(MappedAccelerator):
    def test_tcp_udp_and_ping_in_the_kernel(self) -> None:
        for hook in HOOKS:
            for kind, outside in (("", OUTSIDE), (" neutral", NEUTRAL_OUTSIDE)):
                with self.subTest(hook, kind=kind):
                    guest = self.mapped(hook, "-map", MAPPING + kind)
                    self.carries(guest, outside)
                    self.assertIn("1 prefix mappings, ", self.asks("accel", "status"))
                    self.process.end()

    def test_where_the_kernel_binds_ipv4_by_itself(self) -> None:
        guest = self.mapped("tc", "-map", MAPPING, binds="kernel")
        self.carries(guest, OUTSIDE)
        self.process.end()

    def test_errors_from_outside_reach_the_guest(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.mapped(hook, "-map", MAPPING)
                with guest.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.connect((SERVER[6], 9))
                    client.send(b"anyone?")
                    with self.assertRaises(ConnectionRefusedError):
                        client.recv(100)
                self.assertEqual(self.counted("prefix_in"), 1)
                self.process.end()

    def test_a_forward_is_a_socket_of_the_host_still(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.mapped(hook, "-map", MAPPING, "-L", "udp://[::]:8080::53")
                with Datagrams(guest, 6, INSIDE, 53):
                    with self.topology.router.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
                        client.settimeout(30)
                        client.connect((OUTSIDE, 8080))
                        client.send(b"question")
                        self.assertEqual(client.recv(100), b"question")
                self.assertEqual(self.counted("prefix_in"), 0)
                self.process.end()


class Closing(MappedAccelerator):
    def test_a_mapping_comes_and_goes_at_once(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
                guest = self.mapped(hook)
                self.assertEqual(self.udp(guest, echo), HOST_ADDRESS[6])
                self.assertEqual(self.counted("prefix_out"), 0)
                self.asks("map", "add", *MAPPING.split())
                self.assertEqual(self.udp(guest, echo), OUTSIDE)
                self.assertEqual(self.counted("prefix_out"), 1)
                port = self.last.getsockname()[1]
                self.asks("map", "del", "up0", "fd00::/64")
                # From outside, too: the remote still knows where to send.
                with self.topology.internet.socket(socket.AF_INET6, socket.SOCK_DGRAM) as server:
                    server.sendto(b"still?", (OUTSIDE, port))
                self.assertEqual(self.udp(guest, echo), HOST_ADDRESS[6])
                self.assertEqual(self.counted("prefix_out"), 1)
                self.assertEqual(self.counted("prefix_in"), 1)
                self.assertNotIn("prefix mappings", self.asks("accel", "status"))
                self.process.end()

    def test_a_batch_moves_the_guest_to_another_prefix(self) -> None:
        batch = WORK / "mapping-accel.batch"
        batch.write_text("del up0 fd00::/64\nadd up0 fd00::/64 2001:db8:3::/64 neutral\n")
        guest = self.mapped("xdp", "-map", MAPPING)
        with Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
            self.assertEqual(self.udp(guest, echo), OUTSIDE)
            self.asks("map", "batch", str(batch))
            self.assertEqual(self.udp(guest, echo), NEUTRAL_OUTSIDE)
            self.assertEqual(self.counted("prefix_out"), 2)
        self.process.end()

    def test_what_policy_denies_stays_denied(self) -> None:
        rules = WORK / "mapping-accel.rules"
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
                rules.write_text(f"deny out [{OTHER_SERVER[6]}]\ndeny out tcp://any:9\n")
                guest = self.mapped(hook, "-map", MAPPING, "-rules", str(rules))
                for address, port in ((OTHER_SERVER[6], 80), (SERVER[6], 9), (HOST_ADDRESS[6], 80)):
                    with guest.socket(socket.AF_INET6) as client:
                        self.assertEqual(client.connect_ex((address, port)), errno.EACCES)
                self.assertEqual(self.counted("prefix_out"), 0)
                self.assertEqual(self.udp(guest, echo), OUTSIDE)
                self.assertEqual(self.counted("prefix_out"), 1)
                rules.write_text(f"deny out udp://[{SERVER[6]}]\n")
                self.asks("rules", "reload")
                self.last.send(b"still?")
                with self.assertRaises(OSError) as refused:
                    self.last.recv(100)
                self.assertEqual(refused.exception.errno, errno.EACCES)
                self.assertEqual(self.counted("prefix_out"), 1)
                self.process.end()

    def test_nobody_comes_in_who_was_not_asked(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
                guest = self.mapped(hook, "-map", MAPPING)
                self.udp(guest, echo)
                port = self.last.getsockname()[1]
                with self.topology.internet.socket(socket.AF_INET6, socket.SOCK_DGRAM) as stranger:
                    stranger.settimeout(30)
                    stranger.connect((OUTSIDE, port))
                    stranger.send(b"hello")
                    with self.assertRaises(ConnectionRefusedError): # from the host: no such socket
                        stranger.recv(100)
                self.assertEqual(self.counted("prefix_in"), 1)
                self.process.end()

    def test_a_mapping_is_its_guests_alone(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
                guests = [self.namespace(), self.namespace()]
                process = self.accelerated(hook, guests, binds="user")
                self.asks("map", "add", *MAPPING.split(), guests=2) # the first one's socket
                self.assertEqual(self.udp(guests[1], echo), HOST_ADDRESS[6])
                self.assertEqual(self.counted("prefix_out", guests=2), 0)
                self.assertEqual(self.udp(guests[0], echo), OUTSIDE)
                self.assertEqual(self.counted("prefix_out", guests=2), 1)
                guests[0].close()
                process.wait_for_log("the guest's namespace is gone")
                process.end()

    def test_flows_outlive_a_restart_with_pinned_maps(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )
        rules = WORK / "mapping-pinned.rules"
        for hook in HOOKS:
            rules.write_text("")
            pinned = ("-pin", f"{BPF_FOLDER}/mapping-{hook}", "-rules", str(rules))
            guest = self.mapped(hook, "-map", MAPPING, *pinned)
            with self.subTest(hook), listening(self.topology.internet, 6, SERVER[6]) as listener:
                client = guest.socket(socket.AF_INET6)
                self.addCleanup(client.close)
                client.settimeout(30)
                client.connect(listener.getsockname())
                server, seen = listener.accept()
                self.addCleanup(server.close)
                server.settimeout(30)
                self.assertEqual(seen[0], OUTSIDE)
                for end in (client, server): # who speaks first after the restart
                    self.process.end()
                    self.process = self.accelerated(
                        hook, [guest], "-map", MAPPING, *pinned, binds="user"
                    )
                    self.assertIn(" 1 flows of mapped IPv6", self.asks("accel", "status"))
                    end.sendall(b"ping")
                    other = server if end is client else client
                    self.assertEqual(receive_exactly(other, 4), b"ping")
                    other.sendall(b"pong")
                    self.assertEqual(receive_exactly(end, 4), b"pong")
                self.process.end()
                rules.write_text(f"deny out [{SERVER[6]}]\n")
                self.process = self.accelerated(
                    hook, [guest], "-map", MAPPING, *pinned, binds="user"
                )
                carried = self.counted("prefix_out") # the counts outlive it too
                client.sendall(b"still?")
                with self.assertRaises(ConnectionError):
                    client.recv(100)
                self.assertEqual(self.counted("prefix_out"), carried)
                self.assertIn(" 0 flows of mapped IPv6", self.asks("accel", "status"))
                self.process.end()

    def test_flows_end_at_a_restart_without_their_mapping(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )
        pinned = ("-pin", f"{BPF_FOLDER}/mapping")
        guest = self.mapped("tc", "-map", MAPPING, *pinned)
        with Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
            self.assertEqual(self.udp(guest, echo), OUTSIDE)
            self.process.end()
            again = self.accelerated("tc", [guest], *pinned, binds="user")
            self.assertEqual(self.udp(guest, echo), HOST_ADDRESS[6])
            again.end()


class Open(MappedAccelerator):
    """Open mappings: the host need not take what is sent there."""

    OTHER_EXTERNAL = "2001:db8:4::/64"
    OTHER_OUTSIDE = "2001:db8:4::100"

    def setUp(self) -> None:
        super().setUp()
        self.topology.host.shell(f"ip -6 route del local {EXTERNAL} dev lo")

    def comes_in(self, source: Namespace, guest: Namespace, outside: str) -> None:
        """TCP, UDP and ping, to ports that nobody has named."""
        with listening(guest, 6, INSIDE) as listener:
            with source.socket(socket.AF_INET6) as client:
                client.settimeout(30)
                client.connect((outside, listener.getsockname()[1]))
                server, _ = listener.accept()
                with server:
                    server.sendall(b"x" * 300000)
                    self.assertEqual(receive_exactly(client, 300000), b"x" * 300000)
                    client.sendall(b"y" * 300000)
                    self.assertEqual(receive_exactly(server, 300000), b"y" * 300000)
        with Datagrams(guest, 6, INSIDE, 5353):
            with source.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
                client.settimeout(30)
                client.connect((outside, 5353))
                for size in (9, 4000): # in fragments, both ways
                    client.send(b"x" * size)
                    self.assertEqual(client.recv(9000), b"x" * size)
                client.connect((outside, 9))
                client.send(b"anyone?")
                with self.assertRaises(ConnectionRefusedError): # the guest's own word
                    client.recv(100)
        source.run("ping", "-n", "-c2", "-i0.2", "-W5", outside)

    def test_open_both_ways(self) -> None:
        for hook in HOOKS:
            for kind, outside in (("open", OUTSIDE), ("neutral open", NEUTRAL_OUTSIDE)):
                with self.subTest(hook, kind=kind):
                    guest = self.mapped(hook, "-map", f"{MAPPING} {kind}")
                    self.carries(guest, outside)
                    self.comes_in(self.topology.internet, guest, outside)
                    self.assertIn("1 prefix mappings, 0 flows", self.asks("accel", "status"))
                    self.assertIn(f"{EXTERNAL} {kind}\n", self.asks("map", "list"))
                    self.process.end()

    def test_the_hosts_route_of_type_local_does_no_harm(self) -> None:
        self.topology.host.shell(f"ip -6 route replace local {EXTERNAL} dev lo")
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.mapped(hook, "-map", f"{MAPPING} open")
                self.carries(guest, OUTSIDE)
                self.comes_in(self.topology.internet, guest, OUTSIDE)
                with self.topology.router.socket(socket.AF_INET6) as neighbour:
                    neighbour.settimeout(30)
                    with listening(guest, 6, INSIDE) as listener:
                        port = listener.getsockname()[1]
                        self.assertEqual(
                            neighbour.connect_ex((OUTSIDE, port)), errno.ECONNREFUSED
                        )
                self.process.end()

    def test_what_is_the_hosts_is_denied_still(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.mapped(hook, "-map", f"{MAPPING} open")
                denied = (HOST_ADDRESS[6], ROUTER_ADDRESS[6], "fd00:ec2::254", "64:ff9b::7f00:1")
                for address in denied:
                    with guest.socket(socket.AF_INET6) as client:
                        self.assertEqual(client.connect_ex((address, 80)), errno.EACCES)
                self.assertEqual(self.counted("prefix_out"), 0)
                self.process.end()

    def test_guests_reach_each_other(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guests = [self.namespace(), self.namespace()]
                process = self.accelerated(hook, guests, binds="user")
                second = [str(PROGRAM), "ctl", f"{WORK / 'accel.sock'}.2", "map", "add", "up0"]
                self.asks("map", "add", *MAPPING.split(), "open", guests=2)
                add = [*second, "fd00::/64", self.OTHER_EXTERNAL, "neutral", "open"]
                run(self.topology.host.command(add))
                resolve = [*second[:4], "resolve", INSIDE]
                other = run(self.topology.host.command(resolve)).stdout.split()[2]
                self.comes_in(guests[0], guests[1], other)
                self.comes_in(guests[1], guests[0], OUTSIDE)
                self.assertGreater(self.counted("prefix_out", guests=2), 20)
                self.assertEqual(self.counted("prefix_in", guests=2), 0)
                process.end()

    def test_the_way_may_be_narrow(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                self.topology.host.shell("ip link set up0 mtu 1400")
                self.addCleanup(self.topology.host.shell, "ip link set up0 mtu 1500")
                guest = self.mapped(hook, "-map", f"{MAPPING} open", "-mtu", "1500")
                for address in (SERVER[6], NARROW[6]):
                    with listening(self.topology.internet, 6, address) as listener:
                        with guest.socket(socket.AF_INET6) as client:
                            client.settimeout(30)
                            client.connect(listener.getsockname())
                            server, _ = listener.accept()
                            with server:
                                client.sendall(b"x" * 100000)
                                self.assertEqual(receive_exactly(server, 100000), b"x" * 100000)
                self.assertGreater(self.counted("answered"), 0)
                self.process.end()
                self.topology.host.shell("ip link set up0 mtu 1500")

    def test_neighbours_are_answered_without_the_hosts_route(self) -> None:
        self.topology.router.shell(f"ip -6 route replace {EXTERNAL} dev down0")
        guest = self.mapped("tc", "-map", f"{MAPPING} open")
        self.comes_in(self.topology.internet, guest, OUTSIDE)
        self.process.end()

    def test_it_comes_and_goes_at_once(self) -> None:
        with Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
            guest = self.mapped("xdp")
            self.assertEqual(self.udp(guest, echo), HOST_ADDRESS[6])
            self.asks("map", "add", *MAPPING.split(), "open")
            self.comes_in(self.topology.internet, guest, OUTSIDE)
            self.asks("map", "del", "up0", "fd00::/64")
            self.assertEqual(self.udp(guest, echo), HOST_ADDRESS[6])
            self.process.end()

    def test_whoever_has_rules_is_warned(self) -> None:
        rules = WORK / "mapping-open.rules"
        rules.write_text("deny out tcp://any:9\n")
        for options in (("-rules", str(rules)), ("-disable-routing",)):
            with self.subTest(options):
                self.mapped("tc", "-map", f"{MAPPING} open", *options)
                line = self.process.wait_for_log("an open mapping passes by")
                self.assertIn(f"up0 fd00::/64 -> {EXTERNAL} open", line)
                self.process.end()

    def test_a_container_opens_nothing_unless_it_may(self) -> None:
        grant = f"fd00::/64={EXTERNAL}"
        closed, opening = WORK / "closed.sock", WORK / "opening.sock"
        self.mapped(
            "tc",
            "-control-restricted", f"{closed}:{grant}",
            "-control-restricted", f"{opening}:{grant},open",
        )
        add = ["map", "add", "up0", "fd00::/64", EXTERNAL, "open"]
        command = lambda path: self.topology.host.command([str(PROGRAM), "ctl", str(path), *add])
        refused = run(command(closed), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("open mappings are not yours to make", refused.stderr)
        self.assertEqual(self.asks("map", "status"), "0 mappings\n")
        run(command(opening))
        self.assertIn(" open\n", self.asks("map", "list"))
        self.process.end()

    def test_a_guest_without_the_accelerator_has_it_closed(self) -> None:
        guest = self.namespace()
        number = self.topology.host.shell(f"stat -L -c %i {guest.path}").strip()
        self.topology.host.shell(f"ip link add slv{number} type bridge")
        self.addCleanup(self.topology.host.shell, f"ip link del slv{number}")
        process = self.accelerated("tc", [guest], "-map", f"{MAPPING} open")
        self.assertIn(f"up0 fd00::/64 -> {EXTERNAL}", process.wait_for_log("a mapping is not open"))
        words = [str(PROGRAM), "ctl", str(WORK / "accel.sock"), "map", "add", "up1"]
        words += ["fd00:9::/64", self.OTHER_EXTERNAL, "open"]
        refused = run(self.topology.host.command(words), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("takes -accel", refused.stderr)
        process.end()


if __name__ == "__main__":
    suite.main(Carrying, Closing, Open)

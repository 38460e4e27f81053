"""Forwards both ways, in the topology of harness/topology.py: clients of the host and of its LAN,
services of the guest, and the other way round."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
from typing import Iterator

from harness import suite
from harness.guest import GATEWAY, RunGuest
from harness.namespace import Namespace
from harness.processes import run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import FAMILY, Datagrams, in_background, listening, receive_all
from harness.servers import receive_exactly
from harness.topology import LAN_PEER, SERVER

GUEST_ADDRESS = {4: "10.0.2.100", 6: "fd00::100"}
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
LAN_ADDRESS = "203.0.113.1"
PORT = 8080
DATA = os.urandom(3_000_000)


class ForwardTest(suite.AreaTest):
    @contextlib.contextmanager
    def dialogue(
        self, client_side: Namespace, where: tuple[str, int], listener: socket.socket, version: int
    ) -> Iterator[tuple[socket.socket, socket.socket, tuple[str, int]]]:
        """A client's end, the server's end, and whom the server sees."""
        with client_side.socket(FAMILY[version]) as client:
            client.connect(where)
            server, seen = listener.accept()
            with server:
                server.settimeout(client.gettimeout())
                yield client, server, seen[:2]

    def carries(self, client: socket.socket, server: socket.socket) -> None:
        """Data and the end of it, both ways."""
        for sender, receiver in ((client, server), (server, client)):

            def send(end: socket.socket = sender) -> None:
                end.sendall(DATA)
                end.shutdown(socket.SHUT_WR)

            with in_background(send):
                self.assertEqual(receive_all(receiver), DATA)


class Local(ForwardTest):
    """-L"""

    def test_tcp_over_the_hosts_loopback(self) -> None:
        guest = self.guest("-L", str(PORT), "-L", f"[::1]:{PORT}")
        for version in (4, 6):
            with listening(guest, version, GUEST_ADDRESS[version], PORT) as listener:
                where = (LOOPBACK[version], PORT)
                with self.dialogue(self.topology.host, where, listener, version) as ends:
                    self.carries(*ends[:2])
                    self.assertEqual(ends[2][0], GATEWAY[version], "loopback cannot be answered")

    def test_a_client_of_the_lan_keeps_its_address(self) -> None:
        guest = self.guest("-L", f"0.0.0.0:{PORT}::80")
        with listening(guest, 4, GUEST_ADDRESS[4], 80) as listener:
            where = (LAN_ADDRESS, PORT)
            with self.dialogue(self.topology.router, where, listener, 4) as (client, server, seen):
                self.assertEqual(seen, (LAN_PEER, client.getsockname()[1]))
                self.carries(client, server)

    def test_a_wildcard_is_of_both_families_and_the_target_of_either(self) -> None:
        guest = self.guest("-L", f"[::]:{PORT}:[{GUEST_ADDRESS[6]}]:80")
        with listening(guest, 6, GUEST_ADDRESS[6], 80) as listener:
            with self.dialogue(self.topology.host, (LOOPBACK[4], PORT), listener, 4) as ends:
                self.carries(*ends[:2])
                self.assertEqual(ends[2][0], GATEWAY[6])

    def test_a_chosen_port_is_told(self) -> None:
        guest = self.guest("-log-format", "json", "-L", "127.0.0.1:0::80")
        told = json.loads(guest.slirpstack.wait_for_log("forwarding"))
        port = int(told["listening"].rpartition(":")[2])
        with listening(guest, 4, GUEST_ADDRESS[4], 80) as listener:
            with self.dialogue(self.topology.host, (LOOPBACK[4], port), listener, 4) as ends:
                self.carries(*ends[:2])

    def test_a_range_of_ports(self) -> None:
        guest = self.guest("-L", "8000-8003:9000-9003")
        for number in range(4):
            with listening(guest, 4, GUEST_ADDRESS[4], 9000 + number) as listener:
                where = (LOOPBACK[4], 8000 + number)
                with self.dialogue(self.topology.host, where, listener, 4) as (client, server, _):
                    client.sendall(b"%d" % number)
                    self.assertEqual(receive_exactly(server, 1), b"%d" % number)

    def test_what_the_guest_refuses_is_reset_at_once(self) -> None:
        self.guest("-L", str(PORT))
        with self.topology.host.socket(socket.AF_INET) as client:
            with self.assertRaises(ConnectionResetError):
                client.connect((LOOPBACK[4], PORT))  # the kernel says yes
                client.recv(1)

    def test_the_next_target_takes_over(self) -> None:
        guest = self.guest("-L", f"{PORT}::81,:82")
        with listening(guest, 4, GUEST_ADDRESS[4], 82) as listener:
            with self.dialogue(self.topology.host, (LOOPBACK[4], PORT), listener, 4) as ends:
                self.carries(*ends[:2])

    def test_a_taken_port_is_an_error_at_the_start(self) -> None:
        with listening(self.topology.host, 4, LOOPBACK[4], PORT):
            words = [str(PROGRAM), "run", "-L", str(PORT), "--", "true"]
            done = run(self.topology.host.command([*self.identity.prefix, *words]), check=False)
        self.assertEqual(done.returncode, 247)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(f"127.0.0.1:{PORT}", done.stderr)

    def test_a_unix_socket_leads_into_the_guest_and_goes_with_the_program(self) -> None:
        folder = WORK / f"unix-{self.identity.name}"
        folder.mkdir(mode=0o777, exist_ok=True)
        folder.chmod(0o777)
        path = folder / "web.sock"
        guest = self.guest("-L", f"unix:{path}:{GUEST_ADDRESS[4]}:80")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with listening(guest, 4, GUEST_ADDRESS[4], 80) as listener:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(15)
                client.connect(str(path))
                with listener.accept()[0] as server:
                    self.carries(client, server)
        guest.slirpstack.close_input()
        guest.slirpstack.exit_status()
        self.assertFalse(path.exists())

    def test_proxy_protocol(self) -> None:
        guest = self.guest("-L", f"tcppp://{PORT}::0")
        with listening(guest, 4, GUEST_ADDRESS[4], 443) as listener:
            where = (LOOPBACK[4], PORT)
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect(where)
                client.sendall(b"PROXY TCP4 192.0.2.99 203.0.113.9 1234 443\r\nhello")
                server, seen = listener.accept()
                with server:
                    self.assertEqual(seen, ("192.0.2.99", 1234))
                    self.assertEqual(receive_exactly(server, 5), b"hello")

    def test_proxy_protocol_version_2(self) -> None:
        guest = self.guest("-L", f"tcppp://{PORT}::80")
        header = b"\r\n\r\n\0\r\nQUIT\n\x21\x21" + struct.pack("!H", 36)
        header += socket.inet_pton(socket.AF_INET6, "2001:db8::99")
        header += socket.inet_pton(socket.AF_INET6, "2001:db8::9") + struct.pack("!HH", 1234, 80)
        with listening(guest, 4, GUEST_ADDRESS[4], 80) as listener:
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect((LOOPBACK[4], PORT))
                client.sendall(header + b"hello")
                server, seen = listener.accept()
                with server:
                    self.assertEqual(seen[0], GATEWAY[4], "an IPv6 client of an IPv4 service")
                    self.assertEqual(receive_exactly(server, 5), b"hello")

    def test_two_hundred_connections_in_a_row(self) -> None:
        guest = self.guest("-L", str(PORT))
        with listening(guest, 4, GUEST_ADDRESS[4], PORT) as listener:
            for number in range(200):
                where = (LOOPBACK[4], PORT)
                with self.dialogue(self.topology.host, where, listener, 4) as (client, server, _):
                    client.sendall(b"x")
                    self.assertEqual(receive_exactly(server, 1), b"x", number)


class LocalDatagrams(ForwardTest):
    """-L udp://"""

    def ask(self, client_side: Namespace, where: tuple[str, int], version: int) -> tuple[str, int]:
        """Sends datagrams of many sizes through an echo; whom the echo saw, and from where its
        answers came is checked by the connected socket."""
        with client_side.socket(FAMILY[version], socket.SOCK_DGRAM) as client:
            client.connect(where)
            for size in (0, 1, 1000, 1472, 9000, 65507):
                client.send(DATA[:size])
                self.assertEqual(client.recv(70000), DATA[:size])
            return client.getsockname()[:2]

    def test_the_answer_leaves_from_the_address_that_was_asked(self) -> None:
        guest = self.guest("-L", f"udp://0.0.0.0:{PORT}::53")
        with Datagrams(guest, 4, GUEST_ADDRESS[4], 53) as echo:
            sender = self.ask(self.topology.router, (LAN_ADDRESS, PORT), 4)
            self.assertEqual(echo.seen[-1][0], sender)
            self.ask(self.topology.router, ("198.51.100.2", PORT), 4)
            self.ask(self.topology.host, (LOOPBACK[4], PORT), 4)
            self.assertEqual(echo.seen[-1][0][0], GATEWAY[4])
            self.ask(self.topology.host, (LOOPBACK[6], PORT), 6)

    def test_link_local_clients_are_answered_on_their_link(self) -> None:
        guest = self.guest("-L", f"udp://[::]:{PORT}::53")
        with Datagrams(guest, 6, GUEST_ADDRESS[6], 53) as echo:
            for ours, theirs in (("up0", "down0"), ("lan0", "lan1")):
                address, _ = self.link_local(self.topology.host, ours)
                peer, index = self.link_local(self.topology.router, theirs)
                with self.topology.router.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
                    client.bind((peer, 0, 0, index))
                    client.connect((address, PORT, 0, index))
                    for size in (1, 1000, 9000):
                        client.send(DATA[:size])
                        self.assertEqual(client.recv(70000), DATA[:size])
            self.assertEqual(len({sender for sender, _ in echo.seen}), 2)

    def link_local(self, place: Namespace, device: str) -> tuple[str, int]:
        """A device's fe80 address and its number."""
        shown = place.shell(f"ip -6 -o address show dev {device} scope link").split()
        return shown[shown.index("inet6") + 1].partition("/")[0], int(shown[0].rstrip(":"))

    def test_one_question_one_answer(self) -> None:
        guest = self.guest("-L", f"udprpc://{PORT}::53", "-log-level", "debug")
        with Datagrams(guest, 4, GUEST_ADDRESS[4], 53):
            with self.topology.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect((LOOPBACK[4], PORT))
                client.send(b"question")
                self.assertEqual(client.recv(100), b"question")
        guest.slirpstack.wait_for_log("flow closed")

    def test_the_simple_proxy_protocol(self) -> None:
        guest = self.guest("-L", f"udpspp://{PORT}::53")
        mapped = bytes(10) + b"\xff\xff"
        header = b"\x56\xec" + mapped + socket.inet_aton("192.0.2.99")
        header += mapped + socket.inet_aton(LAN_ADDRESS) + struct.pack("!HH", 1234, PORT)
        with Datagrams(guest, 4, GUEST_ADDRESS[4], 53) as echo:
            with self.topology.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect((LOOPBACK[4], PORT))
                client.send(header + b"question")
                self.assertEqual(client.recv(100), header + b"question")
            self.assertEqual(echo.seen[0][0], ("192.0.2.99", 1234))


class Remote(ForwardTest):
    """-R"""

    def test_tcp_to_the_hosts_loopback(self) -> None:
        guest = self.guest("-R", str(PORT), "-R", f"[{GATEWAY[6]}]:{PORT}:[::1]:{PORT}")
        for version in (4, 6):
            with listening(self.topology.host, version, LOOPBACK[version], PORT) as listener:
                where = (GATEWAY[version], PORT)
                with self.dialogue(guest, where, listener, version) as (client, server, seen):
                    self.assertEqual(seen[0], LOOPBACK[version])
                    self.carries(client, server)

    def test_across_families_and_for_any_address(self) -> None:
        guest = self.guest("-R", f"192.0.2.200:80:[::1]:{PORT}")
        with listening(self.topology.host, 6, LOOPBACK[6], PORT) as listener:
            with self.dialogue(guest, ("192.0.2.200", 80), listener, 4) as (client, server, _):
                self.carries(client, server)

    def test_what_the_host_refuses_is_refused(self) -> None:
        guest = self.guest("-R", str(PORT))
        with guest.socket(socket.AF_INET) as client:
            with self.assertRaises(ConnectionRefusedError):
                client.connect((GATEWAY[4], PORT))

    def test_the_next_target_takes_over(self) -> None:
        guest = self.guest("-R", f"{PORT}:127.0.0.1:81,127.0.0.1:82")
        with listening(self.topology.host, 4, LOOPBACK[4], 82) as listener:
            with self.dialogue(guest, (GATEWAY[4], PORT), listener, 4) as (client, server, _):
                self.carries(client, server)

    def test_a_unix_socket(self) -> None:
        path = WORK / f"app-{self.identity.name}.sock"
        guest = self.guest("-R", f"{PORT}:unix:{path}")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.settimeout(15)
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen()
            with guest.socket(socket.AF_INET) as client:
                client.connect((GATEWAY[4], PORT))
                with listener.accept()[0] as server:
                    self.carries(client, server)
        with guest.socket(socket.AF_INET) as client:
            with self.assertRaises(ConnectionRefusedError):
                client.connect((GATEWAY[4], PORT))

    def test_the_target_is_told_whose_connection_it_is(self) -> None:
        for option, expected in (("v1", b"PROXY TCP4 10.0.2.100 10.0.2.2 "), ("v2", b"\r\n\r\n\0")):
            guest = self.guest("-proxy-out", option, "-R", str(PORT))
            with listening(self.topology.host, 4, LOOPBACK[4], PORT) as listener:
                with self.dialogue(guest, (GATEWAY[4], PORT), listener, 4) as (client, server, _):
                    self.assertEqual(receive_exactly(server, len(expected)), expected)

    def test_udp(self) -> None:
        guest = self.guest("-R", f"udp://53:{LOOPBACK[4]}:{PORT}")
        with Datagrams(self.topology.host, 4, LOOPBACK[4], PORT) as echo:
            with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect((GATEWAY[4], 53))
                for size in (0, 1, 1472, 9000, 65507):
                    client.send(DATA[:size])
                    self.assertEqual(client.recv(70000), DATA[:size])
            self.assertEqual(len(echo.seen), 5)

    def test_a_forward_that_leads_to_nobody_is_told(self) -> None:
        guest = self.guest("-R", "5432", "-L", f"{PORT}:80")
        with guest.socket(socket.AF_INET) as client:
            self.assertNotEqual(client.connect_ex((GATEWAY[4], 5432)), 0)
        said = guest.slirpstack.wait_for_log("no target of the forward takes the connection")
        self.assertIn("10.0.2.2:5432", said)
        with listening(guest, 4, LOOPBACK[4], 80):
            with self.topology.host.socket(socket.AF_INET) as client:
                with self.assertRaises(ConnectionResetError):
                    client.connect((LOOPBACK[4], PORT))
                    client.recv(1)
        said = guest.slirpstack.wait_for_log("nobody in the guest takes the connection")
        self.assertIn("10.0.2.100:80", said)

    def test_udp_that_nobody_takes_is_refused(self) -> None:
        guest = self.guest("-R", f"udp://53:{LOOPBACK[4]}:{PORT}")
        with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((GATEWAY[4], 53))
            client.send(b"anyone?")
            with self.assertRaises(ConnectionRefusedError):
                client.recv(100)


class Control(ForwardTest):
    """Forwards and the rest at run time."""

    def controlled(self, *options: str) -> tuple[RunGuest, str]:
        folder = WORK / f"control-{self.identity.name}"
        folder.mkdir(mode=0o777, exist_ok=True)
        folder.chmod(0o777)
        path = folder / "socket"
        guest = self.guest("-control", str(path), *options)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        return guest, str(path)

    def ctl(self, path: str, *words: str, status: int = 0) -> str:
        words = (*self.identity.prefix, str(PROGRAM), "ctl", path, *words)
        done = run(self.topology.host.command(words), check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout if status == 0 else done.stderr

    def test_a_forwards_life(self) -> None:
        guest, path = self.controlled()
        self.assertIn("127.0.0.1:8080", self.ctl(path, "forward", "add", "-L", "8080::80"))
        with listening(guest, 4, GUEST_ADDRESS[4], 80) as listener:
            where = (LOOPBACK[4], PORT)
            with self.dialogue(self.topology.host, where, listener, 4) as (client, server, _):
                self.assertIn("1 flows", self.ctl(path, "forward", "list"))
                self.ctl(path, "forward", "remove", "1", "-drain")
                self.assertIn("1 flows, draining", self.ctl(path, "forward", "list"))
                self.carries(client, server)
        with self.topology.host.socket(socket.AF_INET) as client:
            self.assertNotEqual(client.connect_ex(where), 0)
        wait_until(lambda: self.ctl(path, "forward", "list") == "", "the forward to be drained")

    def test_a_drained_udp_forward_tells_why_its_port_is_taken(self) -> None:
        guest, path = self.controlled("-L", "udp://8080::53")
        add = ("forward", "add", "-L", "udp://8080::54")
        with Datagrams(guest, 4, GUEST_ADDRESS[4], 53):
            with self.topology.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect((LOOPBACK[4], PORT))
                for _ in range(2):
                    client.send(b"question")
                    self.assertEqual(client.recv(100), b"question")
                    if "draining" not in self.ctl(path, "forward", "list"):
                        self.ctl(path, "forward", "remove", "1", "-drain")
                self.assertIn("8080", self.ctl(path, *add, status=1))
                self.assertIn("1 flows, draining", self.ctl(path, "forward", "list"))
                self.ctl(path, "forward", "remove", "1")
                self.ctl(path, *add)

    def test_a_removed_forwards_connections_end(self) -> None:
        guest, path = self.controlled("-L", "8080::80")
        with listening(guest, 4, GUEST_ADDRESS[4], 80) as listener:
            where = (LOOPBACK[4], PORT)
            with self.dialogue(self.topology.host, where, listener, 4) as (client, server, _):
                self.ctl(path, "forward", "remove", "1")
                for end in (client, server):
                    with self.assertRaises(ConnectionResetError):
                        end.recv(1)

    def test_the_guest_itself_is_no_client(self) -> None:
        guest, path = self.controlled()
        add = ("forward", "add", "-R", "203.0.113.77:8000:127.0.0.1:8000")
        done = guest.run(str(PROGRAM), "ctl", path, *add, check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.ctl(path, "forward", "list"), "")

    def test_an_add_that_fails_changes_nothing(self) -> None:
        _, path = self.controlled()
        with listening(self.topology.host, 4, LOOPBACK[4], 8002):
            said = self.ctl(path, "forward", "add", "-L", "8000-8003", status=1)
        self.assertIn("8002", said)
        self.assertEqual(self.ctl(path, "forward", "list"), "")
        with self.topology.host.socket(socket.AF_INET) as client:
            self.assertNotEqual(client.connect_ex((LOOPBACK[4], 8000)), 0)

    def test_rules_are_reloaded_and_explained(self) -> None:
        rules = WORK / f"{self.identity.name}.rules"
        rules.write_text("allow any\n")
        rules.chmod(0o644)
        guest, path = self.controlled("-rules", str(rules))
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            port = listener.getsockname()[1]
            with self.dialogue(guest, (SERVER[4], port), listener, 4) as (client, server, _):
                self.ctl(path, "explain", "tcp", f"{SERVER[4]}:{port}")
                rules.write_text(f"allow any\ndeny tcp://{SERVER[4]}\nnonsense\n")
                self.assertIn("line 3", self.ctl(path, "rules", "reload", status=1))
                client.sendall(b"x")
                self.assertEqual(receive_exactly(server, 1), b"x")
                rules.write_text(f"deny tcp://{SERVER[4]} note \"closed\"\n")
                self.assertIn("1 flows ended", self.ctl(path, "rules", "reload"))
                with self.assertRaises(ConnectionResetError):
                    client.recv(1)
        self.assertIn("line 1", self.ctl(path, "explain", "tcp", f"{SERVER[4]}:{port}", status=1)
                      + self.explained(rules, f"{SERVER[4]}:{port}"))

    def explained(self, rules: object, destination: str) -> str:
        """What `slirpstack explain` says, without anything running."""
        words = (str(PROGRAM), "explain", "-rules", str(rules), "tcp", destination)
        done = run(self.topology.host.command([*self.identity.prefix, *words]), check=False)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        return done.stdout

    def test_metrics(self) -> None:
        guest = self.guest("-metrics", "tcp://127.0.0.1:9090")
        guest.run("ping", "-n", "-c1", SERVER[4])
        get = ["curl", "-sSf", "http://127.0.0.1:9090/"]
        self.assertEqual(self.topology.host.run(*get[:2], get[2] + "health").stdout, "ok\n")
        metrics = self.topology.host.run(*get[:2], get[2] + "metrics").stdout
        self.assertIn('slirpstack_flows{protocol="icmp"} 1\n', metrics)
        self.assertIn('slirpstack_flows_opened_total{protocol="icmp"} 1\n', metrics)
        self.assertTrue(metrics.endswith("# EOF\n"))

    def test_the_guest_cannot_reach_them(self) -> None:
        guest = self.guest("-metrics", "tcp://127.0.0.1:9090")
        for address in (GATEWAY[4], LOOPBACK[4], LAN_ADDRESS):
            with guest.socket(socket.AF_INET) as client:
                self.assertNotEqual(client.connect_ex((address, 9090)), 0)


class Limits(ForwardTest):
    def test_a_thousand_flows_over_a_reload_by_signal(self) -> None:
        rules = WORK / f"{self.identity.name}-many.rules"
        rules.write_text("allow any\n")
        rules.chmod(0o644)
        from harness.guest import ServedGuest  # pylint: disable=import-outside-toplevel
        import signal  # pylint: disable=import-outside-toplevel

        guest = ServedGuest(self.topology, self.identity, "-configure", "-rules", str(rules))
        self.addCleanup(guest.close)
        with contextlib.ExitStack() as ends:
            listener = ends.enter_context(listening(self.topology.internet, 4, SERVER[4]))
            pairs = []
            for _ in range(1000):
                client = ends.enter_context(guest.socket(socket.AF_INET))
                client.connect(listener.getsockname())
                pairs.append((client, ends.enter_context(listener.accept()[0])))
            rules.write_text(f"allow tcp://{SERVER[4]}\ndeny any\n")
            guest.slirpstack.signal(signal.SIGHUP)
            guest.slirpstack.wait_for_log("rules in effect file=" + str(rules) + " rules=2")
            for client, server in pairs:
                client.sendall(b"x")
                self.assertEqual(server.recv(1), b"x")
        with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((SERVER[4], 9))
            client.send(b"x")
            wait_until(lambda: "destination denied" in guest.slirpstack.log, "the denial")


if __name__ == "__main__":
    suite.main(Local, LocalDatagrams, Remote, Control, Limits)

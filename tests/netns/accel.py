"""The accelerator: the program itself with XDP and with TC, in the topology of harness/topology.py.

    first, second           host                     router             internet
    10.0.2.100 tun0 ══ slv… (NAT) up0 198.51.100.2 ─── .1 down0   …    192.0.2.10 servers

Both guests have the same addresses. The host has ip_forward on, so that what the NAT leaves behind
would show at the router under its own source.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import itertools
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Iterator, Sequence

from dns import answer
from harness import suite, without_tcx
from harness.guest import DNS, GATEWAY, Slirpstack
from harness.namespace import HeldNamespace, Namespace
from harness.processes import Process, run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, file_server, listening, receive_exactly
from harness.topology import HOST_ADDRESS, LAN_PEER, RESOLVERS, ROUTER_ADDRESS, SERVER

HOOKS = ("xdp", "tc")
BINDERS = ("kernel", "user")
GUEST = "10.0.2.100"
FIRST_SHARED_PORT = 61000
LAN_ADDRESS = "203.0.113.1"
MAX_ROUTES = 16384
BPF_FOLDER = "/mnt/bpf"
OLD_KERNEL = (sys.executable, str(Path(without_tcx.__file__).resolve()))

IP_MTU_DISCOVER = 10
IP_PMTUDISC_DONT = 0

TC_ACT_SHOT = 2

IDENTIFICATIONS = itertools.count(1) # of datagrams; the kernel's own are random

SIOCETHTOOL = 0x8946
ETHTOOL_STXCSUM = 0x17
ETHTOOL_SGRO = 0x2C


def set_feature(place: Namespace, interface: str, command: int, value: int) -> None:
    """ethtool(8) may be missing."""
    setting = array.array("B", struct.pack("II", command, value))
    request = struct.pack("16sQ16x", interface.encode(), setting.buffer_info()[0])
    with place.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCETHTOOL, request)


def internet_checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def port_unreachable(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """An ICMP error about a datagram."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 60, socket.IPPROTO_UDP, 0) + addresses
    header = header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:]
    message = struct.pack("!BBHI", 3, 3, 0, 0) + header
    message += struct.pack("!HHHH", source[1], destination[1], 8, 0)
    return message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]


def datagram_in_pieces(source: tuple[str, int], destination: tuple[str, int], data: bytes) -> list[bytes]:
    """UDP without a checksum, in fragments of 512 bytes; the header checksums are the kernel's."""
    number = next(IDENTIFICATIONS)
    payload = struct.pack("!HHHH", source[1], destination[1], 8 + len(data), 0) + data
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    pieces = []
    for offset in range(0, len(payload), 512):
        place = offset // 8 | (0x2000 if offset + 512 < len(payload) else 0)
        part = payload[offset : offset + 512]
        header = struct.pack(
            "!BBHHHBBH", 0x45, 0, 20 + len(part), number, place, 60, socket.IPPROTO_UDP, 0
        )
        pieces.append(header + addresses + part)
    return pieces


class AcceleratorTest(suite.AreaTest):
    def setUp(self) -> None:
        if self.identity.prefix:
            self.skipTest("the accelerator needs privileges")
        nowhere = ["-e", "nowhere", "-i", "noway", "-E", "192.0.2.200", "-I", "10.0.0.0/8"]
        probe = run(self.topology.host.command([str(self.cgnat()), *nowhere]), check=False)
        if probe.returncode != 2: # it did not get as far as the interfaces
            self.skipTest(probe.stderr.strip())
        self.topology.host.shell("echo 1 > /proc/sys/net/ipv4/ip_forward")
        # XDP at a veth's end asks this of the other one, which no network card needs.
        set_feature(self.topology.router, "down0", ETHTOOL_SGRO, 1)
        set_feature(self.topology.router, "down0", ETHTOOL_STXCSUM, 0)

    @staticmethod
    def cgnat() -> Path:
        program = WORK / "cgnat"
        if not program.exists():
            program.symlink_to(PROGRAM)
        return program

    def namespace(self) -> HeldNamespace:
        guest = HeldNamespace(self.topology.host.command(["unshare", "--net"]), WORK)
        self.addCleanup(guest.close)
        return guest

    def accelerated(
        self,
        hook: str,
        guests: list[HeldNamespace],
        *options: str,
        binds: str = "kernel",
        wrapper: Sequence[str] = (),
    ) -> Slirpstack:
        names = ",".join(guest.path for guest in guests)
        process = self.slirpstack(
            "-accel", hook, "-external", "up0", f"-xdp-alloc={binds}", "-netns", names,
            "-control", str(WORK / "accel.sock"), *options, wrapper=wrapper,
        )
        if "warning: no accelerator: " in process.log:
            if "is not allowed" not in process.log:
                self.fail(process.log)
            self.skipTest(process.log)
        return process

    def asks(self, *words: str, guests: int = 1) -> str:
        path = str(WORK / "accel.sock") + ("" if guests == 1 else ".1")
        return run(self.topology.host.command([str(PROGRAM), "ctl", path, *words])).stdout

    def counted(self, name: str, guests: int = 1) -> int:
        for line in self.asks("accel", "status", guests=guests).splitlines():
            if line.startswith(f"{name}: "):
                return int(line.split()[1])
        return 0

    @staticmethod
    def connect_error(guest: Namespace, address: str) -> int:
        with guest.socket(socket.AF_INET) as client:
            return client.connect_ex((address, 9))

    def seen_from(self, guest: Namespace, echo: Datagrams) -> tuple[str, int]:
        """How the internet sees a socket of the guest; both stay as they are."""
        client = guest.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.sendto(b"who am I?", echo.endpoint)
        self.assertEqual(client.recv(100), b"who am I?")
        self.last = client
        address, port = echo.seen[-1][0][:2]
        return str(address), int(port)

    def is_answered(self, echo: Datagrams) -> bool:
        """Whether the last socket of seen_from() gets an answer, soon."""
        self.last.settimeout(0.5)
        with contextlib.suppress(OSError):
            self.last.sendto(b"still there?", echo.endpoint)
            return self.last.recv(100) == b"still there?"
        return False

    def send_last_first(
        self, place: Namespace, source: tuple[str, int], destination: tuple[str, int], data: bytes
    ) -> None:
        with place.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as wire:
            for piece in reversed(datagram_in_pieces(source, destination, data)):
                wire.sendto(piece, (destination[0], 0))

    def check_fragments_last_first(self, guest: Namespace, address: str, echo: Datagrams) -> None:
        """Out, in a flow that begins so, and in."""
        with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(30)
            client.bind((address, 0))
            local = client.getsockname()
            self.send_last_first(guest, local, echo.endpoint, b"o" * 1400)
            self.assertEqual(client.recv(4000), b"o" * 1400)
            outside = echo.seen[-1][0][:2]
            self.assertNotEqual(outside[0], address)
            self.send_last_first(self.topology.internet, echo.endpoint[:2], outside, b"i" * 1400)
            self.assertEqual(client.recv(4000), b"i" * 1400)
            self.send_last_first(guest, local, echo.endpoint, b"a" * 1400)
            self.assertEqual(client.recv(4000), b"a" * 1400)
            self.assertEqual(echo.seen[-1][0][:2], outside)

    @contextlib.contextmanager
    def untranslated(self, source: str = GUEST) -> Iterator[list[bytes]]:
        """Packets that reach the router under a guest's own address."""
        seen: list[bytes] = []
        with self.topology.router.socket(
            socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)
        ) as wire:
            wire.bind(("down0", 0x0800))
            yield seen
            while select.select([wire], [], [], 0.05)[0]:
                frame = wire.recv(2048)
                if frame[26:30] == socket.inet_aton(source):
                    seen.append(frame)


class Carrying(AcceleratorTest):
    def test_what_guests_do_all_day(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guests = [self.namespace(), self.namespace()]
                process = self.accelerated(hook, guests)
                self.assertIn(f"hook={hook}", process.wait_for_log("NAT in the kernel"))
                for guest in guests:
                    with file_server(self.topology.internet, 4, SERVER[4]) as port:
                        done = guest.run(
                            "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                            f"http://{SERVER[4]}:{port}/3000000",
                        )
                    self.assertEqual(done.stdout, "3000000")
                    guest.run("ping", "-n", "-c2", "-i0.2", "-W5", SERVER[4])
                    guest.run("ping", "-n", "-c1", "-W5", GATEWAY[4])
                    with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                        address, port = self.seen_from(guest, echo)
                        self.check_fragments_last_first(guest, GUEST, echo)
                    self.assertEqual(address, HOST_ADDRESS[4])
                    self.assertGreaterEqual(port, FIRST_SHARED_PORT)
                self.assertEqual(self.counted("drop_fragment", guests=2), 0)
                self.assertGreater(self.counted("out", guests=2), 20)
                self.assertGreater(self.counted("in", guests=2), 20)
                listed = self.asks("accel", "bindings", guests=2)
                self.assertIn(f"udp {GUEST}:", listed)
                self.assertIn("%1 ", listed) # the second guest has the same address
                process.end()

    def test_what_is_left_to_the_user_mode_stack(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.namespace()
                process = self.accelerated(hook, [guest])
                with file_server(self.topology.internet, 6, SERVER[6]) as port:
                    done = guest.run(
                        "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                        f"http://[{SERVER[6]}]:{port}/300000",
                    )
                self.assertEqual(done.stdout, "300000")
                answering = Datagrams(
                    self.topology.internet, 4, RESOLVERS[0], 53, lambda query: answer(query, "192.0.2.99")
                )
                with answering:
                    done = guest.run("dig", "+short", "+noedns", f"@{DNS[4]}", "web.test")
                self.assertEqual(done.stdout, "192.0.2.99\n")
                # The host and its networks stay closed, although the NAT asks nobody.
                for address in (HOST_ADDRESS[4], "198.51.100.1", "203.0.113.2"):
                    self.assertEqual(self.connect_error(guest, address), errno.EHOSTUNREACH)
                process.end()

    def test_destinations_that_are_not_translated(self) -> None:
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(
                self.topology.internet, 4, SERVER[4]
            ) as echo, Datagrams(self.topology.internet, 4, "192.0.2.11") as other:
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-external-address", address, "-no-nat", f"{SERVER[4]}/32",
                    binds=binds,
                )
                self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4]) # by a socket
                self.assertEqual(self.seen_from(guest, other)[0], address)
                process.end()

    def test_flows_that_the_user_mode_stack_decides(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-deny", "192.0.2.11", "-log-bindings", binds="user"
                )
                with file_server(self.topology.internet, 4, SERVER[4]) as port:
                    done = guest.run(
                        "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                        f"http://{SERVER[4]}:{port}/3000000",
                    )
                self.assertEqual(done.stdout, "3000000")
                self.assertEqual(self.connect_error(guest, "192.0.2.11"), errno.EHOSTUNREACH)
                guest.run("ping", "-n", "-c2", "-i0.2", "-W5", SERVER[4])
                with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                    address, port = self.seen_from(guest, echo)
                self.assertEqual(address, HOST_ADDRESS[4])
                self.assertGreaterEqual(port, FIRST_SHARED_PORT)
                # Asked about once each, the kernel has carried them.
                self.assertGreater(self.counted("out"), 20)
                self.assertGreater(self.counted("in"), 20)
                local = self.last.getsockname()[1]
                self.assertIn(f"udp {GUEST}:{local} ", self.asks("accel", "bindings"))
                self.assertIn(
                    f"bound protocol=udp internal={GUEST}:{local} zone=0 external={address}:{port}",
                    process.log,
                )
                process.end()

    def test_a_service_of_the_host_at_the_external_address(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(
                self.topology.host, 4, HOST_ADDRESS[4]
            ) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], "-enable-host", binds=binds)
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.sendto(b"who am I?", echo.endpoint)
                    self.assertEqual(client.recv(100), b"who am I?")
                guest.run("ping", "-n", "-c1", "-W5", HOST_ADDRESS[4])
                process.end()

    def test_the_port_of_a_forward_at_the_hosts_own_address_is_no_guests(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(
                self.topology.internet, 4, SERVER[4]
            ) as echo:
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-external-ports", "61500-61501", "-L", f"0.0.0.0:61500:{GUEST}:80",
                    "-L", f"{HOST_ADDRESS[4]}:61501:{GUEST}:80", binds=binds,
                )
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.connect(echo.endpoint)
                    client.send(b"who am I?") # UDP has both ports still
                    client.settimeout(30)
                    self.assertEqual(client.recv(100), b"who am I?")
                with listening(self.topology.internet, 4, SERVER[4]) as server:
                    with guest.socket(socket.AF_INET) as client: # and TCP has none
                        client.settimeout(0.5 if binds == "kernel" else 30)
                        if binds == "kernel":
                            with self.assertRaises(OSError):
                                client.connect(server.getsockname())
                        else:
                            client.connect(server.getsockname())
                            accepted, seen = server.accept() # by a socket of the host
                            accepted.close()
                            self.assertNotIn(seen[1], (61500, 61501))
                process.end()

    def test_external_ports_that_the_host_uses_are_told(self) -> None:
        guest = self.namespace()
        with self.topology.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
            service.bind((HOST_ADDRESS[4], 5182))
            process = self.accelerated("tc", [guest], "-external-ports", "5000-6000")
            told = [line for line in process.log.splitlines() if "the host's own too" in line]
            self.assertEqual(len(told), 1, process.log)
            self.assertIn("udp 5182", told[0])
            process.end()

    def test_forwards_at_an_address_that_is_the_nats_alone(self) -> None:
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds):
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-external-address", address,
                    "-L", f"{address}:8080:{GUEST}:80", "-L", f"udp://{address}:5353:{GUEST}:53",
                    binds=binds,
                )
                with listening(guest, 4, GUEST, 80) as service:
                    client = self.topology.internet.socket(socket.AF_INET, socket.SOCK_STREAM)
                    self.addCleanup(client.close)
                    client.settimeout(30)
                    client.bind((SERVER[4], 0))
                    client.connect((address, 8080))
                    served, seen = service.accept()
                    self.assertEqual(seen, client.getsockname())
                    with served:
                        served.settimeout(30)
                        client.sendall(b"question")
                        self.assertEqual(receive_exactly(served, 8), b"question")
                        served.sendall(b"answer")
                        self.assertEqual(receive_exactly(client, 6), b"answer")
                        with Datagrams(guest, 4, GUEST, 53), self.topology.internet.socket(
                            socket.AF_INET, socket.SOCK_DGRAM
                        ) as asking:
                            asking.settimeout(30)
                            asking.bind((SERVER[4], 0))
                            asking.connect((address, 5353))
                            asking.send(b"who am I?")
                            self.assertEqual(asking.recv(100), b"who am I?")
                        self.assertGreater(self.counted("in"), 3)
                        self.assertGreater(self.counted("out"), 3)
                        self.assertIn(f"  {address}:8080  by the NAT\n", self.asks("forward", "list"))
                        self.asks("forward", "remove", "1")
                        again = self.topology.internet.socket(socket.AF_INET, socket.SOCK_STREAM)
                        self.addCleanup(again.close)
                        again.settimeout(0.5)
                        again.bind((SERVER[4], 0))
                        with self.assertRaises(OSError):
                            again.connect((address, 8080))
                process.end()

    def test_an_icmp_error_gets_no_further_than_what_it_is_about(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds="user")
                self.seen_from(guest, echo)
                inside = (GUEST, self.last.getsockname()[1])
                with self.topology.internet.socket(
                    socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
                ) as wire, guest.socket(
                    socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
                ) as raw:
                    wire.settimeout(30)
                    error = port_unreachable(echo.endpoint, inside)
                    raw.sendto(error, ("192.0.2.11", 0))
                    raw.sendto(error, echo.endpoint)
                    got = wire.recv(2000)
                self.assertEqual(socket.inet_ntoa(got[16:20]), SERVER[4])
                process.end()

    def test_flows_that_a_reload_denies_end(self) -> None:
        rules = WORK / "accel.rules"
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                rules.write_text("allow out udp://192.0.2.10\n")
                process = self.accelerated(hook, [guest], "-rules", str(rules), binds="user")
                self.seen_from(guest, echo)
                self.last.connect(echo.endpoint)
                carried = self.counted("out")
                self.last.send(b"still?")
                self.assertEqual(self.last.recv(100), b"still?")
                self.assertEqual(self.counted("out"), carried + 1)
                rules.write_text("deny out udp://192.0.2.10\n")
                self.asks("rules", "reload")
                self.last.settimeout(30)
                self.last.send(b"still?")
                with self.assertRaises(OSError) as refused:
                    self.last.recv(100)
                self.assertEqual(refused.exception.errno, errno.EHOSTUNREACH)
                self.assertEqual(self.counted("out"), carried + 1)
                process.end()

    def test_guests_meet_at_their_external_endpoints(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guests = [self.namespace(), self.namespace()]
                process = self.accelerated(hook, guests, "-udp-filter", "endpoint")
                first = self.seen_from(guests[0], echo)
                first_socket = self.last
                second = self.seen_from(guests[1], echo)
                self.last.sendto(b"hello", first)
                self.assertEqual(first_socket.recvfrom(100), (b"hello", second))
                first_socket.sendto(b"hello yourself", second)
                self.assertEqual(self.last.recvfrom(100), (b"hello yourself", first))
                self.assertEqual(self.counted("hairpin", guests=2), 2)
                process.end()

    def test_what_is_too_large_for_its_way_leaves_in_pieces(self) -> None:
        narrow = f"{SERVER[4]}/32 via 198.51.100.1 dev up0"
        self.topology.host.shell(f"ip route replace {narrow} mtu 1000")
        self.addCleanup(self.topology.host.shell, f"ip route del {narrow}")
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds="user")
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
                    for size in (1400, 1300, 3000): # the last is in fragments as it is
                        client.sendto(bytes(size), echo.endpoint)
                        self.assertEqual(client.recv(4000), bytes(size))
                self.assertEqual([size for _, size in echo.seen], [1400, 1300, 3000])
                self.assertEqual(len({sender for sender, _ in echo.seen}), 1)
                self.assertGreater(self.counted("out"), 6)
                process.end()

    def test_a_flow_that_begins_in_fragments_leaves_from_the_pool(self) -> None:
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], "-external-address", address, binds="user")
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.connect(echo.endpoint)
                    for size in (3000, 10, 3000):
                        client.send(b"x" * size)
                        self.assertEqual(len(client.recv(4000)), size)
                        self.assertEqual(echo.seen[-1][0][0], address)
                    self.assertEqual(len({seen[0][1] for seen in echo.seen}), 1)
                    self.assertRegex(
                        self.asks("flows"),
                        f"(?m)^udp {GUEST}:\\d+ -> {SERVER[4]}:\\d+  outbound  by the kernel$",
                    )
                self.check_fragments_last_first(guest, GUEST, echo)
                self.assertGreater(self.counted("held"), 0)
                self.assertEqual(self.counted("drop_fragment"), 0)
                process.end()

    def test_each_guest_has_blocks_of_ports_of_its_own(self) -> None:
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            guests = [self.namespace(), self.namespace()]
            process = self.accelerated(
                "tc", guests, "-port-block", "64", "-log-bindings", binds="user"
            )
            blocks = [
                {(self.seen_from(guest, echo)[1] - FIRST_SHARED_PORT) // 64 for _ in range(5)}
                for guest in guests
            ]
            self.assertEqual([len(each) for each in blocks], [1, 1])
            self.assertNotEqual(blocks[0], blocks[1])
            first = FIRST_SHARED_PORT + 64 * blocks[1].pop()
            process.wait_for_log(
                f"ports of a subscriber internal={GUEST} zone=1 external={HOST_ADDRESS[4]}"
                f" ports={first}-{first + 63}"
            )
            process.end()

    def test_auto_says_what_it_picks_and_why(self) -> None:
        guest = self.namespace()
        process = self.accelerated("auto", [guest])
        line = process.wait_for_log("NAT in the kernel")
        self.assertIn('hook=tc because="up0 is a veth" external=up0', line)
        process.end()

    def test_a_guest_that_cannot_have_it_is_served_all_the_same(self) -> None:
        guest = self.namespace()
        number = self.topology.host.shell(f"stat -L -c %i {guest.path}").strip()
        self.topology.host.shell(f"ip link add slv{number} type bridge")
        self.addCleanup(self.topology.host.shell, f"ip link del slv{number}")
        process = self.accelerated("tc", [guest])
        self.assertIn(f"slv{number}", process.wait_for_log("a guest has no accelerator"))
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
        self.assertEqual(self.counted("out"), 0)
        process.end()

    def test_one_guest_goes_and_the_other_stays(self) -> None:
        guests = [self.namespace(), self.namespace()]
        process = self.accelerated("tc", guests)
        guests[0].close()
        process.wait_for_log("the guest's namespace is gone")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            self.assertEqual(self.seen_from(guests[1], echo)[0], HOST_ADDRESS[4])
        guests[1].close()
        self.assertEqual(process.exit_status(), 0)

    def test_bindings_are_logged(self) -> None:
        guest = self.namespace()
        process = self.accelerated("tc", [guest], "-log-bindings")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            address, port = self.seen_from(guest, echo)
        local = self.last.getsockname()[1]
        line = process.wait_for_log("bound protocol=udp")
        self.assertIn(f"internal={GUEST}:{local} zone=0 external={address}:{port}", line)
        process.end()


class Ending(AcceleratorTest):
    def interfaces(self) -> str:
        return self.topology.host.shell("ip -d link")

    def test_an_orderly_end_leaves_nothing(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.namespace()
                process = self.accelerated(hook, [guest])
                self.assertIn("slv", self.interfaces())
                process.end()
                self.assertNotIn("slv", self.interfaces())
                self.assertNotIn("slt", self.interfaces())
                self.assertNotIn("slf", self.interfaces())
                self.assertNotIn("xdp", self.interfaces())

    def test_nothing_untranslated_leaves_after_a_kill(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds=binds)
                self.seen_from(guest, echo)
                process.signal(signal.SIGKILL)
                process.exit_status()
                with self.untranslated() as leaked:
                    before = len(echo.seen)
                    for _ in range(20):
                        with contextlib.suppress(OSError):
                            self.last.sendto(b"anyone?", echo.endpoint)
                    # The gateway's Ethernet address is no longer needed for a leak.
                    mac = self.topology.host.shell("ip -o link show type veth | grep slv").split()
                    guest.shell(
                        f"ip neighbour replace {GATEWAY[4]} lladdr {mac[mac.index('link/ether') + 1]}"
                        " dev tun0"
                    )
                    for _ in range(20):
                        with contextlib.suppress(OSError):
                            self.last.sendto(b"anyone?", echo.endpoint)
                self.assertEqual(leaked, [])
                self.assertEqual(len(echo.seen), before)
                self.assertNotIn("xdp", self.interfaces())
                # The next start takes the place of what was left.
                again = self.accelerated(hook, [guest], binds=binds)
                self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
                again.end()

    def test_what_a_kill_leaves_on_an_old_kernel_stops_by_itself(self) -> None:
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            guest = self.namespace()
            process = self.accelerated("tc", [guest], wrapper=OLD_KERNEL)
            self.seen_from(guest, echo)
            self.assertIn("nat_", self.topology.host.shell("tc filter show dev up0 ingress"))
            # Longer than the programs carry on without a sign of life.
            alive = time.monotonic() + 5
            while time.monotonic() < alive:
                self.assertTrue(self.is_answered(echo))
                time.sleep(0.1)
            process.signal(signal.SIGKILL)
            process.exit_status()
            wait_until(lambda: not self.is_answered(echo), "an end of what the killed process has left")
            self.assertFalse(self.is_answered(echo))
            again = self.accelerated("tc", [guest], wrapper=OLD_KERNEL)
            self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
            again.end()
            self.assertNotIn("nat_", self.topology.host.shell("tc filter show dev up0 ingress"))

    def mount_bpf(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )

    def remove_pairs(self) -> None:
        """Those that a process with pinned maps has left for its successor."""
        for line in self.interfaces().splitlines():
            if ": slv" in line:
                name = line.split(": ")[1].split("@")[0]
                self.topology.host.shell(f"ip link del {name}")

    def test_a_restart_with_pinned_maps_loses_no_connection(self) -> None:
        self.mount_bpf()
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), listening(self.topology.internet, 4, SERVER[4]) as listener:
                guest = self.namespace()
                pinned = ("-pin", f"{BPF_FOLDER}/{hook}-{binds}")
                process = self.accelerated(hook, [guest], *pinned, binds=binds)
                with guest.socket(socket.AF_INET) as client:
                    client.connect(listener.getsockname())
                    server, seen = listener.accept()
                    with server:
                        process.end()
                        client.sendall(b"are you there?") # sent again until somebody carries it
                        again = self.accelerated(hook, [guest], *pinned, binds=binds)
                        again.wait_for_log("bindings taken over")
                        server.settimeout(30)
                        self.assertEqual(receive_exactly(server, 14), b"are you there?")
                        server.sendall(b"yes")
                        self.assertEqual(receive_exactly(client, 3), b"yes")
                        self.assertIn(f":{seen[1]}", self.asks("accel", "bindings"))
                        again.end()
                self.remove_pairs()

    def test_pinned_maps_are_one_process_s_own(self) -> None:
        self.mount_bpf()
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                folder = f"{BPF_FOLDER}/own-{hook}-{binds}"
                process = self.accelerated(hook, [guest], "-pin", folder, binds=binds)
                seen = self.seen_from(guest, echo)
                words = ["-accel", hook, "-external", "up0", f"-xdp-alloc={binds}", "-pin", folder]
                same = [str(PROGRAM), *words, "-netns", guest.path]
                done = run(self.topology.host.command(same), check=False)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(f'invalid value "{folder}" for flag -pin: another', done.stderr)
                # Who was there first has all that he had.
                self.last.sendto(b"still there?", echo.endpoint)
                self.assertEqual(self.last.recv(100), b"still there?")
                self.assertEqual(echo.seen[-1][0][:2], seen)
                self.seen_from(guest, echo)
                # A killed process keeps nobody out.
                process.signal(signal.SIGKILL)
                process.exit_status()
                again = self.accelerated(hook, [guest], "-pin", folder, binds=binds)
                self.seen_from(guest, echo)
                again.end()
                self.remove_pairs()

    def make_external_link(self) -> None:
        """up0 and the router's end of it, as the topology has them."""
        self.topology.host.shell(
            f"ip link add up0 type veth peer name down0 netns {self.topology.router.pid}"
        )
        self.topology.router.shell(
            f"ip link set down0 up && ip address add {ROUTER_ADDRESS[4]}/30 dev down0"
            f" && ip address add {ROUTER_ADDRESS[6]}/64 dev down0 nodad"
        )
        set_feature(self.topology.router, "down0", ETHTOOL_SGRO, 1)
        set_feature(self.topology.router, "down0", ETHTOOL_STXCSUM, 0)
        self.topology.host.shell(
            f"ip link set up0 up && ip address add {HOST_ADDRESS[4]}/30 dev up0"
            f" && ip address add {HOST_ADDRESS[6]}/64 dev up0 nodad"
            f" && ip route add default via {ROUTER_ADDRESS[4]}"
            f" && ip route add default via {ROUTER_ADDRESS[6]}"
        )

    def is_carried(self, echo: Datagrams) -> bool:
        """By the kernel: what the guest's last socket asks."""
        before = self.counted("out")
        with contextlib.suppress(OSError):
            self.last.settimeout(0.5)
            self.last.sendto(b"carried?", echo.endpoint)
            return self.last.recv(100) == b"carried?" and self.counted("out") > before
        return False

    def test_an_external_interface_that_is_made_anew(self) -> None:
        detour = f"default via {LAN_PEER} metric 1000"
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds=binds)
                seen = self.seen_from(guest, echo)
                before = self.last
                self.topology.host.shell("ip link del up0")
                try:
                    process.wait_for_log("an interface is gone")
                    self.topology.host.shell(f"ip route add {detour}")
                    if binds == "user":
                        # A socket of the host does as well.
                        self.assertEqual(self.seen_from(guest, echo)[0], LAN_ADDRESS)
                    self.topology.host.shell(f"ip route del {detour}")
                finally:
                    self.make_external_link()
                process.wait_for_log("an interface is back")
                # What there was before goes on, and what is new is carried too.
                self.last = before
                wait_until(lambda: self.is_carried(echo), "a flow that goes on")
                self.assertEqual(echo.seen[-1][0][:2], seen)
                self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
                self.assertTrue(self.is_carried(echo))
                self.assertEqual(process.log.count("an interface is"), 2, process.log)
                process.end()

    def test_an_external_interface_gets_another_name(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds=binds)
                seen = self.seen_from(guest, echo)
                self.topology.host.shell("ip link set up0 name wan0")
                try:
                    line = process.wait_for_log("an interface has another name now")
                    self.assertIn("interface=external was=up0 is=wan0", line)
                    self.assertTrue(self.is_carried(echo))
                    self.assertEqual(echo.seen[-1][0][:2], seen)
                    self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
                    self.assertTrue(self.is_carried(echo))
                    self.assertIn(" and wan0,", self.asks("accel", "status"))
                finally:
                    self.topology.host.shell("ip link set wan0 name up0")
                process.end()

    def test_an_external_interface_gets_another_address(self) -> None:
        ours, theirs = "198.51.100.34", "198.51.100.33"
        host, router = self.topology.host, self.topology.router
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                # A socket of the host's among the ports that guests are seen under.
                kept = ("-L", f"0.0.0.0:{FIRST_SHARED_PORT + 7}::80")
                process = self.accelerated(hook, [guest], "-log-bindings", *kept, binds=binds)
                self.seen_from(guest, echo)
                local = self.last.getsockname()[1]
                router.shell(f"ip address add {theirs}/30 dev down0")
                host.shell(f"ip address del {HOST_ADDRESS[4]}/30 dev up0")
                try:
                    host.shell(
                        f"ip address add {ours}/30 dev up0 && ip route replace default via {theirs}"
                    )
                    line = process.wait_for_log("the external interface has another address")
                    self.assertIn(f"was={HOST_ADDRESS[4]} is={ours}", line)
                    process.wait_for_log(f"unbound protocol=udp internal={GUEST}:{local}")
                    # A flow that comes before the new way is known keeps a socket of the host's.
                    wait_until(
                        lambda: self.seen_from(guest, echo) and self.is_carried(echo),
                        "a flow under the new address",
                    )
                    self.assertEqual(echo.seen[-1][0][0], ours)
                    self.assertGreaterEqual(echo.seen[-1][0][1], FIRST_SHARED_PORT)
                    self.assertEqual(self.seen_from(guest, echo)[0], ours)
                    added = self.asks("forward", "add", "-L", f"0.0.0.0:{FIRST_SHARED_PORT + 8}::80")
                    self.asks("forward", "remove", added.split()[0].rstrip(":"))
                finally:
                    host.shell(
                        f"ip address del {ours}/30 dev up0 2>/dev/null || :\n"
                        f"ip address replace {HOST_ADDRESS[4]}/30 dev up0\n"
                        f"ip route replace default via {ROUTER_ADDRESS[4]}"
                    )
                    router.shell(f"ip address del {theirs}/30 dev down0")
                # Back to the old one, whose ports rest.
                wait_until(lambda: self.is_carried(echo), "a flow under the old address")
                self.assertEqual(echo.seen[-1][0][0], HOST_ADDRESS[4])
                process.end()

    def test_a_restart_with_pinned_maps_and_other_forwards(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for binds in BINDERS:
            with self.subTest(binds=binds):
                guest = self.namespace()
                options = ["-external-address", address, "-pin", f"{BPF_FOLDER}/forwards-{binds}"]
                for external, internal in ((8080, 80), (8080, 81), (9090, 81)):
                    process = self.accelerated(
                        "tc", [guest], *options, "-L", f"{address}:{external}:{GUEST}:{internal}",
                        binds=binds,
                    )
                    with listening(guest, 4, GUEST, internal) as service:
                        client = self.topology.internet.socket(socket.AF_INET, socket.SOCK_STREAM)
                        with client:
                            client.settimeout(30)
                            client.bind((SERVER[4], 0))
                            client.connect((address, external))
                            served, _ = service.accept()
                            served.close()
                    process.end()
                for line in self.interfaces().splitlines():
                    name = line.split(": ")[1].split("@")[0] if ": slv" in line else ""
                    if name:
                        self.topology.host.shell(f"ip link del {name}")

    def test_a_second_process_for_one_namespace_is_refused(self) -> None:
        guest = self.namespace()
        process = self.accelerated("tc", [guest])
        words = ["-accel", "tc", "-external", "up0", "-xdp-alloc=kernel", "-netns", guest.path]
        done = run(self.topology.host.command([str(PROGRAM), *words]), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("another slirpstack -accel serves this namespace already", done.stderr)
        process.end()

    def test_an_external_interface_that_is_not_there(self) -> None:
        guest = self.namespace()
        words = ["-accel", "tc", "-external", "nowhere", "-netns", guest.path]
        done = run(self.topology.host.command([str(PROGRAM), *words]), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('invalid value "nowhere" for flag -external', done.stderr)


class Cgnat(AcceleratorTest):
    EXTERNAL = "192.0.2.200"
    INSIDE = "10.1.2.3"

    def setUp(self) -> None:
        super().setUp()
        self.topology.router.shell(f"ip route replace {self.EXTERNAL}/32 via {HOST_ADDRESS[4]}")
        self.inside = self.namespace()
        self.make_inside_link()
        self.addCleanup(self.topology.host.shell, "ip link del inside0")

    def make_inside_link(self) -> None:
        self.topology.host.shell(
            f"ip link add inside0 type veth peer name eth0 netns {self.inside.pid}"
            " && ip address add 10.0.0.1/8 dev inside0 && ip link set inside0 up"
        )
        self.inside.shell(
            f"ip link set eth0 up address 02:00:00:00:00:09 && ip address add {self.INSIDE}/8 dev eth0"
            " && ip route add default via 10.0.0.1"
        )
        set_feature(self.inside, "eth0", ETHTOOL_SGRO, 1)
        set_feature(self.inside, "eth0", ETHTOOL_STXCSUM, 0)

    def translating(self, hook: str, *options: str, wrapper: Sequence[str] = ()) -> Process:
        words = ["-e", "up0", "-i", "inside0", "-E", self.EXTERNAL, "-I", "10.0.0.0/8"]
        command = [*wrapper, str(self.cgnat()), *words, "-accel", hook, *options]
        process = Process(self.topology.host.command(command), WORK)
        self.addCleanup(process.stop)
        process.wait_for_log("NAT in the kernel")
        return process

    def end(self, process: Process) -> None:
        process.signal(signal.SIGTERM)
        self.assertEqual(process.exit_status(), 0)

    def test_two_interfaces_of_a_router(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating(hook)
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.inside.run("ping", "-n", "-c1", "-W5", SERVER[4])
                self.check_fragments_last_first(self.inside, self.INSIDE, echo)
                self.end(process)

    def is_served(
        self, place: Namespace, source: str, port: int, service: socket.socket, patience: float = 10
    ) -> bool:
        """Whether a connection from `place` to that external port comes to `service`."""
        with place.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(patience)
            client.bind((source, 0))
            client.connect((self.EXTERNAL, port))
            served, seen = service.accept()
            with served:
                served.sendall(b"answer")
                self.assertEqual(receive_exactly(client, 6), b"answer")
            return source == self.INSIDE or bool(seen == client.getsockname())

    def ctl(self, *words: str) -> str:
        done = run(
            self.topology.host.command([str(PROGRAM), "ctl", str(WORK / "cgnat.sock"), *words]),
            check=False,
        )
        return done.stdout + done.stderr

    def test_forwards_to_subscribers_who_have_not_sent_anything(self) -> None:
        behind = "10.9.0.9" # a router, the subscriber of all others
        options = ["-L", f"8080:{self.INSIDE}:80", "-L", f"9090-9091:{behind}:80-81"]
        for hook in HOOKS:
            with self.subTest(hook):
                self.topology.host.shell("ip link del inside0")
                self.make_inside_link()
                self.inside.shell(f"ip address replace {behind}/32 dev lo; ip link set lo up")
                self.topology.host.shell(f"ip route add {behind}/32 via {self.INSIDE}")
                process = self.translating(
                    hook, *options, "-control", str(WORK / "cgnat.sock"), "-log-bindings"
                )
                internet, world = self.topology.internet, SERVER[4]
                with listening(self.inside, 4, self.INSIDE, 80) as service, listening(
                    self.inside, 4, behind, 81
                ) as further:
                    self.assertTrue(self.is_served(internet, world, 8080, service))
                    self.assertTrue(self.is_served(internet, world, 9091, further))
                    self.assertTrue(self.is_served(self.inside, self.INSIDE, 8080, service))
                    self.assertTrue(self.is_served(self.inside, self.INSIDE, 9091, further))
                    self.assertIn(
                        f"2  -L 9090-9091:{behind}:80-81  {self.EXTERNAL}:9090 {self.EXTERNAL}:9091"
                        "  by the NAT\n",
                        self.ctl("forward", "list"),
                    )
                    self.assertIn("10.1.2.3:80 has an", self.ctl("forward", "add", "-L", "1:10.1.2.3:80"))
                    self.assertIn("8080 is in use", self.ctl("forward", "add", "-L", "8080:10.1.2.3:8"))
                    self.assertEqual(self.ctl("forward", "remove", "1"), "")
                    with self.assertRaises(OSError):
                        self.is_served(internet, world, 8080, service, 0.5)
                    self.assertIn("8081", self.ctl("forward", "add", "-L", f"8081:{self.INSIDE}:80"))
                    self.assertTrue(self.is_served(internet, world, 8081, service))
                process.wait_for_log("unbound")
                self.end(process)

    def test_a_forward_to_a_subscriber_who_comes_later(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                self.inside.shell("ip link set eth0 down")
                process = self.translating(hook, "-L", f"8080:{self.INSIDE}:80")
                time.sleep(4) # until the host has given up on it
                self.inside.shell("ip link set eth0 up && ip route replace default via 10.0.0.1")
                with listening(self.inside, 4, self.INSIDE, 80) as service:
                    self.assertTrue(
                        self.is_served(self.topology.internet, SERVER[4], 8080, service)
                    )
                self.end(process)

    def test_a_restart_with_pinned_maps_and_other_forwards_to_subscribers(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )
        pin = ["-pin", f"{BPF_FOLDER}/cgnat-forwards", "-control", str(WORK / "cgnat.sock")]
        for port, forward in (
            (8080, f"8080:{self.INSIDE}:80"),
            (8080, f"8080:{self.INSIDE}:80"),
            (9090, f"9090:{self.INSIDE}:80"),
            (8080, "8080:10.1.2.9:80"),
        ):
            process = self.translating("tc", *pin, "-L", forward)
            with listening(self.inside, 4, self.INSIDE, 80) as service:
                if forward.endswith(f"{self.INSIDE}:80"):
                    self.assertTrue(
                        self.is_served(self.topology.internet, SERVER[4], port, service)
                    )
            bound = [line for line in self.ctl("accel", "bindings").splitlines() if ":80 " in line]
            self.assertEqual(len(bound), 1)
            self.end(process)

    def test_a_forward_has_no_port_of_another_subscribers_block(self) -> None:
        words = ["-e", "up0", "-i", "inside0", "-E", self.EXTERNAL, "-I", "10.1.2.0/24"]
        words += ["-port-block", "200", "-accel", "tc", "-L", f"1200:{self.INSIDE}:80"]
        done = run(self.topology.host.command([str(self.cgnat()), *words]), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(
            f"port 1200 of {self.EXTERNAL} is in the block of 10.1.2.0 (-port-block), and would be "
            f"taken for one of its: those of {self.INSIDE} are {self.EXTERNAL}:1624-1823",
            done.stderr,
        )

    def test_an_internal_interface_that_is_made_anew(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating(hook)
                seen = self.seen_from(self.inside, echo)
                self.topology.host.shell("ip link del inside0")
                process.wait_for_log("an interface is gone")
                self.make_inside_link()
                self.assertIn("interface=internal", process.wait_for_log("an interface is back"))
                wait_until(lambda: self.is_answered(echo), "a flow that goes on")
                self.assertEqual(echo.seen[-1][0][:2], seen)
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.end(process)

    def sends(self, echo: Datagrams) -> None:
        """Whether or not anybody answers."""
        with self.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(5):
                with contextlib.suppress(OSError):
                    client.sendto(b"anyone?", echo.endpoint)

    def test_more_routes_than_there_is_room_for(self) -> None:
        host = self.topology.host
        routes = WORK / "routes"
        lines = [f"route add 100.64.{i // 250}.{i % 250} via {LAN_PEER}" for i in range(MAX_ROUTES)]
        routes.write_text("".join(f"{line}\n" for line in lines))
        control = str(WORK / "cgnat.sock")
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating(hook, "-control", control)
                host.run("ip", "-batch", str(routes))
                try:
                    process.wait_for_log("not all of the host's routes fit into the accelerator")
                    with self.untranslated(self.INSIDE) as leaked:
                        self.sends(echo)
                    self.assertEqual(leaked, [])
                    self.assertEqual(echo.seen, [])
                    asked = [str(PROGRAM), "ctl", control, "accel", "status"]
                    status = run(host.command(asked)).stdout
                    self.assertIn("drop_no_route: 5 packets", status)
                    # The host's own is still there.
                    self.inside.run("ping", "-n", "-c1", "-W5", "10.0.0.1")
                finally:
                    host.run("ip", "route", "flush", "root", "100.64.0.0/10")
                process.wait_for_log("the host's routes fit into the accelerator again")
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.end(process)

    def test_a_killed_router_with_the_example_s_rule_leaks_nothing(self) -> None:
        host = self.topology.host
        undo = f"nft delete table ip cgnat\nip route del blackhole {self.EXTERNAL}"
        self.topology.router.shell(f"ip route add 10.0.0.0/8 via {LAN_ADDRESS}")
        self.addCleanup(self.topology.router.shell, "ip route del 10.0.0.0/8")
        script = Path(__file__).resolve().parents[2] / "examples" / "cgnat-router.sh"
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                # What the rule and the route are for.
                plain = self.translating(hook)
                self.seen_from(self.inside, echo)
                plain.signal(signal.SIGKILL)
                plain.exit_status()
                with self.untranslated(self.INSIDE) as leaked:
                    self.sends(echo)
                self.assertGreaterEqual(len(leaked), 5) # errors about answers may be among them

                self.cgnat()
                process = Process(
                    host.command(
                        ["env", f"PATH={WORK}:/usr/sbin:/usr/bin:/sbin:/bin", "sh", str(script)]
                        + ["up0", "inside0", self.EXTERNAL, "10.0.0.0/8", "-accel", hook]
                    ),
                    WORK,
                )
                self.addCleanup(process.stop)
                process.wait_for_log("NAT in the kernel")
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.inside.run("ping", "-n", "-c1", "-W5", SERVER[4])
                # What is exempt is forwarded still.
                self.inside.run("ping", "-n", "-c1", "-W5", LAN_PEER)
                process.signal(signal.SIGKILL)
                process.exit_status()
                with self.untranslated(self.INSIDE) as leaked:
                    self.sends(echo)
                self.assertEqual(leaked, [])
                # Nor do packets for guests go back and forth between the routers.
                with self.untranslated(SERVER[4]) as returned:
                    with self.topology.internet.socket(socket.AF_INET, socket.SOCK_DGRAM) as remote:
                        remote.bind((SERVER[4], 0))
                        remote.sendto(b"back?", (self.EXTERNAL, 5000))
                self.assertEqual(returned, [])
                host.shell(undo)

    def test_filters_of_the_router_s_own_see_what_is_not_translated(self) -> None:
        host = self.topology.host
        neighbours = {"up0": (self.topology.router, HOST_ADDRESS[4]), "inside0": (self.inside, "10.0.0.1")}
        for device in neighbours:
            host.shell(f"tc qdisc replace dev {device} clsact")
        self.addCleanup(host.shell, "tc qdisc del dev up0 clsact")

        def is_answered(device: str) -> bool:
            place, address = neighbours[device]
            return place.run("ping", "-n", "-c1", "-W1", address, check=False).returncode == 0

        for wrapper in ((), OLD_KERNEL):
            with self.subTest(wrapper=wrapper), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating("tc", wrapper=wrapper)
                for device in neighbours:
                    self.assertTrue(is_answered(device))
                    behind = f"dev {device} ingress prio 40000"
                    host.shell(f"tc filter add {behind} bpf da bytecode '1,6 0 0 {TC_ACT_SHOT},'")
                    self.assertFalse(is_answered(device))
                    host.shell(f"tc filter del {behind}")
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.end(process)

    def test_subscribers_get_no_port_of_the_routers_own(self) -> None:
        words = ["-e", "up0", "-i", "inside0", "-E", HOST_ADDRESS[4], "-I", "10.0.0.0/8"]
        last = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[1])
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            process = Process(
                self.topology.host.command([str(self.cgnat()), *words, "-accel", "tc"]), WORK
            )
            self.addCleanup(process.stop)
            process.wait_for_log("NAT in the kernel")
            # What comes before the next hop's Ethernet address is known is lost.
            ping = ("ping", "-n", "-c1", "-W1", SERVER[4])
            wait_until(lambda: self.inside.run(*ping, check=False).returncode == 0, "a way out")
            for _ in range(8):
                self.assertGreater(self.seen_from(self.inside, echo)[1], last)
            process.signal(signal.SIGTERM)
            self.assertEqual(process.exit_status(), 0)


class WithoutPrivileges(suite.AreaTest):
    def namespace_of_ours(self) -> HeldNamespace:
        guest = HeldNamespace(
            self.topology.host.command(
                [*self.identity.prefix, "unshare", "--user", "--map-root-user", "--net"]
            ),
            WORK,
            owner=self.identity.prefix,
        )
        self.addCleanup(guest.close)
        return guest

    def skip_if_left_out(self) -> None:
        if b"libbpf.so.1" not in PROGRAM.read_bytes():
            self.skipTest("the program was built without the accelerator")

    def test_the_user_mode_stack_does_it_all(self) -> None:
        if not self.identity.prefix:
            self.skipTest("root has them")
        guest = self.namespace_of_ours()
        process = self.slirpstack("-accel", "auto", "-external", "up0", str(guest.pid))
        lines = [line for line in process.log.splitlines() if "accelerator" in line]
        self.assertEqual(len(lines), 1, process.log)
        self.assertIn("CAP_BPF", lines[0])
        with file_server(self.topology.internet, 4, SERVER[4]) as port:
            done = guest.run(
                "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                f"http://{SERVER[4]}:{port}/30000",
            )
        self.assertEqual(done.stdout, "30000")
        process.end()

    def libraries(self, *options: str) -> set[str]:
        """The names of what a process has loaded that serves a guest."""
        guest = self.namespace_of_ours()
        process = self.slirpstack("-configure", *options, str(guest.pid))
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        process.end()
        return {line.rpartition("/")[2] for line in lines if ".so" in line}

    def test_libbpf_is_loaded_when_it_is_asked_for(self) -> None:
        self.skip_if_left_out()
        plain = self.libraries()
        accelerated = self.libraries("-accel", "auto", "-external", "up0")
        for name in ("libbpf.so", "libelf"):
            self.assertFalse([each for each in plain if each.startswith(name)], plain)
            self.assertTrue([each for each in accelerated if each.startswith(name)], accelerated)

    def test_a_libbpf_that_cannot_be_loaded(self) -> None:
        self.skip_if_left_out()
        folder = WORK / "no-libraries"
        folder.mkdir(exist_ok=True)
        (folder / "libbpf.so.1").touch()
        guest = self.namespace_of_ours()
        process = self.slirpstack(
            "-accel", "auto", "-external", "up0", str(guest.pid),
            wrapper=["env", f"LD_LIBRARY_PATH={folder}"],
        )
        lines = [line for line in process.log.splitlines() if "accelerator" in line]
        self.assertEqual(len(lines), 1, process.log)
        self.assertIn("it takes libbpf (Debian's package is libbpf1)", lines[0])
        self.assertIn(f"{folder}/libbpf.so.1", lines[0])
        guest.run("ping", "-n", "-c1", "-W5", GATEWAY[4])
        process.end()

    def test_several_guests_of_one_process(self) -> None:
        """No privilege is needed for that, nor the accelerator."""
        words = self.topology.host.command([*self.identity.prefix, "unshare", "-Urn"])
        guests = [HeldNamespace(words, WORK, owner=self.identity.prefix) for _ in range(2)]
        for guest in guests:
            self.addCleanup(guest.close)
        process = self.slirpstack("-configure", "-netns", f"{guests[0].path},{guests[1].path}")
        with file_server(self.topology.internet, 4, SERVER[4]) as port:
            for guest in [*guests, guests[0]]:
                done = guest.run(
                    "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                    f"http://{SERVER[4]}:{port}/3000000",
                )
                self.assertEqual(done.stdout, "3000000")
        guests[0].close()
        process.wait_for_log("the guest's namespace is gone")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            with guests[1].socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"still there?", echo.endpoint)
                self.assertEqual(client.recv(100), b"still there?")
        guests[1].close()
        self.assertEqual(process.exit_status(), 0)


if __name__ == "__main__":
    suite.main(Carrying, Ending, Cgnat, WithoutPrivileges)

"""The accelerator: the program itself with XDP and with TC, in the topology of harness/topology.py.

    first, second           host                     router             internet
    10.0.2.100 tun0 ══ slv… (NAT) up0 198.51.100.2 ─── .1 down0   …    192.0.2.10 servers

Both guests have the same addresses. The host has ip_forward on, so that what the NAT leaves behind
would show at the router under its own source.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import itertools
import select
import socket
import struct
import sys
from pathlib import Path
from typing import Iterator, Sequence

from harness import suite, without_tcx
from harness.guest import Slirpstack
from harness.namespace import HeldNamespace, Namespace
from harness.processes import run
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams

HOOKS = ("xdp", "tc")
BINDERS = ("kernel", "user")
GUEST = "10.0.2.100"
FIRST_SHARED_PORT = 61000
LAN_ADDRESS = "203.0.113.1"
BPF_FOLDER = "/mnt/bpf"
OLD_KERNEL = (sys.executable, str(Path(without_tcx.__file__).resolve()))
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

    def is_a_new_one_carried(self, guest: Namespace, echo: Datagrams) -> bool:
        """The same for a new socket of the guest's."""
        self.last = guest.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.last.close)
        return self.is_carried(echo)

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

"""Ping and traceroute through slirpstack."""

from __future__ import annotations

import re
import shutil
import socket
import struct
import unittest

from harness import suite
from harness.guest import GATEWAY
from harness.processes import wait_until
from harness.servers import FAMILY
from harness.topology import ROOT, ROUTER_ADDRESS, SERVER, UNREACHABLE

ECHO = {4: (socket.IPPROTO_ICMP, 8, 0), 6: (socket.IPPROTO_ICMPV6, 128, 129)}
OPEN, CLOSED = "0 2147483647", "1 0"


def checksum(data: bytes) -> int:
    """RFC 1071, over an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(version: int, identifier: int, sequence: int, data: bytes) -> bytes:
    kind = ECHO[version][1]
    message = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + data
    if version == 6:
        return message  # the kernel knows the pseudo-header
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


class PingTest(suite.GuestTest):
    """What the tests below have in common."""

    def ping(self, version: int, address: str, *options: str) -> str:
        words = ["ping", f"-{version}", "-n", "-c3", "-i0.2", "-W5", *options, address]
        return self.shared.run(*words, check=False).stdout

    def large_echoes_come_back(self) -> None:
        for version in SERVER:
            for size in ("0", "1400", "20000"):
                # IPv6 has no fragments but the sender's: its first large one shows it the way.
                may_cut = "dont" if version == 4 else "want"
                said = self.ping(version, SERVER[version], "-s", size, "-M", may_cut)
                self.assertRegex(said, "3 received" if version == 4 else "[23] received")


class Ping(PingTest):
    def test_ping_measures(self) -> None:
        for version in SERVER:
            said = self.ping(version, SERVER[version])
            self.assertIn("3 packets transmitted, 3 received, 0% packet loss", said)
            times = [float(each) for each in re.findall(r"time=([0-9.]+) ms", said)]
            self.assertEqual(len(times), 3, said)
            self.assertTrue(all(0 < each < 1000 for each in times), said)
            self.assertNotIn("DUP", said)

    def test_large_echoes_come_back(self) -> None:
        self.large_echoes_come_back()

    def test_identifier_sequence_and_data_are_kept(self) -> None:
        for version in SERVER:
            protocol, _, reply = ECHO[version]
            with self.shared.socket(FAMILY[version], socket.SOCK_RAW, protocol) as raw:
                for identifier, sequence in ((0x1234, 7), (0, 0xFFFF), (0xFFFF, 0), (0x1234, 8)):
                    data = b"ping %4x %4x...." % (identifier, sequence)
                    request = echo_request(version, identifier, sequence, data)
                    raw.sendto(request, (SERVER[version], 0))
                    message, sender = b"", ("",)
                    while message[:1] != bytes([reply]):
                        message, sender = raw.recvfrom(2048)
                        message = message[20:] if version == 4 else message
                    self.assertEqual(sender[0], SERVER[version])
                    self.assertEqual(struct.unpack("!HH", message[4:8]), (identifier, sequence))
                    self.assertEqual(message[8:], data)

    def test_an_unreachable_host_is_reported(self) -> None:
        for version in UNREACHABLE:
            said = self.ping(version, UNREACHABLE[version], "-c1")
            self.assertIn("unreachable", said.lower())
            self.assertIn("100% packet loss", said)

    @unittest.skipUnless(shutil.which("traceroute"), "no traceroute")
    def test_traceroute_shows_the_way(self) -> None:
        for version in SERVER:
            for method in ([], ["-I"]):
                with self.subTest(version=version, method=method):
                    words = ["traceroute", f"-{version}", "-n", "-q1", "-w5", "-m6", *method]
                    said = self.shared.run(*words, SERVER[version]).stdout
                    hops = [line.split()[1] for line in said.splitlines()[1:]]
                    expected = [GATEWAY[version], ROUTER_ADDRESS[version], SERVER[version]]
                    self.assertEqual(hops, expected, said)


class PingAtLargeMtu(PingTest):
    options = ("-mtu", "65520")

    def test_large_echoes_come_back_over_a_narrower_path(self) -> None:
        self.large_echoes_come_back()


class PingNotAllowed(suite.AreaTest):
    def test_without_permission_there_is_a_clear_answer(self) -> None:
        write = "echo {} > /proc/sys/net/ipv4/ping_group_range"
        self.topology.host.shell(write.format(CLOSED))
        self.addCleanup(self.topology.host.shell, write.format(OPEN))
        guest = self.guest()
        for version in SERVER:
            words = ["ping", f"-{version}", "-n", "-c2", "-i0.2", "-W5", SERVER[version]]
            said = guest.run(*words, check=False).stdout
            if self.identity is ROOT:
                self.assertIn(" 0% packet loss", said, "root has raw sockets")
            else:
                self.assertIn("100% packet loss", said)
                self.assertRegex(said, "(?i)unreachable|prohibited|filtered")
        log = guest.slirpstack.log
        expected = 0 if self.identity is ROOT else 1
        wait_until(
            lambda: guest.slirpstack.log.count("ping_group_range") == expected, f"one line: {log}"
        )


if __name__ == "__main__":
    suite.main(Ping, PingAtLargeMtu, PingNotAllowed)

"""The command line as its user meets it: mistakes, version, logs, captures."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

from harness import suite
from harness.guest import GATEWAY
from harness.processes import run
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, listening, receive_all
from harness.topology import HOST_ADDRESS, SERVER, USER

# What is typed, and what the one line has to name.
MISTAKES = (
    ([], "nothing to serve"),
    (["-no-such-flag"], "no-such-flag"),
    (["-netsn", "x"], "netns"),
    (["-mtu"], "mtu"),
    (["run", "-mtu", "67"], "67"),
    (["run", "-mtu", "65522"], "65522"),
    (["run", "-mtu", "many"], "many"),
    (["run", "-cidr", "10.0.2.0/33"], "10.0.2.0/33"),
    (["run", "-cidr", "10.0.2.0/26"], "10.0.2.0/26"),
    (["run", "-cidr", "fd00::/64"], "fd00::/64"),
    (["run", "-cidr6", "fd00::/120"], "fd00::/120"),
    (["run", "-source-ipv4", "::1"], "::1"),
    (["run", "-source-ipv6", "192.0.2.1"], "192.0.2.1"),
    (["run", "-udp-filter", "none"], "none"),
    (["run", "-tcp-timeout", "0"], "0"),
    (["run", "-max-flows", "0"], "max-flows"),
    (["run", "-max-memory", "1X"], "1X"),
    (["run", "-latency", "lowest"], "lowest"),
    (["run", "-log-level", "loud"], "loud"),
    (["run", "-log-format", "xml"], "xml"),
    (["run", "-interface", "a-name-far-too-long"], "a-name-far-too-long"),
    (["run", "-interface", "a/b"], "a/b"),
    (["run", "-netns", "x"], "netns"),
    (["run", "-ready-fd", "77"], "77"),
    (["run", "-exit-fd", "-5"], "-5"),
    (["-fd", "78"], "78"),
    (["-fd", "0", "-netns", "x"], "-netns"),
    (["not-a-pid"], "not-a-pid"),
    (["0"], "0"),
    (["1", "2"], "2"),
    (["1", "-configure"], "-configure"),
    (["-userns", "/proc/1/ns/user", "-interface", "x"], "-userns"),
    (["ctl"], "slirpstack ctl SOCKET COMMAND"),
    (["ctl", "flows"], "the first word after ctl is the socket: slirpstack ctl SOCKET flows"),
    (["ctl", "rules", "list"], "slirpstack ctl SOCKET rules list"),
    (["ctl", "/nowhere", "rules"], "slirpstack ctl SOCKET rules list | rules reload"),
    (["explain", "tcp"], "slirpstack explain [in|out] tcp|udp HOST:PORT | icmp HOST"),
    (["run", "-L", ""], "-L: must name a port"),
)


class Mistakes(suite.AreaTest):
    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run(
            self.topology.host.command([*self.identity.prefix, str(PROGRAM), *words]), check=False
        )

    def test_each_mistake_is_one_line_and_status_2(self) -> None:
        for words, named in MISTAKES:
            with self.subTest(words=words):
                done = self.start(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
                self.assertTrue(done.stderr.startswith("slirpstack: "))
                self.assertIn(named, done.stderr)

    def test_version_and_help(self) -> None:
        for words in (["-version"], ["--version"], ["run", "-version"]):
            done = self.start(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"\Aslirpstack version \d+\.\d+\.\d+\n\Z")
        for words in (["-h"], ["-help"], ["--help"]):
            done = self.start(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("-netns PATH|NAME", done.stdout)
        for words in (["ctl", "-h"], ["ctl", "help"], ["ctl", "/nowhere", "--help"]):
            done = self.start(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("  forward remove NUMBER [-drain]", done.stdout)

    def test_a_closed_tun_device_is_explained(self) -> None:
        if self.identity is not USER:
            self.skipTest("root may open it")
        device = Path("/dev/net/tun")
        device.chmod(0o600)
        self.addCleanup(device.chmod, 0o666)
        done = self.start("run", "--", "true")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, "/dev/net/tun.*[Pp]ermission denied")


class Output(suite.AreaTest):
    def test_json_logs_parse(self) -> None:
        guest = self.guest("-log-format", "json", "-log-level", "debug")
        with guest.socket(socket.AF_INET) as client:
            client.connect_ex((HOST_ADDRESS[4], 80))
        guest.slirpstack.wait_for_log("destination denied")
        lines = [json.loads(line) for line in guest.slirpstack.log.splitlines()]
        for line in lines:
            self.assertLessEqual({"time", "level", "message"}, set(line))
        denied = next(line for line in lines if line["message"] == "destination denied")
        self.assertEqual(denied["level"], "warning")
        self.assertIn(HOST_ADDRESS[4], denied["flow"])

    def test_the_log_level_counts(self) -> None:
        guest = self.guest("-log-level", "error")
        with guest.socket(socket.AF_INET) as client:
            client.connect_ex((HOST_ADDRESS[4], 80))
        self.assertEqual(guest.slirpstack.log, "")

    def test_a_capture_is_readable(self) -> None:
        if not shutil.which("tshark"):
            self.skipTest("no tshark")
        file = WORK / "captures" / f"{self.identity.name}.pcapng"
        file.parent.mkdir(mode=0o777, exist_ok=True)
        file.parent.chmod(0o777)
        guest = self.guest("-pcap", str(file))
        data = bytes(range(256)) * 1000
        for version, address in SERVER.items():
            family = socket.AF_INET if version == 4 else socket.AF_INET6
            with listening(self.topology.internet, version, address) as listener:
                with guest.socket(family) as client:
                    client.connect(listener.getsockname())
                    with listener.accept()[0] as server:
                        server.sendall(data)
                    self.assertEqual(receive_all(client), data)
            with Datagrams(self.topology.internet, version, address) as echo:
                with guest.socket(family, socket.SOCK_DGRAM) as client:
                    client.connect(echo.endpoint)
                    client.send(b"to be captured")
                    client.recv(100)
        guest.run("ping", "-n", "-c1", GATEWAY[4])
        guest.slirpstack.close_input()
        guest.slirpstack.exit_status()
        self.check_capture(file, data)

    def check_capture(self, file: Path, data: bytes) -> None:
        def frames(condition: str, field: str) -> list[str]:
            words = ["tshark", "-n", "-r", str(file), "-Y", condition, "-T", "fields", "-e", field]
            return run(words).stdout.split()

        for family, address in (("ip", SERVER[4]), ("ipv6", SERVER[6])):
            lengths = frames(f"tcp && {family}.src == {address}", "tcp.len")
            self.assertEqual(sum(map(int, lengths)), len(data))
            captured = frames(f"udp && {family}.addr == {address}", "data.data")
            self.assertEqual(captured, [b"to be captured".hex()] * 2)
        self.assertEqual(len(frames("icmp", "icmp.type")), 2)
        self.assertEqual(frames("_ws.malformed", "frame.number"), [])


if __name__ == "__main__":
    suite.main(Mistakes, Output)

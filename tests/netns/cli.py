"""The command line as its user meets it: mistakes, version, logs, captures."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from pathlib import Path

from harness import suite
from harness.guest import DNS, GATEWAY
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
    (["run", "-L", "0.0.0.0:8080:80"], "0.0.0.0:8080::80"),
    (["run", "-rules", ""], "-rules"),
    (["run", "-rules", "/no/such/file", "true"], "cannot read the rules file /no/such/file"),
    (["explain", "-rules", "/no/such/file", "tcp", "192.0.2.1:1"], "cannot read the rules file"),
    (["run", "-map-file", "/no/such/file", "true"], "cannot open /no/such/file"),
    (["run", "-source-ipv4", "no.such.name.invalid", "true"], "-source-ipv4"),
    (["explain", "tcp", "no.such.name.invalid:80"], '"no.such.name.invalid"'),
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

    def test_what_cannot_be_set_up_is_told_as_such(self) -> None:
        for words, status, said in (
            (["-L", "8080:no.such.name.invalid:80"], 246,
             r'invalid value "8080:no\.such\.name\.invalid:80" for flag -L: lookup '),
            (["-L", "192.0.2.77:8080"], 247, r"cannot listen on tcp://192\.0\.2\.77:8080: "),
            (["-L", "%nosuch0:8080"], 247,
             r"cannot listen on tcp://0\.0\.0\.0:8080 on device nosuch0: "),
            (["-m", "tcp://192.0.2.77:1"], 254, r"cannot listen for metrics on 192\.0\.2\.77:1: "),
            (["-pcap", "/no/such/folder/x"], 250, r"cannot open the capture file /no/such/folder/x: "),
        ):
            done = self.start("run", *words, "--", "true")
            self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
            self.assertRegex(done.stderr, rf"\Aslirpstack: {said}[^\n]*\n\Z")

    def test_the_last_error_is_json_too(self) -> None:
        for words, status in (
            (["-nosuch"], 2),
            (["-pcap", "/no/such/folder/x"], 250),
            (["--", "no-such-program"], 127),
        ):
            done = self.start("run", "-log-format", "json", "-log-level", "error", *words)
            self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
            line = json.loads(done.stderr)
            self.assertEqual(line["level"], "error")
            self.assertIn(words[-1].lstrip("-"), line["message"])

    def test_a_limit_that_is_lowered_is_told(self) -> None:
        limited = ["prlimit", "--nofile=100:100", str(PROGRAM)]
        done = run(self.topology.host.command(
            [*self.identity.prefix, *limited, "run", "-max-flows", "5000", "--", "true"]))
        self.assertRegex(done.stderr, r"-max-flows is lowered.* asked=5000 max_flows=50\n")

    def test_explain_goes_the_way_of_a_flow(self) -> None:
        for words, status, said in (
            (["icmp", GATEWAY[4]], 0, "icmp 10.0.2.2: allowed, the gateway answers pings itself\n"),
            (["icmp", DNS[6]], 0, "icmp fd00::3: allowed, the gateway answers pings itself\n"),
            (["udp", f"{DNS[4]}:53"], 0, "udp 10.0.2.3:53: allowed, it is our DNS service\n"),
            (["-deny", "udp://any:53", "udp", f"{DNS[4]}:53"], 1,
             "udp 10.0.2.3:53: denied, -deny udp://any:53\n"),
            (["-R", "5432", "tcp", f"{GATEWAY[4]}:5432"], 0,
             "tcp 10.0.2.2:5432: forwarded, -R 5432\n"),
            (["-R", "5432", "udp", f"{GATEWAY[4]}:5432"], 1,
             "udp 10.0.2.2:5432: denied, the gateway listens on no such port; -R makes one\n"),
            (["-dns", "192.0.2.200", "tcp", "192.0.2.200:53"], 0,
             "tcp 192.0.2.200:53: allowed, it is our DNS service\n"),
        ):
            done = self.start("explain", *words)
            self.assertEqual((done.returncode, done.stdout), (status, said), done.stderr)

    def test_explain_refuses_rules_that_a_start_would(self) -> None:
        rules = WORK / f"refused-{self.identity.name}.rules"
        rules.write_text("allow any\ndeny unknown.example\n")
        rules.chmod(0o644)
        # Nobody answers: the host's resolvers are not there in this test.
        for words in (["explain", "-rules", str(rules), "tcp", "192.0.2.1:1"],
                      ["run", "-rules", str(rules), "--", "true"]):
            done = self.start(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
            self.assertIn("a rule is against unknown.example", done.stderr)

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

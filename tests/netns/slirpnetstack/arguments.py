"""Facts about arguments: flags in Go's manner, versions, and the exit statuses of mistakes."""

from __future__ import annotations

import socket

from face import FaceTest, face
from harness import suite
from harness.processes import run
from harness.sandbox import WORK
from harness.servers import listening


class Arguments(FaceTest):
    def test_one_dash_or_two_with_or_without_equals(self) -> None:
        for words in (["-mtu", "x"], ["--mtu", "x"], ["-mtu=x"], ["--mtu=x"]):
            done = self.start(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertTrue(done.stderr.startswith('invalid value "x" for flag -mtu: '), done.stderr)

    def test_booleans_take_a_value_only_behind_equals(self) -> None:
        for value in ("true", "false", "1", "0", "t", "f"):
            done = self.start(f"-quiet={value}", "-version")
            self.assertEqual(done.returncode, 0, done.stderr)
        done = self.start("-quiet=maybe")
        self.assertEqual(done.returncode, 2)
        said = 'invalid boolean value "maybe" for -quiet: parse error\n'
        self.assertTrue(done.stderr.startswith(said), done.stderr)

    def test_mistakes_are_followed_by_the_usage(self) -> None:
        for words, said in (
            (["-mtu", "many"], 'invalid value "many" for flag -mtu: '),
            (["-no-such"], "flag provided but not defined: -no-such\n"),
            (["-netns"], "flag needs an argument: -netns\n"),
        ):
            done = self.start(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            first, _, rest = done.stderr.partition("\n")
            self.assertTrue((first + "\n").startswith(said.rstrip("\n")), done.stderr)
            self.assertTrue(rest.startswith(f"Usage of {face()}:\n"), done.stderr)
            self.assertIn("  -netns string\n", rest)

    def test_help_is_on_standard_error(self) -> None:
        for word in ("-h", "-help", "--help"):
            done = self.start(word)
            self.assertEqual(done.stdout, "")
            self.assertTrue(done.stderr.startswith(f"Usage of {face()}:\n"), done.stderr)

    def test_every_flag_is_in_the_usage(self) -> None:
        usage = self.start("-h").stderr
        for name in (
            "version fd netns interface mtu L R quiet m maxprocs pcap exit-with-parent enable-host "
            "enable-routing source-ipv4 source-ipv6 allow deny dns-ttl"
        ).split():
            self.assertRegex(usage, rf"(?m)^  -{name}( |$)")

    def test_version(self) -> None:
        done = self.start("-version")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(
            done.stdout, r"\Aslirpnetstack version \S+\nbuild time .*UTC.*\n\Z"
        )

    def test_mistakes_in_forwards(self) -> None:
        for spec, reason in (
            ("sctp://80", 'unknown network type "sctp"'),
            ("x", 'strconv.ParseUint: parsing "x": invalid syntax'),
            ("80:10.0.2.100:y", 'strconv.ParseUint: parsing "y": invalid syntax'),
            ("65536", 'strconv.ParseUint: parsing "65536": value out of range'),
            ("1:2:3:4:5", ""),
            ("[::1:80", ""),
        ):
            for option in ("-L", "-R"):
                done = self.start(option, spec)
                self.assertEqual((done.returncode, done.stdout), (2, ""), spec)
                said = f'invalid value "{spec}" for flag {option}: {reason}'
                self.assertTrue(done.stderr.startswith(said), done.stderr)

    def test_mistakes_in_lists(self) -> None:
        for value, reason in (
            ("[::1", "error parsing ipportrange"),
            ("1.2.3.4:9-8", "min port must be smaller equal than max"),
            ("1.2.3.4:x", 'strconv.ParseUint: parsing "x": invalid syntax'),
            ("1.2.3.4,no.example:9-8", "min port must be smaller equal than max"),
        ):
            for option in ("-allow", "-deny"):
                done = self.start(option, value)
                self.assertEqual((done.returncode, done.stdout), (2, ""), value)
                said = f'invalid value "{value}" for flag {option}: {reason}\n'
                self.assertTrue(done.stderr.startswith(said), done.stderr)

    def test_durations(self) -> None:
        for value in ("0", "300ms", "1m30s"):
            self.assertEqual(self.start("-dns-ttl", value, "-version").returncode, 0)
        self.assertEqual(self.start("-dns-ttl", "long").returncode, 2)


class ExitStatuses(FaceTest):
    def test_descriptor_and_namespace_252(self) -> None:
        self.assertEqual(self.start("-fd", "0", "-netns", "/proc/self/ns/net").returncode, 252)

    def test_namespace_or_interface_253(self) -> None:
        done = self.start("-netns", "/no/such/file")
        self.assertEqual(done.returncode, 253, done.stderr)
        guest = self.namespace()
        done = self.start("-netns", guest.path, "-interface", "nosuch0")
        self.assertEqual(done.returncode, 253, done.stderr)
        self.assertIn(f"[.] Joininig netns {guest.path}\n", done.stderr)
        self.assertIn("[.] Opening tun interface nosuch0\n", done.stderr)
        self.assertNotIn("-configure", done.stderr, "a flag that it does not know")

    def test_metrics_254(self) -> None:
        guest = self.namespace()
        with listening(self.topology.host, 4, "127.0.0.1") as taken:
            port = taken.getsockname()[1]
            done = self.start("-netns", guest.path, "-m", f"tcp://127.0.0.1:{port}")
        self.assertEqual(done.returncode, 254, done.stderr)

    def test_capture_250(self) -> None:
        guest = self.namespace()
        done = self.start("-netns", guest.path, "-pcap", "/no/such/folder/file")
        self.assertEqual(done.returncode, 250, done.stderr)

    def test_listen_247(self) -> None:
        guest = self.namespace()
        with listening(self.topology.host, 4, "127.0.0.1") as taken:
            port = taken.getsockname()[1]
            done = self.start("-netns", guest.path, "-L", str(port))
        self.assertEqual(done.returncode, 247, done.stderr)
        self.assertIn(f"[!] Failed to listen on tcp://127.0.0.1:{port}: ", done.stderr)

    def test_lookup_of_what_is_bound_246(self) -> None:
        guest = self.namespace()
        done = self.start("-netns", guest.path, "-R", "no.such.name.invalid:80")
        self.assertEqual(done.returncode, 246, done.stderr)
        said = "[!] Failed to resolve bind address. dns lookup error of tcp addr: lookup "
        self.assertIn(said, done.stderr)

    def test_a_signal_0(self) -> None:
        _, process = self.served()
        process.end()
        self.assertIn("Slirpnetstack closing\n", process.log)


class Parent(FaceTest):
    def test_the_parent_is_told_by_sigwinch(self) -> None:
        guest = self.namespace()
        words = self.topology.host.command(
            [
                *self.identity.prefix,
                "sh",
                "-c",
                'trap "echo told; exit 0" WINCH; "$@" & for i in $(seq 150); do sleep 0.1; done',
                "sh",
                face(),
                "-netns",
                guest.path,
                "-exit-with-parent",
            ]
        )
        self.assertEqual(run(words).stdout, "told\n")


class Descriptor(FaceTest):
    def test_a_datagram_socket_with_an_mtu(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            ours.settimeout(15)
            from face import Slirpnetstack  # pylint: disable=import-outside-toplevel

            process = Slirpnetstack(
                self.topology,
                self.identity,
                ["-fd", str(theirs.fileno()), "-mtu", "1400"],
                [theirs.fileno()],
            )
            self.addCleanup(process.stop)
            frame = ours.recv(2000)
            self.assertEqual(frame[6:12].hex(":"), "70:71:aa:4b:29:aa", "its ARP for the guest")
            self.assertEqual(frame[38:42], socket.inet_aton("10.0.2.100"))


if __name__ == "__main__":
    WORK.mkdir(exist_ok=True)
    suite.main(Arguments, ExitStatuses, Parent, Descriptor)

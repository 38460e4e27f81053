"""Names that slirpstack itself has to look up: of its source, its forwards, its rules. And whatever
tells it to end, or to read its rules again, while it waits for their addresses."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from pathlib import Path
from types import TracebackType

from harness import suite
from harness.guest import interfaces
from harness.namespace import HeldNamespace
from harness.processes import Process, run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.topology import HOST_ADDRESS, OTHER_SERVER, RESOLVERS, SERVER, Topology

TYPE_A, CLASS_IN = 1, 1
FLAGS_ANSWER, FLAGS_NO_SUCH_NAME = 0x8180, 0x8183
TTL_SECONDS = 3600  # longer than any test
UNSHARE = ("unshare", "--user", "--map-root-user", "--net")
# A lookup that nobody answers takes ten seconds.
AT_ONCE_SECONDS = 5


class NameServer:
    """The host's resolver: A records, told when the test wants it; a context manager."""

    def __init__(self, topology: Topology, **addresses: str) -> None:
        self.addresses = addresses
        self._askers: set[tuple[str, int]] = set()
        self._awaited = 0
        self._socket = topology.internet.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((RESOLVERS[0], 53))
        self._socket.settimeout(0.02)
        self._answering = threading.Event()
        self._answering.set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def holds_back(self) -> None:
        """Queries from now on wait."""
        self._answering.clear()

    def answers(self) -> None:
        self._answering.set()

    def wait_for_query(self) -> None:
        """Until somebody asks whom no one has waited for; he asks for A and AAAA from one port."""
        wait_until(lambda: len(self._askers) > self._awaited, "a query")
        self._awaited = len(self._askers)

    def _serve(self) -> None:
        waiting: list[tuple[bytes, tuple[str, int]]] = []
        while not self._ended.is_set():
            try:
                waiting.append(self._socket.recvfrom(512))
                self._askers.add(waiting[-1][1])
            except TimeoutError:
                pass
            while waiting and self._answering.is_set():
                query, sender = waiting.pop(0)
                self._socket.sendto(self._answer(query), sender)

    def _answer(self, query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        name = query[13 : 13 + query[12]].decode()  # the first label stands for all
        kind = struct.unpack("!H", query[end - 4 : end - 2])[0]
        known = self.addresses.get(name)
        record = b""
        if known and kind == TYPE_A:
            record = b"\xc0\x0c" + struct.pack("!HHIH", TYPE_A, CLASS_IN, TTL_SECONDS, 4)
            record += socket.inet_aton(known)
        flags = FLAGS_ANSWER if known else FLAGS_NO_SUCH_NAME
        header = query[:2] + struct.pack("!HHHHH", flags, 1, 1 if record else 0, 0, 0)
        return header + query[12:end] + record

    def __enter__(self) -> NameServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()


class NamesTest(suite.AreaTest):
    def name_server(self, **addresses: str) -> NameServer:
        return self.enterContext(NameServer(self.topology, **addresses))

    def folder(self) -> Path:
        """Where the program may make files."""
        folder = WORK / f"names-{self.identity.name}"
        folder.mkdir(mode=0o777, exist_ok=True)
        folder.chmod(0o777)
        return folder

    def rules(self, text: str) -> Path:
        rules = self.folder() / "rules"
        rules.write_text(text)
        rules.chmod(0o644)
        return rules

    def made(self) -> HeldNamespace:
        words = self.topology.host.command([*self.identity.prefix, *UNSHARE])
        guest = HeldNamespace(words, WORK, owner=self.identity.prefix)
        self.addCleanup(guest.close)
        return guest

    def starting(self, *words: str, pass_fds: tuple[int, ...] = ()) -> Process:
        """The program on its way; nobody has waited for it to be ready."""
        words = (*self.identity.prefix, str(PROGRAM), *words)
        process = Process(self.topology.host.command(words), WORK, pass_fds)
        self.addCleanup(process.stop)
        return process


class Start(NamesTest):
    """While a name is being looked up at the start."""

    def setUp(self) -> None:
        self.server = self.name_server(own=HOST_ADDRESS[4])
        self.server.holds_back()

    def test_what_ends_the_program_does_so_at_once(self) -> None:
        metrics = self.folder() / "metrics"
        rules = self.rules("deny own.test\n")
        waiting = (
            ("-source-ipv4", "own.test"),
            ("-rules", str(rules)),
            ("-L", "own.test:8080"),
            ("-deny", "own.test"),
        )
        for options in waiting:
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(options=options, number=number):
                    guest = self.made()
                    serve = ("-configure", "-metrics", f"unix://{metrics}", *options)
                    process = self.starting(*serve, str(guest.pid))
                    self.server.wait_for_query()
                    process.signal(number)
                    self.assertEqual(process.exit_status(AT_ONCE_SECONDS), 0)
                    self.assertIn("ended before it was ready", process.log)
                    self.assertEqual(interfaces(guest), {"lo"})
                    self.assertFalse(metrics.exists())

    def test_a_hang_up_without_rules_ends_it_too(self) -> None:
        process = self.starting("-configure", "-source-ipv4", "own.test", str(self.made().pid))
        self.server.wait_for_query()
        process.signal(signal.SIGHUP)
        self.assertEqual(process.exit_status(AT_ONCE_SECONDS), 0)

    def test_a_hang_up_is_a_reload_once_it_is_ready(self) -> None:
        rules = self.rules("allow any\n")
        for options in (("-source-ipv4", "own.test"), ("-L", "own.test:8080")):
            with self.subTest(options=options):
                self.server.holds_back()
                serve = ("-configure", "-rules", str(rules), *options)
                process = self.starting(*serve, str(self.made().pid))
                self.server.wait_for_query()
                process.signal(signal.SIGHUP)
                self.server.answers()
                process.wait_for_log("ready")
                wait_until(lambda: process.log.count("rules in effect") == 2, "the reload")
                process.signal(signal.SIGTERM)
                self.assertEqual(process.exit_status(), 0)

    def test_the_exit_descriptor_counts(self) -> None:
        reading, writing = os.pipe()
        serve = ("-configure", "-exit-fd", str(reading), "-source-ipv4", "own.test")
        process = self.starting(*serve, str(self.made().pid), pass_fds=(reading,))
        os.close(reading)
        self.server.wait_for_query()
        os.close(writing)
        self.assertEqual(process.exit_status(AT_ONCE_SECONDS), 0)

    def test_a_command_does_not_begin(self) -> None:
        begun = self.folder() / "begun"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number=number):
                process = self.starting(
                    "run", "-source-ipv4", "own.test", "--", "touch", str(begun)
                )
                self.server.wait_for_query()
                process.signal(number)
                self.assertEqual(process.exit_status(AT_ONCE_SECONDS), 128 + number)
                self.assertFalse(begun.exists())


class Rules(NamesTest):
    def test_a_reload_asks_again_whatever_forwards_may_keep(self) -> None:
        server = self.name_server(web=SERVER[4])
        control = self.folder() / "control"
        rules = self.rules("allow tcp://web.test\ndeny any\n")
        self.guest("-dns-ttl", "1h", "-rules", str(rules), "-control", str(control))
        self.assertIn("allowed", self.ctl(control, 0, "explain", "tcp", f"{SERVER[4]}:80"))
        server.addresses["web"] = OTHER_SERVER[4]
        self.ctl(control, 0, "rules", "reload")
        self.assertIn("allowed", self.ctl(control, 0, "explain", "tcp", f"{OTHER_SERVER[4]}:80"))
        self.assertIn("denied", self.ctl(control, 1, "explain", "tcp", f"{SERVER[4]}:80"))

    def ctl(self, control: Path, status: int, *words: str) -> str:
        words = (*self.identity.prefix, str(PROGRAM), "ctl", str(control), *words)
        done = run(self.topology.host.command(words), check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout


if __name__ == "__main__":
    suite.main(Start, Rules)

"""One start of one tool in a topology of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from types import TracebackType
from pathlib import Path
from typing import IO, Any, Iterator

from peers import INTERFACE, Peer, Purpose, Start
from processes import Failure, ProcessTree, output, parse_json, read_line, start, stop
from topology import SERVER_IPV4, SERVER_IPV6, SETUP_SECONDS, Namespace, Topology

FIRST_PORT = 6000
PROBE_PORT = 5999
START_SECONDS = 15.0
IPV6_SECONDS = 10.0
# Longer than any session; a server ends by itself even if nobody stops it.
SERVER_SECONDS = 3600.0
# What a program may take beyond the time that it was asked to run.
GRACE_SECONDS = 15.0


@dataclass(frozen=True)
class Settings:
    """How long and how much to measure."""

    load: str
    bulk_seconds: float
    short_seconds: float
    udp_steps: int
    flows: int
    minute: float
    starts: int


def rules(count: int) -> str:
    """A rules file of that many rules, of which only the last applies to what is measured."""
    forms = (
        lambda i: f"deny tcp://203.0.{i // 256}.{i % 256}:1-{i + 1}\n",
        lambda i: f"deny out tcp://any:{i % 5000 + 1}\n",
        lambda i: f"deny tcp://192.0.2.0/24:{i % 5000 + 1}\n",
        lambda i: f"deny any from 203.0.{i // 256}.{i % 256}\n",
    )
    return "".join(forms[i % len(forms)](i) for i in range(count - 1)) + "allow any\n"


class Session:
    """A tool that runs and has let the guest reach the internet; a context manager."""

    def __init__(self, peer: Peer, mtu: int, purpose: Purpose, settings: Settings) -> None:
        self.peer = peer
        self.settings = settings
        self._next_port = FIRST_PORT
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._tool: subprocess.Popen[bytes] | None = None
        with contextlib.ExitStack() as made:
            made.callback(self._log.close)
            folder = Path(made.enter_context(tempfile.TemporaryDirectory()))
            self.topology = made.enter_context(Topology())
            self.start = Start(self.topology.guest.pid, mtu, purpose, folder)
            if purpose is Purpose.RULES:
                self.start.rules.write_text(rules(1))
            self.start_ms = self._start(made)
            self.has_ipv6 = self._reaches_ipv6()
            self._made = made.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._made.close()

    @property
    def tool(self) -> ProcessTree:
        """The tool's processes."""
        if self._tool is None:
            raise Failure("the kernel's path is no process")
        if self._tool.poll() is not None:
            raise Failure(f"the tool ended with status {self._tool.returncode}: {self._said()}")
        return ProcessTree(self._tool.pid)

    def cpu_seconds(self) -> float | None:
        """The tool's processor time so far; None for the kernel's path."""
        return self.tool.cpu_seconds() if self.peer.has_process else None

    def new_port(self) -> int:
        """A server port of its own for each measurement, so that TIME_WAIT does not add up."""
        self._next_port += 1
        return self._next_port

    def guest_frames(self) -> tuple[int, int]:
        """Frames that the guest received and sent so far."""
        return self.topology.guest.frames(INTERFACE)

    def load_command(self, where: Namespace, *words: object) -> list[str]:
        """The command line of the load program in a namespace."""
        return where.command([self.settings.load, *(str(word) for word in words)])

    def load(self, seconds: float, *words: object) -> dict[str, Any]:
        """Runs the load program in the guest; `seconds` is how long it is meant to take."""
        command = self.load_command(self.topology.guest, *words)
        # The last line: some subcommands announce themselves first.
        return parse_json(output(command, seconds + GRACE_SECONDS).strip().rpartition("\n")[2])

    @contextlib.contextmanager
    def background(
        self, command: list[str], ready: str | None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A process that has printed a line starting with `ready`, if it is one that does; it
        ends with the context."""
        process = start(command)
        try:
            assert process.stdout
            while ready and not read_line(process.stdout, SETUP_SECONDS).startswith(ready):
                pass
            yield process
        finally:
            stop(process)

    @contextlib.contextmanager
    def echo_server(self, address: str, port: int) -> Iterator[None]:
        """The echo server on the internet's side."""
        words = ("echo-server", address, port, SERVER_SECONDS)
        with self.background(self.load_command(self.topology.internet, *words), "ready"):
            yield

    def _start(self, made: contextlib.ExitStack) -> float:
        """Starts the tool; milliseconds from its exec to the guest's first connection."""
        self.peer.kind.prepare(self.topology, self.start)
        probe = ("first-connect", SERVER_IPV4, PROBE_PORT, START_SECONDS)
        with (
            self.echo_server(SERVER_IPV4, PROBE_PORT),
            self.background(self.load_command(self.topology.guest, *probe), "ready") as prober,
        ):
            started_ns = self._exec(made) if self.peer.has_process else 0
            assert prober.stdout
            try:
                answer = read_line(prober.stdout, START_SECONDS + GRACE_SECONDS)
            except Failure as failure:
                raise Failure(f"the guest reached nothing: {failure}; {self._said()}") from failure
        self.peer.kind.adjust(self.topology, self.start)
        return (parse_json(answer)["monotonic_ns"] - started_ns) / 1e6

    def _exec(self, made: contextlib.ExitStack) -> int:
        """Becomes the tool in the host namespace; the clock just before its exec."""
        reader, writer = os.pipe()
        with open(reader, "rb", buffering=0) as stamps:
            tool = self.peer.command(self.start)
            command = self.load_command(self.topology.host, "stamp", writer, *tool)
            self._tool = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[writer],
            )
            os.close(writer)
            made.callback(stop, self._tool)
            return int(read_line(stamps, SETUP_SECONDS))

    def _reaches_ipv6(self) -> bool:
        with self.echo_server(SERVER_IPV6, PROBE_PORT):
            try:
                self.load(IPV6_SECONDS, "first-connect", SERVER_IPV6, PROBE_PORT, IPV6_SECONDS)
            except Failure:
                return False
            return True

    def _said(self) -> str:
        """The end of what the tool printed."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-400:] or "it said nothing"

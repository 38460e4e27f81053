"""Network namespaces held by processes, and sockets in them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import Iterator, Sequence

from . import processes

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _set_namespace(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(path: str) -> Iterator[None]:
    """This thread is in the network namespace while the context lasts; its sockets stay there."""
    before = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    try:
        there = os.open(path, os.O_RDONLY)
        try:
            _set_namespace(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _set_namespace(before)
    finally:
        os.close(before)


class Namespace:
    """The namespaces of a process: it need not be ours."""

    def __init__(
        self, pid: int, owner: Sequence[str] | None = None, has_mounts: bool = True
    ) -> None:
        """`owner` is set where it has a user namespace of its own: the command that makes us the
        user who has made that (setpriv(1); nothing for root). `has_mounts`: it has a mount
        namespace of its own, too."""
        self.pid = pid
        self._become = [] if owner is None else list(owner)
        self._mount = ["--mount"] if has_mounts else []
        self._user = [] if owner is None else ["--user", "--preserve-credentials"]

    @property
    def path(self) -> str:
        return f"/proc/{self.pid}/ns/net"

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` inside, in one process."""
        enter = ["nsenter", "--target", str(self.pid), *self._user, "--net", *self._mount, "--"]
        return [*self._become, *enter, *words]

    def run(
        self, *words: str, check: bool = True, seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        return processes.run(self.command(words), seconds, check)

    def shell(self, script: str) -> str:
        """Runs a script, whose lines must all succeed; its output."""
        return self.run("sh", "-euc", script).stdout

    def socket(
        self, family: int, kind: int = socket.SOCK_STREAM, protocol: int = 0
    ) -> socket.socket:
        """A socket inside, for use out here. It gives up, with an error, where it would hang."""
        with inside(self.path):
            made = socket.socket(family, kind, protocol)
        made.settimeout(processes.DEADLINE_SECONDS)
        return made

    def counter(self, name: str) -> int:
        """One of the kernel's counters inside, by its name in nstat(8) without the prefix."""
        lines = Path(f"/proc/{self.pid}/net/netstat").read_text().splitlines()
        lines += Path(f"/proc/{self.pid}/net/snmp").read_text().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            if name in names.split():
                return int(values.split()[names.split().index(name)])
        raise AssertionError(f"no counter {name}")


class HeldNamespace(Namespace):
    """Namespaces made for us, which last as long as this."""

    def __init__(
        self,
        words: Sequence[str],
        folder: Path,
        setup: str = "",
        owner: Sequence[str] | None = None,
    ) -> None:
        """`words` is a command such as unshare(1) to which a program can be added; `setup` a
        script that runs inside first; `owner` as in Namespace: then without mounts."""
        script = f"{setup}\necho $$\nexec cat"
        self.process = processes.Process([*words, "sh", "-euc", script], folder)
        pid = int(self.process.wait_for_output("\n").split()[-1])
        super().__init__(pid, owner, has_mounts=owner is None)

    def close(self) -> None:
        self.process.stop()

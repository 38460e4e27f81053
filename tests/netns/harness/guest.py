"""Guests of slirpstack: made by `run`, or made by somebody else and then served."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path
from typing import Sequence

from .namespace import HeldNamespace, Namespace
from .processes import DEADLINE_SECONDS, Process
from .sandbox import PROGRAM, WORK
from .topology import Identity, Topology

GATEWAY = {4: "10.0.2.2", 6: "fd00::2"}
DNS = {4: "10.0.2.3", 6: "fd00::3"}
# What must never be said, whatever a test does.
DISASTERS = ("Assertion", "AddressSanitizer", "runtime error", "terminate called")


class Slirpstack(Process):
    """The program under test, in the host's namespace."""

    def __init__(
        self,
        topology: Topology,
        identity: Identity,
        arguments: Sequence[str],
        wrapper: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        run: bool = False,
    ) -> None:
        """Comes back when it is ready. `wrapper` is a command such as prlimit to put before it."""
        reading, writing = os.pipe()
        words = [str(PROGRAM), *(["run"] if run else []), "-ready-fd", str(writing), *arguments]
        super().__init__(
            topology.host.command([*identity.prefix, *wrapper, *words]), WORK, [writing, *pass_fds]
        )
        os.close(writing)
        with os.fdopen(reading, "rb") as ready:
            if not select.select([ready], [], [], DEADLINE_SECONDS)[0] or not ready.readline():
                self.stop()
                raise AssertionError(f"{' '.join(words)} does not get ready:\n{self.log}")

    def end(self) -> None:
        """Ends it as its user would, and looks for anything bad that it said on its way."""
        self.signal(signal.SIGTERM)
        status = self.exit_status()
        assert status == 0, f"exit status {status}\n{self.log}"
        self.check_log()

    def check_log(self) -> None:
        for disaster in DISASTERS:
            assert disaster not in self.log, self.log


class RunGuest(Namespace):
    """The namespace of `slirpstack run`, with a command that waits."""

    def __init__(
        self,
        topology: Topology,
        identity: Identity,
        *options: str,
        wrapper: Sequence[str] = (),
    ) -> None:
        waiting = ["--", "sh", "-c", "echo $$; exec cat"]
        self.slirpstack = Slirpstack(topology, identity, [*options, *waiting], wrapper, run=True)
        super().__init__(int(self.slirpstack.wait_for_output("\n")), identity.prefix)

    def close(self) -> None:
        """Ends the command, so `run` has to end with its status."""
        self.slirpstack.close_input()
        status = self.slirpstack.exit_status()
        assert status == 0, f"exit status {status}\n{self.slirpstack.log}"
        self.slirpstack.check_log()


class ServedGuest(HeldNamespace):
    """A namespace that its user made by himself, served by `slirpstack PID`."""

    def __init__(self, topology: Topology, identity: Identity, *options: str) -> None:
        unshare = [*identity.prefix, "unshare", "--user", "--map-root-user", "--net"]
        super().__init__(topology.host.command(unshare), WORK, owner=identity.prefix)
        try:
            self.slirpstack = Slirpstack(topology, identity, [*options, str(self.pid)])
        except BaseException:
            super().close()
            raise

    def close(self) -> None:
        self.slirpstack.end()
        super().close()


def interfaces(guest: Namespace) -> set[str]:
    """The names of a namespace's interfaces."""
    lines = Path(f"/proc/{guest.pid}/net/dev").read_text().splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines}

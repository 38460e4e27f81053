"""The program under the name slirpnetstack, and a guest as that one's users make it."""

from __future__ import annotations

import signal
import subprocess
from typing import Sequence

from harness import suite
from harness.namespace import HeldNamespace
from harness.processes import DEADLINE_SECONDS, Process, run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.topology import Identity, Topology

FACE = WORK / "slirpnetstack"
GUEST = {4: "10.0.2.100", 6: "fd00::100"}
GATEWAY = {4: "10.0.2.2", 6: "fd00::2"}
UNSHARE = ("unshare", "--user", "--map-root-user", "--net")
SETUP = f"""
ip link set lo up
ip tuntap add tun0 mode {{mode}}
ip address add {GUEST[4]}/24 dev tun0
ip address add {GUEST[6]}/64 dev tun0 nodad
ip link set tun0 mtu {{mtu}} up
ip route add default via {GATEWAY[4]}
ip route add default via {GATEWAY[6]}
"""


def face() -> str:
    """The path that the program is started by."""
    if not FACE.exists():
        FACE.symlink_to(PROGRAM)
    return str(FACE)


class Slirpnetstack(Process):
    """It runs, and has said that it started."""

    def __init__(
        self,
        topology: Topology,
        identity: Identity,
        arguments: Sequence[str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        words = [*identity.prefix, face(), *arguments]
        super().__init__(topology.host.command(words), WORK, pass_fds)
        self.wait_for_log("Slirpnetstack started")

    def end(self) -> None:
        """By signal: status 0."""
        self.signal(signal.SIGTERM)
        status = self.exit_status()
        assert status == 0, f"status {status}\n{self.log}"

    def lines(self, part: str) -> list[str]:
        """Lines of standard output that hold `part`."""
        return [line for line in self.output.splitlines() if part in line]

    def wait_for_lines(self, part: str, count: int = 1) -> list[str]:
        """Waits until there are so many of them."""
        return wait_until(
            lambda: found if len(found := self.lines(part)) >= count else [],
            lambda: f"{count} times {part!r} in:\n{self.output}{self.log}",
            DEADLINE_SECONDS,
        )


class FaceTest(suite.AreaTest):
    """Tests of the face."""

    def namespace(self, mode: str = "tap", mtu: int = 1500) -> HeldNamespace:
        """A guest that its user has made and configured."""
        words = self.topology.host.command([*self.identity.prefix, *UNSHARE])
        setup = SETUP.format(mode=mode, mtu=mtu)
        guest = HeldNamespace(words, WORK, setup, self.identity.prefix)
        self.addCleanup(guest.close)
        return guest

    def served(self, *options: str, mode: str = "tap") -> tuple[HeldNamespace, Slirpnetstack]:
        """Such a guest, and the program that serves it."""
        guest = self.namespace(mode)
        arguments = ["-interface", "tun0", "-netns", guest.path, *options]
        process = Slirpnetstack(self.topology, self.identity, arguments)
        self.addCleanup(process.stop)
        return guest, process

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A start that ends by itself."""
        words = [*self.identity.prefix, face(), *arguments]
        return run(self.topology.host.command(words), check=False)

"""The tools that are measured, and how each is started."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from topology import Topology

INTERFACE = "tap0"

Command = Callable[[str, int, int], list[str]]
Preparation = Callable[[Topology, int], None]


def nothing_to_do(_topology: Topology, _mtu: int) -> None:
    """For tools that configure everything by themselves."""


@dataclass(frozen=True)
class Kind:
    """A program, whatever its build.

    command: (path, guest's pid, MTU) to its command line; None for the kernel's own path.
    prepare: before it starts; adjust: after its first IPv4 connection.
    bulk_uploads: False where guest→host transfers are not to be run.
    """

    command: Command | None
    path: str = ""
    prepare: Preparation = nothing_to_do
    adjust: Preparation = nothing_to_do
    bulk_uploads: bool = True


@dataclass(frozen=True)
class Peer:
    """One column of the table: a build of a program."""

    name: str
    kind: Kind
    path: str

    @property
    def has_process(self) -> bool:
        """Whether there is something whose processor time and memory can be told."""
        return self.kind.command is not None

    def command(self, guest_pid: int, mtu: int) -> list[str]:
        """The command line, to be run in the host namespace."""
        assert self.kind.command
        return self.kind.command(self.path, guest_pid, mtu)

    def version(self) -> str:
        """The first line that it says about itself; empty when it does not say."""
        if not self.has_process or self.kind is KINDS["prototype"]:
            return ""
        flag = "-version" if self.kind is KINDS["slirpstack"] else "--version"
        try:
            told = subprocess.run([self.path, flag], capture_output=True, check=False, timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        # pasta complains about a missing syslog on the other stream.
        return (told.stdout.decode(errors="replace").strip().splitlines() or [""])[0]


def slirpstack_command(path: str, guest_pid: int, mtu: int) -> list[str]:
    """Joins by path and finds the owning user namespace itself."""
    where = ["-netns", f"/proc/{guest_pid}/ns/net", "-interface", INTERFACE]
    return [path, "-configure", *where, "-mtu", str(mtu)]


def slirp4netns_command(path: str, guest_pid: int, mtu: int) -> list[str]:
    """As rootless container runtimes start it, with IPv6."""
    options = ["--configure", "--enable-ipv6", "--disable-host-loopback", f"--mtu={mtu}"]
    return [path, *options, str(guest_pid), INTERFACE]


def pasta_command(path: str, guest_pid: int, mtu: int) -> list[str]:
    """The guest's addresses are given, so that all tools' guests look the same; ports and
    host loopback are not forwarded."""
    ipv4 = ["-a", "10.0.2.100", "-n", "24", "-g", "10.0.2.2"]
    ipv6 = ["-a", "fd00::100", "-g", "fd00::2"]
    closed = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"]
    link = ["-f", "--config-net", "--runas", "0", "--ns-ifname", INTERFACE, "-m", str(mtu)]
    return [path, *link, *ipv4, *ipv6, *closed, str(guest_pid)]


def prototype_command(path: str, guest_pid: int, mtu: int) -> list[str]:
    """The throw-away program that the design was proven with."""
    tuned = ["-V", "1", "-g", "1", "-c", "524288"]
    return [path, "-n", f"/proc/{guest_pid}/ns/net", "-t", INTERFACE, "-m", str(mtu), *tuned]


def route_prototype_ipv6(topology: Topology, _mtu: int) -> None:
    """The prototype leaves the guest's IPv6 default route to others."""
    topology.guest.shell(f"ip -6 route add default via fd10::2 dev {INTERFACE}")


def prepare_kernel_path(topology: Topology, mtu: int) -> None:
    """What root would use instead of any of these tools: veth, forwarding, nft masquerade."""
    guest = f"{INTERFACE} mtu {mtu} netns /proc/{topology.guest.pid}/ns/net"
    topology.host.shell(
        f"""
        ip link add guest0 mtu {mtu} type veth peer name {guest}
        ip link set guest0 up
        ip address add 10.0.2.2/24 dev guest0
        ip -6 address add fd00::2/64 dev guest0 nodad
        echo 1 > /proc/sys/net/ipv4/ip_forward
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        nft add table inet nat
        nft 'add chain inet nat out {{ type nat hook postrouting priority srcnat; }}'
        nft add rule inet nat out oifname up0 masquerade
        """
    )
    topology.guest.shell(
        f"""
        ip link set {INTERFACE} up
        ip address add 10.0.2.100/24 dev {INTERFACE}
        ip -6 address add fd00::100/64 dev {INTERFACE} nodad
        ip route add default via 10.0.2.2
        ip -6 route add default via fd00::2
        """
    )


KINDS = {
    "slirpstack": Kind(slirpstack_command, "build/release/src/slirpstack"),
    "slirp4netns": Kind(slirp4netns_command, "slirp4netns"),
    # Uploads through pasta stall on some kernels: a figure would say nothing about pasta.
    "pasta": Kind(pasta_command, "pasta", bulk_uploads=False),
    "kernel": Kind(None, prepare=prepare_kernel_path),
    "prototype": Kind(prototype_command, adjust=route_prototype_ipv6),
}


def peer_named(name: str, path: str | None = None) -> Peer:
    """`pasta`, or another build of it under a name that starts so, such as `pasta-2024`. Raises
    ValueError for a name that starts like none."""
    for kind_name, kind in KINDS.items():
        if name == kind_name or name.startswith(f"{kind_name}-"):
            found = kind.path if path is None else str(Path(path).absolute())
            return Peer(name, kind, found)
    raise ValueError(f'"{name}" does not start with one of: {", ".join(KINDS)}')

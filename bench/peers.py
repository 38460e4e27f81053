"""The tools that are measured, and how each is started."""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Callable

from processes import Failure
from topology import HOST_IPV4, Topology

INTERFACE = "tap0"
GUEST_IPV4 = "10.0.2.100"
GATEWAY_IPV4 = "10.0.2.2"
# One for each transfer, so that none waits for the TIME_WAIT of another.
LOCAL_PORTS = range(7000, 7008)
REMOTE_PORTS = range(7100, 7108)
API_SECONDS = 5.0


class Purpose(Enum):
    """What a start of a tool is for: the ports above are published for FORWARDS, and RULES has
    a rules file and a control socket."""

    PLAIN = "plain"
    FORWARDS = "forwards"
    RULES = "rules"


@dataclass(frozen=True)
class Start:
    """What a tool is told; `folder` is its own for this start."""

    guest_pid: int
    mtu: int
    purpose: Purpose
    folder: Path

    @property
    def rules(self) -> Path:
        """The rules file of Purpose.RULES."""
        return self.folder / "rules"

    @property
    def control(self) -> Path:
        """The control socket of Purpose.RULES."""
        return self.folder / "control"

    @property
    def api(self) -> Path:
        """Where slirp4netns is told what to publish."""
        return self.folder / "api"


Command = Callable[[str, Start], list[str]]
Preparation = Callable[[Topology, Start], None]


def nothing_to_do(_topology: Topology, _start: Start) -> None:
    """For tools that configure everything by themselves."""


@dataclass(frozen=True)
class Kind:
    """A program, whatever its build.

    command: (path, start) to its command line; None for the kernel's own path.
    prepare: before it starts; adjust: after its first IPv4 connection.
    bulk_uploads: False where guest→host transfers are not to be run.
    ways: the WAYS of transfers that it can carry.
    has_rules: whether it has a rules file.
    """

    command: Command | None
    path: str = ""
    prepare: Preparation = nothing_to_do
    adjust: Preparation = nothing_to_do
    bulk_uploads: bool = True
    ways: tuple[str, ...] = ("tcp",)
    has_rules: bool = False


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

    def command(self, start: Start) -> list[str]:
        """The command line, to be run in the host namespace."""
        assert self.kind.command
        return self.kind.command(self.path, start)

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


def _span(ports: range) -> str:
    return f"{ports.start}-{ports.stop - 1}"


def slirpstack_command(path: str, start: Start) -> list[str]:
    """Joins by path and finds the owning user namespace itself."""
    where = ["-netns", f"/proc/{start.guest_pid}/ns/net", "-interface", INTERFACE]
    command = [path, "-configure", *where, "-mtu", str(start.mtu)]
    if start.purpose is Purpose.FORWARDS:
        local, remote = _span(LOCAL_PORTS), _span(REMOTE_PORTS)
        command += ["-L", f"{HOST_IPV4}:{local}:{GUEST_IPV4}:{local}"]
        command += ["-R", f"{GATEWAY_IPV4}:{remote}:127.0.0.1:{remote}"]
    if start.purpose is Purpose.RULES:
        command += ["-rules", str(start.rules), "-control", str(start.control)]
    return command


def slirp4netns_command(path: str, start: Start) -> list[str]:
    """As rootless container runtimes start it, with IPv6; to publish host services, the gateway's
    address has to stand for the host's loopback."""
    options = ["--configure", "--enable-ipv6", f"--mtu={start.mtu}"]
    if start.purpose is Purpose.FORWARDS:
        options += ["--api-socket", str(start.api)]
    else:
        options += ["--disable-host-loopback"]
    return [path, *options, str(start.guest_pid), INTERFACE]


def publish_slirp4netns_ports(_topology: Topology, start: Start) -> None:
    """Through its API socket, one request a connection; Failure where it refuses one."""
    if start.purpose is not Purpose.FORWARDS:
        return
    for port in LOCAL_PORTS:
        words = {"proto": "tcp", "host_addr": HOST_IPV4, "host_port": port, "guest_port": port}
        with socket.socket(socket.AF_UNIX) as api:
            api.settimeout(API_SECONDS)
            api.connect(str(start.api))
            api.sendall(json.dumps({"execute": "add_hostfwd", "arguments": words}).encode())
            api.shutdown(socket.SHUT_WR)
            answer = api.makefile().read()
        if "error" in answer:
            raise Failure(f"slirp4netns does not publish port {port}: {answer.strip()}")


def pasta_command(path: str, start: Start) -> list[str]:
    """The guest's addresses are given, so that all tools' guests look the same; host loopback is
    not forwarded."""
    ipv4 = ["-a", GUEST_IPV4, "-n", "24", "-g", GATEWAY_IPV4]
    ipv6 = ["-a", "fd00::100", "-g", "fd00::2"]
    published = "none"
    if start.purpose is Purpose.FORWARDS:
        published = f"{HOST_IPV4}/{_span(LOCAL_PORTS)}"
    closed = ["-t", published, "-u", "none", "-T", "none", "-U", "none"]
    link = ["-f", "--config-net", "--runas", "0", "--ns-ifname", INTERFACE, "-m", str(start.mtu)]
    return [path, *link, *ipv4, *ipv6, *closed, str(start.guest_pid)]


def prototype_command(path: str, start: Start) -> list[str]:
    """The throw-away program that the design was proven with."""
    tuned = ["-V", "1", "-g", "1", "-c", "524288"]
    where = ["-n", f"/proc/{start.guest_pid}/ns/net", "-t", INTERFACE]
    return [path, *where, "-m", str(start.mtu), *tuned]


def route_prototype_ipv6(topology: Topology, _start: Start) -> None:
    """The prototype leaves the guest's IPv6 default route to others."""
    topology.guest.shell(f"ip -6 route add default via fd10::2 dev {INTERFACE}")


def prepare_kernel_path(topology: Topology, start: Start) -> None:
    """What root would use instead of any of these tools: veth, forwarding, nft masquerade."""
    mtu = start.mtu
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
    "slirpstack": Kind(
        slirpstack_command,
        "build/release/src/slirpstack",
        ways=("tcp", "local", "remote"),
        has_rules=True,
    ),
    "slirp4netns": Kind(
        slirp4netns_command,
        "slirp4netns",
        adjust=publish_slirp4netns_ports,
        ways=("tcp", "local", "remote"),
    ),
    # Uploads through pasta stall on some kernels: a figure would say nothing about pasta.
    # Its way to host services is a splice on loopback, which no frame of the guest's takes.
    "pasta": Kind(pasta_command, "pasta", bulk_uploads=False, ways=("tcp", "local")),
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

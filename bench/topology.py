"""The network that everything is measured in, made anew for each start of a tool.

    guest netns              host netns                     internet netns
    (of a user namespace)
    tap0 ==== the tool ==== its sockets, up0 ------- veth ------- down0      lo
    10.0.2.0/24             198.51.100.2/30                198.51.100.1/30   192.0.2.10/32
    fd00::/64               2001:db8:1::2/64               2001:db8:1::1/64  2001:db8::10/128

The servers' addresses are routed, never on a network that the host namespace is attached to.
Every namespace belongs to a process that ends with us; nothing has a global name.
"""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Iterator, Sequence

from processes import output, read_line, start, stop

SERVER_IPV4 = "192.0.2.10"
SERVER_IPV6 = "2001:db8::10"
HOST_IPV4 = "198.51.100.2"
CONGESTION_CONTROL = "cubic"
ALLOWED = Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
SETUP_SECONDS = 10.0

# Duplicate address detection would keep every IPv6 address back for a second.
COMMON = f"""
echo {CONGESTION_CONTROL} > /proc/sys/net/ipv4/tcp_congestion_control
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
"""
INTERNET = f"""
ip link set down0 up
ip address add 198.51.100.1/30 dev down0
ip -6 address add 2001:db8:1::1/64 dev down0 nodad
ip address add {SERVER_IPV4}/32 dev lo
ip -6 address add {SERVER_IPV6}/128 dev lo nodad
echo 4096 > /proc/sys/net/core/somaxconn
"""
HOST = f"""
echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range
ip link set up0 up
ip address add {HOST_IPV4}/30 dev up0
ip -6 address add 2001:db8:1::2/64 dev up0 nodad
ip route add default via 198.51.100.1
ip -6 route add default via 2001:db8:1::1
"""


class Namespace:
    """A network namespace held by a process of ours; `owned` gives it a user namespace."""

    def __init__(self, owned: bool = False) -> None:
        owner = ["--user", "--map-root-user"] if owned else []
        # cat ends when our end of its pipe is closed, however we end.
        self._holder: subprocess.Popen[bytes] = start(["unshare", *owner, "--net", "cat"])
        assert self._holder.stdin and self._holder.stdout
        self._holder.stdin.write(b"made\n")
        read_line(self._holder.stdout, SETUP_SECONDS)
        self.shell(COMMON)

    @property
    def pid(self) -> int:
        """A process inside."""
        return self._holder.pid

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` inside, with the same pid."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *words]

    def shell(self, script: str) -> str:
        """Runs a shell script inside; Failure at its first failing line."""
        return output(self.command(["sh", "-ec", script]), SETUP_SECONDS)

    def frames(self, interface: str) -> tuple[int, int]:
        """Packets received and sent by an interface so far."""
        for line in Path(f"/proc/{self.pid}/net/dev").read_text().splitlines():
            name, _, counters = line.partition(":")
            if name.strip() == interface:
                fields = counters.split()
                return int(fields[1]), int(fields[9])
        return 0, 0

    def close(self) -> None:
        """Lets the namespace go."""
        stop(self._holder)


class Topology:
    """Guest, host and internet, connected as drawn above but for the tool itself."""

    def __init__(self) -> None:
        with contextlib.ExitStack() as made:
            self.internet = Namespace()
            made.callback(self.internet.close)
            self.host = Namespace()
            made.callback(self.host.close)
            self.guest = Namespace(owned=True)
            made.callback(self.guest.close)
            self.host.shell(
                f"ip link add up0 type veth peer name down0 netns /proc/{self.internet.pid}/ns/net"
            )
            self.internet.shell(INTERNET)
            self.host.shell(HOST)
            self._made = made.pop_all()

    def __enter__(self) -> Topology:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._made.close()

    def congestion_control(self) -> str:
        """What TCP uses in the three namespaces."""
        read = "cat /proc/sys/net/ipv4/tcp_congestion_control"
        named = {"guest": self.guest, "host": self.host, "internet": self.internet}
        return ", ".join(f"{name} {inside.shell(read).strip()}" for name, inside in named.items())


@contextlib.contextmanager
def congestion_control_allowed() -> Iterator[None]:
    """Lets namespaces choose CONGESTION_CONTROL while the context lasts: the machine's list says
    which ones they may. Puts the list back afterwards."""
    before = ALLOWED.read_text().split()
    missing = CONGESTION_CONTROL not in before
    if missing:
        ALLOWED.write_text(" ".join([*before, CONGESTION_CONTROL]))
    try:
        yield
    finally:
        if missing:
            ALLOWED.write_text(" ".join(before))

"""The network that the tests happen in.

    guest                 host                   router                  internet
    10.0.2.100 slirpstack up0    198.51.100.0/30        198.51.100.4/30      lo
    tun0 ================ .2 ----------------- .1  .5 ----------------- .6  192.0.2.10, .11 servers
    fd00::100             ::2   2001:db8:1::/64 ::1 ::1 2001:db8:2::/64 ::2 2001:db8::10, ::11
                          lan0 203.0.113.0/24 lan1                          .53, .54 resolvers
                          .1 ----------------- .2

Servers have routed addresses: a network that the host is attached to is refused by default.
198.51.100.64/28 and 2001:db8:ff::/64 are unreachable by the router's word; 192.0.2.13 and
2001:db8::13 lie behind a link of 1300 octets. The host has a resolv.conf of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from .namespace import HeldNamespace
from .sandbox import WORK

SERVER = {4: "192.0.2.10", 6: "2001:db8::10"}
OTHER_SERVER = {4: "192.0.2.11", 6: "2001:db8::11"}
RESOLVERS = ("192.0.2.53", "192.0.2.54")
UNREACHABLE = {4: "198.51.100.66", 6: "2001:db8:ff::66"}
NARROW = {4: "192.0.2.13", 6: "2001:db8::13"}
NARROW_MTU = 1300
HOST_ADDRESS = {4: "198.51.100.2", 6: "2001:db8:1::2"}
ROUTER_ADDRESS = {4: "198.51.100.1", 6: "2001:db8:1::1"}
LAN_PEER = "203.0.113.2"

# icmp_ratelimit 0 would do the opposite of what it says: each error sent then takes away the
# budget that "host unreachable" has of its own, five and one more each second.
COMMON = """
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
echo 0 > /proc/sys/net/ipv4/icmp_ratemask
echo 0 > /proc/sys/net/ipv6/icmp/ratelimit
echo 4096 > /proc/sys/net/core/somaxconn
echo cubic > /proc/sys/net/ipv4/tcp_congestion_control 2>/dev/null || :
ip link set lo up
"""
ROUTER = f"""
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
ip link set down0 up && ip link set far0 up && ip link set lan1 up
ip address add 198.51.100.1/30 dev down0
ip address add 198.51.100.5/30 dev far0
ip address add {LAN_PEER}/24 dev lan1
ip address add 2001:db8:1::1/64 dev down0 nodad
ip address add 2001:db8:2::1/64 dev far0 nodad
ip route add 192.0.2.0/24 via 198.51.100.6
ip route add 2001:db8::/64 via 2001:db8:2::2
ip route add {NARROW[4]} via 198.51.100.6 mtu lock {NARROW_MTU}
ip route add {NARROW[6]} via 2001:db8:2::2 mtu lock {NARROW_MTU}
ip route add unreachable 198.51.100.64/28
ip route add unreachable 2001:db8:ff::/64
"""
INTERNET = """
ip link set near0 up
ip address add 198.51.100.6/30 dev near0
ip address add 2001:db8:2::2/64 dev near0 nodad
for last in 10 11 13; do
  ip address add 192.0.2.$last/32 dev lo
  ip address add 2001:db8::$last/128 dev lo nodad
done
ip address add 192.0.2.53/32 dev lo
ip address add 192.0.2.54/32 dev lo
ip route add default via 198.51.100.5
ip route add default via 2001:db8:2::1
"""
HOST = """
echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range
ip link set up0 up && ip link set lan0 up
ip address add 198.51.100.2/30 dev up0
ip address add 203.0.113.1/24 dev lan0
ip address add 2001:db8:1::2/64 dev up0 nodad
ip route add default via 198.51.100.1
ip route add default via 2001:db8:1::1
"""


class Topology:
    """Host, router and internet. Guests are made by the tests."""

    def __init__(self) -> None:
        self._held: list[HeldNamespace] = []
        try:
            self._resolv_conf = WORK / "resolv.conf"
            self.set_resolvers(*RESOLVERS[:1])
            bind = f"mount --bind {self._resolv_conf} /etc/resolv.conf"
            self.internet = self._hold(COMMON)
            self.router = self._hold(COMMON)
            self.host = self._hold(COMMON + (bind if Path("/etc/resolv.conf").exists() else ""))
            self._connect()
        except BaseException:
            self.close()
            raise

    def _hold(self, setup: str) -> HeldNamespace:
        unshare = ["unshare", "--net", "--mount", "--propagation", "private"]
        self._held.append(HeldNamespace(unshare, WORK, setup))
        return self._held[-1]

    def _connect(self) -> None:
        link = "ip link add {} type veth peer name {} netns {}"
        self.host.shell(link.format("up0", "down0", self.router.pid))
        self.host.shell(link.format("lan0", "lan1", self.router.pid))
        self.router.shell(link.format("far0", "near0", self.internet.pid))
        self.internet.shell(INTERNET)
        self.router.shell(ROUTER)
        self.host.shell(HOST)

    def set_resolvers(self, *addresses: str) -> None:
        """What the host's resolv.conf names from now on."""
        self._resolv_conf.write_text("".join(f"nameserver {each}\n" for each in addresses))

    def close(self) -> None:
        for each in reversed(self._held):
            each.close()


class Identity:
    """Who runs slirpstack and the guest."""

    def __init__(self, name: str, prefix: Sequence[str]) -> None:
        self.name = name
        self.prefix = list(prefix)


# No such user is in /etc/passwd, no capability is left: as bare as it gets.
ORDINARY_ID = 54321
ROOT = Identity("root", [])
USER = Identity(
    "user", ["setpriv", f"--reuid={ORDINARY_ID}", f"--regid={ORDINARY_ID}", "--clear-groups", "--"]
)

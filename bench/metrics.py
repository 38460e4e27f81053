"""The names, units and sense of everything that is measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

FAMILIES = {4: "IPv4", 6: "IPv6"}
MTUS = (1500, 65520)
DIRECTIONS = {"down": "host→guest", "up": "guest→host"}
STREAMS = (1, 8)
# How a connection comes about: opened by the guest, or through a published port.
WAYS = {"tcp": "", "local": " -L", "remote": " -R"}

Values = dict[str, float]


@dataclass(frozen=True)
class Metric:
    """One figure; `higher_is_better` tells which way a ratio is good."""

    name: str
    title: str
    unit: str
    higher_is_better: bool = False


@dataclass(frozen=True)
class Transfer:
    """One way to move bulk data over TCP; `way` is one of WAYS."""

    family: int
    mtu: int
    direction: str
    streams: int
    way: str = "tcp"

    @property
    def name(self) -> str:
        """Of the case and of its throughput."""
        return f"{self.way}{self.family}-{self.mtu}-{self.direction}-x{self.streams}"

    @property
    def cpu(self) -> str:
        """The name of the tool's own processor time."""
        return f"{self.name}.cpu"

    @property
    def title(self) -> str:
        """For people."""
        head = f"TCP{WAYS[self.way]} {FAMILIES[self.family]} MTU {self.mtu}"
        return f"{head} {DIRECTIONS[self.direction]} x{self.streams}"

    @property
    def outbound(self) -> Transfer:
        """The same data over a connection that the guest opened to the internet."""
        return replace(self, way="tcp")


TRANSFERS = [
    Transfer(family, mtu, direction, streams)
    for mtu, family, direction, streams in product(MTUS, FAMILIES, DIRECTIONS, STREAMS)
]
FORWARDED = [
    Transfer(4, mtu, direction, streams, way)
    for mtu, way, direction, streams in product(MTUS, ("local", "remote"), DIRECTIONS, STREAMS)
]


def _transfer_metrics() -> list[Metric]:
    metrics = []
    for transfer in [*TRANSFERS, *FORWARDED]:
        metrics.append(Metric(transfer.name, transfer.title, "Gbit/s", True))
        metrics.append(Metric(transfer.cpu, "  own CPU", "s/GB"))
    return metrics


METRICS = {
    metric.name: metric
    for metric in [
        *_transfer_metrics(),
        Metric("rtt", "TCP round trip p50", "µs"),
        Metric("connect-x1", "connections, one at a time", "/s", True),
        Metric("connect-x64", "connections, 64 at a time", "/s", True),
        Metric("rules.connect-few", "connections with 1 rule", "/s", True),
        Metric("rules.connect-many", "connections with 10,000 rules", "/s", True),
        Metric("rules.latency-ratio", "  latency, 10,000 rules / 1 rule", "x"),
        Metric("udp-down", "UDP 1400 B host→guest, <0.1 % loss", "Gbit/s", True),
        Metric("udp-up", "UDP 1400 B guest→host, <0.1 % loss", "Gbit/s", True),
        Metric("flows.open", "flows opened", ""),
        Metric("flows.rtt-none", "round trip with 1 flow open", "µs"),
        Metric("flows.rtt-open", "round trip with all open", "µs"),
        Metric("flows.rtt-ratio", "  all open / 1 open", "x"),
        Metric("flows.resident", "resident per flow", "KiB"),
        Metric("flows.wakeups", "wake-ups in 2 s, all idle", ""),
        Metric("start", "exec to first guest connect", "ms"),
        Metric("start.resident", "resident before traffic", "MiB"),
        Metric("memory.resident", "resident some time after load", "MiB"),
    ]
}

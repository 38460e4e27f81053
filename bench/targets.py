"""What slirpstack promises, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from metrics import FAMILIES, FORWARDED, METRICS, STREAMS, Transfer, Values

Medians = Mapping[str, Values]

# Two runs of one figure differ by as much.
EQUAL = 0.95


@dataclass(frozen=True)
class Target:
    """A bound for one figure: in its unit, or as a multiple of the same figure of `peer`, or of
    another figure, `reference`, of the same tool."""

    metric: str
    bound: float
    at_least: bool
    peer: str | None = None
    reference: str | None = None

    @property
    def is_relative(self) -> bool:
        """Whether the bound is a multiple rather than a figure."""
        return self.peer is not None or self.reference is not None

    def wording(self) -> str:
        """Such as `>= 8 x slirp4netns`."""
        sign = ">=" if self.at_least else "<="
        other = self.peer or (METRICS[self.reference].title if self.reference else "")
        return f"{sign} {self.bound:g}" + (f" x {other}" if other else "")


@dataclass(frozen=True)
class Verdict:
    """A target held against the figures; `measured` is None where one of them is missing."""

    target: Target
    measured: float | None

    @property
    def met(self) -> bool | None:
        """None when it was not measured."""
        if self.measured is None:
            return None
        if self.target.at_least:
            return self.measured >= self.target.bound
        return self.measured <= self.target.bound

    def wording(self) -> str:
        """For the table."""
        return {None: "not measured", True: "met", False: "MISSED"}[self.met]


def _bulk_targets() -> list[Target]:
    targets = []
    for family in FAMILIES:
        for streams in STREAMS:
            down = Transfer(family, 1500, "down", streams)
            up = Transfer(family, 1500, "up", streams)
            large_down = Transfer(family, 65520, "down", streams)
            large_up = Transfer(family, 65520, "up", streams)
            cpu = 0.25 if streams == 1 else 0.38
            targets += [
                Target(down.name, 8, True, "slirp4netns"),
                Target(down.name, 12, True, "pasta"),
                Target(up.name, 12, True, "slirp4netns"),
                Target(up.name, 0.35, True, "kernel"),
                Target(large_down.name, 1.4, True, "pasta"),
                Target(large_up.name, 3.5, True, "slirp4netns"),
                Target(large_down.cpu, cpu, False),
                Target(large_up.cpu, cpu, False),
            ]
    return targets


def _forward_targets() -> list[Target]:
    targets = []
    for transfer in FORWARDED:
        outbound = transfer.outbound.name
        targets.append(Target(transfer.name, EQUAL, True, reference=outbound))
        if transfer.mtu == 1500:
            targets.append(Target(transfer.name, 8, True, "slirp4netns"))
    return targets


TARGETS = [
    *_bulk_targets(),
    *_forward_targets(),
    Target("rtt", 1.1, False, "slirp4netns"),
    Target("connect-x1", 0.95, True, "slirp4netns"),
    Target("connect-x64", 1.8, True, "slirp4netns"),
    Target("rules.latency-ratio", 2, False),
    Target("flows.rtt-ratio", 1.1, False),
    Target("flows.resident", 8, False),
    Target("flows.wakeups", 0, False),
    Target("udp-down", 2.5, True, "slirp4netns"),
    Target("udp-up", 2.5, True, "slirp4netns"),
    Target("start", 1.2, False, "slirp4netns"),
    Target("start.resident", 6, False),
    Target("memory.resident", 12, False),
]


def verdicts(medians: Medians, subject: str) -> list[Verdict]:
    """Every target, for the tool named `subject`."""
    return [Verdict(target, _measured(target, medians, subject)) for target in TARGETS]


def _measured(target: Target, medians: Medians, subject: str) -> float | None:
    own = medians.get(subject, {}).get(target.metric)
    if own is None or not target.is_relative:
        return own
    theirs = medians.get(target.peer or subject, {}).get(target.reference or target.metric)
    return own / theirs if theirs else None

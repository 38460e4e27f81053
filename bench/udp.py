"""The highest rate of datagrams that a path carries without loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Callable

from processes import parse_json, read_line
from session import GRACE_SECONDS, Session
from topology import SERVER_IPV4

DATAGRAM_BYTES = 1400
MOST_LOSS = 0.001
# Wider than any tool here; nine steps narrow it to about a percent.
LOWEST_BPS = 50e6
HIGHEST_BPS = 16e9


@dataclass(frozen=True)
class Trial:
    """What became of datagrams that were sent at one pace."""

    sent: int
    received: int
    seconds: float

    @property
    def lossless(self) -> bool:
        """Fewer than MOST_LOSS went missing."""
        return self.sent > 0 and self.received > self.sent * (1 - MOST_LOSS)

    @property
    def goodput_bps(self) -> float:
        """Payload that arrived."""
        return self.received * DATAGRAM_BYTES * 8 / self.seconds


def highest_rate(send_at: Callable[[int], Trial], steps: int) -> float:
    """Bisects the pace, on a logarithmic scale. A sender may fall short of the pace (a full queue
    holds it up): the answer is what really arrived in the best trial without loss, in bit/s. One
    hiccup of the machine does not decide: a pace that loses is tried twice."""
    low, high, best = LOWEST_BPS, HIGHEST_BPS, 0.0
    for _ in range(steps):
        pace = math.sqrt(low * high)
        trial = send_at(int(pace))
        if not trial.lossless:
            trial = send_at(int(pace))
        if trial.lossless:
            low, best = pace, max(best, trial.goodput_bps)
        else:
            high = pace
    return best


def _trial(sent: dict[str, float], counted: dict[str, float]) -> Trial:
    return Trial(int(sent["sent"]), int(counted["received"]), sent["seconds"])


def send_up(session: Session, pace_bps: int) -> Trial:
    """Guest to internet."""
    seconds, port = session.settings.short_seconds, session.new_port()
    limit = seconds + GRACE_SECONDS
    words = ("udp-receive", SERVER_IPV4, port, limit, DATAGRAM_BYTES)
    receiver = session.load_command(session.topology.internet, *words)
    with session.background(receiver, "ready") as counting:
        sent = session.load(
            seconds, "udp-send", SERVER_IPV4, port, pace_bps, seconds, DATAGRAM_BYTES
        )
        assert counting.stdout
        return _trial(sent, parse_json(read_line(counting.stdout, limit + GRACE_SECONDS)))


def send_down(session: Session, pace_bps: int) -> Trial:
    """Internet to guest, over the mapping that the guest's first datagram opened."""
    seconds, port = session.settings.short_seconds, session.new_port()
    words = ("udp-serve", SERVER_IPV4, port, pace_bps, seconds, DATAGRAM_BYTES)
    server = session.load_command(session.topology.internet, *words)
    with session.background(server, "ready") as sending:
        limit = seconds + GRACE_SECONDS / 2
        counted = session.load(limit, "udp-fetch", SERVER_IPV4, port, limit, DATAGRAM_BYTES)
        assert sending.stdout
        return _trial(parse_json(read_line(sending.stdout, GRACE_SECONDS)), counted)


def udp_rate(session: Session, direction: str) -> float:
    """In Gbit/s."""
    send = send_up if direction == "up" else send_down
    rate = highest_rate(lambda pace: send(session, pace), session.settings.udp_steps)
    return rate / 1e9

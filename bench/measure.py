"""The cases: what is done with a running tool, and the figures that come of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from metrics import DIRECTIONS, FORWARDED, TRANSFERS, Transfer, Values
from peers import GATEWAY_IPV4, LOCAL_PORTS, REMOTE_PORTS, Peer, Purpose
from processes import Failure, output, parse_json, read_line
from session import GRACE_SECONDS, Session, rules
from topology import HOST_IPV4, SERVER_IPV4, SERVER_IPV6, Namespace
from udp import udp_rate

PING_BYTES = 64
# Local ports towards one server are used up at about 14000; each count stays well below.
MOST_CONNECTIONS = 12000
OPEN_SECONDS = 120.0
# Delayed acknowledgements, retransmission timers and the last FINs are over by then.
SETTLE_SECONDS = 5.0
IDLE_SECONDS = 2.0
IDLE_WINDOWS = 6


@dataclass(frozen=True)
class Case:
    """Something to measure. Cases of one group share a start of the tool."""

    name: str
    group: str
    mtu: int
    run: Callable[[Session], Values]
    applies: Callable[[Peer], bool] = lambda peer: True
    purpose: Purpose = Purpose.PLAIN


@dataclass(frozen=True)
class Ends:
    """Who serves and who connects, and to where."""

    server: Namespace
    client: Namespace
    address: str
    port: int
    client_receives: bool


def ends_of(session: Session, transfer: Transfer) -> Ends:
    """The client is the guest, but for -L, where it is a host on the internet."""
    topology, down = session.topology, transfer.direction == "down"
    if transfer.way == "tcp":
        address = SERVER_IPV4 if transfer.family == 4 else SERVER_IPV6
        return Ends(topology.internet, topology.guest, address, session.new_port(), down)
    alike = [each for each in FORWARDED if (each.way, each.mtu) == (transfer.way, transfer.mtu)]
    index = alike.index(transfer)
    if transfer.way == "local":
        return Ends(topology.guest, topology.internet, HOST_IPV4, LOCAL_PORTS[index], not down)
    return Ends(topology.host, topology.guest, GATEWAY_IPV4, REMOTE_PORTS[index], down)


def bulk(session: Session, transfer: Transfer) -> Values:
    """iperf3 between guest and internet, and what the tool itself spent."""
    if transfer.family == 6 and not session.has_ipv6:
        raise Failure("the guest has no IPv6")
    ends, seconds = ends_of(session, transfer), session.settings.bulk_seconds
    serve = ["iperf3", "-s", "-1", "-p", str(ends.port), "--forceflush"]
    command = ["iperf3", "-J", "-c", ends.address, "-p", str(ends.port), "-t", f"{seconds:g}"]
    command += ["-P", str(transfer.streams), *(["-R"] if ends.client_receives else [])]
    with session.background(ends.server.command(serve), "Server listening"):
        before = session.cpu_seconds()
        told = parse_json(output(ends.client.command(command), seconds + GRACE_SECONDS))
        after = session.cpu_seconds()
    arrived = told["end"]["sum_received"]
    if not arrived["bytes"]:
        raise Failure("nothing arrived")
    values = {transfer.name: arrived["bits_per_second"] / 1e9}
    if before is not None and after is not None:
        values[transfer.cpu] = (after - before) / (arrived["bytes"] / 1e9)
    return values


def round_trip(session: Session) -> Values:
    """One connection, one small message at a time."""
    port, seconds = session.new_port(), session.settings.short_seconds
    with session.echo_server(SERVER_IPV4, port):
        told = session.load(seconds, "ping-pong", SERVER_IPV4, port, seconds, PING_BYTES)
    return {"rtt": told["p50_us"]}


def connect_rate(session: Session, concurrency: int) -> Values:
    """Connect, one byte there and back, close."""
    port, seconds = session.new_port(), session.settings.short_seconds * 2
    words = ("connect-rate", SERVER_IPV4, port, seconds, MOST_CONNECTIONS, concurrency)
    with session.echo_server(SERVER_IPV4, port):
        told = session.load(seconds, *words)
    if told["failed"]:
        raise Failure(f"{told['failed']} connections failed beside {told['opened']}")
    return {f"connect-x{concurrency}": told["rate"]}


def many_rules(session: Session) -> Values:
    """What 10,000 rules that do not apply cost a new connection."""
    values = {"rules.connect-few": connect_rate(session, 1)["connect-x1"]}
    session.start.rules.write_text(rules(10000))
    output([session.peer.path, "ctl", str(session.start.control), "rules", "reload"], GRACE_SECONDS)
    values["rules.connect-many"] = connect_rate(session, 1)["connect-x1"]
    values["rules.latency-ratio"] = values["rules.connect-few"] / values["rules.connect-many"]
    return values


def udp(session: Session, direction: str) -> Values:
    """The highest lossless rate of datagrams."""
    return {f"udp-{direction}": udp_rate(session, direction)}


def idle_wakeups(session: Session) -> int:
    """How often the tool woke up in a window in which the guest said nothing either: its kernel
    asks for routers and neighbours now and then, which is not the tool's doing."""
    time.sleep(SETTLE_SECONDS)
    for _ in range(IDLE_WINDOWS):
        frames, before = session.guest_frames(), session.tool.wakeups()
        time.sleep(IDLE_SECONDS)
        count = session.tool.wakeups() - before
        if session.guest_frames() == frames:
            return count
    raise Failure("the guest's interface was never quiet")


def open_flows(session: Session) -> Values:
    """Many established flows, half of them half-closed by one side or the other."""
    port, wanted = session.new_port(), session.settings.flows
    words = ("open-flows", SERVER_IPV4, port, OPEN_SECONDS)
    command = session.load_command(session.topology.guest, *words)
    with session.echo_server(SERVER_IPV4, port), session.background(command, None) as holder:

        def order(line: str) -> dict[str, Any]:
            assert holder.stdin and holder.stdout
            holder.stdin.write(f"{line}\n".encode())
            return parse_json(read_line(holder.stdout, OPEN_SECONDS + GRACE_SECONDS))

        order("open 1")
        none = order(f"ping {session.settings.short_seconds}")["p50_us"]
        resident = session.tool.resident_bytes() if session.peer.has_process else 0
        opened = order(f"open {wanted}")["open"]
        loaded = order(f"ping {session.settings.short_seconds}")["p50_us"]
        values: Values = {"flows.open": opened, "flows.rtt-none": none, "flows.rtt-open": loaded}
        if opened < wanted:
            return values  # the count says it all; other figures would be of another load
        values["flows.rtt-ratio"] = loaded / none
        if session.peer.has_process:
            grown = session.tool.resident_bytes() - resident
            values["flows.resident"] = grown / opened / 1024
            values["flows.wakeups"] = idle_wakeups(session)
        return values


def started(session: Session) -> Values:
    """From exec to the guest's first connection, and the memory at that point."""
    return {"start": session.start_ms, "start.resident": session.tool.resident_bytes() / 2**20}


def memory(session: Session) -> Values:
    """What stays resident some time after everything that makes a tool grow."""
    bulk(session, Transfer(4, 65520, "down", 8))
    if session.peer.kind.bulk_uploads:
        bulk(session, Transfer(4, 65520, "up", 8))
    connect_rate(session, 64)
    time.sleep(session.settings.minute)
    return {"memory.resident": session.tool.resident_bytes() / 2**20}


def _transfer_case(transfer: Transfer) -> Case:
    down, outbound = transfer.direction == "down", transfer.way == "tcp"
    return Case(
        transfer.name,
        f"{'bulk' if outbound else 'forwards'}-{transfer.mtu}",
        transfer.mtu,
        lambda session: bulk(session, transfer),
        lambda peer: transfer.way in peer.kind.ways and (down or peer.kind.bulk_uploads),
        Purpose.PLAIN if outbound else Purpose.FORWARDS,
    )


def _udp_case(direction: str) -> Case:
    return Case(
        f"udp-{direction}",
        "udp",
        1500,
        lambda session: udp(session, direction),
        lambda peer: direction == "down" or peer.kind.bulk_uploads,
    )


def _connect_case(streams: int) -> Case:
    name = f"connect-x{streams}"
    return Case(name, "small", 65520, lambda session: connect_rate(session, streams))


def all_cases(settings_starts: int) -> list[Case]:
    """In the order in which they run; start-up is measured over several starts."""
    return [
        *(
            Case("start", f"start-{i}", 65520, started, lambda peer: peer.has_process)
            for i in range(settings_starts)
        ),
        *(_transfer_case(transfer) for transfer in [*TRANSFERS, *FORWARDED]),
        Case("rtt", "small", 65520, round_trip),
        _connect_case(1),
        _connect_case(64),
        Case("rules", "rules", 65520, many_rules, lambda p: p.kind.has_rules, Purpose.RULES),
        *(_udp_case(direction) for direction in DIRECTIONS),
        Case("flows", "flows", 65520, open_flows),
        Case("memory", "memory", 65520, memory, lambda peer: peer.has_process),
    ]

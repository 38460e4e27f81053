"""The command line of bench/run."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from peers import KINDS, Peer, peer_named
from session import Settings

BENCH = Path(__file__).resolve().parent
BUILD = BENCH.parent / "build/release"
DESCRIPTION = """Measures user-mode network stacks side by side: same topology, one run, in turns.
Needs root, and the programs that it measures."""


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as wrong:
        raise argparse.ArgumentTypeError(f"{text!r} is not a pattern: {wrong}") from wrong


def _peer(text: str) -> Peer:
    name, equals, path = text.partition("=")
    if not equals or not path:
        raise argparse.ArgumentTypeError(f'{text!r} is not NAME=PATH, such as "pasta-new=./pasta"')
    try:
        return peer_named(name, path)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from wrong


def parse_options(words: list[str] | None = None) -> argparse.Namespace:
    """What was asked for; ends the program with a line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="bench/run", description=DESCRIPTION)
    add = parser.add_argument
    add("--slirpstack", metavar="PATH", default=str(BUILD / "src/slirpstack"))
    add("--prototype", metavar="PATH", help="measure the design's prototype too")
    add("--peer", metavar="NAME=PATH", type=_peer, action="append", default=[],
        help="another build of a tool, as a column of its own or instead of the default; "
        f"NAME starts with one of: {', '.join(KINDS)}")
    add("--tools", metavar="A,B", help="only these columns, in this order")
    add("--subject", metavar="NAME", default="slirpstack",
        help="whose ratios and targets are shown (default %(default)s)")
    add("--only", metavar="REGEX", type=_pattern, default=_pattern(""),
        help="only cases whose name matches; --list shows the names")
    add("--list", action="store_true", help="print the names of the cases and end")
    add("--rounds", metavar="N", type=int, default=3, help="default %(default)s; medians are shown")
    add("--quick", action="store_true", help="short and rough: one round, a tenth of the flows")
    add("--seconds", metavar="S", type=float, help="of each bulk transfer (default 3, quick 1)")
    add("--flows", metavar="N", type=int, help="held open (default 10000, quick 1000)")
    add("--minute", metavar="S", type=float,
        help="wait between load and the last look at memory (default 60, quick 5)")
    add("--load", metavar="PATH", default=str(BUILD / "bench/load/bench-load"),
        help="the load program (default %(default)s)")
    add("--json", metavar="PATH", type=Path, help="default: a new file under bench/results")
    add("--svg", metavar="PATH", type=Path, help="draw a chart")
    add("--from-json", metavar="PATH", type=Path, help="measure nothing: show an earlier run")
    options = parser.parse_args(words)
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least one is needed")
    return options


def chosen_peers(options: argparse.Namespace) -> list[Peer]:
    """The columns, the subject first. Raises ValueError for a name that is none of them."""
    peers = {name: peer_named(name) for name in ("slirp4netns", "pasta", "kernel")}
    peers = {"slirpstack": peer_named("slirpstack", options.slirpstack), **peers}
    if options.prototype:
        peers["prototype"] = peer_named("prototype", options.prototype)
    peers.update({peer.name: peer for peer in options.peer})
    names = options.tools.split(",") if options.tools else list(peers)
    for name in names:
        if name not in peers:
            raise ValueError(f'--tools "{name}": there are {", ".join(peers)}')
    return sorted((peers[name] for name in names), key=lambda peer: peer.name != options.subject)


def settings_of(options: argparse.Namespace) -> Settings:
    """How long and how much, with what --quick leaves out."""
    quick: bool = options.quick

    def given(value: float | None, usual: float, short: float) -> float:
        return value if value is not None else short if quick else usual

    return Settings(
        load=str(Path(options.load).absolute()),
        bulk_seconds=given(options.seconds, 3, 1),
        short_seconds=given(None, 1, 0.4),
        udp_steps=6 if quick else 9,
        flows=int(given(options.flows, 10000, 1000)),
        minute=given(options.minute, 60, 5),
        starts=1 if quick else 3,
    )

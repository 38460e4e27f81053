"""Runs the cases with each tool in turn: A B C A B C, so that a drift of the machine hits all."""

from __future__ import annotations

import re
import sys
from itertools import groupby
from typing import Iterator

from measure import Case, all_cases
from peers import Peer
from processes import Failure
from results import Results
from session import Session, Settings


def say(text: str) -> None:
    """Progress, for a person."""
    print(text, file=sys.stderr, flush=True)


class Runner:
    """Measures the chosen cases with the chosen tools, into `results`."""

    def __init__(self, peers: list[Peer], settings: Settings, results: Results) -> None:
        self._peers = peers
        self._settings = settings
        self._results = results

    def run(self, only: re.Pattern[str], rounds: int) -> None:
        """Each group of cases `rounds` times with every tool; `memory` once, for it takes long."""
        chosen = [case for case in all_cases(self._settings.starts) if only.search(case.name)]
        for group, cases in groupby(chosen, key=lambda case: case.group):
            together = list(cases)
            for turn in range(1 if group == "memory" else rounds):
                for peer in self._peers:
                    applying = [case for case in together if case.applies(peer)]
                    if applying:
                        say(f"{group}, round {turn + 1}: {peer.name}")
                        self._measure(peer, applying)

    def _measure(self, peer: Peer, cases: list[Case]) -> None:
        """All cases with as few starts as possible: a case that fails ends its session, because
        what it left behind would spoil the next."""
        waiting = iter(cases)
        left = len(cases)
        while left > 0:
            try:
                with Session(peer, cases[0].mtu, cases[0].purpose, self._settings) as session:
                    self._note_congestion_control(session)
                    left -= self._run_until_failure(session, waiting)
            except (Failure, OSError) as failure:
                self._note(f"{peer.name} did not start: {failure}")
                return

    def _run_until_failure(self, session: Session, cases: Iterator[Case]) -> int:
        """How many cases were run, the failed one included."""
        count = 0
        for case in cases:
            count += 1
            try:
                values = case.run(session)
            except (Failure, OSError) as failure:
                self._note(f"{session.peer.name}, {case.name}: {failure}")
                break
            self._results.add(session.peer.name, values)
            say("  " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
        return count

    def _note_congestion_control(self, session: Session) -> None:
        if "congestion control" not in self._results.conditions:
            in_effect = session.topology.congestion_control()
            self._results.conditions["congestion control"] = in_effect
            say(f"congestion control: {in_effect}")

    def _note(self, text: str) -> None:
        self._results.notes.append(text)
        say(f"  ! {text}")

"""Processes that we start, what they cost, and their end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import IO, Any, Sequence

CLOCK_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    """A measurement that did not work out; the text says what was tried."""


def stop(process: subprocess.Popen[bytes], patience: float = 3.0) -> None:
    """Ends a process that we started: asks first, then insists."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def read_line(pipe: IO[bytes], seconds: float) -> str:
    """One line from an unbuffered pipe; Failure when it does not come in time."""
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([pipe], [], [], left)[0]:
            raise Failure(f"no answer in {seconds:.0f} s")
        byte = os.read(pipe.fileno(), 1)
        if not byte:
            raise Failure("the program ended without an answer")
        line += byte
    return line.decode().rstrip("\n")


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process in the background that is written to and read from line by line."""
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    )


def output(command: Sequence[str], seconds: float) -> str:
    """The standard output of a command that succeeds in time."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{' '.join(command[:6])} …: not done in {seconds:.0f} s") from late
    if done.returncode != 0:
        told = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise Failure(f"{' '.join(command)}: status {done.returncode}: {told[-300:]}")
    return done.stdout.decode()


def parse_json(text: str) -> dict[str, Any]:
    """A program's JSON answer; Failure when it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as wrong:
        raise Failure(f"not an answer: {text[:200]!r}") from wrong


class ProcessTree:
    """A process with all its descendants, as /proc shows them at the moment of asking."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def _members(self) -> list[Path]:
        """The /proc directories, parents before children."""
        found: list[Path] = []
        waiting = [self._pid]
        while waiting:
            directory = Path(f"/proc/{waiting.pop()}")
            found.append(directory)
            for children in directory.glob("task/*/children"):
                waiting += [int(child) for child in children.read_text().split()]
        return found

    def cpu_seconds(self) -> float:
        """User and system time of all threads, ended children included."""
        ticks = 0
        for directory in self._members():
            # Fields 14 to 17 of proc(5), counted after the name in parentheses.
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
        return ticks * CLOCK_TICK_SECONDS

    def resident_bytes(self) -> int:
        """Resident memory; what processes share counts for each. From smaps_rollup, which walks
        the pages: statm adds up per-processor counters that lag behind."""
        kilobytes = 0
        for directory in self._members():
            for line in (directory / "smaps_rollup").read_text().splitlines():
                if line.startswith("Rss:"):
                    kilobytes += int(line.split()[1])
        return kilobytes * 1024

    def wakeups(self) -> int:
        """How often a thread gave up the processor by itself, each followed by a wake-up."""
        count = 0
        for directory in self._members():
            for status in directory.glob("task/*/status"):
                for line in status.read_text().splitlines():
                    if line.startswith("voluntary_ctxt_switches"):
                        count += int(line.split()[1])
        return count

"""Processes that a test starts, and waiting for what they do: on conditions, with a deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Sequence, TypeVar

# Generous, as the machine may be busy: reached only by what would never happen.
DEADLINE_SECONDS = 15.0
POLL_SECONDS = 0.004

Result = TypeVar("Result")


def wait_until(
    condition: Callable[[], Result],
    what: str | Callable[[], str],
    seconds: float = DEADLINE_SECONDS,
) -> Result:
    """The first true value of `condition`; AssertionError naming `what` if it never comes."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            text = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {seconds:.0f} s in vain: {text}")
        time.sleep(POLL_SECONDS)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but is not reaped does not count."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def resident_bytes(pid: int) -> int:
    """What a process has in memory of its own (not of files)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no memory figures of process {pid}")


def run(
    words: Sequence[str], seconds: float = 60.0, check: bool = True, text_input: str = ""
) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, its output, and with `check` its success."""
    done = subprocess.run(
        words, input=text_input, capture_output=True, text=True, timeout=seconds, check=False
    )
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done


class Process:
    """A process in the background; what it says goes into files that can be waited on."""

    _count = 0

    def __init__(self, words: Sequence[str], folder: Path, pass_fds: Sequence[int] = ()) -> None:
        Process._count += 1
        self.words = list(words)
        self.output_path = folder / f"{Process._count}.stdout"
        self.log_path = folder / f"{Process._count}.stderr"
        with open(self.output_path, "wb") as output, open(self.log_path, "wb") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=output, stderr=log, pass_fds=pass_fds
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return self.output_path.read_text(errors="replace")

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def poll(self) -> int | None:
        """The exit status, as subprocess tells it; None while it runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def close_input(self) -> None:
        """What `cat` at the end of a script waits for."""
        assert self._process.stdin
        self._process.stdin.close()

    def exit_status(self, seconds: float = DEADLINE_SECONDS) -> int:
        """Waits for the end."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{' '.join(self.words)} does not end\n{self.log}") from None

    def wait_for_output(self, text: str) -> str:
        """Waits until a whole line with `text` is there; returns all output."""
        return self._wait_for(text, lambda: self.output)

    def wait_for_log(self, text: str) -> str:
        """Waits until standard error has a line with `text`; returns that line."""
        log = self._wait_for(text, lambda: self.log)
        return next(line for line in log.splitlines() if text in line)

    def _wait_for(self, text: str, source: Callable[[], str]) -> str:
        def found() -> str:
            ended = self.poll() is not None
            said = source()
            if text in said[: said.rfind("\n") + 1]:
                return said
            if ended:
                raise AssertionError(
                    f"{' '.join(self.words)} ended with {self.poll()}, not saying {text!r}:\n"
                    f"{self.output}{self.log}"
                )
            return ""

        return wait_until(found, lambda: f"{text!r} in:\n{source()}")

    def stop(self) -> None:
        """Ends it, and insists if need be."""
        if self._process.stdin:
            self._process.stdin.close()
        if self.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def all_processes() -> set[int]:
    """Every process of our process namespace that has not ended."""
    return {int(name) for name in os.listdir("/proc") if name.isdigit() and is_alive(int(name))}

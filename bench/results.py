"""The figures of a run: collected, summed up, and kept in a file."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

from metrics import Values

Samples = dict[str, dict[str, list[float]]]


@dataclass
class Results:
    """Every sample of every tool, in the order measured, and how they came about.

    samples: by tool, then by metric. conditions: what was in effect. notes: what did not work.
    """

    subject: str
    conditions: dict[str, str]
    samples: Samples = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, tool: str, values: Values) -> None:
        """Adds the figures of one case."""
        for metric, value in values.items():
            self.samples.setdefault(tool, {}).setdefault(metric, []).append(value)

    def medians(self) -> dict[str, Values]:
        """By tool, then by metric."""
        return {
            tool: {metric: statistics.median(values) for metric, values in metrics.items()}
            for tool, metrics in self.samples.items()
        }

    def write(self, path: Path) -> None:
        """As JSON, with the medians beside the samples."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {**asdict(self), "medians": self.medians()}
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_results(path: Path) -> Results:
    """What `write` wrote."""
    content = json.loads(path.read_text())
    del content["medians"]
    return Results(**content)

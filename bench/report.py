"""The tables that a person reads."""

from __future__ import annotations

from metrics import METRICS, Metric, Values
from results import Results
from targets import Verdict, verdicts

Row = list[str]


def _figure(value: float | None) -> str:
    """Three significant digits, without exponents."""
    if value is None:
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _table(rows: list[Row]) -> str:
    """Columns as wide as need be: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * max(len(line) for line in lines))
    return "\n".join(lines)


def _row(metric: Metric, subject: str, tools: list[str], medians: dict[str, Values]) -> Row:
    """Figures, and beside each peer's the subject's as a multiple of it."""
    own = medians.get(subject, {}).get(metric.name)
    row = [metric.title, metric.unit]
    for tool in tools:
        value = medians[tool].get(metric.name)
        row.append(_figure(value))
        if tool != subject:
            row.append(f"{own / value:.2f}x" if own is not None and value else "")
    return row


def figures_table(results: Results) -> str:
    """Medians of all that was measured."""
    medians = results.medians()
    tools = sorted(medians, key=lambda tool: tool != results.subject)
    heading = ["median", ""]
    for tool in tools:
        heading += [tool] if tool == results.subject else [tool, "ratio"]
    measured = {name for values in medians.values() for name in values}
    rows = [
        _row(metric, results.subject, tools, medians)
        for name, metric in METRICS.items()
        if name in measured
    ]
    return _table([heading, *rows])


def _verdict_row(verdict: Verdict) -> Row:
    metric = METRICS[verdict.target.metric]
    unit = "x" if verdict.target.is_relative else metric.unit
    measured = "-" if verdict.measured is None else f"{_figure(verdict.measured)} {unit}".rstrip()
    title = metric.title
    if metric.name.endswith(".cpu"):
        title = METRICS[metric.name.removesuffix(".cpu")].title + ", own CPU"
    return [title.strip(), measured, verdict.target.wording(), verdict.wording()]


def targets_table(results: Results) -> str:
    """Each target: measured, bound, met or missed. Those of cases that nobody ran are counted."""
    medians = results.medians()
    run = {name for values in medians.values() for name in values}
    told = verdicts(medians, results.subject)
    rows = [_verdict_row(verdict) for verdict in told if verdict.target.metric in run]
    table = _table([["target", "measured", "bound", ""], *rows])
    return f"{table}\nnot run: {len(told) - len(rows)} of {len(told)} targets"


def report(results: Results) -> str:
    """Everything, for the terminal."""
    parts = ["\n".join(f"{name}: {value}" for name, value in results.conditions.items())]
    if results.samples:
        parts.append(figures_table(results))
        parts.append(f"ratio: {results.subject} / that column")
    parts.append(targets_table(results))
    if results.notes:
        parts.append("\n".join(["did not work:", *(f"  {note}" for note in results.notes)]))
    return "\n\n".join(parts)

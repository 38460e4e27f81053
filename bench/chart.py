"""A chart of the main figures as plain SVG."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from metrics import METRICS, Values
from results import Results

# What a reader asks first; a panel that was not measured is left out.
PANELS = {
    "tcp4-1500-down-x1": "TCP into the guest, MTU 1500",
    "tcp4-1500-up-x1": "TCP out of the guest, MTU 1500",
    "tcp4-65520-down-x1": "TCP into the guest, MTU 65520",
    "tcp4-65520-up-x1": "TCP out of the guest, MTU 65520",
    "udp-down": "UDP into the guest, 1400 B, no loss",
    "udp-up": "UDP out of the guest, 1400 B, no loss",
    "rtt": "TCP round trip",
    "connect-x64": "connections, 64 at a time",
}

COLUMNS = 2
PANEL_WIDTH = 440
LABEL_WIDTH = 96
VALUE_WIDTH = 84
BAR_HEIGHT = 16
ROW_HEIGHT = 22
TITLE_HEIGHT = 40
MARGIN = 16
FOOTER_HEIGHT = 24

# The colours follow the reader's page, light or dark; the subject stands out, the others do not
# compete with it.
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; }
.quiet { fill: #57606a; }
.bar { fill: #afb8c1; }
.subject { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .quiet { fill: #8d96a0; } .bar { fill: #484f58; }
  .subject { fill: #4493f8; }
}
"""


@dataclass(frozen=True)
class Bar:
    """A tool's figure."""

    tool: str
    value: float
    is_subject: bool


def _text(x: float, y: float, content: str, style: str = "", anchor: str = "start") -> str:
    position = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {position} class="{style}">{escape(content)}</text>'


def _bar(bar: Bar, largest: float, unit: str, y: float) -> list[str]:
    room = PANEL_WIDTH - LABEL_WIDTH - VALUE_WIDTH
    length = max(1.0, room * bar.value / largest) if largest else 1.0
    style = "subject" if bar.is_subject else "bar"
    size = f'width="{length:.1f}" height="{BAR_HEIGHT}"'
    figure = f"{bar.value:,.0f}" if bar.value >= 100 else f"{bar.value:.3g}"
    middle = y + BAR_HEIGHT - 4
    return [
        _text(LABEL_WIDTH - 8, middle, bar.tool, "" if bar.is_subject else "quiet", "end"),
        f'<rect x="{LABEL_WIDTH}" y="{y}" {size} rx="2" class="{style}"/>',
        _text(LABEL_WIDTH + length + 6, middle, f"{figure} {unit}"),
    ]


def _panel(name: str, bars: list[Bar]) -> str:
    metric = METRICS[name]
    sense = "higher is better" if metric.higher_is_better else "lower is better"
    parts = [
        _text(0, 14, PANELS[name], "title"),
        _text(0, 30, f"{metric.unit}, {sense}", "quiet"),
    ]
    largest = max(bar.value for bar in bars)
    for i, bar in enumerate(bars):
        parts += _bar(bar, largest, metric.unit, TITLE_HEIGHT + i * ROW_HEIGHT)
    return "\n".join(parts)


def _bars(name: str, medians: dict[str, Values], subject: str) -> list[Bar]:
    tools = sorted((t for t in medians if name in medians[t]), key=lambda tool: tool != subject)
    return [Bar(tool, medians[tool][name], tool == subject) for tool in tools]


def _footer(results: Results) -> str:
    """What a reader has to know to believe the bars."""
    known = results.conditions
    parts = [f"{name} {known[name]}" for name in ("kernel", "processors", "rounds") if name in known]
    return ", ".join(["medians of one run", *parts, "kernel bar: veth and nft masquerade, as root"])


def chart(results: Results) -> str:
    """The SVG document."""
    medians = results.medians()
    measured = {name: _bars(name, medians, results.subject) for name in PANELS}
    panels = [_panel(name, bars) for name, bars in measured.items() if bars]
    most = max((len(bars) for bars in measured.values()), default=0)
    panel_height = TITLE_HEIGHT + most * ROW_HEIGHT + MARGIN
    rows = (len(panels) + COLUMNS - 1) // COLUMNS
    width = MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN)
    height = MARGIN + rows * panel_height + FOOTER_HEIGHT
    body = []
    for i, panel in enumerate(panels):
        x = MARGIN + i % COLUMNS * (PANEL_WIDTH + MARGIN)
        y = MARGIN + i // COLUMNS * panel_height
        body.append(f'<g transform="translate({x} {y})">\n{panel}\n</g>')
    body.append(_text(MARGIN, height - MARGIN, _footer(results), "quiet"))
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    title = f"<title>{escape(results.subject)} beside its peers</title>"
    return "\n".join([head, title, f"<style>{STYLE}</style>", *body, "</svg>", ""])

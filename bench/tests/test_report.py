"""Verdicts, tables and the chart."""

import tempfile
import unittest
import xml.dom.minidom
from pathlib import Path

from chart import PANELS, chart
from metrics import METRICS
from report import report
from results import Results, read_results
from targets import TARGETS, Target, Verdict, verdicts


def example() -> Results:
    results = Results("slirpstack", {"kernel": "6.1"}, notes=["pasta: <odd> & quoted"])
    for tool, rate in (("slirp4netns", 1.0), ("slirpstack", 10.0), ("slirpstack", 30.0)):
        results.add(tool, {"udp-up": rate, "rtt": 1000 / rate})
    return results


class Targets(unittest.TestCase):
    def test_every_bound_and_panel_names_a_metric(self) -> None:
        for name in [*(target.metric for target in TARGETS), *PANELS]:
            self.assertIn(name, METRICS)

    def test_a_bound_is_met_by_equality(self) -> None:
        for at_least in (True, False):
            self.assertIs(Verdict(Target("rtt", 2, at_least), 2.0).met, True)

    def test_a_bound_has_a_direction(self) -> None:
        self.assertIs(Verdict(Target("rtt", 2, True), 1.9).met, False)
        self.assertIs(Verdict(Target("rtt", 2, False), 1.9).met, True)

    def test_a_relative_bound_divides_by_the_peer(self) -> None:
        told = verdicts({"slirpstack": {"udp-up": 6}, "slirp4netns": {"udp-up": 2}}, "slirpstack")
        self.assertEqual([v.measured for v in told if v.target.metric == "udp-up"], [3])

    def test_without_the_peer_nothing_is_claimed(self) -> None:
        for verdict in verdicts({"slirpstack": {"udp-up": 6.0}}, "slirpstack"):
            self.assertIsNone(verdict.met)

    def test_zero_is_a_figure(self) -> None:
        told = verdicts({"slirpstack": {"flows.wakeups": 0}}, "slirpstack")
        self.assertEqual([v.met for v in told if v.target.metric == "flows.wakeups"], [True])


class Report(unittest.TestCase):
    def test_shows_medians_ratios_verdicts_and_notes(self) -> None:
        text = report(example())
        row = next(line for line in text.splitlines() if line.startswith("UDP"))
        self.assertEqual(row.split()[-4:], ["Gbit/s", "20", "1", "20.00x"])
        self.assertRegex(text, r"20 x +>= 2.5 x slirp4netns +met")
        self.assertIn("pasta: <odd> & quoted", text)

    def test_results_come_back_from_their_file(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "new" / "results.json"
            example().write(path)
            self.assertEqual(read_results(path), example())


class Chart(unittest.TestCase):
    def test_has_a_bar_for_each_tool_and_measured_panel(self) -> None:
        document = xml.dom.minidom.parseString(chart(example()))
        self.assertEqual(len(document.getElementsByTagName("rect")), 4)

    def test_escapes_names(self) -> None:
        results = example()
        results.add("pasta-<new>&", {"rtt": 5.0})
        document = xml.dom.minidom.parseString(chart(results))
        self.assertEqual(len(document.getElementsByTagName("rect")), 5)

    def test_of_nothing_is_still_a_document(self) -> None:
        xml.dom.minidom.parseString(chart(Results("slirpstack", {})))


if __name__ == "__main__":
    unittest.main()

"""The search for the highest lossless rate."""

import unittest

from udp import DATAGRAM_BYTES, Trial, highest_rate


def path_of(capacity_bps: float, sender_bps: float = 1e12):
    """A path that loses what exceeds its capacity, behind a sender that is held up."""

    def send_at(pace_bps: int) -> Trial:
        offered = min(pace_bps, sender_bps) / 8 / DATAGRAM_BYTES
        return Trial(int(offered), int(min(offered, capacity_bps / 8 / DATAGRAM_BYTES)), 1.0)

    return send_at


class HighestRate(unittest.TestCase):
    def test_comes_within_two_percent_below_the_capacity(self) -> None:
        for capacity in (80e6, 1e9, 3.3e9, 12e9):
            with self.subTest(capacity=capacity):
                found = highest_rate(path_of(capacity), steps=9)
                self.assertLess(found, capacity * 1.001)
                self.assertGreater(found, capacity * 0.98)

    def test_tells_what_arrived_where_the_sender_is_held_up(self) -> None:
        self.assertAlmostEqual(highest_rate(path_of(9e9, 2e9), steps=9) / 2e9, 1, places=3)

    def test_forgives_one_hiccup_at_each_pace(self) -> None:
        smooth, tried = path_of(1e9), set()

        def send_at(pace_bps: int) -> Trial:
            first = pace_bps not in tried
            tried.add(pace_bps)
            return Trial(1000, 900, 1.0) if first else smooth(pace_bps)

        self.assertGreater(highest_rate(send_at, steps=9), 0.98e9)

    def test_is_zero_where_nothing_arrives(self) -> None:
        self.assertEqual(highest_rate(lambda pace: Trial(1000, 0, 1.0), steps=9), 0)

    def test_a_tenth_of_a_percent_is_a_loss(self) -> None:
        self.assertFalse(Trial(10000, 9990, 1.0).lossless)
        self.assertTrue(Trial(10000, 9991, 1.0).lossless)
        self.assertFalse(Trial(0, 0, 1.0).lossless)

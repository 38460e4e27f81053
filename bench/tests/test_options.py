"""Which tools are measured."""

import contextlib
import io
import unittest

from measure import all_cases
from options import chosen_peers, parse_options
from peers import KINDS, peer_named


def names(*words: str) -> list[str]:
    return [peer.name for peer in chosen_peers(parse_options(list(words)))]


class Peers(unittest.TestCase):
    def test_the_subject_comes_first(self) -> None:
        self.assertEqual(names(), ["slirpstack", "slirp4netns", "pasta", "kernel"])
        self.assertEqual(names("--subject", "pasta")[0], "pasta")

    def test_another_build_is_a_column_of_its_own(self) -> None:
        self.assertEqual(names("--peer", "pasta-new=/p", "--tools", "pasta-new"), ["pasta-new"])
        self.assertIs(peer_named("pasta-new", "/p").kind, KINDS["pasta"])

    def test_the_same_name_replaces_the_default(self) -> None:
        (pasta,) = chosen_peers(parse_options(["--peer", "pasta=/p", "--tools", "pasta"]))
        self.assertEqual(pasta.path, "/p")

    def test_unknown_names_are_refused(self) -> None:
        with self.assertRaises(ValueError):
            names("--tools", "teapot")
        with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
            names("--peer", "teapot=/p")
        self.assertIn('"teapot"', said.getvalue())

    def test_pasta_never_gets_a_bulk_upload(self) -> None:
        for case in all_cases(1):
            if "up" in case.name.split("-"):
                self.assertFalse(case.applies(peer_named("pasta")), case.name)
                self.assertTrue(case.applies(peer_named("slirpstack")), case.name)


if __name__ == "__main__":
    unittest.main()

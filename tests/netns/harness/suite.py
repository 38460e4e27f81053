"""How an area's tests run: each as root and as an ordinary user, in one topology."""

from __future__ import annotations

import sys
import unittest
from typing import Any, ClassVar

from . import processes, sandbox
from .guest import RunGuest, Slirpstack
from .topology import ROOT, USER, Identity, Topology


class AreaTest(unittest.TestCase):
    """A test with a topology; `guest()` makes it a guest that ends with the test."""

    identity: ClassVar[Identity]
    topology: ClassVar[Topology]
    longMessage = True

    def guest(self, *options: str, **more: Any) -> RunGuest:
        guest = RunGuest(self.topology, self.identity, *options, **more)
        self.addCleanup(guest.close)
        return guest

    def slirpstack(self, *arguments: str, **more: Any) -> Slirpstack:
        """For tests in which the program may end in any way."""
        process = Slirpstack(self.topology, self.identity, arguments, **more)
        self.addCleanup(process.check_log)
        self.addCleanup(process.stop)
        return process


class GuestTest(AreaTest):
    """Tests that share one guest."""

    options: ClassVar[tuple[str, ...]] = ()
    shared: ClassVar[RunGuest]

    @classmethod
    def setUpClass(cls) -> None:
        cls.shared = RunGuest(cls.topology, cls.identity, *cls.options)
        cls.addClassCleanup(cls.shared.close)


def _tests_of(case: type[AreaTest], identity: Identity, topology: Topology) -> unittest.TestSuite:
    kind = type(
        f"{case.__name__}_as_{identity.name}", (case,), {"identity": identity, "topology": topology}
    )
    names = sorted(set(sys.argv[1:]) or unittest.TestLoader().getTestCaseNames(kind))
    return unittest.TestSuite(kind(name) for name in names if hasattr(kind, name))


def main(*cases: type[AreaTest]) -> None:
    """Runs all tests of the classes; words on the command line choose some by name."""
    sandbox.enter()
    before = processes.all_processes()
    topology = Topology()
    suite = unittest.TestSuite(
        _tests_of(case, identity, topology) for identity in (ROOT, USER) for case in cases
    )
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(suite)
    topology.close()
    processes.wait_until(
        lambda: processes.all_processes() <= before,
        lambda: f"these to end: {processes.all_processes() - before}",
    )
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)

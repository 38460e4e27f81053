"""Prefix mappings in user mode, in the topology of harness/topology.py.

    guest                            host                             router, internet
    fd00::100, fd00::7               takes 2001:db8:3::/64            routes 2001:db8:3::/64
    fd00::/64 <-> 2001:db8:3::/64    by a route of type local         to the host
"""

from __future__ import annotations

import os
import random
import socket
import struct
import subprocess

from harness import suite
from harness.guest import RunGuest
from harness.processes import run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, file_server, listening, receive_exactly
from harness.topology import HOST_ADDRESS, ROUTER_ADDRESS, SERVER

MAPPING = "up0 fd00::/64 2001:db8:3::/64"
EXTERNAL = "2001:db8:3::/64"
OUTSIDE = {"fd00::100": "2001:db8:3::100", "fd00::7": "2001:db8:3::7"}
PORT = 8080


class MappingTest(suite.AreaTest):
    def setUp(self) -> None:
        self.topology.host.shell(f"ip -6 route replace local {EXTERNAL} dev lo")
        self.topology.router.shell(f"ip -6 route replace {EXTERNAL} via {HOST_ADDRESS[6]}")

    def mapped(self, *options: str) -> RunGuest:
        """A guest with two addresses in the internal prefix."""
        guest = self.guest(*options)
        guest.shell("ip address add fd00::7/64 dev tun0 nodad")
        return guest

    def reaches(self, guest: RunGuest, source: str) -> str:
        """Whom a server sees when the guest connects from an address of its own."""
        with listening(self.topology.internet, 6, SERVER[6]) as listener:
            with guest.socket(socket.AF_INET6) as client:
                client.bind((source, 0))
                client.connect(listener.getsockname())
                server, seen = listener.accept()
                with server:
                    client.sendall(b"ping")
                    self.assertEqual(receive_exactly(server, 4), b"ping")
                    server.sendall(b"pong")
                    self.assertEqual(receive_exactly(client, 4), b"pong")
        return str(seen[0])


class Outbound(MappingTest):
    def test_each_address_leaves_from_its_counterpart(self) -> None:
        guest = self.mapped("-map", MAPPING)
        for inside, outside in OUTSIDE.items():
            self.assertEqual(self.reaches(guest, inside), outside)

    def test_a_checksum_neutral_mapping(self) -> None:
        guest = self.mapped("-map", f"{MAPPING} neutral")
        # fd00 less 2001 + 0db8 + 0003 is cf44: the first word of the identifier takes it.
        self.assertEqual(self.reaches(guest, "fd00::7"), "2001:db8:3:0:cf44::7")

    def test_curl(self) -> None:
        guest = self.mapped("-map", MAPPING)
        with file_server(self.topology.internet, 6, SERVER[6]) as port:
            url = f"http://[{SERVER[6]}]:{port}/3000000"
            shown = "%{size_download} %{http_code}"
            done = guest.run("curl", "-sS", "-o/dev/null", f"-w{shown}", "--interface", "fd00::7", url)
        self.assertEqual(done.stdout, "3000000 200")

    def test_udp(self) -> None:
        guest = self.mapped("-map", MAPPING)
        with Datagrams(self.topology.internet, 6, SERVER[6]) as echo:
            for inside, outside in OUTSIDE.items():
                with guest.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
                    client.bind((inside, 0))
                    client.connect(echo.endpoint)
                    client.send(b"x" * 4000)
                    self.assertEqual(client.recv(9000), b"x" * 4000)
                self.assertEqual(echo.seen[-1][0][0], outside)

    def test_ping(self) -> None:
        guest = self.mapped("-map", MAPPING)
        # The server cannot answer the host's own address any more: an echo that comes back has
        # left from the mapped one.
        self.topology.internet.shell("ip -6 route add unreachable 2001:db8:1::/64")
        self.addCleanup(
            self.topology.internet.shell, "ip -6 route del unreachable 2001:db8:1::/64"
        )
        guest.run("ping", "-n", "-c2", "-i0.2", "-W5", "-I", "fd00::7", SERVER[6])

    def test_without_a_route_nothing_leaves_and_the_log_says_what_to_do(self) -> None:
        guest = self.mapped("-map", "up0 fd00::/64 2001:db8:4::/64")
        with listening(self.topology.internet, 6, SERVER[6]) as listener:
            with guest.socket(socket.AF_INET6) as client:
                with self.assertRaises(OSError):
                    client.connect(listener.getsockname())
        guest.slirpstack.wait_for_log("ip -6 route add local 2001:db8:4::/64 dev lo")

    def test_a_mapping_without_a_route_is_told_at_the_start(self) -> None:
        guest = self.guest("-map", "up0 fd01::/64 2001:db8:5::/64", "-map", MAPPING)
        guest.slirpstack.wait_for_log("ip -6 route add local 2001:db8:5::/64 dev lo")
        self.assertNotIn(EXTERNAL, guest.slirpstack.log)


class Inbound(MappingTest):
    def asks(self, guest: RunGuest, outside: str, inside: str) -> None:
        """A client of the router reaches a service of the guest, which sees its address."""
        with listening(guest, 6, inside, 80) as listener:
            with self.topology.router.socket(socket.AF_INET6) as client:
                client.connect((outside, PORT))
                server, seen = listener.accept()
                with server:
                    self.assertEqual(seen[0], ROUTER_ADDRESS[6])
                    client.sendall(b"hello")
                    self.assertEqual(receive_exactly(server, 5), b"hello")

    def test_a_forward_at_one_address(self) -> None:
        guest = self.mapped("-map", MAPPING, "-L", f"[2001:db8:3::7]:{PORT}::80")
        self.asks(guest, "2001:db8:3::7", "fd00::7")

    def test_a_forward_at_all_addresses_of_the_prefix(self) -> None:
        guest = self.mapped("-map", MAPPING, "-L", f"[::]:{PORT}::80")
        for inside, outside in OUTSIDE.items():
            self.asks(guest, outside, inside)

    def test_datagrams_are_answered_from_where_they_went(self) -> None:
        guest = self.mapped("-map", MAPPING, "-L", f"udp://[::]:{PORT}::53")
        for inside, outside in OUTSIDE.items():
            with Datagrams(guest, 6, inside, 53) as echo:
                with self.topology.router.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
                    client.connect((outside, PORT))
                    client.send(b"question")
                    self.assertEqual(client.recv(100), b"question")
                self.assertEqual(echo.seen[-1][0][0], ROUTER_ADDRESS[6])


class Control(MappingTest):
    def asked(
        self, name: str, socket_path: str, *words: str, status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Asks over a control socket under a name of the program."""
        program = WORK / name
        if not program.exists():
            program.symlink_to(PROGRAM)
        environment = ["env", f"SLIRPSTACK_CONTROL={socket_path}"]
        words = (*self.identity.prefix, *environment, str(program), *words)
        done = run(self.topology.host.command(words), check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def ctl(self, name: str, socket_path: str, *words: str, status: int = 0) -> str:
        """What is printed for that."""
        done = self.asked(name, socket_path, *words, status=status)
        return done.stdout if status == 0 else done.stderr

    def folder(self) -> str:
        folder = WORK / f"map-{self.identity.name}"
        folder.mkdir(mode=0o777, exist_ok=True)
        folder.chmod(0o777)
        return str(folder)

    def test_slnat(self) -> None:
        path = self.folder() + "/control"
        guest = self.mapped("-control", path)
        self.assertEqual(self.reaches(guest, "fd00::7"), HOST_ADDRESS[6])
        self.ctl("slnat", path, "up0", "add", "fd00::/64", EXTERNAL)
        self.assertEqual(self.reaches(guest, "fd00::7"), OUTSIDE["fd00::7"])
        listed = self.ctl("slnat", path, "up0", "list").splitlines()
        self.assertEqual(listed[2:], [f"up0 fd00::/64 -> {EXTERNAL}"])
        self.assertTrue(all(line.startswith("#") for line in listed[:2]))
        said = self.ctl("slnat", path, "up0", "add", "fd00::/64", "2001:db8:9::/64", status=1)
        self.assertTrue(said.startswith("slnat: fd00::/64 is mapped already"), said)
        self.ctl("slnat", path, "clear-all")
        self.assertEqual(self.reaches(guest, "fd00::7"), HOST_ADDRESS[6])
        added = self.asked("slnat", path, "up0", "add", "fd00::/64", "2001:db8:9::/64")
        self.assertEqual(
            added.stderr,
            "slnat: warning: nothing leaves from 2001:db8:9::/64 until the host runs: "
            "ip -6 route add local 2001:db8:9::/64 dev lo\n",
        )

    def test_batches(self) -> None:
        path = self.folder() + "/control"
        batch = WORK / f"{self.identity.name}.batch"
        batch.write_text(f"# a site\nadd up0 fd00::/64 {EXTERNAL}\nadd up0 fd01::/64 fd02::/64\n")
        batch.chmod(0o644)
        self.mapped("-control", path)
        self.ctl("slnat", path, "add-batch", str(batch))
        self.assertEqual(self.ctl("slnat", path, "status"), "2 mappings\nup0: 2\n")
        self.assertIn("line 2", self.ctl("slnat", path, "add-batch", str(batch), status=1))
        self.ctl("slnat", path, "del-batch", str(batch))
        self.assertEqual(self.ctl("slnat", path, "status"), "0 mappings\n")

    def test_a_container_with_a_restricted_socket(self) -> None:
        """The guest itself, whose root is nobody to the host, maps its own addresses alone."""
        folder = self.folder()
        guest = self.mapped(
            "-control-restricted", f"{folder}/rw:fd00::/64={EXTERNAL}",
            "-control-restricted", f"{folder}/ro:fd00::/64",
        )
        for name in ("rw", "ro"):
            self.assertEqual(os.stat(f"{folder}/{name}").st_mode & 0o777, 0o666)
        inside = ["env", f"SLIRPSTACK_CONTROL={folder}/rw", str(WORK / "slnat")]
        (WORK / "slnat").exists() or (WORK / "slnat").symlink_to(PROGRAM)
        guest.run(*inside, "up0", "add", "fd00::7/128", "2001:db8:3::99/128")
        self.assertEqual(self.reaches(guest, "fd00::7"), "2001:db8:3::99")
        self.assertEqual(self.reaches(guest, "fd00::100"), HOST_ADDRESS[6])
        refused = guest.run(*inside, "up0", "add", "fd00::8/128", "2001:db8:1::2/128", check=False)
        self.assertIn("not yours to map", refused.stderr)
        reading = ["env", f"SLIRPSTACK_CONTROL={folder}/ro", *inside[2:]]
        self.assertIn("fd00::7/128", guest.run(*reading, "up0", "list").stdout)
        self.assertNotEqual(guest.run(*reading, "clear-all", check=False).returncode, 0)

    def test_an_open_mapping_takes_the_accelerator(self) -> None:
        words = [str(PROGRAM), "run", "-map", f"{MAPPING} open", "--", "true"]
        done = run(self.topology.host.command([*self.identity.prefix, *words]), check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("-map: up0 fd00::/64 -> 2001:db8:3::/64 open: ", done.stderr)
        self.assertIn("-accel", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_a_mistake_in_the_file_ends_the_start(self) -> None:
        batch = WORK / f"{self.identity.name}.wrong"
        batch.write_text("add up0 fd00::/64 2001:db8::/63\n")
        batch.chmod(0o644)
        words = [str(PROGRAM), "run", "-map-file", str(batch), "--", "true"]
        done = run(self.topology.host.command([*self.identity.prefix, *words]), check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(f"{batch}: line 1, column 19: ", done.stderr)



class Neighbors(MappingTest):
    """A router that takes the external prefix to be attached to its wire."""

    ATTACHED = "2001:db8:3:0:5::/80"

    def setUp(self) -> None:
        if self.identity.prefix:
            self.skipTest("CAP_NET_RAW is needed")
        super().setUp()
        self.topology.router.shell(f"ip -6 route replace {self.ATTACHED} dev down0")
        self.addCleanup(self.topology.router.shell, f"ip -6 route del {self.ATTACHED} dev down0")

    def neighbor(self, address: str) -> str:
        """What the router knows of it, after it has tried to reach it."""
        with self.topology.router.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.sendto(b"?", (address, 9))
            known = lambda: self.topology.router.shell(f"ip -6 neighbour show to {address} dev down0")
            wait_until(lambda: "REACHABLE" in known() or "FAILED" in known(), "an answer, or none")
        return known()

    def mac(self) -> str:
        words = self.topology.host.shell("ip -o link show up0").split()
        return words[words.index("link/ether") + 1]

    def test_a_mapped_address_is_answered_for(self) -> None:
        self.mapped("-map", MAPPING)
        self.assertIn(self.mac(), self.neighbor("2001:db8:3:0:5::1"))

    def test_an_address_that_is_probed_is_defended(self) -> None:
        self.mapped("-map", MAPPING)
        self.topology.router.shell(
            "echo 1 > /proc/sys/net/ipv6/conf/down0/accept_dad"
            " && ip address add 2001:db8:3:0:5::2/128 dev down0"
        )
        self.addCleanup(
            self.topology.router.shell, "ip address del 2001:db8:3:0:5::2/128 dev down0"
        )
        wait_until(
            lambda: "dadfailed" in self.topology.router.shell("ip address show dev down0"),
            "a duplicate that is noticed",
        )

    def test_broken_solicitations_do_no_harm(self) -> None:
        guest = self.mapped("-map", MAPPING)
        target = socket.inet_pton(socket.AF_INET6, "2001:db8:3:0:5::6")
        source = socket.inet_pton(socket.AF_INET6, "2001:db8:3:0:5::7")
        body = struct.pack("!BBHI16sBB6s", 135, 0, 0, 0, target, 1, 1, b"\2\0\0\0\0\1")
        whole = struct.pack("!IHBB16s16s", 6 << 28, len(body), 58, 255, source, target) + body
        noise = random.Random(1)
        with self.topology.router.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as wire:
            to = ("down0", 0x86DD, 0, 0, b"\xff" * 6)
            for length in range(41, len(whole)): # the filter wants its first 41 bytes
                wire.sendto(whole[:length], to)
            for _ in range(300):
                broken = bytearray(whole + bytes(noise.randrange(2) * 1000))
                for _ in range(noise.randrange(1, 4)):
                    broken[noise.choice([4, 5, *range(41, len(whole))])] = noise.randrange(256)
                wire.sendto(broken, to)
        self.assertIn(self.mac(), self.neighbor("2001:db8:3:0:5::8"))
        guest.slirpstack.check_log()

    def test_nobody_answers_without_a_mapping_or_a_route_of_the_host(self) -> None:
        guest = self.mapped("-map", "up0 fd00::/64 2001:db8:4::/64")
        self.assertIn("FAILED", self.neighbor("2001:db8:3:0:5::3"))
        guest.close()
        self.topology.host.shell(f"ip -6 route del local {EXTERNAL} dev lo")
        self.mapped("-map", MAPPING)
        self.assertIn("FAILED", self.neighbor("2001:db8:3:0:5::4"))


if __name__ == "__main__":
    suite.main(Outbound, Inbound, Control, Neighbors)

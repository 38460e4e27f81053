"""Facts about the link to the guest, and about the process itself."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Callable

from face import FACE, GATEWAY, GUEST, FaceTest, Slirpnetstack, face
from harness import suite
from harness.processes import Process, is_alive, wait_until
from harness.sandbox import WORK
from harness.servers import listening
from harness.topology import SERVER

OUR_MAC = bytes.fromhex("7071aa4b29aa")
GUEST_MAC = bytes.fromhex("020000000001")
BROADCAST = b"\xff" * 6
ETHERTYPE_ARP, ETHERTYPE_IPV4 = 0x0806, 0x0800
REQUEST, REPLY = 1, 2
UDP = 17


def arp(operation: int, target: str) -> bytes:
    """A frame of the guest: who has `target`, or an answer to it."""
    body = struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, operation)
    body += GUEST_MAC + socket.inet_aton(GUEST[4]) + bytes(6) + socket.inet_aton(target)
    return BROADCAST + GUEST_MAC + struct.pack("!H", ETHERTYPE_ARP) + body


class Frames(FaceTest):
    """-fd: the test is the guest."""

    def frames(self, *options: str) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(ours.close)
        ours.settimeout(15)
        with theirs:
            words = ["-fd", str(theirs.fileno()), *options]
            process = Slirpnetstack(self.topology, self.identity, words, [theirs.fileno()])
        self.addCleanup(process.stop)
        return ours

    def next(self, ours: socket.socket, wanted: Callable[[bytes], bool]) -> bytes:
        while not wanted(frame := ours.recv(70000)):
            pass
        return frame

    def test_every_address_of_the_subnet_is_ours_but_the_guests(self) -> None:
        ours = self.frames()
        for target in (GUEST[4], "10.0.2.2", "10.0.2.77", "10.0.2.254"):
            ours.send(arp(REQUEST, target))
        for target in ("10.0.2.2", "10.0.2.77", "10.0.2.254"):
            frame = self.next(ours, lambda each: each[12:14] == b"\x08\x06" and each[21] == REPLY)
            self.assertEqual(frame[22:28], OUR_MAC)
            self.assertEqual(socket.inet_ntoa(frame[28:32]), target)

    def test_the_guest_is_asked_for_at_the_start(self) -> None:
        frame = self.frames().recv(70000)
        self.assertEqual((frame[:6], frame[6:12]), (BROADCAST, OUR_MAC))
        self.assertEqual(frame[12:14] + frame[20:22], b"\x08\x06\0\1")
        self.assertEqual(socket.inet_ntoa(frame[38:42]), GUEST[4])

    def test_the_mtu_is_what_is_said_or_1500(self) -> None:
        for options, mtu in ((["-mtu", "1400"], 1400), (["-mtu", "0"], 1500), ([], 1500)):
            ours = self.frames(*options, "-L", "udp://127.0.0.1:0")
            ours.send(arp(REPLY, GATEWAY[4]))
            with self.topology.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(bytes(3000), ("127.0.0.1", self.listening_port()))
                frame = self.next(ours, lambda each: each[12:14] == b"\x08\0" and each[23] == UDP)
            self.assertEqual(len(frame), 14 + 20 + (mtu - 20) // 8 * 8, "the first fragment")

    def listening_port(self) -> int:
        """Of the newest process's forward."""
        newest = max(WORK.glob("*.stdout"), key=lambda path: int(path.stem))
        said = wait_until(newest.read_text, "the port")
        return int(said.splitlines()[0].rpartition(":")[2])


class Interface(FaceTest):
    def test_its_mtu_is_used(self) -> None:
        for mtu in (1500, 9000):
            guest = self.namespace(mtu=mtu)
            words = ["-netns", guest.path, "-enable-routing"]
            process = Slirpnetstack(self.topology, self.identity, words)
            self.addCleanup(process.stop)
            with listening(self.topology.internet, 4, SERVER[4]) as listener:
                with guest.socket(socket.AF_INET) as client:
                    client.connect(listener.getsockname())
                    segment = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            self.assertGreater(segment, mtu - 60)
            process.end()

    def test_without_a_path_it_is_our_own_namespace(self) -> None:
        guest = self.namespace()
        face()
        process = Process(guest.command([str(FACE), "-interface", "tun0"]), WORK)
        self.addCleanup(process.stop)
        process.wait_for_log("Slirpnetstack started")
        self.assertNotIn("Joininig", process.log)
        said = guest.run("ping", "-n", "-c1", "-W5", GATEWAY[4]).stdout
        self.assertIn(" 0% packet loss", said)


class ProcessFacts(FaceTest):
    def test_the_limit_of_descriptors_is_raised(self) -> None:
        guest = self.namespace()
        words = [*self.identity.prefix, "prlimit", "--nofile=300:3000", face()]
        command = self.topology.host.command([*words, "-netns", guest.path])
        process = Process(command, WORK)
        self.addCleanup(process.stop)
        process.wait_for_log("Slirpnetstack started")
        limits = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
        (line,) = [each for each in limits if each.startswith("Max open files")]
        self.assertEqual(line.split()[3:5], ["3000", "3000"])

    def test_it_ends_with_its_parent_if_asked(self) -> None:
        guest = self.namespace()
        words = [*self.identity.prefix, "sh", "-c", '"$@" & echo $!; exec cat', "sh", face()]
        words += ["-netns", guest.path, "-exit-with-parent"]
        parent = Process(self.topology.host.command(words), WORK)
        self.addCleanup(parent.stop)
        parent.wait_for_log("Slirpnetstack started")
        pid = int(parent.wait_for_output("\n").split()[0])
        self.assertTrue(is_alive(pid))
        parent.close_input()
        wait_until(lambda: not is_alive(pid), "the end")
        wait_until(lambda: "Slirpnetstack closing" in parent.log, "its last line")

    def test_metrics_over_a_unix_socket(self) -> None:
        folder = WORK / f"metrics-{self.identity.name}"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        _, process = self.served("-m", f"unix://{folder}/socket")
        process.wait_for_log("Running metrics on ")
        get = ["curl", "-sSf", "--unix-socket", f"{folder}/socket", "http://localhost/health"]
        self.assertEqual(self.topology.host.run(*get).stdout, "ok\n")

    def test_processors_may_be_bounded(self) -> None:
        self.served("-maxprocs", "2")


if __name__ == "__main__":
    suite.main(Frames, Interface, ProcessFacts)

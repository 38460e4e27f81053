"""Every way to come by a guest: namespaces by path, name and process, sockets, other programs'."""

from __future__ import annotations

import os
import shutil
import socket
import struct
from pathlib import Path
from typing import Sequence

from harness import suite
from harness.guest import GATEWAY, interfaces
from harness.namespace import HeldNamespace, Namespace
from harness.processes import Process, run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import FAMILY, listening
from harness.topology import ORDINARY_ID, SERVER, USER

# As in the README of the program that ours takes its command line from.
OWNERS_SETUP = """
ip link set lo up
ip tuntap add tun0 mode {mode}
ip address add 2001:2::100/32 dev tun0 nodad
ip address add 10.0.2.100/24 dev tun0
ip link set tun0 mtu 65521 up
ip route add default via 2001:2::2
ip route add default via 10.0.2.2
"""
OWNERS_NETWORK = """
ip link set lo up
ip tuntap add tun0 mode tap
ip address add {own} dev tun0
ip link set tun0 addrgenmode none
ip link set tun0 up
ip route add default via {gateway}
"""
UNSHARE = ("unshare", "--user", "--map-root-user", "--net")
GUEST_MAC = bytes.fromhex("020000000001")
GUEST_ADDRESS, ETHERTYPE_IPV4, ETHERTYPE_ARP = "10.0.2.100", 0x0800, 0x0806


class Joining(suite.AreaTest):
    def made(self, words: Sequence[str] = UNSHARE, setup: str = "") -> HeldNamespace:
        """A namespace that the user has made with a command."""
        words = self.topology.host.command([*self.identity.prefix, *words])
        guest = HeldNamespace(words, WORK, setup, self.identity.prefix)
        self.addCleanup(guest.close)
        return guest

    def works(self, guest: Namespace, versions: Sequence[int] = (4, 6)) -> None:
        """A connection in each family, and an answer."""
        for version in versions:
            with listening(self.topology.internet, version, SERVER[version]) as listener:
                with guest.socket(FAMILY[version]) as client:
                    client.connect(listener.getsockname())
                    with listener.accept()[0] as server:
                        server.sendall(b"welcome")
                    self.assertEqual(client.recv(100), b"welcome")

    def test_a_tap_that_its_owner_configured(self) -> None:
        guest = self.made(setup=OWNERS_SETUP.format(mode="tap"))
        self.slirpstack("-interface", "tun0", "-netns", f"/proc/{guest.pid}/ns/net")
        self.works(guest)
        said = guest.run("ping", "-6", "-n", "-c1", "2001:2::2").stdout
        self.assertIn(" 0% packet loss", said, "the gateway is the owner's")
        self.assertIn("mtu 65521", guest.run("ip", "link", "show", "tun0").stdout)

    def test_its_owner_changes_the_mtu(self) -> None:
        guest = self.made(setup=OWNERS_SETUP.format(mode="tap"))
        words = ("-interface", "tun0", "-log-level", "debug", str(guest.pid))
        process = self.slirpstack(*words)
        guest.shell("ip link set tun0 mtu 9000")
        self.assertIn(" mtu=9000", process.wait_for_log("has another MTU"))
        self.works(guest)

    def test_a_tun_that_its_owner_configured(self) -> None:
        guest = self.made(setup=OWNERS_SETUP.format(mode="tun"))
        self.slirpstack("-interface", "tun0", "-netns", f"/proc/{guest.pid}/ns/net")
        self.works(guest)

    def test_the_ready_line_has_the_addresses(self) -> None:
        guest = self.made()
        process = self.slirpstack("-configure", "-dns", "10.0.2.53", str(guest.pid))
        said = process.wait_for_log("ready")
        for field in ("guest=10.0.2.100,fd00::100", "gateway=10.0.2.2,fd00::2",
                      "dns=10.0.2.53,fd00::3"):
            self.assertIn(f" {field} ", said)

    def test_an_owners_network_without_room_for_dns(self) -> None:
        for own, gateway, dns, reason in (
            ("10.7.0.2/30", "10.7.0.1", "10.7.0.3", "broadcast"),
            ("10.7.0.3/24", "10.7.0.1", "10.7.0.3", "own address"),
        ):
            guest = self.made(setup=OWNERS_NETWORK.format(own=own, gateway=gateway))
            words = ("-cidr", "10.9.0.0/24", "-mtu", "1400", str(guest.pid))
            process = self.slirpstack(*words)
            said = process.wait_for_log("ready")
            self.assertIn(f" guest={own.partition('/')[0]} gateway={gateway} dns={dns} ", said)
            self.assertRegex(process.wait_for_log("cannot ask"), rf"warning: .*dns={dns} .*{reason}")
            self.assertIn("option=-cidr asked=10.9.0.0/24", process.wait_for_log("of its own"))
            self.assertIn("option=-mtu asked=1400", process.wait_for_log("keeps its MTU"))
            process.end()
            chosen = self.slirpstack("-dns", "10.7.0.53", str(guest.pid))
            self.assertIn(" dns=10.7.0.53 ", chosen.wait_for_log("ready"))
            self.assertNotIn("warning", chosen.log)
            chosen.end()
            guest.close()

    def test_our_own_namespace_is_not_configured(self) -> None:
        for words, named in ((["{pid}"], "process {pid} is in slirpstack's own network namespace"),
                             (["-netns", "/proc/self/ns/net"], "/proc/self/ns/net is slirpstack's")):
            sleeper = Process(self.topology.host.command(
                [*self.identity.prefix, "sh", "-c", "echo $$; exec cat"]), WORK)
            self.addCleanup(sleeper.stop)
            pid = int(sleeper.wait_for_output("\n"))
            words = [word.format(pid=pid) for word in words]
            done = run(self.topology.host.command(
                [*self.identity.prefix, str(PROGRAM), "-configure", *words]), check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(named.format(pid=pid), done.stderr)
            self.assertNotIn("tun0", self.topology.host.run("ip", "link").stdout)

    def test_a_missing_interface_is_answered_with_what_makes_it(self) -> None:
        guest = self.made()
        done = run(self.topology.host.command(
            [*self.identity.prefix, str(PROGRAM), str(guest.pid)]), check=False)
        self.assertEqual((done.returncode, done.stderr), (
            1, "slirpstack: cannot open the interface tun0: No such device (-configure makes it)\n"))

    def test_a_name(self) -> None:
        guest = self.made()
        name = Path(f"/run/netns/{self.identity.name}")
        name.touch()
        self.topology.host.shell(f"mount --bind {guest.path} {name}")
        self.addCleanup(self.topology.host.shell, f"umount {name}; rm -f {name}")
        self.slirpstack("-configure", "-netns", name.name)
        self.works(guest)

    def test_a_process(self) -> None:
        guest = self.made()
        self.slirpstack("-configure", str(guest.pid))
        self.works(guest)

    def test_the_user_namespace_can_be_named(self) -> None:
        guest = self.made()
        where = f"/proc/{guest.pid}/ns"
        self.slirpstack("-configure", "-netns", f"{where}/net", "-userns", f"{where}/user")
        self.works(guest)

    def test_an_inherited_descriptor_as_a_path(self) -> None:
        guest = self.made()
        with open(guest.path, "rb") as descriptor:
            path = f"/proc/self/fd/{descriptor.fileno()}"
            self.slirpstack("-configure", "-netns", path, pass_fds=[descriptor.fileno()])
        self.works(guest)

    def test_bubblewrap_with_its_nested_user_namespace(self) -> None:
        if not shutil.which("bwrap"):
            self.skipTest("no bwrap")
        # A /dev of its own is what makes bubblewrap nest.
        mounts = ["--dev-bind", "/", "/", "--dev", "/mnt"]
        guest = self.made(["bwrap", "--unshare-user", "--unshare-net", *mounts])
        self.slirpstack("-configure", str(guest.pid))
        self.works(guest)

    def test_rootless_podman(self) -> None:
        if self.identity is not USER:
            self.skipTest("rootless is for users")
        if not shutil.which("podman"):
            self.skipTest("no podman")
        home = WORK / "podman"
        home.mkdir(mode=0o700)
        os.chown(home, ORDINARY_ID, ORDINARY_ID)
        words = ["env", f"HOME={home}", f"XDG_RUNTIME_DIR={home}", "podman"]
        # A container needs an image; this enters the same user namespace without one.
        attempt = [*self.identity.prefix, *words, "unshare", "true"]
        tried = self.topology.host.run(*attempt, check=False)
        if tried.returncode != 0:
            self.skipTest(f"podman unshare does not work here: {tried.stderr.strip()}")
        guest = self.made([*words, "unshare", "unshare", "--net"])
        self.addCleanup(end_podman, home)
        self.slirpstack("-configure", str(guest.pid))
        self.works(guest)

    def test_strangers_namespaces_are_refused_with_a_reason(self) -> None:
        if self.identity is not USER:
            self.skipTest("root may join all")
        words = [*self.identity.prefix, str(PROGRAM), "-configure", str(self.topology.router.pid)]
        done = self.topology.host.run(*words, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertRegex(done.stderr, "(?i)not permitted|permission denied")

    def test_what_is_not_there_is_refused_with_a_reason(self) -> None:
        guest = self.made()
        for status, arguments in (
            (2, ["-netns", "no-such-name"]),
            (2, ["-netns", f"/proc/{guest.pid}/ns/no-such-file"]),
            (1, ["-interface", "no-such-tap", "-netns", guest.path]),
        ):
            words = [*self.identity.prefix, str(PROGRAM), *arguments]
            done = self.topology.host.run(*words, check=False)
            self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertEqual(interfaces(guest), {"lo"}, "nothing was made")


class Socket(suite.AreaTest):
    """A guest of a few lines behind `-fd`."""

    def test_ethernet_over_an_inherited_socket(self) -> None:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            with ours, theirs:
                ours.settimeout(15)
                process = self.slirpstack("-fd", str(theirs.fileno()), pass_fds=[theirs.fileno()])
                theirs.close()
                gateway_mac = self.resolve(ours)
                self.ping(ours, gateway_mac)
                ours.send(b"")
                self.ping(ours, gateway_mac)
                if kind == socket.SOCK_SEQPACKET:
                    # A datagram socket does not tell that its other end has closed.
                    ours.close()
                    self.assertEqual(process.exit_status(), 0, "its guest is gone")

    def resolve(self, link: socket.socket) -> bytes:
        """Asks for the gateway by ARP."""
        sender = GUEST_MAC + socket.inet_aton(GUEST_ADDRESS)
        request = struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, 1) + sender
        request += bytes(6) + socket.inet_aton(GATEWAY[4])
        link.send(b"\xff" * 6 + GUEST_MAC + struct.pack("!H", ETHERTYPE_ARP) + request)
        frame = next_frame(link, ETHERTYPE_ARP)
        self.assertEqual(frame[:6], GUEST_MAC)
        reply = frame[14:42]
        self.assertEqual(struct.unpack("!H", reply[6:8]), (2,))
        self.assertEqual(reply[14:18], socket.inet_aton(GATEWAY[4]))
        self.assertEqual(reply[18:28], sender)
        return reply[8:14]

    def ping(self, link: socket.socket, gateway_mac: bytes) -> None:
        echo = with_checksum(struct.pack("!BBHHH", 8, 0, 0, 0x1234, 1) + b"hello, gateway!!", 2)
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(echo), 1, 0, 64, 1, 0)
        header += socket.inet_aton(GUEST_ADDRESS) + socket.inet_aton(GATEWAY[4])
        ethernet = gateway_mac + GUEST_MAC + struct.pack("!H", ETHERTYPE_IPV4)
        link.send(ethernet + with_checksum(header, 10) + echo)
        frame = next_frame(link, ETHERTYPE_IPV4)
        self.assertEqual(frame[6:12], gateway_mac)
        reply = frame[34:]
        self.assertEqual((reply[0], reply[4:]), (0, echo[4:]))


def with_checksum(data: bytes, place: int) -> bytes:
    """RFC 1071's, put at `place`, over an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return data[:place] + struct.pack("!H", ~total & 0xFFFF) + data[place + 2 :]


def next_frame(link: socket.socket, ethertype: int) -> bytes:
    """The next frame of a kind; the router may speak of other things too."""
    while True:
        frame = link.recv(65536)
        if struct.unpack("!H", frame[12:14]) == (ethertype,):
            return frame


def end_podman(home: Path) -> None:
    """podman leaves a process behind that keeps its user namespace."""
    for file in home.rglob("pause.pid"):
        pid = int(file.read_text())
        os.kill(pid, 9)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "podman's end")


if __name__ == "__main__":
    suite.main(Joining, Socket)

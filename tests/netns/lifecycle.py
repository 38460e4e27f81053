"""Beginning, end, limits: what becomes of slirpstack, its guest and its flows."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
from pathlib import Path

from harness import suite
from harness.guest import RunGuest, ServedGuest, interfaces
from harness.namespace import HeldNamespace
from harness.processes import Process, is_alive, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, listening, receive_exactly
from harness.topology import SERVER

UNSHARE = ("unshare", "--user", "--map-root-user", "--net")


class LifecycleTest(suite.AreaTest):
    def made(self) -> HeldNamespace:
        words = self.topology.host.command([*self.identity.prefix, *UNSHARE])
        guest = HeldNamespace(words, WORK, owner=self.identity.prefix)
        self.addCleanup(guest.close)
        return guest

    def connect_error(self, guest: RunGuest, endpoint: tuple[str, int]) -> int:
        with guest.socket(socket.AF_INET) as client:
            return client.connect_ex(endpoint)


class Ending(LifecycleTest):
    def test_it_ends_with_its_exit_descriptor(self) -> None:
        for byte in (b"", b"x"):
            reading, writing = os.pipe()
            guest = self.made()
            arguments = ["-exit-fd", str(reading), "-configure", str(guest.pid)]
            process = self.slirpstack(*arguments, pass_fds=[reading])
            os.close(reading)
            os.write(writing, byte)
            if not byte:
                os.close(writing)
            self.assertEqual(process.exit_status(), 0)
            if byte:
                os.close(writing)

    def test_it_ends_with_its_parent(self) -> None:
        guest = self.made()
        program = [*self.identity.prefix, str(PROGRAM), "-exit-with-parent", "-configure"]
        script = f"{' '.join(program)} {guest.pid} & echo $!; exec cat"
        parent = Process(self.topology.host.command(["sh", "-c", script]), WORK)
        self.addCleanup(parent.stop)
        pid = int(parent.wait_for_output("\n"))
        parent.wait_for_log("ready")
        self.assertTrue(is_alive(pid))
        parent.signal(signal.SIGKILL)
        wait_until(lambda: not is_alive(pid), "slirpstack's end")
        self.assertEqual(interfaces(guest), {"lo"})

    def test_it_ends_with_the_process_it_was_given(self) -> None:
        for how in ("{}", "-netns /proc/{}/ns/net"):
            guest = self.made()
            process = self.slirpstack("-configure", *how.format(guest.pid).split())
            os.kill(guest.pid, signal.SIGKILL)
            self.assertEqual(process.exit_status(), 0)
            self.assertIn("gone", process.log)

    def test_it_ends_with_the_name_it_was_given(self) -> None:
        guest = self.made()
        name = Path(f"/run/netns/ending-{self.identity.name}")
        name.touch()
        self.topology.host.shell(f"mount --bind {guest.path} {name}")
        process = self.slirpstack("-configure", "-netns", name.name)
        self.topology.host.shell(f"umount {name}")
        name.unlink()
        self.assertEqual(process.exit_status(), 0)
        self.assertIn("gone", process.log)

    def test_it_ends_with_its_interface(self) -> None:
        guest = self.made()
        process = self.slirpstack("-configure", str(guest.pid))
        guest.shell("ip link del tun0")
        self.assertEqual(process.exit_status(), 0)

    def test_signals_end_it_and_its_interface(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            guest = self.made()
            process = self.slirpstack("-configure", str(guest.pid))
            self.assertEqual(interfaces(guest), {"lo", "tun0"})
            process.signal(number)
            self.assertEqual(process.exit_status(), 0)
            self.assertEqual(interfaces(guest), {"lo"})

    def test_at_the_end_both_ends_of_each_flow_are_told(self) -> None:
        guest = ServedGuest(self.topology, self.identity, "-configure")
        self.addCleanup(HeldNamespace.close, guest)
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            with guest.socket(socket.AF_INET) as client:
                client.connect(listener.getsockname())
                with listener.accept()[0] as server:
                    server.settimeout(15)
                    server.sendall(b"x")
                    self.assertEqual(client.recv(1), b"x")
                    guest.slirpstack.end()
                    with contextlib.suppress(ConnectionResetError):
                        self.assertEqual(server.recv(1), b"")
                    with contextlib.suppress(ConnectionResetError):
                        self.assertEqual(client.recv(1), b"")

    def test_killing_it_ends_its_command_and_leaves_nothing(self) -> None:
        mounts = self.topology.host.shell("cat /proc/self/mounts")
        links = self.topology.host.shell("ip -o link")
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            guest = RunGuest(self.topology, self.identity)
            self.addCleanup(guest.slirpstack.stop)
            client = guest.socket(socket.AF_INET)
            client.connect(listener.getsockname())
            with listener.accept()[0] as server:
                server.settimeout(15)
                guest.slirpstack.signal(signal.SIGKILL)
                guest.slirpstack.exit_status()
                wait_until(lambda: not is_alive(guest.pid), "the command's end")
                self.assertEqual(server.recv(1), b"")
            client.close()
        self.assertEqual(self.topology.host.shell("cat /proc/self/mounts"), mounts)
        self.assertEqual(self.topology.host.shell("ip -o link"), links)

    def test_killing_what_serves_a_namespace_takes_the_interface_away(self) -> None:
        guest = self.made()
        process = self.slirpstack("-configure", str(guest.pid))
        process.signal(signal.SIGKILL)
        process.exit_status()
        wait_until(lambda: interfaces(guest) == {"lo"}, "the interface gone")
        self.slirpstack("-configure", str(guest.pid))
        self.assertEqual(interfaces(guest), {"lo", "tun0"}, "and another can serve it")

    def test_killing_the_command_ends_it(self) -> None:
        guest = RunGuest(self.topology, self.identity)
        self.addCleanup(guest.slirpstack.stop)
        os.kill(guest.pid, signal.SIGKILL)
        self.assertEqual(guest.slirpstack.exit_status(), 128 + signal.SIGKILL)

    def test_sigterm_is_passed_on_to_the_command(self) -> None:
        guest = RunGuest(self.topology, self.identity)
        self.addCleanup(guest.slirpstack.stop)
        guest.slirpstack.signal(signal.SIGTERM)
        self.assertEqual(guest.slirpstack.exit_status(), 128 + signal.SIGTERM)


class Limits(LifecycleTest):
    def fill(self, guest: RunGuest, listener: socket.socket, ends: contextlib.ExitStack) -> int:
        """Opens connections until one is refused; how many there are."""
        for count in range(1000):
            client = ends.enter_context(guest.socket(socket.AF_INET))
            error = client.connect_ex(listener.getsockname())
            if error:
                self.assertEqual(error, errno.ECONNREFUSED)
                return count
            server = ends.enter_context(listener.accept()[0])
            server.settimeout(15)
            client.sendall(b"x")
            self.assertEqual(receive_exactly(server, 1), b"x")
        self.fail("never refused")

    def recovers(self, guest: RunGuest, listener: socket.socket) -> None:
        wait_until(
            lambda: self.connect_error(guest, listener.getsockname()) == 0, "a connection again"
        )

    def test_over_its_limit_it_refuses_says_so_and_recovers(self) -> None:
        guest = self.guest("-max-flows", "10")
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            with contextlib.ExitStack() as ends:
                self.assertEqual(self.fill(guest, listener, ends), 10)
                line = guest.slirpstack.wait_for_log("too many flows")
                self.assertIn("limit=10", line)
                self.assertIn("refused=1", line)
            self.recovers(guest, listener)

    def test_udp_over_the_limit_is_refused_or_makes_room_but_never_silent(self) -> None:
        guest = self.guest("-max-flows", "4")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            for number in range(20):
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.connect(echo.endpoint)
                    client.send(b"%d" % number)
                    try:
                        self.assertEqual(client.recv(100), b"%d" % number)
                    except OSError as error:
                        self.assertEqual(error.errno, errno.EHOSTUNREACH)

    def test_without_descriptors_it_refuses_and_recovers(self) -> None:
        # Fewer than its flow limit allows for: connections meet EMFILE itself.
        guest = self.guest(wrapper=["prlimit", "--nofile=72:72"])
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            with contextlib.ExitStack() as ends:
                self.assertGreater(self.fill(guest, listener, ends), 20)
                for _ in range(50):
                    error = self.connect_error(guest, listener.getsockname())
                    self.assertEqual(error, errno.ECONNREFUSED)
            self.recovers(guest, listener)

    def test_it_raises_its_descriptor_limit(self) -> None:
        guest = self.guest(wrapper=["prlimit", "--nofile=256:4096"])
        limit = Path(f"/proc/{guest.slirpstack.pid}/limits").read_text()
        self.assertRegex(limit, r"Max open files +4096 +4096")
        inner = Path(f"/proc/{guest.pid}/limits").read_text()
        self.assertRegex(inner, r"Max open files +256 +4096", "the command keeps its own")

    def test_an_idle_process_sleeps(self) -> None:
        guest = self.guest()
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            with guest.socket(socket.AF_INET) as client:
                client.connect(listener.getsockname())
                with listener.accept()[0] as server:
                    server.sendall(b"x")
                    client.recv(1)
                    status = Path(f"/proc/{guest.slirpstack.pid}/status")

                    def switches() -> int:
                        found = re.search(r"^voluntary.*\t(\d+)", status.read_text(), re.M)
                        assert found
                        return int(found[1])

                    # IPv6 speaks of itself at first; then there has to be quiet.
                    def is_quiet() -> bool:
                        before = switches()
                        with contextlib.suppress(TimeoutError):
                            client.settimeout(1)
                            client.recv(1)
                        return switches() - before == 0

                    wait_until(is_quiet, "a second without a wake-up", 30)


if __name__ == "__main__":
    suite.main(Ending, Limits)

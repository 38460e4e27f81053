"""How the accelerator ends, and what it leaves and takes over. Topology: harness/accelerated.py."""

from __future__ import annotations

import contextlib
import itertools
import signal
import socket
import time

from harness import suite
from harness.accelerated import (
    BINDERS,
    BPF_FOLDER,
    ETHTOOL_SGRO,
    ETHTOOL_STXCSUM,
    FIRST_SHARED_PORT,
    GUEST,
    HOOKS,
    LAN_ADDRESS,
    OLD_KERNEL,
    AcceleratorTest,
    set_feature,
)
from harness.guest import GATEWAY
from harness.processes import run, wait_until
from harness.sandbox import PROGRAM
from harness.servers import Datagrams, listening, receive_exactly
from harness.topology import HOST_ADDRESS, LAN_PEER, ROUTER_ADDRESS, SERVER


class Ending(AcceleratorTest):
    def interfaces(self) -> str:
        return self.topology.host.shell("ip -d link")

    def test_an_orderly_end_leaves_nothing(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.namespace()
                process = self.accelerated(hook, [guest])
                self.assertIn("slv", self.interfaces())
                process.end()
                self.assertNotIn("slv", self.interfaces())
                self.assertNotIn("slt", self.interfaces())
                self.assertNotIn("slf", self.interfaces())
                self.assertNotIn("xdp", self.interfaces())

    def test_nothing_untranslated_leaves_after_a_kill(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds=binds)
                self.seen_from(guest, echo)
                process.signal(signal.SIGKILL)
                process.exit_status()
                with self.untranslated() as leaked:
                    before = len(echo.seen)
                    for _ in range(20):
                        with contextlib.suppress(OSError):
                            self.last.sendto(b"anyone?", echo.endpoint)
                    # The gateway's Ethernet address is no longer needed for a leak.
                    mac = self.topology.host.shell("ip -o link show type veth | grep slv").split()
                    guest.shell(
                        f"ip neighbour replace {GATEWAY[4]} lladdr {mac[mac.index('link/ether') + 1]}"
                        " dev tun0"
                    )
                    for _ in range(20):
                        with contextlib.suppress(OSError):
                            self.last.sendto(b"anyone?", echo.endpoint)
                self.assertEqual(leaked, [])
                self.assertEqual(len(echo.seen), before)
                self.assertNotIn("xdp", self.interfaces())
                # The next start takes the place of what was left.
                again = self.accelerated(hook, [guest], binds=binds)
                self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
                again.end()

    def test_what_a_kill_leaves_on_an_old_kernel_stops_by_itself(self) -> None:
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            guest = self.namespace()
            process = self.accelerated("tc", [guest], wrapper=OLD_KERNEL)
            self.seen_from(guest, echo)
            self.assertIn("nat_", self.topology.host.shell("tc filter show dev up0 ingress"))
            # Longer than the programs carry on without a sign of life.
            alive = time.monotonic() + 5
            while time.monotonic() < alive:
                self.assertTrue(self.is_answered(echo))
                time.sleep(0.1)
            process.signal(signal.SIGKILL)
            process.exit_status()
            wait_until(lambda: not self.is_answered(echo), "an end of what the killed process has left")
            self.assertFalse(self.is_answered(echo))
            again = self.accelerated("tc", [guest], wrapper=OLD_KERNEL)
            self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
            again.end()
            self.assertNotIn("nat_", self.topology.host.shell("tc filter show dev up0 ingress"))

    def mount_bpf(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )

    def remove_pairs(self) -> None:
        """Those that a process with pinned maps has left for its successor."""
        for line in self.interfaces().splitlines():
            if ": slv" in line:
                name = line.split(": ")[1].split("@")[0]
                self.topology.host.shell(f"ip link del {name}")

    def test_a_restart_with_pinned_maps_loses_no_connection(self) -> None:
        self.mount_bpf()
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), listening(self.topology.internet, 4, SERVER[4]) as listener:
                guest = self.namespace()
                pinned = ("-pin", f"{BPF_FOLDER}/{hook}-{binds}")
                process = self.accelerated(hook, [guest], *pinned, binds=binds)
                with guest.socket(socket.AF_INET) as client:
                    client.connect(listener.getsockname())
                    server, seen = listener.accept()
                    with server:
                        process.end()
                        client.sendall(b"are you there?") # sent again until somebody carries it
                        again = self.accelerated(hook, [guest], *pinned, binds=binds)
                        again.wait_for_log("bindings taken over")
                        server.settimeout(30)
                        self.assertEqual(receive_exactly(server, 14), b"are you there?")
                        server.sendall(b"yes")
                        self.assertEqual(receive_exactly(client, 3), b"yes")
                        self.assertIn(f":{seen[1]}", self.asks("accel", "bindings"))
                        again.end()
                self.remove_pairs()

    def test_pinned_maps_are_one_process_s_own(self) -> None:
        self.mount_bpf()
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                folder = f"{BPF_FOLDER}/own-{hook}-{binds}"
                process = self.accelerated(hook, [guest], "-pin", folder, binds=binds)
                seen = self.seen_from(guest, echo)
                words = ["-accel", hook, "-external", "up0", f"-xdp-alloc={binds}", "-pin", folder]
                same = [str(PROGRAM), *words, "-netns", guest.path]
                done = run(self.topology.host.command(same), check=False)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertIn(f'invalid value "{folder}" for flag -pin: another', done.stderr)
                # Who was there first has all that he had.
                self.last.sendto(b"still there?", echo.endpoint)
                self.assertEqual(self.last.recv(100), b"still there?")
                self.assertEqual(echo.seen[-1][0][:2], seen)
                self.seen_from(guest, echo)
                # A killed process keeps nobody out.
                process.signal(signal.SIGKILL)
                process.exit_status()
                again = self.accelerated(hook, [guest], "-pin", folder, binds=binds)
                self.seen_from(guest, echo)
                again.end()
                self.remove_pairs()

    def make_external_link(self) -> None:
        """up0 and the router's end of it, as the topology has them."""
        self.topology.host.shell(
            f"ip link add up0 type veth peer name down0 netns {self.topology.router.pid}"
        )
        self.topology.router.shell(
            f"ip link set down0 up && ip address add {ROUTER_ADDRESS[4]}/30 dev down0"
            f" && ip address add {ROUTER_ADDRESS[6]}/64 dev down0 nodad"
        )
        set_feature(self.topology.router, "down0", ETHTOOL_SGRO, 1)
        set_feature(self.topology.router, "down0", ETHTOOL_STXCSUM, 0)
        self.topology.host.shell(
            f"ip link set up0 up && ip address add {HOST_ADDRESS[4]}/30 dev up0"
            f" && ip address add {HOST_ADDRESS[6]}/64 dev up0 nodad"
            f" && ip route add default via {ROUTER_ADDRESS[4]}"
            f" && ip route add default via {ROUTER_ADDRESS[6]}"
        )

    def is_carried(self, echo: Datagrams) -> bool:
        """By the kernel: what the guest's last socket asks."""
        before = self.counted("out")
        with contextlib.suppress(OSError):
            self.last.settimeout(0.5)
            self.last.sendto(b"carried?", echo.endpoint)
            return self.last.recv(100) == b"carried?" and self.counted("out") > before
        return False

    def test_an_external_interface_that_is_made_anew(self) -> None:
        detour = f"default via {LAN_PEER} metric 1000"
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds=binds)
                seen = self.seen_from(guest, echo)
                before = self.last
                self.topology.host.shell("ip link del up0")
                try:
                    process.wait_for_log("an interface is gone")
                    self.topology.host.shell(f"ip route add {detour}")
                    if binds == "user":
                        # A socket of the host does as well.
                        self.assertEqual(self.seen_from(guest, echo)[0], LAN_ADDRESS)
                    self.topology.host.shell(f"ip route del {detour}")
                finally:
                    self.make_external_link()
                process.wait_for_log("an interface is back")
                # What there was before goes on, and what is new is carried too.
                self.last = before
                wait_until(lambda: self.is_carried(echo), "a flow that goes on")
                self.assertEqual(echo.seen[-1][0][:2], seen)
                self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
                self.assertTrue(self.is_carried(echo))
                self.assertEqual(process.log.count("an interface is"), 2, process.log)
                process.end()

    def test_an_external_interface_gets_another_name(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds=binds)
                seen = self.seen_from(guest, echo)
                self.topology.host.shell("ip link set up0 name wan0")
                try:
                    line = process.wait_for_log("an interface has another name now")
                    self.assertIn("interface=external was=up0 is=wan0", line)
                    self.assertTrue(self.is_carried(echo))
                    self.assertEqual(echo.seen[-1][0][:2], seen)
                    self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
                    self.assertTrue(self.is_carried(echo))
                    self.assertIn(" and wan0,", self.asks("accel", "status"))
                finally:
                    self.topology.host.shell("ip link set wan0 name up0")
                process.end()

    def test_an_external_interface_gets_another_address(self) -> None:
        ours, theirs = "198.51.100.34", "198.51.100.33"
        host, router = self.topology.host, self.topology.router
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                # A socket of the host's among the ports that guests are seen under.
                kept = ("-L", f"0.0.0.0:{FIRST_SHARED_PORT + 7}::80")
                process = self.accelerated(hook, [guest], "-log-bindings", *kept, binds=binds)
                self.seen_from(guest, echo)
                local = self.last.getsockname()[1]
                router.shell(f"ip address add {theirs}/30 dev down0")
                host.shell(f"ip address del {HOST_ADDRESS[4]}/30 dev up0")
                try:
                    host.shell(
                        f"ip address add {ours}/30 dev up0 && ip route replace default via {theirs}"
                    )
                    line = process.wait_for_log("the external interface has another address")
                    self.assertIn(f"was={HOST_ADDRESS[4]} is={ours}", line)
                    process.wait_for_log(f"unbound protocol=udp internal={GUEST}:{local}")
                    # A flow that comes before the new way is known keeps a socket of the host's.
                    wait_until(
                        lambda: self.is_a_new_one_carried(guest, echo), "a flow under the new address"
                    )
                    self.assertEqual(echo.seen[-1][0][0], ours)
                    self.assertGreaterEqual(echo.seen[-1][0][1], FIRST_SHARED_PORT)
                    self.assertEqual(self.seen_from(guest, echo)[0], ours)
                    added = self.asks("forward", "add", "-L", f"0.0.0.0:{FIRST_SHARED_PORT + 8}::80")
                    self.asks("forward", "remove", added.split()[0].rstrip(":"))
                finally:
                    host.shell(
                        f"ip address del {ours}/30 dev up0 2>/dev/null || :\n"
                        f"ip address replace {HOST_ADDRESS[4]}/30 dev up0\n"
                        f"ip route replace default via {ROUTER_ADDRESS[4]}"
                    )
                    router.shell(f"ip address del {theirs}/30 dev down0")
                # Back to the old one, whose ports rest.
                wait_until(
                    lambda: self.is_a_new_one_carried(guest, echo), "a flow under the old address"
                )
                self.assertEqual(echo.seen[-1][0][0], HOST_ADDRESS[4])
                process.end()

    def test_a_restart_with_pinned_maps_and_other_forwards(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for binds in BINDERS:
            with self.subTest(binds=binds):
                guest = self.namespace()
                options = ["-external-address", address, "-pin", f"{BPF_FOLDER}/forwards-{binds}"]
                for external, internal in ((8080, 80), (8080, 81), (9090, 81)):
                    process = self.accelerated(
                        "tc", [guest], *options, "-L", f"{address}:{external}:{GUEST}:{internal}",
                        binds=binds,
                    )
                    with listening(guest, 4, GUEST, internal) as service:
                        client = self.topology.internet.socket(socket.AF_INET, socket.SOCK_STREAM)
                        with client:
                            client.settimeout(30)
                            client.bind((SERVER[4], 0))
                            client.connect((address, external))
                            served, _ = service.accept()
                            served.close()
                    process.end()
                for line in self.interfaces().splitlines():
                    name = line.split(": ")[1].split("@")[0] if ": slv" in line else ""
                    if name:
                        self.topology.host.shell(f"ip link del {name}")

    def test_a_second_process_for_one_namespace_is_refused(self) -> None:
        guest = self.namespace()
        process = self.accelerated("tc", [guest])
        words = ["-accel", "tc", "-external", "up0", "-xdp-alloc=kernel", "-netns", guest.path]
        done = run(self.topology.host.command([str(PROGRAM), *words]), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("another slirpstack -accel serves this namespace already", done.stderr)
        process.end()

    def test_an_external_interface_that_is_not_there(self) -> None:
        guest = self.namespace()
        words = ["-accel", "tc", "-external", "nowhere", "-netns", guest.path]
        done = run(self.topology.host.command([str(PROGRAM), *words]), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn('invalid value "nowhere" for flag -external', done.stderr)


if __name__ == "__main__":
    suite.main(Ending)

"""The NAT between two interfaces of a router (cgnat). Topology: harness/accelerated.py."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
from pathlib import Path
from typing import Sequence

from harness import suite
from harness.accelerated import (
    BPF_FOLDER,
    ETHTOOL_SGRO,
    ETHTOOL_STXCSUM,
    HOOKS,
    LAN_ADDRESS,
    OLD_KERNEL,
    AcceleratorTest,
    set_feature,
)
from harness.namespace import Namespace
from harness.processes import Process, run, wait_until
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, listening, receive_exactly
from harness.topology import HOST_ADDRESS, LAN_PEER, SERVER

MAX_ROUTES = 16384
TC_ACT_SHOT = 2


class Cgnat(AcceleratorTest):
    EXTERNAL = "192.0.2.200"
    INSIDE = "10.1.2.3"

    def setUp(self) -> None:
        super().setUp()
        self.topology.router.shell(f"ip route replace {self.EXTERNAL}/32 via {HOST_ADDRESS[4]}")
        self.inside = self.namespace()
        self.make_inside_link()
        self.addCleanup(self.topology.host.shell, "ip link del inside0")

    def make_inside_link(self) -> None:
        self.topology.host.shell(
            f"ip link add inside0 type veth peer name eth0 netns {self.inside.pid}"
            " && ip address add 10.0.0.1/8 dev inside0 && ip link set inside0 up"
        )
        self.inside.shell(
            f"ip link set eth0 up address 02:00:00:00:00:09 && ip address add {self.INSIDE}/8 dev eth0"
            " && ip route add default via 10.0.0.1"
        )
        set_feature(self.inside, "eth0", ETHTOOL_SGRO, 1)
        set_feature(self.inside, "eth0", ETHTOOL_STXCSUM, 0)

    def translating(self, hook: str, *options: str, wrapper: Sequence[str] = ()) -> Process:
        words = ["-e", "up0", "-i", "inside0", "-E", self.EXTERNAL, "-I", "10.0.0.0/8"]
        command = [*wrapper, str(self.cgnat()), *words, "-accel", hook, *options]
        process = Process(self.topology.host.command(command), WORK)
        self.addCleanup(process.stop)
        process.wait_for_log("NAT in the kernel")
        if "-control" in options: # which comes last
            asks = self.topology.host.command(
                [str(PROGRAM), "ctl", options[options.index("-control") + 1], "accel", "status"]
            )
            wait_until(lambda: run(asks, check=False).returncode == 0, "the control socket")
        return process

    def end(self, process: Process) -> None:
        process.signal(signal.SIGTERM)
        self.assertEqual(process.exit_status(), 0)

    def test_two_interfaces_of_a_router(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating(hook)
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.inside.run("ping", "-n", "-c1", "-W5", SERVER[4])
                self.check_fragments_last_first(self.inside, self.INSIDE, echo)
                self.end(process)
                self.assertNotIn("no route", process.log)

    def test_interfaces_that_are_exchanged_are_noticed(self) -> None:
        words = ["-e", "inside0", "-i", "up0", "-E", self.EXTERNAL, "-I", "10.0.0.0/8"]
        process = Process(self.topology.host.command([str(self.cgnat()), *words]), WORK)
        self.addCleanup(process.stop)
        process.wait_for_log("no route to an internal network by the internal interface")
        process.wait_for_log("network=10.0.0.0/8 interface=up0")

    def is_served(
        self, place: Namespace, source: str, port: int, service: socket.socket, patience: float = 10
    ) -> bool:
        """Whether a connection from `place` to that external port comes to `service`."""
        with place.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(patience)
            client.bind((source, 0))
            client.connect((self.EXTERNAL, port))
            served, seen = service.accept()
            with served:
                served.sendall(b"answer")
                self.assertEqual(receive_exactly(client, 6), b"answer")
            return source == self.INSIDE or bool(seen == client.getsockname())

    def ctl(self, *words: str) -> str:
        done = run(
            self.topology.host.command([str(PROGRAM), "ctl", str(WORK / "cgnat.sock"), *words]),
            check=False,
        )
        return done.stdout + done.stderr

    def test_forwards_to_subscribers_who_have_not_sent_anything(self) -> None:
        behind = "10.9.0.9" # a router, the subscriber of all others
        options = ["-L", f"8080:{self.INSIDE}:80", "-L", f"9090-9091:{behind}:80-81"]
        for hook in HOOKS:
            with self.subTest(hook):
                self.topology.host.shell("ip link del inside0")
                self.make_inside_link()
                self.inside.shell(f"ip address replace {behind}/32 dev lo; ip link set lo up")
                self.topology.host.shell(f"ip route add {behind}/32 via {self.INSIDE}")
                process = self.translating(
                    hook, *options, "-control", str(WORK / "cgnat.sock"), "-log-bindings"
                )
                internet, world = self.topology.internet, SERVER[4]
                with listening(self.inside, 4, self.INSIDE, 80) as service, listening(
                    self.inside, 4, behind, 81
                ) as further:
                    self.assertTrue(self.is_served(internet, world, 8080, service))
                    self.assertTrue(self.is_served(internet, world, 9091, further))
                    self.assertTrue(self.is_served(self.inside, self.INSIDE, 8080, service))
                    self.assertTrue(self.is_served(self.inside, self.INSIDE, 9091, further))
                    self.assertIn(
                        f"2  -L 9090-9091:{behind}:80-81  {self.EXTERNAL}:9090 {self.EXTERNAL}:9091"
                        "  by the NAT\n",
                        self.ctl("forward", "list"),
                    )
                    self.assertIn("10.1.2.3:80 has an", self.ctl("forward", "add", "-L", "1:10.1.2.3:80"))
                    self.assertIn("8080 is in use", self.ctl("forward", "add", "-L", "8080:10.1.2.3:8"))
                    self.assertEqual(self.ctl("forward", "remove", "1"), "")
                    with self.assertRaises(OSError):
                        self.is_served(internet, world, 8080, service, 0.5)
                    self.assertIn("8081", self.ctl("forward", "add", "-L", f"8081:{self.INSIDE}:80"))
                    self.assertTrue(self.is_served(internet, world, 8081, service))
                process.wait_for_log("unbound")
                self.end(process)

    def test_a_forward_to_a_subscriber_who_comes_later(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                self.inside.shell("ip link set eth0 down")
                process = self.translating(hook, "-L", f"8080:{self.INSIDE}:80")
                time.sleep(4) # until the host has given up on it
                self.inside.shell("ip link set eth0 up && ip route replace default via 10.0.0.1")
                with listening(self.inside, 4, self.INSIDE, 80) as service:
                    self.assertTrue(
                        self.is_served(self.topology.internet, SERVER[4], 8080, service)
                    )
                self.end(process)

    def test_a_restart_with_pinned_maps_and_other_forwards_to_subscribers(self) -> None:
        self.topology.host.shell(
            f"mkdir -p {BPF_FOLDER} && (mountpoint -q {BPF_FOLDER} || mount -t bpf bpf {BPF_FOLDER})"
        )
        pin = ["-pin", f"{BPF_FOLDER}/cgnat-forwards", "-control", str(WORK / "cgnat.sock")]
        for port, forward in (
            (8080, f"8080:{self.INSIDE}:80"),
            (8080, f"8080:{self.INSIDE}:80"),
            (9090, f"9090:{self.INSIDE}:80"),
            (8080, "8080:10.1.2.9:80"),
        ):
            process = self.translating("tc", *pin, "-L", forward)
            with listening(self.inside, 4, self.INSIDE, 80) as service:
                if forward.endswith(f"{self.INSIDE}:80"):
                    self.assertTrue(
                        self.is_served(self.topology.internet, SERVER[4], port, service)
                    )
            bound = [line for line in self.ctl("accel", "bindings").splitlines() if ":80 " in line]
            self.assertEqual(len(bound), 1)
            self.end(process)

    def test_a_forward_has_no_port_of_another_subscribers_block(self) -> None:
        words = ["-e", "up0", "-i", "inside0", "-E", self.EXTERNAL, "-I", "10.1.2.0/24"]
        words += ["-port-block", "200", "-accel", "tc", "-L", f"1200:{self.INSIDE}:80"]
        done = run(self.topology.host.command([str(self.cgnat()), *words]), check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(
            f"port 1200 of {self.EXTERNAL} is in the block of 10.1.2.0 (-port-block), and would be "
            f"taken for one of its: those of {self.INSIDE} are {self.EXTERNAL}:1624-1823",
            done.stderr,
        )

    def test_an_internal_interface_that_is_made_anew(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating(hook)
                seen = self.seen_from(self.inside, echo)
                self.topology.host.shell("ip link del inside0")
                process.wait_for_log("an interface is gone")
                self.make_inside_link()
                self.assertIn("interface=internal", process.wait_for_log("an interface is back"))
                wait_until(lambda: self.is_answered(echo), "a flow that goes on")
                self.assertEqual(echo.seen[-1][0][:2], seen)
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.end(process)

    def sends(self, echo: Datagrams) -> None:
        """Whether or not anybody answers."""
        with self.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(5):
                with contextlib.suppress(OSError):
                    client.sendto(b"anyone?", echo.endpoint)

    def test_more_routes_than_there_is_room_for(self) -> None:
        host = self.topology.host
        routes = WORK / "routes"
        lines = [f"route add 100.64.{i // 250}.{i % 250} via {LAN_PEER}" for i in range(MAX_ROUTES)]
        routes.write_text("".join(f"{line}\n" for line in lines))
        control = str(WORK / "cgnat.sock")
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating(hook, "-control", control)
                host.run("ip", "-batch", str(routes))
                try:
                    process.wait_for_log("not all of the host's routes fit into the accelerator")
                    with self.untranslated(self.INSIDE) as leaked:
                        self.sends(echo)
                    self.assertEqual(leaked, [])
                    self.assertEqual(echo.seen, [])
                    asked = [str(PROGRAM), "ctl", control, "accel", "status"]
                    status = run(host.command(asked)).stdout
                    self.assertIn("drop_no_route: 5 packets", status)
                    # The host's own is still there.
                    self.inside.run("ping", "-n", "-c1", "-W5", "10.0.0.1")
                finally:
                    host.run("ip", "route", "flush", "root", "100.64.0.0/10")
                process.wait_for_log("the host's routes fit into the accelerator again")
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.end(process)

    def test_a_killed_router_with_the_example_s_rule_leaks_nothing(self) -> None:
        host = self.topology.host
        undo = f"nft delete table ip cgnat\nip route del blackhole {self.EXTERNAL}"
        self.topology.router.shell(f"ip route add 10.0.0.0/8 via {LAN_ADDRESS}")
        self.addCleanup(self.topology.router.shell, "ip route del 10.0.0.0/8")
        script = Path(__file__).resolve().parents[2] / "examples" / "cgnat-router.sh"
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                # What the rule and the route are for.
                plain = self.translating(hook)
                self.seen_from(self.inside, echo)
                plain.signal(signal.SIGKILL)
                plain.exit_status()
                with self.untranslated(self.INSIDE) as leaked:
                    self.sends(echo)
                self.assertGreaterEqual(len(leaked), 5) # errors about answers may be among them

                self.cgnat()
                process = Process(
                    host.command(
                        ["env", f"PATH={WORK}:/usr/sbin:/usr/bin:/sbin:/bin", "sh", str(script)]
                        + ["up0", "inside0", self.EXTERNAL, "10.0.0.0/8", "-accel", hook]
                    ),
                    WORK,
                )
                self.addCleanup(process.stop)
                process.wait_for_log("NAT in the kernel")
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.inside.run("ping", "-n", "-c1", "-W5", SERVER[4])
                # What is exempt is forwarded still.
                self.inside.run("ping", "-n", "-c1", "-W5", LAN_PEER)
                process.signal(signal.SIGKILL)
                process.exit_status()
                with self.untranslated(self.INSIDE) as leaked:
                    self.sends(echo)
                self.assertEqual(leaked, [])
                # Nor do packets for guests go back and forth between the routers.
                with self.untranslated(SERVER[4]) as returned:
                    with self.topology.internet.socket(socket.AF_INET, socket.SOCK_DGRAM) as remote:
                        remote.bind((SERVER[4], 0))
                        remote.sendto(b"back?", (self.EXTERNAL, 5000))
                self.assertEqual(returned, [])
                host.shell(undo)

    def test_filters_of_the_router_s_own_see_what_is_not_translated(self) -> None:
        host = self.topology.host
        neighbours = {"up0": (self.topology.router, HOST_ADDRESS[4]), "inside0": (self.inside, "10.0.0.1")}
        for device in neighbours:
            host.shell(f"tc qdisc replace dev {device} clsact")
        self.addCleanup(host.shell, "tc qdisc del dev up0 clsact")

        def is_answered(device: str) -> bool:
            place, address = neighbours[device]
            return place.run("ping", "-n", "-c1", "-W1", address, check=False).returncode == 0

        for wrapper in ((), OLD_KERNEL):
            with self.subTest(wrapper=wrapper), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                process = self.translating("tc", wrapper=wrapper)
                for device in neighbours:
                    self.assertTrue(is_answered(device))
                    behind = f"dev {device} ingress prio 40000"
                    host.shell(f"tc filter add {behind} bpf da bytecode '1,6 0 0 {TC_ACT_SHOT},'")
                    self.assertFalse(is_answered(device))
                    host.shell(f"tc filter del {behind}")
                self.assertEqual(self.seen_from(self.inside, echo)[0], self.EXTERNAL)
                self.end(process)

    def test_subscribers_get_no_port_of_the_routers_own(self) -> None:
        words = ["-e", "up0", "-i", "inside0", "-E", HOST_ADDRESS[4], "-I", "10.0.0.0/8"]
        last = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[1])
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            process = Process(
                self.topology.host.command([str(self.cgnat()), *words, "-accel", "tc"]), WORK
            )
            self.addCleanup(process.stop)
            process.wait_for_log("NAT in the kernel")
            # What comes before the next hop's Ethernet address is known is lost.
            ping = ("ping", "-n", "-c1", "-W1", SERVER[4])
            wait_until(lambda: self.inside.run(*ping, check=False).returncode == 0, "a way out")
            for _ in range(8):
                self.assertGreater(self.seen_from(self.inside, echo)[1], last)
            process.signal(signal.SIGTERM)
            self.assertEqual(process.exit_status(), 0)


if __name__ == "__main__":
    suite.main(Cgnat)

"""The accelerator at work, and where it cannot be had. Topology: harness/accelerated.py."""

from __future__ import annotations

import errno
import itertools
import socket
import struct
from pathlib import Path

from dns import answer
from harness import suite
from harness.accelerated import BINDERS, FIRST_SHARED_PORT, GUEST, HOOKS, AcceleratorTest
from harness.guest import DNS, GATEWAY
from harness.namespace import HeldNamespace
from harness.sandbox import PROGRAM, WORK
from harness.servers import Datagrams, file_server, listening, receive_exactly
from harness.topology import HOST_ADDRESS, RESOLVERS, SERVER

IP_MTU_DISCOVER = 10
IP_PMTUDISC_DONT = 0


def internet_checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def port_unreachable(source: tuple[str, int], destination: tuple[str, int]) -> bytes:
    """An ICMP error about a datagram."""
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    header = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 60, socket.IPPROTO_UDP, 0) + addresses
    header = header[:10] + struct.pack("!H", internet_checksum(header)) + header[12:]
    message = struct.pack("!BBHI", 3, 3, 0, 0) + header
    message += struct.pack("!HHHH", source[1], destination[1], 8, 0)
    return message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]


class Carrying(AcceleratorTest):
    def test_what_guests_do_all_day(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guests = [self.namespace(), self.namespace()]
                process = self.accelerated(hook, guests)
                self.assertIn(f"hook={hook}", process.wait_for_log("NAT in the kernel"))
                for guest in guests:
                    with file_server(self.topology.internet, 4, SERVER[4]) as port:
                        done = guest.run(
                            "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                            f"http://{SERVER[4]}:{port}/3000000",
                        )
                    self.assertEqual(done.stdout, "3000000")
                    guest.run("ping", "-n", "-c2", "-i0.2", "-W5", SERVER[4])
                    guest.run("ping", "-n", "-c1", "-W5", GATEWAY[4])
                    with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                        address, port = self.seen_from(guest, echo)
                        self.check_fragments_last_first(guest, GUEST, echo)
                    self.assertEqual(address, HOST_ADDRESS[4])
                    self.assertGreaterEqual(port, FIRST_SHARED_PORT)
                self.assertEqual(self.counted("drop_fragment", guests=2), 0)
                self.assertGreater(self.counted("out", guests=2), 20)
                self.assertGreater(self.counted("in", guests=2), 20)
                listed = self.asks("accel", "bindings", guests=2)
                self.assertIn(f"udp {GUEST}:", listed)
                self.assertIn("%1 ", listed) # the second guest has the same address
                process.end()

    def test_what_is_left_to_the_user_mode_stack(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.namespace()
                process = self.accelerated(hook, [guest])
                with file_server(self.topology.internet, 6, SERVER[6]) as port:
                    done = guest.run(
                        "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                        f"http://[{SERVER[6]}]:{port}/300000",
                    )
                self.assertEqual(done.stdout, "300000")
                answering = Datagrams(
                    self.topology.internet, 4, RESOLVERS[0], 53, lambda query: answer(query, "192.0.2.99")
                )
                with answering:
                    done = guest.run("dig", "+short", "+noedns", f"@{DNS[4]}", "web.test")
                self.assertEqual(done.stdout, "192.0.2.99\n")
                # The host and its networks stay closed, although the NAT asks nobody.
                for address in (HOST_ADDRESS[4], "198.51.100.1", "203.0.113.2"):
                    self.assertEqual(self.connect_error(guest, address), errno.EHOSTUNREACH)
                process.end()

    def test_destinations_that_are_not_translated(self) -> None:
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(
                self.topology.internet, 4, SERVER[4]
            ) as echo, Datagrams(self.topology.internet, 4, "192.0.2.11") as other:
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-external-address", address, "-no-nat", f"{SERVER[4]}/32",
                    binds=binds,
                )
                self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4]) # by a socket
                self.assertEqual(self.seen_from(guest, other)[0], address)
                process.end()

    def test_flows_that_the_user_mode_stack_decides(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook):
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-deny", "192.0.2.11", "-log-bindings", binds="user"
                )
                with file_server(self.topology.internet, 4, SERVER[4]) as port:
                    done = guest.run(
                        "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                        f"http://{SERVER[4]}:{port}/3000000",
                    )
                self.assertEqual(done.stdout, "3000000")
                self.assertEqual(self.connect_error(guest, "192.0.2.11"), errno.EHOSTUNREACH)
                guest.run("ping", "-n", "-c2", "-i0.2", "-W5", SERVER[4])
                with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                    address, port = self.seen_from(guest, echo)
                self.assertEqual(address, HOST_ADDRESS[4])
                self.assertGreaterEqual(port, FIRST_SHARED_PORT)
                # Asked about once each, the kernel has carried them.
                self.assertGreater(self.counted("out"), 20)
                self.assertGreater(self.counted("in"), 20)
                local = self.last.getsockname()[1]
                self.assertIn(f"udp {GUEST}:{local} ", self.asks("accel", "bindings"))
                self.assertIn(
                    f"bound protocol=udp internal={GUEST}:{local} zone=0 external={address}:{port}",
                    process.log,
                )
                process.end()

    def test_a_service_of_the_host_at_the_external_address(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(
                self.topology.host, 4, HOST_ADDRESS[4]
            ) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], "-enable-host", binds=binds)
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.sendto(b"who am I?", echo.endpoint)
                    self.assertEqual(client.recv(100), b"who am I?")
                guest.run("ping", "-n", "-c1", "-W5", HOST_ADDRESS[4])
                process.end()

    def test_the_port_of_a_forward_at_the_hosts_own_address_is_no_guests(self) -> None:
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds), Datagrams(
                self.topology.internet, 4, SERVER[4]
            ) as echo:
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-external-ports", "61500-61501", "-L", f"0.0.0.0:61500:{GUEST}:80",
                    "-L", f"{HOST_ADDRESS[4]}:61501:{GUEST}:80", binds=binds,
                )
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.connect(echo.endpoint)
                    client.send(b"who am I?") # UDP has both ports still
                    client.settimeout(30)
                    self.assertEqual(client.recv(100), b"who am I?")
                with listening(self.topology.internet, 4, SERVER[4]) as server:
                    with guest.socket(socket.AF_INET) as client: # and TCP has none
                        client.settimeout(0.5 if binds == "kernel" else 30)
                        if binds == "kernel":
                            with self.assertRaises(OSError):
                                client.connect(server.getsockname())
                        else:
                            client.connect(server.getsockname())
                            accepted, seen = server.accept() # by a socket of the host
                            accepted.close()
                            self.assertNotIn(seen[1], (61500, 61501))
                process.end()

    def test_external_ports_that_the_host_uses_are_told(self) -> None:
        guest = self.namespace()
        with self.topology.host.socket(socket.AF_INET, socket.SOCK_DGRAM) as service:
            service.bind((HOST_ADDRESS[4], 5182))
            process = self.accelerated("tc", [guest], "-external-ports", "5000-6000")
            told = [line for line in process.log.splitlines() if "the host's own too" in line]
            self.assertEqual(len(told), 1, process.log)
            self.assertIn("udp 5182", told[0])
            process.end()

    def test_forwards_at_an_address_that_is_the_nats_alone(self) -> None:
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for hook, binds in itertools.product(HOOKS, BINDERS):
            with self.subTest(hook, binds=binds):
                guest = self.namespace()
                process = self.accelerated(
                    hook, [guest], "-external-address", address,
                    "-L", f"{address}:8080:{GUEST}:80", "-L", f"udp://{address}:5353:{GUEST}:53",
                    binds=binds,
                )
                with listening(guest, 4, GUEST, 80) as service:
                    client = self.topology.internet.socket(socket.AF_INET, socket.SOCK_STREAM)
                    self.addCleanup(client.close)
                    client.settimeout(30)
                    client.bind((SERVER[4], 0))
                    client.connect((address, 8080))
                    served, seen = service.accept()
                    self.assertEqual(seen, client.getsockname())
                    with served:
                        served.settimeout(30)
                        client.sendall(b"question")
                        self.assertEqual(receive_exactly(served, 8), b"question")
                        served.sendall(b"answer")
                        self.assertEqual(receive_exactly(client, 6), b"answer")
                        with Datagrams(guest, 4, GUEST, 53), self.topology.internet.socket(
                            socket.AF_INET, socket.SOCK_DGRAM
                        ) as asking:
                            asking.settimeout(30)
                            asking.bind((SERVER[4], 0))
                            asking.connect((address, 5353))
                            asking.send(b"who am I?")
                            self.assertEqual(asking.recv(100), b"who am I?")
                        self.assertGreater(self.counted("in"), 3)
                        self.assertGreater(self.counted("out"), 3)
                        self.assertIn(f"  {address}:8080  by the NAT\n", self.asks("forward", "list"))
                        self.asks("forward", "remove", "1")
                        again = self.topology.internet.socket(socket.AF_INET, socket.SOCK_STREAM)
                        self.addCleanup(again.close)
                        again.settimeout(0.5)
                        again.bind((SERVER[4], 0))
                        with self.assertRaises(OSError):
                            again.connect((address, 8080))
                process.end()

    def test_an_icmp_error_gets_no_further_than_what_it_is_about(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds="user")
                self.seen_from(guest, echo)
                inside = (GUEST, self.last.getsockname()[1])
                with self.topology.internet.socket(
                    socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
                ) as wire, guest.socket(
                    socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP
                ) as raw:
                    wire.settimeout(30)
                    error = port_unreachable(echo.endpoint, inside)
                    raw.sendto(error, ("192.0.2.11", 0))
                    raw.sendto(error, echo.endpoint)
                    got = wire.recv(2000)
                self.assertEqual(socket.inet_ntoa(got[16:20]), SERVER[4])
                process.end()

    def test_flows_that_a_reload_denies_end(self) -> None:
        rules = WORK / "accel.rules"
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                rules.write_text("allow out udp://192.0.2.10\n")
                process = self.accelerated(hook, [guest], "-rules", str(rules), binds="user")
                self.seen_from(guest, echo)
                self.last.connect(echo.endpoint)
                carried = self.counted("out")
                self.last.send(b"still?")
                self.assertEqual(self.last.recv(100), b"still?")
                self.assertEqual(self.counted("out"), carried + 1)
                rules.write_text("deny out udp://192.0.2.10\n")
                self.asks("rules", "reload")
                self.last.settimeout(30)
                self.last.send(b"still?")
                with self.assertRaises(OSError) as refused:
                    self.last.recv(100)
                self.assertEqual(refused.exception.errno, errno.EHOSTUNREACH)
                self.assertEqual(self.counted("out"), carried + 1)
                process.end()

    def test_guests_meet_at_their_external_endpoints(self) -> None:
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guests = [self.namespace(), self.namespace()]
                process = self.accelerated(hook, guests, "-udp-filter", "endpoint")
                first = self.seen_from(guests[0], echo)
                first_socket = self.last
                second = self.seen_from(guests[1], echo)
                self.last.sendto(b"hello", first)
                self.assertEqual(first_socket.recvfrom(100), (b"hello", second))
                first_socket.sendto(b"hello yourself", second)
                self.assertEqual(self.last.recvfrom(100), (b"hello yourself", first))
                self.assertEqual(self.counted("hairpin", guests=2), 2)
                process.end()

    def test_what_is_too_large_for_its_way_leaves_in_pieces(self) -> None:
        narrow = f"{SERVER[4]}/32 via 198.51.100.1 dev up0"
        self.topology.host.shell(f"ip route replace {narrow} mtu 1000")
        self.addCleanup(self.topology.host.shell, f"ip route del {narrow}")
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], binds="user")
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
                    for size in (1400, 1300, 3000): # the last is in fragments as it is
                        client.sendto(bytes(size), echo.endpoint)
                        self.assertEqual(client.recv(4000), bytes(size))
                self.assertEqual([size for _, size in echo.seen], [1400, 1300, 3000])
                self.assertEqual(len({sender for sender, _ in echo.seen}), 1)
                self.assertGreater(self.counted("out"), 6)
                process.end()

    def test_a_flow_that_begins_in_fragments_leaves_from_the_pool(self) -> None:
        address = "203.0.113.5"
        self.topology.router.shell(f"ip route replace {address} via {HOST_ADDRESS[4]}")
        for hook in HOOKS:
            with self.subTest(hook), Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
                guest = self.namespace()
                process = self.accelerated(hook, [guest], "-external-address", address, binds="user")
                with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    client.settimeout(30)
                    client.connect(echo.endpoint)
                    for size in (3000, 10, 3000):
                        client.send(b"x" * size)
                        self.assertEqual(len(client.recv(4000)), size)
                        self.assertEqual(echo.seen[-1][0][0], address)
                    self.assertEqual(len({seen[0][1] for seen in echo.seen}), 1)
                    self.assertRegex(
                        self.asks("flows"),
                        f"(?m)^udp {GUEST}:\\d+ -> {SERVER[4]}:\\d+  outbound  by the kernel$",
                    )
                self.check_fragments_last_first(guest, GUEST, echo)
                self.assertGreater(self.counted("held"), 0)
                self.assertEqual(self.counted("drop_fragment"), 0)
                process.end()

    def test_each_guest_has_blocks_of_ports_of_its_own(self) -> None:
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            guests = [self.namespace(), self.namespace()]
            process = self.accelerated(
                "tc", guests, "-port-block", "64", "-log-bindings", binds="user"
            )
            blocks = [
                {(self.seen_from(guest, echo)[1] - FIRST_SHARED_PORT) // 64 for _ in range(5)}
                for guest in guests
            ]
            self.assertEqual([len(each) for each in blocks], [1, 1])
            self.assertNotEqual(blocks[0], blocks[1])
            first = FIRST_SHARED_PORT + 64 * blocks[1].pop()
            process.wait_for_log(
                f"ports of a subscriber internal={GUEST} zone=1 external={HOST_ADDRESS[4]}"
                f" ports={first}-{first + 63}"
            )
            process.end()

    def test_auto_says_what_it_picks_and_why(self) -> None:
        guest = self.namespace()
        process = self.accelerated("auto", [guest])
        line = process.wait_for_log("NAT in the kernel")
        self.assertIn('hook=tc because="up0 is a veth" external=up0', line)
        process.end()

    def test_a_guest_that_cannot_have_it_is_served_all_the_same(self) -> None:
        guest = self.namespace()
        number = self.topology.host.shell(f"stat -L -c %i {guest.path}").strip()
        self.topology.host.shell(f"ip link add slv{number} type bridge")
        self.addCleanup(self.topology.host.shell, f"ip link del slv{number}")
        process = self.accelerated("tc", [guest])
        self.assertIn(f"slv{number}", process.wait_for_log("a guest has no accelerator"))
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            self.assertEqual(self.seen_from(guest, echo)[0], HOST_ADDRESS[4])
        self.assertEqual(self.counted("out"), 0)
        process.end()

    def test_one_guest_goes_and_the_other_stays(self) -> None:
        guests = [self.namespace(), self.namespace()]
        process = self.accelerated("tc", guests)
        guests[0].close()
        process.wait_for_log("the guest's namespace is gone")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            self.assertEqual(self.seen_from(guests[1], echo)[0], HOST_ADDRESS[4])
        guests[1].close()
        self.assertEqual(process.exit_status(), 0)

    def test_a_second_process_at_the_same_interface_is_told(self) -> None:
        first = self.accelerated("tc", [self.namespace()])
        second = self.accelerated("tc", [self.namespace()], "-control", str(WORK / "second.sock"))
        second.wait_for_log("another NAT of slirpstack's is at this interface")
        self.assertNotIn("another NAT", first.log)
        first.end()
        second.end()

    def test_bindings_are_logged(self) -> None:
        guest = self.namespace()
        process = self.accelerated("tc", [guest], "-log-bindings")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            address, port = self.seen_from(guest, echo)
        local = self.last.getsockname()[1]
        line = process.wait_for_log("bound protocol=udp")
        self.assertRegex(
            line,
            rf"internal={GUEST}:{local} zone=0 external={address}:{port}"
            r" time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        )
        process.wait_for_log(f"a guest's zone zone=0 namespace={guest.path}")
        process.end()


class WithoutPrivileges(suite.AreaTest):
    def namespace_of_ours(self) -> HeldNamespace:
        guest = HeldNamespace(
            self.topology.host.command(
                [*self.identity.prefix, "unshare", "--user", "--map-root-user", "--net"]
            ),
            WORK,
            owner=self.identity.prefix,
        )
        self.addCleanup(guest.close)
        return guest

    def skip_if_left_out(self) -> None:
        if b"libbpf.so.1" not in PROGRAM.read_bytes():
            self.skipTest("the program was built without the accelerator")

    def test_the_user_mode_stack_does_it_all(self) -> None:
        if not self.identity.prefix:
            self.skipTest("root has them")
        guest = self.namespace_of_ours()
        process = self.slirpstack("-accel", "auto", "-external", "up0", str(guest.pid))
        lines = [line for line in process.log.splitlines() if "accelerator" in line]
        self.assertEqual(len(lines), 1, process.log)
        self.assertIn("CAP_BPF", lines[0])
        with file_server(self.topology.internet, 4, SERVER[4]) as port:
            done = guest.run(
                "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                f"http://{SERVER[4]}:{port}/30000",
            )
        self.assertEqual(done.stdout, "30000")
        process.end()

    def libraries(self, *options: str) -> set[str]:
        """The names of what a process has loaded that serves a guest."""
        guest = self.namespace_of_ours()
        process = self.slirpstack("-configure", *options, str(guest.pid))
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        process.end()
        return {line.rpartition("/")[2] for line in lines if ".so" in line}

    def test_libbpf_is_loaded_when_it_is_asked_for(self) -> None:
        self.skip_if_left_out()
        plain = self.libraries()
        accelerated = self.libraries("-accel", "auto", "-external", "up0")
        for name in ("libbpf.so", "libelf"):
            self.assertFalse([each for each in plain if each.startswith(name)], plain)
            self.assertTrue([each for each in accelerated if each.startswith(name)], accelerated)

    def test_a_libbpf_that_cannot_be_loaded(self) -> None:
        self.skip_if_left_out()
        folder = WORK / "no-libraries"
        folder.mkdir(exist_ok=True)
        (folder / "libbpf.so.1").touch()
        guest = self.namespace_of_ours()
        process = self.slirpstack(
            "-accel", "auto", "-external", "up0", str(guest.pid),
            wrapper=["env", f"LD_LIBRARY_PATH={folder}"],
        )
        lines = [line for line in process.log.splitlines() if "accelerator" in line]
        self.assertEqual(len(lines), 1, process.log)
        self.assertIn("it takes libbpf (Debian's package is libbpf1)", lines[0])
        self.assertIn(f"{folder}/libbpf.so.1", lines[0])
        guest.run("ping", "-n", "-c1", "-W5", GATEWAY[4])
        process.end()

    def test_several_guests_of_one_process(self) -> None:
        """No privilege is needed for that, nor the accelerator."""
        words = self.topology.host.command([*self.identity.prefix, "unshare", "-Urn"])
        guests = [HeldNamespace(words, WORK, owner=self.identity.prefix) for _ in range(2)]
        for guest in guests:
            self.addCleanup(guest.close)
        process = self.slirpstack("-configure", "-netns", f"{guests[0].path},{guests[1].path}")
        with file_server(self.topology.internet, 4, SERVER[4]) as port:
            for guest in [*guests, guests[0]]:
                done = guest.run(
                    "curl", "-sS", "-o/dev/null", "-w%{size_download}", "-m20",
                    f"http://{SERVER[4]}:{port}/3000000",
                )
                self.assertEqual(done.stdout, "3000000")
        guests[0].close()
        process.wait_for_log("the guest's namespace is gone")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            with guests[1].socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"still there?", echo.endpoint)
                self.assertEqual(client.recv(100), b"still there?")
        guests[1].close()
        self.assertEqual(process.exit_status(), 0)


if __name__ == "__main__":
    suite.main(Carrying, WithoutPrivileges)

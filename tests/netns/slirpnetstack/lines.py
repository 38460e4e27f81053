"""Facts about what is printed, and about forwards and captures."""

from __future__ import annotations

import os
import re
import socket
import struct

from face import GATEWAY, GUEST, FaceTest
from harness import suite
from harness.processes import wait_until
from harness.sandbox import WORK
from harness.servers import FAMILY, Datagrams, listening, receive_all, receive_exactly
from harness.topology import SERVER

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
HOST = {4: r"198\.51\.100\.2:\d+", 6: r"\[2001:db8:1::2\]:\d+"}


def shown(address: str, port: int) -> str:
    return re.escape(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


class Routing(FaceTest):
    def test_each_connection_has_one_new_and_one_done(self) -> None:
        guest, process = self.served("-enable-routing")
        for version in (4, 6):
            with listening(self.topology.internet, version, SERVER[version]) as listener:
                port = listener.getsockname()[1]
                with guest.socket(FAMILY[version]) as client:
                    client.connect((SERVER[version], port))
                    source = shown(GUEST[version], client.getsockname()[1])
                    names = f"tcp://{source}/{HOST[version]}-{shown(SERVER[version], port)}"
                    (new,) = process.wait_for_lines(f":{port} Routing conn new")
                    self.assertRegex(new, rf"\A\[\+\] {names} Routing conn new\Z")
                    with listener.accept()[0] as server:
                        client.shutdown(socket.SHUT_WR)
                        self.assertEqual(receive_all(server), b"")
                    self.assertEqual(receive_all(client), b"")
                (done,) = process.wait_for_lines(f":{port} Routing conn done")
                self.assertRegex(
                    done, rf"\A\[-\] {names} Routing conn done: l=\[EOF\]/0 r=EOF/0\Z"
                )
                self.assertEqual(new[3:].split()[0], done[3:].split()[0])

    def test_two_hundred_in_a_row(self) -> None:
        guest, process = self.served("-enable-routing")
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            for _ in range(200):
                with guest.socket(socket.AF_INET) as client:
                    client.connect(listener.getsockname())
                    listener.accept()[0].close()
                    self.assertEqual(client.recv(1), b"")
        process.wait_for_lines("Routing conn done", 200)
        self.assertEqual(len(process.lines("Routing conn new")), 200)
        self.assertEqual(len(process.lines("Routing conn done")), 200)
        names = [line.split()[1] for line in process.lines("Routing conn")]
        self.assertTrue(all(names.count(name) == 2 for name in set(names)))

    def test_a_refused_connection_is_an_error(self) -> None:
        guest, process = self.served("-enable-routing")
        with guest.socket(socket.AF_INET) as client:
            with self.assertRaises(ConnectionRefusedError):
                client.connect((SERVER[4], 1))
        (line,) = process.wait_for_lines("Routing conn error")
        source = rf"10\.0\.2\.100:\d+/{shown(SERVER[4], 1)}"
        expected = rf"\A\[!\] tcp://{source} Routing conn error: l=0/0 r=\[.*refused.*\]/0\Z"
        self.assertRegex(line, expected)
        self.assertEqual(process.lines("conn new"), [])

    def test_udp_has_lines_too(self) -> None:
        guest, process = self.served("-enable-routing")
        with Datagrams(self.topology.internet, 4, SERVER[4]) as echo:
            with guest.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.connect(echo.endpoint)
                for size in (0, 1, 65507):
                    client.send(bytes(size))
                    self.assertEqual(len(client.recv(70000)), size)
        (line,) = process.wait_for_lines("udp://")
        self.assertRegex(line, r"\A\[\+\] udp://10\.0\.2\.100:\d+/\S+ Routing conn new\Z")

    def test_quiet_hides_them(self) -> None:
        guest, process = self.served("-enable-routing", "-quiet", "-L", "8080")
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            with guest.socket(socket.AF_INET) as client:
                client.connect(listener.getsockname())
                listener.accept()[0].close()
                self.assertEqual(client.recv(1), b"")
        process.end()
        self.assertEqual(process.output, "")

    def test_the_lines_around_a_life(self) -> None:
        guest, process = self.served("-m", "tcp://127.0.0.1:9091")
        process.end()
        pid = rf"#{process.pid}"
        expected = [
            rf"\[.\] Joininig netns {re.escape(guest.path)}",
            r"\[.\] Opening tun interface tun0",
            rf"\[ \] {pid} Running metrics on 127.0.0.1:9091",
            rf"\[\+\] {pid} Slirpnetstack started",
            rf"\[-\] {pid} Slirpnetstack closing",
        ]
        lines = process.log.splitlines()
        self.assertEqual(len(lines), len(expected), process.log)
        for pattern in expected:
            self.assertTrue(any(re.fullmatch(pattern, line) for line in lines), pattern)
        self.assertTrue(lines[-1].endswith("closing"))


class Local(FaceTest):
    def exchange(self, client: socket.socket, listener: socket.socket) -> tuple[str, int]:
        """Data both ways; whom the guest sees."""
        server, seen = listener.accept()
        with server:
            client.sendall(b"question")
            self.assertEqual(receive_exactly(server, 8), b"question")
            server.sendall(b"answer")
            self.assertEqual(receive_exactly(client, 6), b"answer")
        return seen[:2]

    def test_listening_and_connections_are_told(self) -> None:
        guest, process = self.served("-L", "8080", "-L", "[::1]:8081", "-L", "udp://8082")
        for line in (
            "[+] local-fwd Local listen tcp://127.0.0.1:8080",
            "[+] local-fwd Local listen tcp://[::1]:8081",
            "[+] local-fwd Local listen udp://127.0.0.1:8082",
        ):
            self.assertIn(line, process.output.splitlines())
        with listening(guest, 4, GUEST[4], 8080) as listener:
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect((LOOPBACK[4], 8080))
                seen = self.exchange(client, listener)
                port = client.getsockname()[1]
        self.assertEqual(seen[0], GATEWAY[4])
        names = (
            f"tcp://{shown('127.0.0.1', port)}-{shown('127.0.0.1', 8080)}/"
            f"{shown(*seen)}-{shown(GUEST[4], 8080)}"
        )
        (new,) = process.wait_for_lines("local-fwd conn")
        self.assertRegex(new, rf"\A\[\+\] {names} local-fwd conn\Z")
        (done,) = process.wait_for_lines("local-fwd done")
        self.assertRegex(done, rf"\A\[-\] {names} local-fwd done: l=\S+ r=\S+\Z")

    def test_missing_addresses(self) -> None:
        for spec, line in (
            ("8080", "127.0.0.1:8080"),
            (":8081", "127.0.0.1:8081"),
            ("8082::", "127.0.0.1:8082"),
            ("8083:[fd00::100]:", "[::1]:8083"),
            (":8084:[fd00::100]:80", "[::1]:8084"),
            ("[::1]:8085::80", "[::1]:8085"),
        ):
            _, process = self.served("-L", spec)
            said = f"[+] local-fwd Local listen tcp://{line}"
            self.assertEqual(process.output.splitlines(), [said], spec)
            process.end()
        for spec, line in (
            ("80", "10.0.2.2:80"),
            ("80:[::1]:8080", "fd00::2:80"),
            ("[fd00::2]:80::8080", "fd00::2:80"),
            ("192.0.2.200:80::", "192.0.2.200:80"),
        ):
            _, process = self.served("-R", spec)
            said = f"[+] Accepting on remote side tcp://{line}"
            self.assertEqual(process.output.splitlines(), [said], spec)
            process.end()

    def test_wildcards_are_of_both_families(self) -> None:
        for text, target in (("0.0.0.0:8080", 4), ("[::]:8080", 6)):
            guest, process = self.served("-L", text)
            self.assertIn("[+] local-fwd Local listen tcp://[::]:8080", process.output.splitlines())
            with listening(guest, target, GUEST[target], 8080) as listener:
                for version in (4, 6):
                    with self.topology.host.socket(FAMILY[version]) as client:
                        client.connect((LOOPBACK[version], 8080))
                        self.exchange(client, listener)
            process.end()

    def test_a_chosen_port_is_printed(self) -> None:
        guest, process = self.served("-L", "127.0.0.1:0:10.0.2.100:80")
        (line,) = process.wait_for_lines("local-fwd Local listen")
        port = int(line.rpartition(":")[2])
        self.assertNotEqual(port, 0)
        with listening(guest, 4, GUEST[4], 80) as listener:
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect((LOOPBACK[4], port))
                self.exchange(client, listener)

    def test_target_port_0_is_the_listening_port(self) -> None:
        guest, _ = self.served("-L", "127.0.0.1:8080:10.0.2.100:0")
        with listening(guest, 4, GUEST[4], 8080) as listener:
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect((LOOPBACK[4], 8080))
                self.exchange(client, listener)

    def test_proxy_headers(self) -> None:
        guest, process = self.served("-L", "tcppp://8080:10.0.2.100:0")
        self.assertIn(
            "[+] local-fwd Local PP listen tcp://127.0.0.1:8080", process.output.splitlines()
        )
        with listening(guest, 4, GUEST[4], 443) as listener:
            with self.topology.host.socket(socket.AF_INET) as client:
                client.connect((LOOPBACK[4], 8080))
                client.sendall(b"PROXY TCP6 192.0.2.9 192.0.2.8 1234 443\r\n")
                self.assertEqual(self.exchange(client, listener), ("192.0.2.9", 1234))
        process.wait_for_lines("local-fwd PP conn")
        process.wait_for_lines("local-fwd PP done: ")


class Remote(FaceTest):
    def test_accepting_and_connections_are_told(self) -> None:
        guest, process = self.served("-R", "80:127.0.0.1:8080", "-R", "udp://[fd00::2]:53:[::1]:53")
        for line in (
            "[+] Accepting on remote side tcp://10.0.2.2:80",
            "[+] Accepting on remote side udp://fd00::2:53",
        ):
            self.assertIn(line, process.output.splitlines())
        with listening(self.topology.host, 4, LOOPBACK[4], 8080) as listener:
            with guest.socket(socket.AF_INET) as client:
                client.connect((GATEWAY[4], 80))
                source = shown(GUEST[4], client.getsockname()[1])
                with listener.accept()[0] as server:
                    server.sendall(b"x")
                    self.assertEqual(receive_exactly(client, 1), b"x")
        names = rf"tcp://{source}-{shown(GATEWAY[4], 80)}/127\.0\.0\.1:\d+-{shown(LOOPBACK[4], 8080)}"
        (new,) = process.wait_for_lines("remote-fwd conn new")
        self.assertRegex(new, rf"\A\[\+\] {names} remote-fwd conn new\Z")
        (done,) = process.wait_for_lines("remote-fwd conn done")
        self.assertRegex(done, rf"\A\[-\] {names} remote-fwd conn done: l=\S+ r=\S+\Z")

    def test_a_target_that_has_no_address_is_told(self) -> None:
        guest, process = self.served("-R", "80:no.such.name.invalid:8080")
        with guest.socket(socket.AF_INET) as client:
            self.assertNotEqual(client.connect_ex((GATEWAY[4], 80)), 0)
        (line,) = process.wait_for_lines("dns lookup error")
        expected = (
            r"\A\[!\] tcp://10\.0\.2\.100:\d+-10\.0\.2\.2:80/no\.such\.name\.invalid:8080-failed "
            r"remote-fwd dns lookup error of tcp addr: lookup no\.such\.name\.invalid.*\Z"
        )
        self.assertRegex(line, expected)

    def test_a_bind_port_of_0_matches_port_0(self) -> None:
        guest, _ = self.served("-R", f"udp://10.0.2.2:0:127.0.0.1:5353")
        with Datagrams(self.topology.host, 4, LOOPBACK[4], 5353) as echo:
            with guest.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as client:
                client.bind((GUEST[4], 0))
                client.sendto(struct.pack("!HHHH", 777, 0, 9, 0) + b"x", (GATEWAY[4], 0))
                wait_until(lambda: echo.seen, "the datagram to port 0")


class Capture(FaceTest):
    def test_classic_big_endian_and_raw(self) -> None:
        for mode in ("tap", "tun"):
            path = WORK / "captures" / f"{self.identity.name}-{mode}.pcap"
            path.parent.mkdir(mode=0o777, exist_ok=True)
            path.parent.chmod(0o777)
            guest, process = self.served("-pcap", str(path), mode=mode)
            guest.run("ping", "-n", "-c1", "-W5", SERVER[4])
            process.end()
            data = path.read_bytes()
            magic, major, minor, _, _, _, link = struct.unpack("!IHHIIII", data[:24])
            self.assertEqual((magic, major, minor, link), (0xA1B2C3D4, 2, 4, 101))
            packets = []
            at = 24
            while at < len(data):
                _, _, length, whole = struct.unpack("!IIII", data[at : at + 16])
                self.assertEqual(length, whole)
                packets.append(data[at + 16 : at + 16 + length])
                at += 16 + length
            self.assertEqual(at, len(data))
            echoes = [each for each in packets if each[0] == 0x45 and each[9] == 1]
            self.assertEqual(len(echoes), 2)
            if mode == "tap":
                arps = [each for each in packets if each[:2] == b"\0\1"]
                self.assertTrue(arps and all(len(each) >= 28 for each in arps))


if __name__ == "__main__":
    os.umask(0o022)
    suite.main(Routing, Local, Remote, Capture)

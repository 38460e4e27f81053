"""TCP through slirpstack: the kernel's TCP at both ends, in the topology of harness/topology.py."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import selectors
import socket
import statistics
import struct
import time
from typing import Iterator

from harness import suite
from harness.processes import resident_bytes, wait_until
from harness.servers import FAMILY, in_background, listening, receive_all, receive_exactly
from harness.servers import digest_of, file_server, pieces, test_bytes
from harness.topology import HOST_ADDRESS, SERVER, UNREACHABLE

LARGE = test_bytes(200_000_000)
SMALL = 20_000_000
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# Two kernels' buffers take some megabytes each; slirpstack holds at most 1-2 MB of a flow.
FLOW_MEMORY_BYTES = 12 << 20


class TcpTest(suite.GuestTest):
    """What the tests below have in common."""

    @contextlib.contextmanager
    def connection(self, version: int = 4) -> Iterator[tuple[socket.socket, socket.socket]]:
        """The guest's and the server's end of a new connection."""
        with contextlib.ExitStack() as ends:
            listener = ends.enter_context(
                listening(self.topology.internet, version, SERVER[version])
            )
            guest = ends.enter_context(self.shared.socket(FAMILY[version]))
            guest.connect(listener.getsockname())
            server, peer = listener.accept()
            ends.enter_context(server)
            self.assertEqual(peer[0], HOST_ADDRESS[version])
            server.settimeout(guest.gettimeout())
            yield guest, server

    def connect_error(self, address: str, port: int, version: int) -> int:
        """The errno of a connect() that fails without a retransmitted SYN."""
        before = self.shared.counter("TCPSynRetrans")
        with self.shared.socket(FAMILY[version]) as guest:
            error = guest.connect_ex((address, port))
        self.assertEqual(self.shared.counter("TCPSynRetrans"), before, "the first SYN is answered")
        return error

    def curl(self, version: int, length: int) -> None:
        with file_server(self.topology.internet, version, SERVER[version]) as port:
            host = f"[{SERVER[version]}]" if version == 6 else SERVER[version]
            url = f"http://{host}:{port}/{length}"
            script = f"curl -sSf -o - {url} | sha256sum"
            self.assertEqual(self.shared.shell(script).split()[0], digest_of(length))

    def upload(self, version: int, length: int) -> None:
        with listening(self.topology.internet, version, SERVER[version]) as listener:
            digest = hashlib.sha256()

            def serve() -> None:
                server = listener.accept()[0]
                with server:
                    while piece := server.recv(1 << 20):
                        digest.update(piece)

            with in_background(serve), self.shared.socket(FAMILY[version]) as guest:
                guest.connect(listener.getsockname())
                for piece in pieces(length):
                    guest.sendall(piece)
            self.assertEqual(digest.hexdigest(), digest_of(length))


class Connections(TcpTest):
    def test_a_large_file_arrives_whole(self) -> None:
        for version in SERVER:
            with self.subTest(version=version):
                self.curl(version, LARGE)

    def test_a_large_file_is_sent_whole(self) -> None:
        for version in SERVER:
            with self.subTest(version=version):
                self.upload(version, LARGE)

    def test_curl_sends_a_file_whole(self) -> None:
        with file_server(self.topology.internet, 4, SERVER[4]) as port:
            url = f"http://{SERVER[4]}:{port}/"
            headers = f"-H 'Transfer-Encoding:' -H 'Content-Length: {SMALL}'"
            script = f"head -c {SMALL} /dev/zero | curl -sSf -T - {headers} {url}"
            zeros = hashlib.sha256(bytes(SMALL)).hexdigest()
            self.assertEqual(self.shared.shell(script), f"{SMALL} {zeros}")

    def test_a_refused_port_is_refused_at_once(self) -> None:
        for version in SERVER:
            times = []
            for _ in range(20):
                begun = time.monotonic()
                error = self.connect_error(SERVER[version], 1, version)
                times.append(time.monotonic() - begun)
                self.assertEqual(error, errno.ECONNREFUSED)
            self.assertLess(min(times), 0.001, f"median {statistics.median(times)} s")

    def test_an_unreachable_host_is_unreachable(self) -> None:
        # The kernel's routers say "no route" (RFC 4443 section 3.1, code 0) for IPv6.
        for version, expected in ((4, errno.EHOSTUNREACH), (6, errno.ENETUNREACH)):
            self.assertEqual(self.connect_error(UNREACHABLE[version], 80, version), expected)

    def test_without_ipv6_on_the_host_there_is_none_at_once(self) -> None:
        route = "default via 2001:db8:1::1"
        self.topology.host.shell(f"ip -6 route del {route}")
        try:
            self.assertEqual(self.connect_error(SERVER[6], 80, 6), errno.ENETUNREACH)
        finally:
            self.topology.host.shell(f"ip -6 route add {route}")
        self.curl(6, 1000)

    def test_either_end_may_finish_first_and_still_receive(self) -> None:
        for version in SERVER:
            for guest_first in (True, False):
                with self.subTest(version=version, guest_first=guest_first):
                    with self.connection(version) as (guest, server):
                        first, second = (guest, server) if guest_first else (server, guest)
                        first.sendall(b"question")
                        first.shutdown(socket.SHUT_WR)
                        self.assertEqual(receive_all(second), b"question")
                        answer = bytes(range(256)) * 4096
                        with in_background(lambda: second.sendall(answer)):
                            self.assertEqual(receive_exactly(first, len(answer)), answer)
                        second.close()
                        self.assertEqual(first.recv(1), b"")

    def test_both_ends_may_finish_at_once(self) -> None:
        for _ in range(20):
            with self.connection() as (guest, server):
                guest.shutdown(socket.SHUT_WR)
                server.shutdown(socket.SHUT_WR)
                self.assertEqual(guest.recv(1), b"")
                self.assertEqual(server.recv(1), b"")

    def test_a_reset_goes_through_either_way(self) -> None:
        for version in SERVER:
            for guest_resets in (True, False):
                with self.subTest(version=version, guest_resets=guest_resets):
                    with self.connection(version) as (guest, server):
                        one, other = (guest, server) if guest_resets else (server, guest)
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                        one.close()
                        with self.assertRaises(ConnectionResetError):
                            other.recv(1)

    def test_urgent_data_does_no_harm(self) -> None:
        for to_server in (True, False):
            with self.connection() as (guest, server):
                one, other = (guest, server) if to_server else (server, guest)
                one.sendall(b"before")
                one.send(b"!", socket.MSG_OOB)
                one.sendall(b"after")
                one.shutdown(socket.SHUT_WR)
                # The urgent byte itself may stand in the stream or be left out: RFC 6093.
                self.assertIn(receive_all(other), (b"before!after", b"beforeafter"))
                other.sendall(b"back")
                self.assertEqual(receive_exactly(one, 4), b"back")

    def test_a_port_can_be_used_again_at_once(self) -> None:
        with listening(self.topology.internet, 4, SERVER[4]) as listener:
            port = 0
            for turn in range(30):
                with self.shared.socket(socket.AF_INET) as guest:
                    guest.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    guest.bind(("", port))
                    # The guest's own kernel may still be busy with the old connection's last ACK.
                    wait_until(
                        lambda end=guest: end.connect_ex(listener.getsockname()) == 0,
                        "a connection",
                    )
                    port = guest.getsockname()[1]
                    server = listener.accept()[0]
                    with server:
                        guest.sendall(b"%4d" % turn)
                        self.assertEqual(receive_exactly(server, 4), b"%4d" % turn)
                        if turn % 2:
                            guest.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                            guest.close()
                    # Else the server has finished first: the wait is at slirpstack's end.
                    if not turn % 2:
                        self.assertEqual(guest.recv(1), b"")

    def test_two_thousand_connections_in_parallel(self) -> None:
        count = 2000
        with contextlib.ExitStack() as ends:
            listener = ends.enter_context(listening(self.topology.internet, 4, SERVER[4]))
            guests = [ends.enter_context(self.shared.socket(socket.AF_INET)) for _ in range(count)]
            with selectors.DefaultSelector() as selector:
                for guest in guests:
                    guest.setblocking(False)
                    self.assertEqual(guest.connect_ex(listener.getsockname()), errno.EINPROGRESS)
                    selector.register(guest, selectors.EVENT_WRITE)
                servers = [ends.enter_context(listener.accept()[0]) for _ in range(count)]
                while selector.get_map():
                    for key, _ in selector.select(15) or self.fail("not all connect"):
                        selector.unregister(key.fileobj)
            for number, guest in enumerate(guests):
                guest.settimeout(15)
                guest.sendall(b"%6d" % number)
            for server in servers:
                server.settimeout(15)
                server.sendall(receive_exactly(server, 6)[::-1])
            for number, guest in enumerate(guests):
                self.assertEqual(receive_exactly(guest, 6), (b"%6d" % number)[::-1])


class BackPressure(TcpTest):
    def fill(self, sender: socket.socket) -> int:
        """Sends until nothing is taken any more; how much it was."""
        sender.settimeout(1.0)
        sent = 0
        with self.assertRaises(TimeoutError):
            while sent < (256 << 20):
                sent += sender.send(bytes(1 << 16))
        sender.settimeout(15)
        return sent

    def test_a_reader_that_waits_stops_the_sender(self) -> None:
        for to_guest in (True, False):
            with self.subTest(to_guest=to_guest), self.connection() as (guest, server):
                sender, reader = (server, guest) if to_guest else (guest, server)
                before = resident_bytes(self.shared.slirpstack.pid)
                sent = self.fill(sender)
                grown = resident_bytes(self.shared.slirpstack.pid) - before
                self.assertLess(grown, FLOW_MEMORY_BYTES, f"{sent} bytes sent")
                sender.shutdown(socket.SHUT_WR)
                received = 0
                while piece := reader.recv(1 << 20):
                    self.assertEqual(piece.count(0), len(piece))
                    received += len(piece)
                self.assertEqual(received, sent)

    def test_a_slow_reader_slows_the_sender_down(self) -> None:
        length = 24 << 20
        with self.connection() as (guest, server):
            before = resident_bytes(self.shared.slirpstack.pid)
            digest = hashlib.sha256()

            def send() -> None:
                for piece in pieces(length):
                    server.sendall(piece)
                server.shutdown(socket.SHUT_WR)

            highest = 0
            with in_background(send):
                while piece := guest.recv(100_000):
                    digest.update(piece)
                    highest = max(highest, resident_bytes(self.shared.slirpstack.pid))
            self.assertEqual(digest.hexdigest(), digest_of(length))
            self.assertLess(highest - before, FLOW_MEMORY_BYTES)

    def test_waiting_readers_do_not_hold_up_the_others(self) -> None:
        with contextlib.ExitStack() as stuck:
            for _ in range(8):
                _, server = stuck.enter_context(self.connection())
                server.setblocking(False)
                wait_until(lambda end=server: _is_full(end), "a full connection")
            self.curl(4, SMALL)


def _is_full(sender: socket.socket) -> bool:
    try:
        while True:
            sender.send(bytes(1 << 16))
    except BlockingIOError:
        return True


class Mtu1500(TcpTest):
    options = ("-mtu", "1500")

    def test_files_pass_at_mtu_1500(self) -> None:
        for version in SERVER:
            self.curl(version, SMALL)
            self.upload(version, SMALL)


class Mtu65520(TcpTest):
    options = ("-mtu", "65520")

    def test_files_pass_at_mtu_65520(self) -> None:
        for version in SERVER:
            self.curl(version, SMALL)
            self.upload(version, SMALL)


if __name__ == "__main__":
    suite.main(Connections, BackPressure, Mtu1500, Mtu65520)

"""`slirpstack run`: what its command finds around it, and what becomes of its exit status."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess

from harness import suite
from harness.guest import DNS
from harness.processes import run
from harness.sandbox import PROGRAM
from harness.servers import in_background, listening
from harness.topology import ROOT, SERVER


class Command(suite.AreaTest):
    def run_command(
        self, *words: str, text_input: str = "", environment: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """`slirpstack run …` to its end."""
        start = ["env", *environment, *self.identity.prefix, str(PROGRAM), "run", *words]
        return run(self.topology.host.command(start), check=False, text_input=text_input)

    def said(self, *words: str) -> str:
        """What a command writes that succeeds."""
        done = self.run_command(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_the_exit_status_is_the_commands(self) -> None:
        endings = (("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143))
        for script, status in endings:
            self.assertEqual(self.run_command("--", "sh", "-c", script).returncode, status)

    def test_what_cannot_be_run_is_126_or_127(self) -> None:
        for command, status in (("/etc/passwd", 126), ("/", 126), ("no-such-program", 127)):
            done = self.run_command("--", command)
            self.assertEqual(done.returncode, status)
            self.assertRegex(done.stderr, rf"\Aslirpstack: cannot execute {command}: [^=\n]+\n\Z")

    def test_without_a_command_it_is_the_shell(self) -> None:
        typed = "echo shell $0; exit 3\n"
        done = self.run_command(text_input=typed, environment=("SHELL=/bin/sh",))
        self.assertEqual((done.returncode, done.stdout), (3, "shell /bin/sh\n"))
        done = self.run_command(text_input="exit 4\n", environment=("-u", "SHELL"))
        self.assertEqual(done.returncode, 4)

    def test_input_output_folder_and_environment_are_the_users(self) -> None:
        words = ["-quiet", "--", "sh", "-c", 'cat; pwd; echo "$KEPT"; echo error >&2']
        there = ("-C", "/usr/share", "KEPT=as it was")
        done = self.run_command(*words, text_input="input\n", environment=there)
        self.assertEqual(done.stdout, "input\n/usr/share\nas it was\n")
        self.assertIn("error\n", done.stderr)

    def test_arguments_are_passed_on_as_they_are(self) -> None:
        words = ["a b", "", "-h", "--", "-version", "$HOME"]
        self.assertEqual(self.said("printf", "%s|", *words), "|".join(words) + "|")

    def test_of_our_descriptors_it_gets_three(self) -> None:
        listing = self.said("--", "sh", "-c", "ls -l /proc/$$/fd")
        self.assertEqual(listing.count(" -> "), 3, listing)

    def test_it_is_root_there(self) -> None:
        self.assertEqual(self.said("--", "id", "-u"), "0\n")
        said = self.said("--", "cat", "/proc/self/uid_map").split()
        self.assertEqual(said[2] == "1", self.identity is not ROOT, "root keeps all ids")

    def test_the_network_is_configured(self) -> None:
        script = "ip -j address; ip -j route; ip -j -6 route; cat /etc/resolv.conf"
        addresses, routes4, routes6, *resolvers = self.said("--", "sh", "-c", script).splitlines()
        self.assertEqual(global_addresses(addresses), {"10.0.2.100/24", "fd00::100/64"})
        self.assertEqual(default_gateways(routes4), ["10.0.2.2"])
        self.assertEqual(default_gateways(routes6), ["fd00::2"])
        mtus = {each["ifname"]: each["mtu"] for each in json.loads(addresses)}
        self.assertEqual(mtus, {"lo": 65536, "tun0": 1500})
        flags = {each["ifname"]: each["flags"] for each in json.loads(addresses)}
        self.assertTrue("UP" in flags["lo"] and "UP" in flags["tun0"])
        servers = [line.split()[1] for line in resolvers if line.startswith("nameserver")]
        self.assertEqual(servers, [DNS[4], DNS[6]])

    def test_the_network_is_configured_as_asked(self) -> None:
        options = ["-cidr", "192.168.77.0/25", "-cidr6", "fd12:3456::/112", "-mtu", "1400"]
        script = "ip -j address; ip -j route; ip -j -6 route; grep -c . /etc/resolv.conf"
        said = self.said(*options, "-interface", "net7", "--", "sh", "-c", script).splitlines()
        addresses = {"192.168.77.100/25", "fd12:3456::100/112"}
        self.assertEqual(global_addresses(said[0]), addresses)
        self.assertEqual(default_gateways(said[1]), ["192.168.77.2"])
        self.assertEqual(default_gateways(said[2]), ["fd12:3456::2"])
        mtus = {each["ifname"]: each["mtu"] for each in json.loads(said[0])}
        self.assertEqual(mtus, {"lo": 65536, "net7": 1400})

    def test_below_ipv6s_least_mtu_there_is_only_ipv4(self) -> None:
        said = self.said("-mtu", "576", "--", "ip", "-j", "address")
        self.assertEqual(global_addresses(said), {"10.0.2.100/24"})

    def test_the_hosts_resolv_conf_stays_as_it_is(self) -> None:
        before = self.topology.host.shell("cat /etc/resolv.conf; cat /proc/self/mounts")
        self.said("--", "sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf")
        after = self.topology.host.shell("cat /etc/resolv.conf; cat /proc/self/mounts")
        self.assertEqual(after, before)

    def test_a_replaced_resolv_conf_of_the_host_stays_covered(self) -> None:
        # In an /etc of its own, since that of the machine is not to be touched.
        own_etc = (
            "mount -t tmpfs tmpfs /media; mkdir /media/upper /media/work; chmod 777 /media; "
            "mount -t overlay overlay -o lowerdir=/etc,upperdir=/media/upper,workdir=/media/work /etc; "
            "rm -f /etc/resolv.conf; echo nameserver 192.0.2.1 > /etc/resolv.conf; "
        )
        wait = "for i in $(seq 200); do {} && break; sleep 0.05; done; "
        in_guest = "cat /etc/resolv.conf; echo; touch /media/begun; "
        in_guest += wait.format("grep -q new.example /etc/resolv.conf") + "cat /etc/resolv.conf"
        replace = wait.format("test -e /media/begun")
        replace += "echo search new.example > /etc/new; echo nameserver 127.0.0.53 >> /etc/new; "
        replace += "mv /etc/new /etc/resolv.conf"
        start = shlex.join([*self.identity.prefix, str(PROGRAM), "run", "--", "sh", "-c", in_guest])
        script = f"{own_etc}({replace}) & {start}"
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        done = run(self.topology.host.command(words), check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        before, after = done.stdout.split("\n\n")
        self.assertIn("nameserver 10.0.2.3\n", before)
        self.assertIn("nameserver 10.0.2.3\n", after)
        self.assertNotIn("127.0.0.53", after)
        self.assertIn("search new.example\n", after)

    def test_without_its_interface_the_command_goes_on(self) -> None:
        done = self.run_command("--", "sh", "-c", "ip link del tun0; echo still here; exit 3")
        self.assertEqual((done.returncode, done.stdout), (3, "still here\n"))
        self.assertIn("the guest's interface is gone", done.stderr)

    def test_it_works_from_the_first_moment(self) -> None:
        for version in SERVER:
            with listening(self.topology.internet, version, SERVER[version]) as listener:
                port = listener.getsockname()[1]
                script = f"exec 3<>/dev/tcp/{SERVER[version]}/{port}; echo hello >&3; cat <&3"

                def serve(listener: socket.socket = listener) -> None:
                    with listener.accept()[0] as server:
                        server.settimeout(15)
                        server.sendall(server.recv(100))

                with in_background(serve):
                    done = self.run_command("--", "bash", "-c", script)
                self.assertEqual((done.returncode, done.stdout), (0, "hello\n"), done.stderr)

    def test_many_at_once_do_not_meet(self) -> None:
        script = "ip -j address | grep -c 10.0.2.100"
        words = [*self.identity.prefix, str(PROGRAM), "run", "--", "sh", "-c", script]
        started = [
            subprocess.Popen(
                self.topology.host.command(words), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
            )
            for _ in range(10)
        ]
        for process in started:
            self.assertEqual(process.communicate(timeout=30)[0], b"1\n")
            self.assertEqual(process.returncode, 0)


def global_addresses(listing: str) -> set[str]:
    """All but loopback and link-local ones, of `ip -j address`."""
    return {
        f"{address['local']}/{address['prefixlen']}"
        for interface in json.loads(listing)
        for address in interface["addr_info"]
        if address["scope"] == "global"
    }


def default_gateways(listing: str) -> list[str]:
    """Of `ip -j route`."""
    return [route["gateway"] for route in json.loads(listing) if route["dst"] == "default"]


if __name__ == "__main__":
    suite.main(Command)
